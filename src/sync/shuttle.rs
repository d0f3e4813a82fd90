//! Locks and conditions for models, compiled in only for tests under `--cfg shuttle`.
//!
//! Thin adapters with the part of parking_lot's interface that the crate uses. They work
//! only inside a model, which `shuttle` runs with many schedules.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Instant;

use ::shuttle::rand::Rng;
use ::shuttle::{rand, sync, thread};

#[derive(Default)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

/// Unlocks when dropped.
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` only while its thread waits for a condition.
    value: Option<sync::MutexGuard<'a, T>>,
}

const HELD: &str = "only a wait for a condition takes the value away";

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            mutex: self,
            value: Some(self.acquire()),
        }
    }

    fn acquire(&self) -> sync::MutexGuard<'_, T> {
        // The locks of the crate are not poisoned.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To look inside would be a scheduling point.
        f.pad("Mutex { .. }")
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(sync::Condvar);

/// Whether a wait reached its deadline.
#[derive(Clone, Copy, Debug)]
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

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let value = guard.value.take().expect(HELD);
        let value = self.0.wait(value);
        guard.value = Some(value.unwrap_or_else(PoisonError::into_inner));
    }

    /// A model has no time: the wait ends after any other steps, with or without the
    /// deadline.
    pub(crate) fn wait_until<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        _until: Instant,
    ) -> WaitTimeoutResult {
        guard.value = None;
        thread::yield_now();
        guard.value = Some(guard.mutex.acquire());
        WaitTimeoutResult(rand::thread_rng().r#gen())
    }
}

/// Random schedules of a model, and as many of PCT. `MODEL_SCHEDULES` overrides it.
const SCHEDULES: usize = 2500;

/// Runs a model with random schedules, and with those of PCT: random priorities, which
/// change at a few points. A failure prints the schedule, and how to replay it.
pub(crate) fn model(run: impl Fn() + Clone + Send + Sync + 'static) {
    let count = std::env::var("MODEL_SCHEDULES").ok();
    let count = count.map_or(SCHEDULES, |text| text.parse().expect("a number"));
    ::shuttle::check_random(run.clone(), count);
    for depth in [2, 4] {
        ::shuttle::check_pct(run.clone(), count / 2, depth);
    }
}
