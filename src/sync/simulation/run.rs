//! Starts a run, waits for its end, and tears it down if it fails.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::options::{Options, Outcome};
use super::panics;
use super::scheduler::Scheduler;
use super::thread;

/// How long the threads of a failed run have to end, in real time.
const TEAR_DOWN: Duration = Duration::from_secs(5);

/// How many seconds a thread may have the turn without a scheduling point, in real time.
/// It is then taken for blocked by something that the simulation does not know.
const LONGEST_SILENCE: u32 = 60;

const SECOND: Duration = Duration::from_secs(1);

/// One run.
#[derive(Debug)]
pub(super) struct Run {
    /// Different for every run of the process.
    pub(super) id: u64,
    /// The `Instant` at which the virtual time is 0.
    start: Instant,
    pub(super) scheduler: Mutex<Scheduler>,
    /// Notified when the last thread ends.
    ended: Condvar,
}

/// Runs `main` as the first simulated thread; returns when all simulated threads have
/// ended.
pub fn run(seed: u64, options: Options, main: impl FnOnce() + Send + 'static) -> Outcome {
    static RUNS: AtomicU64 = AtomicU64::new(1);
    panics::install_hook();
    let run = Arc::new(Run {
        id: RUNS.fetch_add(1, Ordering::Relaxed),
        start: Instant::now(),
        scheduler: Mutex::new(Scheduler::new(seed, options)),
        ended: Condvar::new(),
    });
    match thread::spawn(&run, "main", main, Location::caller()) {
        Ok(turn) => turn.give(),
        Err(error) => run.scheduler.lock().fail(format!("no thread: {error}")),
    }
    run.wait()
}

impl Run {
    pub(super) fn instant(&self, virtual_time: Duration) -> Instant {
        self.start + virtual_time
    }

    /// The virtual time of an instant; zero if that is before the run.
    pub(super) fn virtual_time(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.start)
    }

    pub(super) fn is_over(&self) -> bool {
        self.scheduler.lock().is_over()
    }

    /// The thread with this index has ended, on this very thread.
    pub(super) fn thread_ends(&self, index: usize) {
        let mut scheduler = self.scheduler.lock();
        let next = scheduler.end(index);
        if scheduler.live() == 0 {
            self.ended.notify_all();
        }
        drop(scheduler);
        if let Some(turn) = next {
            turn.give();
        }
    }

    /// Waits until all threads have ended.
    fn wait(&self) -> Outcome {
        let mut scheduler = self.scheduler.lock();
        let (mut steps, mut silent) = (0, 0);
        while scheduler.live() > 0 && !scheduler.is_over() {
            let is_silent = self.ended.wait_for(&mut scheduler, SECOND).timed_out();
            silent = if is_silent && scheduler.steps() == steps {
                silent + 1
            } else {
                0
            };
            steps = scheduler.steps();
            if silent > LONGEST_SILENCE {
                let name = scheduler.name(scheduler.current());
                scheduler.fail(format!(
                    "{name} runs for {silent} s without a scheduling point"
                ));
            }
        }
        let deadline = Instant::now() + TEAR_DOWN;
        while scheduler.live() > 0 {
            if self.ended.wait_until(&mut scheduler, deadline).timed_out() {
                break;
            }
        }
        let mut outcome = scheduler.outcome();
        if scheduler.live() > 0 {
            let leaked = scheduler.live_threads().join(", ");
            let failure = outcome.failure.get_or_insert_default();
            *failure += &format!("\n    threads that could not be unwound, and leak: {leaked}");
        }
        outcome
    }
}
