//! Runs many seeds, on all cores.
//!
//! Each child process runs some seeds, one after the other, and prints a line for each.
//! Processes share nothing, and one that hangs or aborts is a failure of its seed.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tablestore_emulator::Ledger;

use crate::logging;
use crate::run::{Verdict, run};

/// How many seeds a child process runs.
const CHUNK: u64 = 20;

/// Every so many seeds, one is run twice.
const TWICE: u64 = 50;

/// No seed takes that long, unless it hangs.
const HANGS_AFTER: Duration = Duration::from_secs(300);

/// After so many failures, the run ends, unless `SIM_FAILURES` is set.
const ENOUGH: u64 = 20;

/// The child's seeds, as `first..end`.
const CHILD: &str = "SIM_CHILD";

/// What ends a child's lines about one seed.
const END: &str = "----";

pub(crate) fn main() -> ExitCode {
    if let Some(range) = env::var(CHILD).ok().and_then(|text| parse(&text)) {
        return child(range);
    }
    if let Some(seed) = number("SIM_SEED") {
        return replay(seed);
    }
    let first = number("SIM_FIRST").unwrap_or(1);
    let count = number("SIM_SEEDS").unwrap_or(2_000);
    Runner::new(first, first.saturating_add(count)).run()
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{name} is {text:?}, not a number"),
    }
}

fn parse(range: &str) -> Option<(u64, u64)> {
    let (first, end) = range.split_once("..")?;
    Some((first.parse().ok()?, end.parse().ok()?))
}

/// Runs one seed and prints its trace.
fn replay(seed: u64) -> ExitCode {
    logging::install(true);
    let verdict = run(seed, true);
    for line in &verdict.outcome.trace {
        println!("{line}");
    }
    println!("What the service has seen, by its own clock:");
    for event in verdict.ledger.iter().flat_map(Ledger::events) {
        println!("{event}");
    }
    println!("{}", summary(&verdict));
    match verdict.failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            println!("seed {seed} fails: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn summary(verdict: &Verdict) -> String {
    let outcome = &verdict.outcome;
    format!(
        "hash {:016x}, {} steps, {:.1} s of virtual time, {} threads, at most {} at a time",
        verdict.hash,
        outcome.steps,
        outcome.elapsed.as_secs_f64(),
        outcome.threads_started,
        outcome.most_threads
    )
}

fn child((first, end): (u64, u64)) -> ExitCode {
    logging::install(false);
    for seed in first..end {
        let verdict = run(seed, false);
        let mut failure = verdict.failure.unwrap_or_default();
        if failure.is_empty() && seed.is_multiple_of(TWICE) && run(seed, false).hash != verdict.hash
        {
            failure = "two runs differ".to_owned();
        }
        let mut out = std::io::stdout().lock();
        let steps = verdict.outcome.steps;
        let written = writeln!(out, "{steps}\n{failure}\n{END}").and_then(|()| out.flush());
        if written.is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The parent of the child processes.
struct Runner {
    end: u64,
    /// After so many failures, the run ends.
    enough: u64,
    began: Instant,
    state: Mutex<State>,
}

struct State {
    next: u64,
    done: u64,
    steps: u64,
    failed: Vec<u64>,
}

impl Runner {
    fn new(first: u64, end: u64) -> Runner {
        Runner {
            end,
            enough: number("SIM_FAILURES").unwrap_or(ENOUGH),
            began: Instant::now(),
            state: Mutex::new(State {
                next: first,
                done: 0,
                steps: 0,
                failed: Vec::new(),
            }),
        }
    }

    fn run(&self) -> ExitCode {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| while self.run_chunk() {});
            }
        });
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let took = self.began.elapsed().as_secs_f64();
        let (done, steps) = (state.done, state.steps);
        println!(
            "{done} seeds in {took:.0} s, {} steps each",
            steps / done.max(1)
        );
        if state.failed.is_empty() {
            return ExitCode::SUCCESS;
        }
        println!("failed: {:?}", state.failed);
        ExitCode::FAILURE
    }

    fn is_enough(&self, state: &State) -> bool {
        state.failed.len() as u64 >= self.enough
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the next seeds in a child process. Returns false if there are no more.
    fn run_chunk(&self) -> bool {
        let (mut first, end) = {
            let mut state = self.lock();
            if state.next >= self.end || self.is_enough(&state) {
                return false;
            }
            let first = state.next;
            state.next = (first + CHUNK).min(self.end);
            (first, state.next)
        };
        // A child that dies leaves the rest to another one.
        while first < end && !self.is_enough(&self.lock()) {
            first = self.run_child(first, end);
        }
        true
    }

    /// Returns the first seed that was not run.
    fn run_child(&self, first: u64, end: u64) -> u64 {
        let mut child = match start(first, end) {
            Ok(child) => child,
            Err(error) => panic!("no child process: {error}"),
        };
        let reports = reports(&mut child);
        let mut seed = first;
        while seed < end {
            let report = reports.recv_timeout(HANGS_AFTER);
            let is_over = report.is_err();
            self.note(seed, report);
            seed += 1;
            if is_over || self.is_enough(&self.lock()) {
                break;
            }
        }
        // It has ended already, unless it hangs.
        let _ = child.kill();
        let _ = child.wait();
        seed
    }

    fn note(&self, seed: u64, report: Result<Report, RecvTimeoutError>) {
        let mut state = self.lock();
        state.done += 1;
        let failure = match report {
            Ok(report) => {
                state.steps += report.steps;
                report.failure
            }
            Err(RecvTimeoutError::Timeout) => "it hangs".to_owned(),
            Err(RecvTimeoutError::Disconnected) => "its process has died".to_owned(),
        };
        if !failure.trim().is_empty() {
            state.failed.push(seed);
            println!("seed {seed} fails: {failure}\n  replay: SIM_SEED={seed} scripts/simulate");
        }
        if state.done.is_multiple_of(100) {
            let (done, failed) = (state.done, state.failed.len());
            let took = self.began.elapsed().as_secs_f64();
            println!("{done} seeds in {took:.0} s, {failed} failed");
        }
    }
}

/// What a child says about a seed.
struct Report {
    steps: u64,
    failure: String,
}

fn start(first: u64, end: u64) -> std::io::Result<Child> {
    Command::new(env::current_exe()?)
        .env(CHILD, format!("{first}..{end}"))
        .stdout(Stdio::piped())
        .spawn()
}

/// Reads the reports of a child on a thread, so that its parent can stop waiting.
fn reports(child: &mut Child) -> Receiver<Report> {
    let (sender, receiver) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        thread::spawn(move || {
            let mut lines = BufReader::new(out).lines().map_while(Result::ok);
            while let Some(steps) = lines.next() {
                let failure = lines.by_ref().take_while(|line| line != END);
                let report = Report {
                    steps: steps.parse().unwrap_or_default(),
                    failure: failure.collect::<Vec<_>>().join("\n"),
                };
                if sender.send(report).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}
