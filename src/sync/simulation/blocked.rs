//! What blocked threads wait for.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// Why a thread cannot go on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    /// Another thread holds the lock at this address.
    Lock {
        address: usize,
        holder: usize,
    },
    /// Nobody has notified the condition at this address.
    Condition {
        address: usize,
        what: &'static str,
    },
    Sleep,
    /// The scheduler lets the thread do nothing for a while.
    Stall,
}

/// A thread that cannot go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocked {
    pub(super) reason: Reason,
    /// Virtual time at which it goes on in any case.
    pub(super) deadline: Option<Duration>,
    /// Where the code under test waits.
    pub(super) at: &'static Location<'static>,
}

impl Blocked {
    pub(super) fn on_lock(&self, lock: usize) -> bool {
        matches!(self.reason, Reason::Lock { address, .. } if address == lock)
    }

    pub(super) fn on_condition(&self, condition: usize) -> bool {
        matches!(self.reason, Reason::Condition { address, .. } if address == condition)
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Reason::Lock { holder, .. } => write!(f, "waits for a lock of thread #{holder}")?,
            Reason::Condition { what, .. } => write!(f, "waits for {what}")?,
            Reason::Sleep => f.write_str("sleeps")?,
            Reason::Stall => f.write_str("stalls")?,
        }
        if let Some(deadline) = self.deadline {
            write!(f, " until {:.6}", deadline.as_secs_f64())?;
        }
        write!(f, " at {}", self.at)
    }
}
