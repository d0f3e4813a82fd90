//! [`Checker`]: judges what clients did, of whatever make they are.
//!
//! Judged from the server's side: when requests came in, what they were given
//! and what they claim. What a client knows it is held to; what it could not
//! know (a request on its way while the channel was taken) it is not. What it
//! dealt with it must say itself, through a [`Witness`](super::Witness).
//!
//! In reading order:
//!
//! - this file: what the checker is told.
//! - [`rule`]: the rules, and a finding.
//! - [`verdict`]: what comes of it, to read or as JSON.
//! - [`judge`]: goes through the events; what it remembers.
//! - [`holding`]: requests, heartbeats, who has what.
//! - [`consuming`]: reading, saving, processing.
//! - [`ending`]: what is missing in the end.
//! - [`spans`]: sets of positions.

mod consuming;
mod ending;
mod holding;
mod judge;
mod rule;
mod spans;
#[cfg(test)]
mod tests;
mod verdict;

use std::time::Duration;

use self::judge::Judge;
pub use self::rule::{Finding, Rule, Severity};
pub use self::verdict::{Summary, Verdict};
use super::ledger::Ledger;

/// How long a request may have been on its way to be excused.
const GRACE: Duration = Duration::from_secs(1);

/// Judges a ledger.
///
/// ```
/// use std::time::Duration;
/// use tablestore_emulator::{Checker, Emulator};
///
/// let emulator = Emulator::builder().start()?;
/// // ... clients of any make consume ...
/// let verdict = Checker::new().grace(Duration::from_millis(200)).judge(&emulator.ledger());
/// assert!(verdict.is_clean(), "{verdict}");
/// # Ok::<(), tablestore_tunnel::TunnelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checker {
    grace: Duration,
    heartbeat_limit: Option<Duration>,
    complete: bool,
}

impl Checker {
    /// A checker with the defaults.
    pub fn new() -> Checker {
        Checker {
            grace: GRACE,
            heartbeat_limit: None,
            complete: false,
        }
    }

    /// How long after a client was told of a loss, closed a channel or said
    /// goodbye a request of it may still come in, on the emulator's clock: it
    /// may have been on its way. Within that time the finding is a remark.
    /// Defaults to 1 s.
    pub fn grace(mut self, grace: Duration) -> Checker {
        self.grace = grace;
        self
    }

    /// How long a client that lives may be without a heartbeat. Defaults to
    /// the timeout that it connected with.
    pub fn heartbeat_limit(mut self, limit: Duration) -> Checker {
        self.heartbeat_limit = Some(limit);
        self
    }

    /// Says that the run is over: everything that was written should have been
    /// read, not only what channels had that came to their end. Defaults to
    /// a run that goes on.
    pub fn complete(mut self) -> Checker {
        self.complete = true;
        self
    }

    /// Judges the clients of a ledger.
    ///
    /// Where its beginning was forgotten ([`Ledger::is_whole`]), what depends
    /// on that is not judged.
    pub fn judge(&self, ledger: &Ledger) -> Verdict {
        let findings = Judge::new(self, ledger).judge();
        Verdict::new(ledger, findings)
    }
}

impl Default for Checker {
    fn default() -> Checker {
        Checker::new()
    }
}

impl Ledger {
    /// The verdict of [`Checker::new`] on it.
    pub fn verdict(&self) -> Verdict {
        Checker::new().judge(self)
    }

    /// The violations of [`Ledger::verdict`], in order.
    pub fn violations(&self) -> Vec<Finding> {
        self.verdict().violations().cloned().collect()
    }
}
