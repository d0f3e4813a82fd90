//! [`Stop`]: a signal that is triggered once and wakes all waiting threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// A signal that is triggered once. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<Signal>);

#[derive(Debug, Default)]
struct Signal {
    triggered: Mutex<bool>,
    woken: Condvar,
}

impl Stop {
    pub(crate) fn trigger(&self) {
        *self.0.triggered.lock() = true;
        self.0.woken.notify_all();
    }

    pub(crate) fn is_triggered(&self) -> bool {
        *self.0.triggered.lock()
    }

    /// Waits for the signal, at most for `timeout`. Returns whether it was triggered.
    pub(crate) fn wait_for(&self, timeout: Duration) -> bool {
        let mut triggered = self.0.triggered.lock();
        // A time beyond the range of `Instant` never comes.
        let Some(deadline) = Instant::now().checked_add(timeout) else {
            self.0
                .woken
                .wait_while(&mut triggered, |triggered| !*triggered);
            return true;
        };
        while !*triggered
            && !self
                .0
                .woken
                .wait_until(&mut triggered, deadline)
                .timed_out()
        {}
        *triggered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_signal_wakes_a_thread_that_waits_forever() {
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
