//! A run of a server and a client for a given time.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::client::Kind;
use super::process::Process;
use super::shape::Shape;

/// The time limit for the first record.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// The parameters of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) shape: Shape,
    pub(crate) channels: usize,
    pub(crate) kind: Kind,
    /// Whether client and server are pinned to a core each.
    pub(crate) pinned: bool,
}

/// The result of a run with records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) records_per_second: f64,
    /// CPU seconds of the client per million records.
    pub(crate) cpu_per_million: f64,
    pub(crate) rss_mib: f64,
}

/// The result of a run without records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdleOutcome {
    /// CPU seconds in [`IDLE_UNIT`].
    pub(crate) cpu: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) checkpoints_per_second: f64,
    pub(crate) rss_mib: f64,
    pub(crate) threads: u64,
}

/// The time for which the CPU usage of an idle client is reported.
pub(crate) const IDLE_UNIT: Duration = Duration::from_secs(20);

/// A server and its client.
pub(crate) struct Pair {
    // Dropped first, because a client without its server would report errors.
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

    /// The number of requests so far, and how many of them save checkpoints.
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

/// Runs a case for `time`, after a short warm-up.
pub(crate) fn busy(case: &Case, time: Duration, go: Option<&Path>) -> io::Result<Outcome> {
    let mut pair = Pair::start(case, true, go)?;
    let client = &mut pair.client;
    let start = Instant::now();
    while client.count()? == 0 {
        if start.elapsed() > MAX_WAIT {
            return Err(io::Error::other(format!("{case:?}: no records arrived")));
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

/// Polls channels without data for `time`, after the poll interval has grown to its
/// maximum.
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
