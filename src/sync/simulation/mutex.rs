//! A lock, with the part of parking_lot's interface that the crate uses.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::blocked::Reason;
use super::thread::{Current, Passed, with_current};
use super::trace::Operation;

/// A lock. The scheduler decides which thread gets it. The lock of parking_lot inside is
/// free whenever a thread takes it, unless its holder does not depend on the scheduler.
#[derive(Default)]
pub(crate) struct Mutex<T> {
    value: parking_lot::Mutex<T>,
    /// Some thread waits for it.
    is_contended: AtomicBool,
    /// The run of the thread that holds it; 0 if no thread of a run does.
    run: AtomicU64,
    /// The thread of `run` that holds it.
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
        let value = with_current(|me| {
            let passed = me.point(Operation::Lock, at);
            self.acquire(me, passed, at)
        });
        MutexGuard {
            mutex: self,
            value: Some(value.unwrap_or_else(|| self.value.lock())),
        }
    }

    /// Takes the lock on a thread of a run.
    fn acquire(
        &self,
        me: &Current,
        passed: Passed,
        at: &'static Location<'static>,
    ) -> parking_lot::MutexGuard<'_, T> {
        let value = match passed {
            Passed::InTurn { .. } => self.acquire_in_turn(me, at),
            Passed::Late => self.value.lock(),
        };
        me.locked();
        value
    }

    /// Takes the lock in turn, without a scheduling point if it is free.
    fn acquire_in_turn(
        &self,
        me: &Current,
        at: &'static Location<'static>,
    ) -> parking_lot::MutexGuard<'_, T> {
        loop {
            let mut value = self.value.try_lock();
            if value.is_none() && self.run.load(Ordering::Relaxed) != me.run.id {
                // Its holder does not depend on this run, and will release it.
                value = Some(self.value.lock());
            }
            if let Some(value) = value {
                self.run.store(me.run.id, Ordering::Relaxed);
                self.holder.store(me.index, Ordering::Relaxed);
                return value;
            }
            self.is_contended.store(true, Ordering::Relaxed);
            let reason = Reason::Lock {
                address: self.address(),
                holder: self.holder.load(Ordering::Relaxed),
            };
            if me.block(reason, None, at) == Passed::Late {
                // Its holder unwinds and releases it.
                return self.value.lock();
            }
        }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(&self.is_contended).addr()
    }
}

impl<'a, T> MutexGuard<'a, T> {
    /// Releases the lock for a wait, without a scheduling point.
    pub(super) fn release(&mut self, me: &Current) {
        if let Some(is_contended) = self.unlock() {
            me.released(self.mutex.address(), is_contended);
        }
    }

    /// Whether a thread waits for the lock that was held; `None` if it was not.
    fn unlock(&mut self) -> Option<bool> {
        let value = self.value.take()?;
        // Before it is free, because the next holder may be a thread of another run.
        self.mutex.run.store(0, Ordering::Relaxed);
        let is_contended = self.mutex.is_contended.swap(false, Ordering::Relaxed);
        drop(value);
        Some(is_contended)
    }

    /// Takes the lock again after a wait.
    pub(super) fn acquire(&mut self, me: &Current, passed: Passed, at: &'static Location<'static>) {
        self.value = Some(self.mutex.acquire(me, passed, at));
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
        if let Some(is_contended) = self.unlock() {
            with_current(|me| me.unlocked(self.mutex.address(), is_contended));
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
