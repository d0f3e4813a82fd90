//! The options of the command line.

use std::time::Duration;

use super::Failure;
use super::client::Kind;
use super::shape::{SHAPES, Shape};

pub(crate) const HELP: &str = "\
cargo bench --bench consume -- [OPTION...]

Without options, runs everything in less than 10 minutes and updates
docs/performance. With options, runs the selected cases and writes only to
target/consume.

  --quick              few cases and short runs, less than 45 seconds
  --shapes LIST        some of 4,10,100,4s (columns; s: a stream)
  --channels LIST      numbers of busy channels; default 1,8,64
  --clients LIST       some of socket,floor,count,cells,detach,go
  --idle LIST          numbers of idle channels; default 64,256,1000; 0: none
  --seconds N          duration of a run; default 0.8
  --rounds N           runs of each case, of which the median counts; default 3
  --pinned             only runs with one core for the client and one for the server
  --free               only runs in which client and server share all cores
  --write              update docs/performance even with options
  --soak SECONDS       run one client for this time and print a line per minute
                       with its current and peak memory
";

/// Which cases to run, for how long, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) shapes: Vec<Shape>,
    pub(crate) channels: Vec<usize>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) idle: Vec<usize>,
    pub(crate) idle_time: Duration,
    pub(crate) time: Duration,
    pub(crate) rounds: usize,
    pub(crate) pinned: bool,
    pub(crate) free: bool,
    pub(crate) soak: Option<Duration>,
    /// Whether the results are written to the documents.
    pub(crate) is_complete: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            shapes: SHAPES.to_vec(),
            channels: vec![1, 8, 64],
            kinds: Kind::ALL.to_vec(),
            idle: vec![64, 256, 1000],
            idle_time: Duration::from_secs(20),
            time: Duration::from_millis(800),
            rounds: 3,
            pinned: true,
            free: true,
            soak: None,
            is_complete: true,
        }
    }
}

impl Options {
    /// Parses the arguments. `None` if help was requested.
    pub(crate) fn parse(args: &[&str]) -> Result<Option<Options>, Failure> {
        let mut options = Options::default();
        let mut args = args.iter();
        let mut writes = false;
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match *arg {
                // Added by cargo.
                "--bench" => continue,
                "--help" => return Ok(None),
                "--quick" => options.be_quick(),
                "--write" => writes = true,
                "--pinned" => options.free = false,
                "--free" => options.pinned = false,
                "--shapes" => options.shapes = list(value()?, Shape::of_name)?,
                "--channels" => options.channels = list(value()?, number)?,
                "--clients" => options.kinds = list(value()?, Kind::of_name)?,
                "--idle" => options.idle = list(value()?, number)?,
                "--seconds" => options.time = Duration::from_secs_f64(value()?.parse()?),
                "--rounds" => options.rounds = value()?.parse()?,
                "--soak" => options.soak = Some(Duration::from_secs(value()?.parse()?)),
                other => return Err(format!("unknown option {other}, see --help").into()),
            }
            options.is_complete = writes;
        }
        options.idle.retain(|channels| *channels > 0);
        Ok(Some(options))
    }

    fn be_quick(&mut self) {
        self.channels = vec![1, 8];
        self.kinds = vec![Kind::Floor, Kind::Count, Kind::Cells, Kind::Go];
        self.idle = vec![256];
        self.idle_time = Duration::from_secs(3);
        self.time = Duration::from_millis(200);
        self.rounds = 1;
        self.free = false;
    }
}

fn number(text: &str) -> Option<usize> {
    text.parse().ok()
}

fn list<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Failure> {
    text.split(',')
        .map(|part| read(part).ok_or(format!("unknown value {part}, see --help").into()))
        .collect()
}
