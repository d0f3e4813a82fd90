//! A signal that is given once and wakes everything that waits for it.
//!
//! All waits of this crate that are not a network call wait here, or select
//! on [`Stop::fired`] beside what they wait for; so a stop ends them at once.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};
use parking_lot::Mutex;

/// A one-shot signal. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    /// Dropped to give the signal: every receiver is then disconnected.
    sender: Arc<Mutex<Option<Sender<Infallible>>>>,
    fired: Receiver<Infallible>,
}

impl Stop {
    /// A signal that has not been given yet.
    pub(crate) fn new() -> Stop {
        let (sender, fired) = bounded(0);
        Stop {
            sender: Arc::new(Mutex::new(Some(sender))),
            fired,
        }
    }

    /// Gives the signal. Every call but the first does nothing.
    pub(crate) fn fire(&self) {
        // The sender is dropped after the lock is let go.
        let sender = self.sender.lock().take();
        drop(sender);
    }

    /// Whether the signal has been given.
    pub(crate) fn is_fired(&self) -> bool {
        matches!(self.fired.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// What becomes ready (disconnected) with the signal, to select on.
    pub(crate) fn fired(&self) -> &Receiver<Infallible> {
        &self.fired
    }

    /// Waits for at most `timeout`; true when the signal was given.
    pub(crate) fn wait_for(&self, timeout: Duration) -> bool {
        is_stop(self.fired.recv_timeout(timeout))
    }

    /// Waits until `deadline` at the latest; true when the signal was given.
    pub(crate) fn wait_until(&self, deadline: Instant) -> bool {
        is_stop(self.fired.recv_deadline(deadline))
    }
}

fn is_stop(received: Result<Infallible, RecvTimeoutError>) -> bool {
    matches!(received, Err(RecvTimeoutError::Disconnected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn fires_once_for_all_clones() {
        let stop = Stop::new();
        let clone = stop.clone();
        assert!(!clone.is_fired());
        assert!(!clone.wait_for(Duration::from_millis(1)));
        stop.fire();
        stop.fire();
        assert!(clone.is_fired());
        assert!(clone.wait_for(Duration::from_secs(60)));
    }

    #[test]
    fn wakes_a_waiting_thread() {
        let stop = Stop::new();
        let waiter = thread::spawn({
            let stop = stop.clone();
            move || stop.wait_for(Duration::from_secs(60))
        });
        stop.fire();
        assert!(waiter.join().expect("waiter"));
    }
}
