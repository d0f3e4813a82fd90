//! [`Options`]: the options of the command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::{EmulatorClock, KeyType, TableSpec};
use lexopt::{Arg, Parser, ValueExt};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::duration;

pub(super) const HELP: &str = "\
A local Tunnel Service on 127.0.0.1. Prints its endpoint, instance and keys as
lines that a shell can eval, and serves until Ctrl-C or SIGTERM. A JSON API
under /_emulator/ creates tables, writes rows, splits and merges partitions,
arms faults and moves the clock; GET /_emulator/ lists its calls.

Usage: tablestore-emulator [OPTION]...

  --port N                  port to serve on (default: any free port)
  --table NAME:PK:TYPE,...  a table and its primary key, first column first, as
                            orders:id:string,item:int; types: int, string,
                            binary; may be repeated (default: orders:id:int).
                            The options below on rows apply to the first.
  --partitions N            partitions of each table (default: 4)
  --retention TIME          how long changes are kept, as 7d, 36h or 90s
                            (default: 7d)
  --batch-rows N            largest number of records in one read
                            (default: 5000)
  --clock manual            a clock that stands still until the JSON API moves it
  --clock YYYY-MM-DDTHH:MM:SSZ
                            the same, starting at that time
  --seed N                  seed of random ids (default: 0)
  --faults PATH             a fault script with one fault in each line, such as
                            readrecords nth=3 reset
  --log                     log each request on stderr

  --rows N                  generated rows at the start (default: 0)
  --seed-file PATH          rows at the start. A file that ends in .csv has a
                            header of names, or name:type with the types int,
                            double, bool, string (the default) and binary (in
                            base64); an empty field is no column. Any other
                            file has one JSON object in each line, with the
                            primary key among its members, and binaries as
                            {\"base64\": \"...\"}; docs/emulator.md has all forms
  --write-changes N         generated puts, updates and deletes (default: 0)
  --write-for-ms N          the time to spread them over (default: 10000)
  --wait-for-clients N      begin the changes when N clients have connected to
                            tunnels (default: 1)
  --split-after-ms N        split the first partition this long after that
  --expect-file PATH        write the records that a consumer must receive, as
                            JSON lines; the last line, {\"end\":true}, follows the
                            last change
  --help                    show this text
";

/// The options of the command line.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) port: u16,
    pub(super) tables: Vec<TableOption>,
    pub(super) partitions: u32,
    pub(super) retention: Option<Duration>,
    pub(super) batch_rows: Option<usize>,
    pub(super) clock: EmulatorClock,
    pub(super) seed: u64,
    pub(super) faults: Option<PathBuf>,
    pub(super) log: bool,
    pub(super) rows: u32,
    pub(super) seed_file: Option<PathBuf>,
    pub(super) write_changes: u32,
    pub(super) write_for: Duration,
    pub(super) wait_for_clients: usize,
    pub(super) split_after: Option<Duration>,
    pub(super) expect_file: Option<PathBuf>,
}

/// The columns of a primary key, in order.
pub(super) type Keys = [(String, KeyType)];

/// A table to create.
#[derive(Debug)]
pub(super) struct TableOption {
    pub(super) name: String,
    pub(super) keys: Vec<(String, KeyType)>,
}

impl Options {
    fn new() -> Options {
        Options {
            port: 0,
            tables: Vec::new(),
            partitions: 4,
            retention: None,
            batch_rows: None,
            clock: EmulatorClock::system(),
            seed: 0,
            faults: None,
            log: false,
            rows: 0,
            seed_file: None,
            write_changes: 0,
            write_for: Duration::from_secs(10),
            wait_for_clients: 1,
            split_after: None,
            expect_file: None,
        }
    }

    /// Parses the options; `None` if the user asks for help.
    pub(super) fn parse(mut parser: Parser) -> Result<Option<Options>, String> {
        let mut options = Options::new();
        while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
            let flag = match arg {
                Arg::Long(flag) => flag.to_owned(),
                Arg::Short('h') => return Ok(None),
                other => return Err(unknown(other)),
            };
            match flag.as_str() {
                "help" => return Ok(None),
                "log" => options.log = true,
                _ => options.set(&flag, &mut parser)?,
            }
        }
        if options.tables.is_empty() {
            options.tables.push(TableOption::parse("orders:id:int")?);
        }
        Ok(Some(options))
    }

    fn set(&mut self, flag: &str, parser: &mut Parser) -> Result<(), String> {
        match flag {
            "port" => self.port = number(flag, parser)?,
            "table" => self.tables.push(TableOption::parse(&text(flag, parser)?)?),
            "partitions" => self.partitions = number(flag, parser)?,
            "retention" => self.retention = Some(time(flag, parser)?),
            "batch-rows" => self.batch_rows = Some(number(flag, parser)?),
            "clock" => self.clock = clock(&text(flag, parser)?)?,
            "seed" => self.seed = number(flag, parser)?,
            "faults" => self.faults = Some(path(flag, parser)?),
            "rows" => self.rows = number(flag, parser)?,
            "seed-file" => self.seed_file = Some(path(flag, parser)?),
            "write-changes" => self.write_changes = number(flag, parser)?,
            "write-for-ms" => self.write_for = millis(flag, parser)?,
            "wait-for-clients" => self.wait_for_clients = number(flag, parser)?,
            "split-after-ms" => self.split_after = Some(millis(flag, parser)?),
            "expect-file" => self.expect_file = Some(path(flag, parser)?),
            _ => return Err(unknown(Arg::Long(flag))),
        }
        Ok(())
    }
}

fn unknown(arg: Arg<'_>) -> String {
    format!("{}; --help lists all options", arg.unexpected())
}

fn path(flag: &str, parser: &mut Parser) -> Result<PathBuf, String> {
    let value = parser.value();
    value.map(PathBuf::from).map_err(|_| missing(flag))
}

fn text(flag: &str, parser: &mut Parser) -> Result<String, String> {
    let value = parser.value().map_err(|_| missing(flag))?;
    value.string().map_err(|_| format!("--{flag} needs UTF-8"))
}

fn missing(flag: &str) -> String {
    format!("--{flag} needs a value; --help says which")
}

fn number<N: FromStr>(flag: &str, parser: &mut Parser) -> Result<N, String> {
    let text = text(flag, parser)?;
    let wrong = |_| format!("--{flag} needs a whole number in range, got {text:?}");
    text.parse().map_err(wrong)
}

fn millis(flag: &str, parser: &mut Parser) -> Result<Duration, String> {
    number(flag, parser).map(Duration::from_millis)
}

fn time(flag: &str, parser: &mut Parser) -> Result<Duration, String> {
    let text = text(flag, parser)?;
    let expected = duration::EXPECTED;
    duration::parse(&text).ok_or_else(|| format!("--{flag} needs {expected}, got {text:?}"))
}

fn clock(text: &str) -> Result<EmulatorClock, String> {
    if text == "manual" {
        return Ok(EmulatorClock::manual(OffsetDateTime::now_utc()));
    }
    let wrong = |_| format!("--clock needs manual or a time as 2030-01-01T00:00:00Z, got {text:?}");
    let start = OffsetDateTime::parse(text, &Rfc3339).map_err(wrong)?;
    Ok(EmulatorClock::manual(start))
}

impl TableOption {
    fn parse(text: &str) -> Result<TableOption, String> {
        let usage = || format!("--table needs NAME:PK:TYPE,PK:TYPE,..., got {text:?}");
        let (name, keys) = text.split_once(':').ok_or_else(usage)?;
        let key = |column: &str| {
            let (name, kind) = column.split_once(':').ok_or_else(usage)?;
            Ok((name.to_owned(), key_type(kind)?))
        };
        let keys: Result<Vec<_>, String> = keys.split(',').map(key).collect();
        Ok(TableOption {
            name: name.to_owned(),
            keys: keys?,
        })
    }

    pub(super) fn spec(&self) -> TableSpec {
        let spec = TableSpec::new(&self.name);
        let column =
            |spec: TableSpec, (name, kind): &(String, KeyType)| spec.primary_key(name, *kind);
        self.keys.iter().fold(spec, column)
    }
}

fn key_type(text: &str) -> Result<KeyType, String> {
    match text {
        "int" | "integer" => Ok(KeyType::Integer),
        "string" => Ok(KeyType::String),
        "binary" => Ok(KeyType::Binary),
        _ => Err(format!(
            "a primary key column is int, string or binary, not {text:?}"
        )),
    }
}
