//! [`Stop`]: waits that Ctrl-C and SIGTERM end.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Whether the program was asked to end.
pub(crate) struct Stop(Receiver<()>);

impl Stop {
    pub(crate) fn on_signal() -> Result<Stop, ctrlc::Error> {
        let (asked, stop) = mpsc::sync_channel(1);
        ctrlc::set_handler(move || {
            // Full when it was asked before, closed when it is ending.
            let _ = asked.try_send(());
        })?;
        Ok(Stop(stop))
    }

    pub(crate) fn wait(&self) {
        // The handler is never dropped, so this ends with a signal only.
        let _ = self.0.recv();
    }

    /// Waits until then; whether to go on.
    pub(crate) fn sleep_until(&self, then: Instant) -> bool {
        self.sleep(then.saturating_duration_since(Instant::now()))
    }

    /// Waits so long; whether to go on.
    pub(crate) fn sleep(&self, time: Duration) -> bool {
        self.0.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
    }
}
