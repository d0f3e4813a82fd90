//! [`Monitor`]: a value behind a lock, and the threads that wait for it to change.

use std::fmt;
use std::time::Instant;

use super::Clock;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// A value behind a lock. Threads wait for changes of it, by their clock.
///
/// Apart from requests, and from threads of the pool that have nothing to do, no thread
/// of this crate waits elsewhere.
pub(crate) struct Monitor<T> {
    clock: Clock,
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Monitor<T> {
    pub(crate) fn new(clock: &Clock, value: T) -> Monitor<T> {
        Monitor {
            clock: clock.clone(),
            value: Mutex::new(value),
            changed: Condvar::new(),
        }
    }

    /// The clock that its waits follow.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    #[cfg_attr(simulation, track_caller)]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock()
    }

    /// Wakes all threads that wait here. Call it after the value was changed, with or
    /// without the lock.
    #[cfg_attr(simulation, track_caller)]
    pub(crate) fn notify(&self) {
        match self.clock.as_manual() {
            None => {
                self.changed.notify_all();
            }
            Some(manual) => manual.notify(self.id()),
        }
    }

    /// Waits until `ready` returns something; `None` at the time `until`.
    ///
    /// `ready` is called with the lock held, at first and after each change.
    #[cfg_attr(simulation, track_caller)]
    pub(crate) fn wait_for<R>(
        &self,
        until: Option<Instant>,
        mut ready: impl FnMut(&mut T) -> Option<R>,
    ) -> Option<R> {
        let mut value = self.lock();
        loop {
            let result = ready(&mut value);
            if result.is_some() {
                return result;
            }
            let is_due;
            (value, is_due) = self.wait(value, until);
            if is_due {
                return ready(&mut value);
            }
        }
    }

    /// Waits for a change, or for the time `until`; whether that has come. May also end
    /// without either.
    #[cfg_attr(simulation, track_caller)]
    fn wait<'a>(
        &'a self,
        mut value: MutexGuard<'a, T>,
        until: Option<Instant>,
    ) -> (MutexGuard<'a, T>, bool) {
        let Some(manual) = self.clock.as_manual() else {
            let is_due = match until {
                Some(until) => self.changed.wait_until(&mut value, until).timed_out(),
                None => {
                    self.changed.wait(&mut value);
                    false
                }
            };
            return (value, is_due);
        };
        // Registered before the lock is released, so that no change goes unnoticed.
        let Some(wait) = manual.begin_wait(self.id(), until) else {
            return (value, true);
        };
        drop(value);
        let is_due = manual.finish_wait(&wait);
        (self.lock(), is_due)
    }

    /// Which monitor a wait of a manual clock belongs to.
    fn id(&self) -> usize {
        std::ptr::from_ref(&self.changed).addr()
    }
}

impl<T: fmt::Debug> fmt::Debug for Monitor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Monitor").field(&*self.lock()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_change_takes_precedence_over_the_deadline() {
        let monitor = Monitor::new(&Clock::system(), 7);
        let now = monitor.clock().now();
        let seven = |value: &mut i32| (*value == 7).then_some(());
        assert_eq!(monitor.wait_for(Some(now), seven), Some(()));
        *monitor.lock() = 8;
        assert_eq!(monitor.wait_for(Some(now), seven), None);
    }

    #[test]
    fn every_waiting_thread_is_woken() {
        let monitor = Arc::new(Monitor::new(&Clock::system(), false));
        let waits: Vec<_> = (0..3)
            .map(|_| {
                let monitor = monitor.clone();
                thread::spawn(move || monitor.wait_for(None, |set| set.then_some(())))
            })
            .collect();
        *monitor.lock() = true;
        monitor.notify();
        for wait in waits {
            assert_eq!(wait.join().expect("no panic"), Some(()));
        }
    }

    #[test]
    fn a_wait_without_a_change_is_a_sleep() {
        let clock = Clock::system();
        let began = clock.now();
        clock.sleep(Duration::from_millis(5));
        assert!(clock.now() - began >= Duration::from_millis(5));
    }
}
