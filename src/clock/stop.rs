//! [`Stop`]: a signal that is given once and wakes every thread that waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Clock, Monitor, after};

/// A signal that is given once. Clones are the same signal.
#[derive(Clone, Debug)]
pub(crate) struct Stop(Arc<Monitor<bool>>);

impl Stop {
    /// A signal that has not been given yet.
    pub(crate) fn new(clock: &Clock) -> Stop {
        Stop(Arc::new(Monitor::new(clock, false)))
    }

    /// The clock that waits for this signal follow.
    pub(crate) fn clock(&self) -> &Clock {
        self.0.clock()
    }

    /// Gives the signal. Every call but the first does nothing.
    #[cfg_attr(simulation, track_caller)]
    pub(crate) fn trigger(&self) {
        *self.0.lock() = true;
        self.0.notify();
    }

    /// Whether the signal has been given.
    #[cfg_attr(simulation, track_caller)]
    pub(crate) fn is_triggered(&self) -> bool {
        *self.0.lock()
    }

    /// Waits for at most `timeout`; true if the signal was given.
    #[cfg_attr(simulation, track_caller)]
    pub(crate) fn wait_for(&self, timeout: Duration) -> bool {
        self.wait_until(after(self.clock().now(), timeout))
    }

    /// Waits until `deadline` at the latest; true if the signal was given.
    #[cfg_attr(simulation, track_caller)]
    pub(crate) fn wait_until(&self, deadline: Instant) -> bool {
        let given = |given: &mut bool| given.then_some(());
        self.0.wait_for(Some(deadline), given).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn it_is_given_once_for_all_clones() {
        let stop = Stop::new(&Clock::system());
        let clone = stop.clone();
        assert!(!clone.is_triggered());
        assert!(!clone.wait_for(Duration::from_millis(1)));
        stop.trigger();
        stop.trigger();
        assert!(clone.is_triggered());
        assert!(clone.wait_for(Duration::from_secs(60)));
    }

    #[test]
    fn it_wakes_a_waiting_thread() {
        let stop = Stop::new(&Clock::system());
        let waiter = thread::spawn({
            let stop = stop.clone();
            move || stop.wait_for(Duration::from_secs(60))
        });
        stop.trigger();
        assert!(waiter.join().expect("waiter"));
    }
}
