//! One run: a server, a client, and what the client did in a while.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::client::Kind;
use super::process::Process;
use super::shape::Shape;

/// A client that has brought nothing by then is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) shape: Shape,
    pub(crate) channels: usize,
    pub(crate) kind: Kind,
    /// One core for the client and another for the server.
    pub(crate) pinned: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) records_per_second: f64,
    /// CPU seconds of the client per million records.
    pub(crate) cpu_per_million: f64,
    pub(crate) rss_mib: f64,
}

/// An idle client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdleOutcome {
    /// CPU seconds in [`IDLE_UNIT`].
    pub(crate) cpu: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) checkpoints_per_second: f64,
    pub(crate) rss_mib: f64,
    pub(crate) threads: u64,
}

/// What the CPU of an idle client is told for.
pub(crate) const IDLE_UNIT: Duration = Duration::from_secs(20);

/// A server and its client.
pub(crate) struct Pair {
    // Ends first: it would complain about a server that is gone.
    pub(crate) client: Process,
    pub(crate) server: Process,
}

impl Pair {
    pub(crate) fn start(case: &Case, has_records: bool, go: Option<&Path>) -> io::Result<Pair> {
        let core = |core| case.pinned.then_some(core);
        let channels = case.channels.to_string();
        let records = if has_records { "full" } else { "idle" };
        let role = ["--role", "server", case.shape.name, &channels, records];
        let mut server = Process::of_self(&role, core(0))?;
        let endpoint = server.line()?;
        let client = match (case.kind, go) {
            (Kind::Go, Some(program)) => Process::start(program, &[&endpoint], core(1))?,
            (kind, _) => {
                let role = ["--role", kind.name(), case.shape.name, &channels, &endpoint];
                Process::of_self(&role, core(1))?
            }
        };
        Ok(Pair { client, server })
    }

    /// Requests so far: all of them, and those for checkpoints.
    fn requests(&mut self) -> io::Result<(u64, u64)> {
        let line = self.server.ask()?;
        let counts = line.split(' ').filter_map(|part| part.split_once('='));
        let counts = counts.map(|(path, count)| (path, count.parse().unwrap_or(0)));
        Ok(
            counts.fold((0, 0), |(all, saves), (path, count)| match path {
                "checkpoint" => (all + count, saves + count),
                _ => (all + count, saves),
            }),
        )
    }
}

/// Runs a case for so long, after as long again for warming up, at most a second.
pub(crate) fn busy(case: &Case, time: Duration, go: Option<&Path>) -> io::Result<Outcome> {
    let mut pair = Pair::start(case, true, go)?;
    let client = &mut pair.client;
    let begun = Instant::now();
    while client.count()? == 0 {
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("{case:?}: no records came")));
        }
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(time.min(Duration::from_millis(300)));
    let (from, before, records_before) = (Instant::now(), client.usage()?, client.count()?);
    thread::sleep(time);
    let (after, records_after, elapsed) = (client.usage()?, client.count()?, from.elapsed());
    let records = (records_after - records_before).max(1) as f64;
    Ok(Outcome {
        records_per_second: records / elapsed.as_secs_f64(),
        cpu_per_million: (after.cpu - before.cpu).as_secs_f64() / records * 1e6,
        rss_mib: after.rss_mib,
    })
}

/// Has channels without data polled for so long, once their pauses have grown
/// to the longest.
pub(crate) fn idle(case: &Case, time: Duration, go: Option<&Path>) -> io::Result<IdleOutcome> {
    let mut pair = Pair::start(case, false, go)?;
    thread::sleep(Duration::from_secs(8));
    let (from, before, requests) = (Instant::now(), pair.client.usage()?, pair.requests()?);
    thread::sleep(time);
    let (after, then) = (pair.client.usage()?, pair.requests()?);
    let seconds = from.elapsed().as_secs_f64();
    let cpu = (after.cpu - before.cpu).as_secs_f64();
    Ok(IdleOutcome {
        cpu: cpu / seconds * IDLE_UNIT.as_secs_f64(),
        requests_per_second: (then.0 - requests.0) as f64 / seconds,
        checkpoints_per_second: (then.1 - requests.1) as f64 / seconds,
        rss_mib: after.rss_mib,
        threads: after.threads,
    })
}
