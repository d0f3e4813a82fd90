//! A simulated thread, its scheduling points, and how it passes on the turn.

use std::cell::{Cell, OnceCell};
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::blocked::{Blocked, Reason};
use super::panics::Unwinding;
use super::run::Run;
use super::scheduler::{Next, Scheduler};
use super::trace::Operation;
use super::turn::Turn;
use crate::user_code::message;

/// Emulated services run on the threads of the crate, so these need more than usual.
/// Untouched stack uses no memory.
const STACK_SIZE: usize = 1024 * 1024;

/// How much a thread may do after its run is over: a million locks, or a thousand waits
/// and panics that it catches. Then it is taken for a loop that nothing ends.
const MOST_LATE_WORK: u32 = 1_000_000;
const LATE_WAIT: u32 = 1000;

thread_local! {
    /// The first thread-local value of every simulated thread. Thread-local values are
    /// dropped in reverse order, so the drop of this one is the end of the thread.
    static CURRENT: OnceCell<Current> = const { OnceCell::new() };
}

/// The simulated thread that runs.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) run: Arc<Run>,
    pub(super) index: usize,
    turn: Arc<Turn>,
    /// Its function has ended. A panic would now abort the process.
    has_returned: Cell<bool>,
    late_work: Cell<u32>,
    /// Number of locks that it holds.
    locks: Cell<usize>,
}

/// Whether a scheduling point was passed as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Passed {
    /// The thread has the turn again. `is_due` after a wait that reached its deadline.
    InTurn { is_due: bool },
    /// The run is over, and the thread runs destructors: it must neither wait nor unwind.
    Late,
}

/// Runs `work` with the current simulated thread; `None` outside of a run.
pub(super) fn with_current<T>(work: impl FnOnce(&Current) -> T) -> Option<T> {
    // Fails in destructors of other thread-local values, if any are dropped later.
    CURRENT.try_with(|me| me.get().map(work)).ok().flatten()
}

/// Whether this thread belongs to a run.
pub(crate) fn is_simulated() -> bool {
    with_current(|_| ()).is_some()
}

/// Starts a thread of the current run. May fail at random. Call it on a thread of a run.
#[track_caller]
pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let at = Location::caller();
    let fails = |me: &Current| me.run.scheduler.lock().thread_fails();
    if with_current(fails) == Some(true) {
        return Err(io::Error::other(
            "the simulation starts no thread this time",
        ));
    }
    start_at(name, work, at)
}

/// Starts a thread of the current run.
pub(super) fn start_at(
    name: &str,
    work: impl FnOnce() + Send + 'static,
    at: &'static Location<'static>,
) -> io::Result<()> {
    let started = with_current(|me| {
        if me.run.is_over() && me.unwind() == Passed::Late {
            return Err(io::Error::other("the run is over"));
        }
        spawn(&me.run, name, work, at)?;
        // Even if the run has failed by now, the thread was started.
        let _ = me.pass(|scheduler| scheduler.spawned(at));
        Ok(())
    });
    started.unwrap_or_else(|| Err(io::Error::other("this thread belongs to no run")))
}

/// Adds a thread to the run. Returns its turn, which it has not been given yet.
pub(super) fn spawn(
    run: &Arc<Run>,
    name: &str,
    work: impl FnOnce() + Send + 'static,
    at: &'static Location<'static>,
) -> io::Result<Arc<Turn>> {
    let (index, turn, seed) = {
        let mut scheduler = run.scheduler.lock();
        let (index, turn) = scheduler.add_thread(name, at);
        (index, turn, scheduler.random())
    };
    let builder = thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK_SIZE);
    let current = (run.clone(), index, turn.clone());
    let started = builder.spawn(move || live(current, seed, work));
    // Locked, so that the turn of a failed run is given before or after, not meanwhile.
    let mut scheduler = run.scheduler.lock();
    match started {
        Ok(thread) => turn.belongs_to(thread.thread()),
        Err(error) => {
            scheduler.fail(format!("the system starts no thread: {error}"));
            scheduler.end(index);
            return Err(error);
        }
    }
    if scheduler.is_over() {
        turn.give();
    }
    drop(scheduler);
    Ok(turn)
}

/// The life of a simulated thread.
fn live((run, index, turn): (Arc<Run>, usize, Arc<Turn>), seed: u64, work: impl FnOnce()) {
    let current = Current {
        run,
        index,
        turn,
        has_returned: Cell::new(false),
        late_work: Cell::new(0),
        locks: Cell::new(0),
    };
    CURRENT.with(|me| {
        let me = me.get_or_init(|| current);
        fastrand::seed(seed);
        me.turn.wait();
        if me.run.is_over() {
            me.has_returned.set(true);
            let _ = catch_unwind(AssertUnwindSafe(|| drop(work)));
            return;
        }
        let result = catch_unwind(AssertUnwindSafe(work));
        me.has_returned.set(true);
        if let Err(payload) = result
            && !payload.is::<Unwinding>()
        {
            let text = message(payload);
            let mut scheduler = me.run.scheduler.lock();
            let name = scheduler.name(me.index);
            scheduler.fail(format!("{name} panicked: {text}"));
        }
    });
}

impl Current {
    /// A scheduling point.
    #[inline]
    pub(super) fn point(&self, what: Operation, at: &'static Location<'static>) -> Passed {
        self.pass(|scheduler| scheduler.step(what, at))
    }

    pub(super) fn yields(&self, at: &'static Location<'static>) -> Passed {
        self.pass(|scheduler| scheduler.yields(at))
    }

    /// Waits until another thread ends the wait, or until the deadline.
    pub(super) fn block(
        &self,
        reason: Reason,
        deadline: Option<Duration>,
        at: &'static Location<'static>,
    ) -> Passed {
        let blocked = Blocked {
            reason,
            deadline,
            at,
        };
        let passed = self.pass(|scheduler| scheduler.block(blocked));
        if passed == Passed::Late {
            self.work_late(LATE_WAIT);
        }
        passed
    }

    /// A lock was acquired.
    pub(super) fn locked(&self) {
        self.locks.set(self.locks.get() + 1);
    }

    /// A lock was released for a wait.
    pub(super) fn released(&self, lock: usize, is_contended: bool) {
        self.locks.set(self.locks.get() - 1);
        if is_contended {
            self.run.scheduler.lock().wake_lock(lock);
        }
    }

    pub(super) fn held_locks(&self) -> usize {
        self.locks.get()
    }

    /// A lock was released. Never unwinds, because most locks are released by destructors.
    pub(super) fn unlocked(&self, lock: usize, is_contended: bool) {
        self.released(lock, is_contended);
        let mut scheduler = self.run.scheduler.lock();
        if let Next::Gives(turn) = scheduler.unlocked() {
            drop(scheduler);
            turn.give();
            self.turn.wait();
        }
    }

    fn pass(&self, decide: impl FnOnce(&mut Scheduler) -> Next) -> Passed {
        let mut scheduler = self.run.scheduler.lock();
        let next = decide(&mut scheduler);
        drop(scheduler);
        match next {
            Next::GoesOn => self.in_turn(),
            Next::Gives(turn) => {
                turn.give();
                self.turn.wait();
                if self.run.is_over() {
                    return self.unwind();
                }
                self.in_turn()
            }
            Next::Unwinds => self.unwind(),
        }
    }

    fn in_turn(&self) -> Passed {
        let is_due = self.turn.is_due();
        Passed::InTurn { is_due }
    }

    /// The run is over: unwinds, unless that would abort the process.
    pub(super) fn unwind(&self) -> Passed {
        if !self.has_returned.get() && !thread::panicking() {
            self.work_late(LATE_WAIT);
            resume_unwind(Box::new(Unwinding));
        }
        self.work_late(1);
        Passed::Late
    }

    fn work_late(&self, work: u32) {
        let done = self.late_work.get() + work;
        self.late_work.set(done);
        if done > MOST_LATE_WORK {
            // The run reports this thread and goes on without it.
            loop {
                thread::park();
            }
        }
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        self.run.thread_ends(self.index);
    }
}
