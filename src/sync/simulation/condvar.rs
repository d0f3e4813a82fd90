//! A condition to wait for, with the part of parking_lot's interface that the crate uses.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::blocked::Reason;
use super::mutex::MutexGuard;
use super::thread::{Current, Passed, with_current};
use super::trace::Operation;

/// A condition. Waits may end without a reason.
#[derive(Debug, Default)]
pub(crate) struct Condvar {
    /// Where threads outside of a run wait.
    plain: parking_lot::Condvar,
    /// Threads of a run wait, or waited.
    has_waiters: AtomicBool,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub(crate) fn timed_out(self) -> bool {
        self.0
    }
}

impl Condvar {
    pub(crate) fn new() -> Condvar {
        Condvar::default()
    }

    #[track_caller]
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        self.wait_for(guard, "a condition");
    }

    /// As [`wait`](Self::wait); `what` appears in reports. False if the run is over, and
    /// nothing else will come.
    #[track_caller]
    pub(super) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, what: &'static str) -> bool {
        let at = Location::caller();
        let is_late = with_current(|me| self.wait_in_turn(me, guard, None, what, at));
        if is_late.is_none() {
            self.plain.wait(guard.plain());
        }
        is_late != Some(true)
    }

    #[track_caller]
    pub(crate) fn wait_until<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        until: Instant,
    ) -> WaitTimeoutResult {
        let at = Location::caller();
        let timed_out = with_current(|me| {
            let deadline = me.run.virtual_time(until);
            self.wait_in_turn(me, guard, Some(deadline), "a condition", at)
        });
        WaitTimeoutResult(
            timed_out.unwrap_or_else(|| self.plain.wait_until(guard.plain(), until).timed_out()),
        )
    }

    /// Whether the wait reached its deadline, or the end of the run.
    fn wait_in_turn<T>(
        &self,
        me: &Current,
        guard: &mut MutexGuard<'_, T>,
        deadline: Option<Duration>,
        what: &'static str,
        at: &'static Location<'static>,
    ) -> bool {
        self.has_waiters.store(true, Ordering::Relaxed);
        let address = self.address();
        guard.release(me);
        let passed = me.block(Reason::Condition { address, what }, deadline, at);
        guard.acquire(me, passed, at);
        passed != Passed::InTurn { is_due: false }
    }

    #[track_caller]
    pub(crate) fn notify_one(&self) -> bool {
        self.notify(|me| me.run.scheduler.lock().notify_one(self.address()));
        self.plain.notify_one()
    }

    #[track_caller]
    pub(crate) fn notify_all(&self) -> usize {
        self.notify(|me| {
            self.has_waiters.store(false, Ordering::Relaxed);
            me.run.scheduler.lock().notify_all(self.address());
        });
        self.plain.notify_all()
    }

    #[track_caller]
    fn notify(&self, wake: impl FnOnce(&Current)) {
        let at = Location::caller();
        with_current(|me| {
            let passed = me.point(Operation::Notify, at);
            if passed != Passed::Late && self.has_waiters.load(Ordering::Relaxed) {
                wake(me);
            }
        });
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(&self.has_waiters).addr()
    }
}
