//! [`UntilSignal`]: waits that end on Ctrl-C and SIGTERM.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Waits until a signal asks the program to end.
pub(super) struct UntilSignal(Receiver<()>);

impl UntilSignal {
    pub(super) fn new() -> Result<UntilSignal, ctrlc::Error> {
        let (asked, signal) = mpsc::sync_channel(1);
        ctrlc::set_handler(move || {
            // The queue is full after the first signal, and closed at the end.
            let _ = asked.try_send(());
        })?;
        Ok(UntilSignal(signal))
    }

    pub(super) fn wait(&self) {
        // The handler is never dropped, so only a signal ends this.
        let _ = self.0.recv();
    }

    /// Waits until a time. Returns false if a signal has come.
    pub(super) fn sleep_until(&self, then: Instant) -> bool {
        self.sleep(then.saturating_duration_since(Instant::now()))
    }

    /// Waits for a duration. Returns false if a signal has come.
    pub(super) fn sleep(&self, time: Duration) -> bool {
        self.0.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
    }
}
