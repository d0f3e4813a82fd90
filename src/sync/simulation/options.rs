//! What a run is given, and what comes out of it.

use std::time::Duration;

/// How rough a run is.
#[derive(Clone, Debug)]
pub struct Options {
    /// The run fails after this number of scheduling points. Defaults to 1 000 000.
    pub max_steps: u64,
    /// Chance that another thread goes on at a scheduling point, from 0 to 1. A quarter of
    /// the seeds use a fifth of it, and a quarter use the fourfold. Another quarter give
    /// each thread a random priority instead, which rarely changes. Defaults to 0.1.
    pub preemption: f64,
    /// Chance that a thread stalls at a scheduling point, as on a slow machine. Defaults
    /// to 0.
    pub stalls: f64,
    /// Longest time that a thread stalls. Defaults to one second.
    pub longest_stall: Duration,
    /// Chance that a thread of the crate cannot be started. Defaults to 0.
    pub thread_failures: f64,
    /// Whether to record [`Outcome::trace`]. Defaults to false.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            max_steps: 1_000_000,
            preemption: 0.1,
            stalls: 0.0,
            longest_stall: Duration::from_secs(1),
            thread_failures: 0.0,
            trace: false,
        }
    }
}

/// What a run has come to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why the run failed; `None` if it did not.
    pub failure: Option<String>,
    /// Number of scheduling points.
    pub steps: u64,
    /// Virtual time that the run took.
    pub elapsed: Duration,
    /// Number of threads that were started, including the first one.
    pub threads_started: usize,
    /// Largest number of threads at a time.
    pub most_threads: usize,
    /// Covers all decisions in their order. Equal seeds give equal hashes.
    pub hash: u64,
    /// Readable lines, if [`Options::trace`] is set.
    pub trace: Vec<String>,
}
