//! [`UntilSignal`]: waits that Ctrl-C and SIGTERM end.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Whether the program was asked to end.
pub(super) struct UntilSignal(Receiver<()>);

impl UntilSignal {
    pub(super) fn new() -> Result<UntilSignal, ctrlc::Error> {
        let (asked, signal) = mpsc::sync_channel(1);
        ctrlc::set_handler(move || {
            // Full when it was asked before, closed when it is ending.
            let _ = asked.try_send(());
        })?;
        Ok(UntilSignal(signal))
    }

    pub(super) fn wait(&self) {
        // The handler is never dropped, so this ends with a signal only.
        let _ = self.0.recv();
    }

    /// Waits until then; whether to go on.
    pub(super) fn sleep_until(&self, then: Instant) -> bool {
        self.sleep(then.saturating_duration_since(Instant::now()))
    }

    /// Waits so long; whether to go on.
    pub(super) fn sleep(&self, time: Duration) -> bool {
        self.0.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
    }
}
