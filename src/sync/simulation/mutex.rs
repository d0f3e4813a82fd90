//! A lock, with the part of parking_lot's interface that the crate uses.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::blocked::Reason;
use super::thread::{Current, Passed, with_current};
use super::trace::Operation;

/// How long a destructor waits for a lock in a run that is over, in real time. Longer
/// than the run waits for its threads.
const LATE: Duration = Duration::from_secs(3600);

/// A lock. What decides who gets it is the scheduler; the lock of parking_lot inside it is
/// never waited for by a thread in turn.
#[derive(Default)]
pub(crate) struct Mutex<T> {
    value: parking_lot::Mutex<T>,
    /// Some thread waits for it.
    is_contended: AtomicBool,
    /// The run of the thread that last locked it; 0 is no run.
    run: AtomicU64,
    /// The thread of `run` that last locked it.
    holder: AtomicUsize,
}

/// Unlocks when dropped.
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` only while its thread waits for a condition.
    value: Option<parking_lot::MutexGuard<'a, T>>,
}

const HELD: &str = "only a wait for a condition takes the value away";

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex {
            value: parking_lot::Mutex::new(value),
            is_contended: AtomicBool::new(false),
            run: AtomicU64::new(0),
            holder: AtomicUsize::new(0),
        }
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let at = Location::caller();
        let value = with_current(|me| match me.point(Operation::Lock, at) {
            Passed::InTurn { .. } => self.acquire(me, at),
            Passed::Late => self.acquire_late(),
        });
        MutexGuard {
            mutex: self,
            value: Some(value.unwrap_or_else(|| self.acquire_outside())),
        }
    }

    /// Takes the lock in turn, without a scheduling point if it is free.
    fn acquire(
        &self,
        me: &Current,
        at: &'static Location<'static>,
    ) -> parking_lot::MutexGuard<'_, T> {
        loop {
            if let Some(value) = self.value.try_lock() {
                self.run.store(me.run.id, Ordering::Relaxed);
                self.holder.store(me.index, Ordering::Relaxed);
                return value;
            }
            if self.run.load(Ordering::Relaxed) != me.run.id {
                // Its holder does not depend on this run, and will release it.
                return self.value.lock();
            }
            self.is_contended.store(true, Ordering::Relaxed);
            let reason = Reason::Lock {
                address: self.address(),
                holder: self.holder.load(Ordering::Relaxed),
            };
            if me.block(reason, None, at) == Passed::Late {
                return self.acquire_late();
            }
        }
    }

    /// Takes the lock in a run that is over. Its holder unwinds and releases it.
    fn acquire_late(&self) -> parking_lot::MutexGuard<'_, T> {
        loop {
            if let Some(value) = self.value.try_lock_for(LATE) {
                return value;
            }
        }
    }

    fn acquire_outside(&self) -> parking_lot::MutexGuard<'_, T> {
        let value = self.value.lock();
        self.run.store(0, Ordering::Relaxed);
        value
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(&self.is_contended).addr()
    }
}

impl<'a, T> MutexGuard<'a, T> {
    /// Releases the lock for a wait, without a scheduling point.
    pub(super) fn release(&mut self, me: &Current) {
        self.value = None;
        if self.mutex.is_contended.swap(false, Ordering::Relaxed) {
            me.run.scheduler.lock().wake_lock(self.mutex.address());
        }
    }

    /// Takes the lock again after a wait.
    pub(super) fn acquire(&mut self, me: &Current, passed: Passed, at: &'static Location<'static>) {
        self.value = Some(match passed {
            Passed::InTurn { .. } => self.mutex.acquire(me, at),
            Passed::Late => self.mutex.acquire_late(),
        });
    }

    /// The guard inside, for threads outside of a run.
    pub(super) fn plain(&mut self) -> &mut parking_lot::MutexGuard<'a, T> {
        self.value.as_mut().expect(HELD)
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect(HELD)
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect(HELD)
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        if self.value.take().is_some() {
            with_current(|me| {
                let is_contended = self.mutex.is_contended.swap(false, Ordering::Relaxed);
                me.unlocked(self.mutex.address(), is_contended);
            });
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
