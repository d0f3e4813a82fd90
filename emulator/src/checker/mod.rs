//! [`Checker`]: finds the rules that clients broke, in any language.
//!
//! The checker sees the server's side only: when requests came in, and which
//! answers they got. It holds a client to what the client knows, and excuses what
//! the client cannot know, such as a loss while its request is on its way. A
//! client must report itself which records it has processed, through a
//! [`Witness`](super::Witness).
//!
//! Files, in reading order:
//!
//! - this file: [`Checker`] and its settings.
//! - [`rule`]: the rules, and a finding.
//! - [`verdict`]: the findings as text or as JSON.
//! - [`judge`]: visits the events, and keeps what the rules need.
//! - [`holding`]: rules on requests, heartbeats and held channels.
//! - [`consuming`]: rules on reading, saving and processing.
//! - [`ending`]: rules on the end of a run.
//! - [`range_set`]: sets of positions.

mod consuming;
mod ending;
mod holding;
mod judge;
mod range_set;
mod rule;
#[cfg(test)]
mod tests;
mod verdict;

use std::time::Duration;

use self::judge::Judge;
pub use self::rule::{Finding, Rule, Severity};
pub use self::verdict::{Summary, Verdict};
use super::ledger::Ledger;

/// The default of [`Checker::grace`].
const GRACE: Duration = Duration::from_secs(1);

/// Judges a ledger.
///
/// ```
/// use std::time::Duration;
/// use tablestore_emulator::{Checker, Emulator};
///
/// let emulator = Emulator::builder().start()?;
/// // ... clients in any language consume ...
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

    /// How long requests may be on their way, on the emulator's clock. If a request
    /// comes in within this time after its client lost or closed a channel or shut
    /// down, the finding is a remark. Defaults to 1 s.
    pub fn grace(mut self, grace: Duration) -> Checker {
        self.grace = grace;
        self
    }

    /// The longest time between heartbeats of an active client. Defaults to the
    /// timeout that the client connected with.
    pub fn heartbeat_limit(mut self, limit: Duration) -> Checker {
        self.heartbeat_limit = Some(limit);
        self
    }

    /// Declares that the run is over: all written records should have been read,
    /// also those of channels that have not ended. Defaults to a run that goes on.
    pub fn complete(mut self) -> Checker {
        self.complete = true;
        self
    }

    /// Judges the clients of a ledger.
    ///
    /// If the ledger has lost its beginning ([`Ledger::is_whole`]), rules that need
    /// the beginning are not checked.
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
    /// The verdict of [`Checker::new`] on this ledger.
    pub fn verdict(&self) -> Verdict {
        Checker::new().judge(self)
    }

    /// The violations of [`Ledger::verdict`], in order.
    pub fn violations(&self) -> Vec<Finding> {
        self.verdict().violations().cloned().collect()
    }
}
