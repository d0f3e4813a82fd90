//! [`Stop`]: a signal that is given once and wakes every thread that waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// A one-shot signal. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<Signal>);

#[derive(Debug, Default)]
struct Signal {
    given: Mutex<bool>,
    woken: Condvar,
}

impl Stop {
    pub(crate) fn trigger(&self) {
        *self.0.given.lock() = true;
        self.0.woken.notify_all();
    }

    pub(crate) fn is_triggered(&self) -> bool {
        *self.0.given.lock()
    }

    /// Waits for at most `timeout`; returns whether the signal was given.
    pub(crate) fn wait_for(&self, timeout: Duration) -> bool {
        let mut given = self.0.given.lock();
        // A time that no `Instant` can hold never comes.
        let Some(deadline) = Instant::now().checked_add(timeout) else {
            self.0.woken.wait_while(&mut given, |given| !*given);
            return true;
        };
        while !*given && !self.0.woken.wait_until(&mut given, deadline).timed_out() {}
        *given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn wakes_a_thread_that_waits_forever() {
        let stop = Stop::default();
        let waiting = thread::spawn({
            let stop = stop.clone();
            move || stop.wait_for(Duration::MAX)
        });
        assert!(!stop.is_triggered());
        stop.trigger();
        assert!(waiting.join().expect("the waiting thread"));
        assert!(stop.wait_for(Duration::ZERO));
    }

    #[test]
    fn a_wait_ends_at_its_timeout() {
        assert!(!Stop::default().wait_for(Duration::from_millis(1)));
    }
}
