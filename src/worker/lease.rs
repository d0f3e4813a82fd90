//! Whether the session still holds: asked before every callback and every
//! request that changes something, by any thread, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock;

/// The time until which the service keeps our channels for us.
#[derive(Debug)]
pub(crate) struct Lease {
    start: Instant,
    /// Microseconds after `start`.
    until: AtomicU64,
}

impl Lease {
    pub(crate) fn new(start: Instant, until: Instant) -> Lease {
        let lease = Lease {
            start,
            until: AtomicU64::new(0),
        };
        lease.extend(until);
        lease
    }

    pub(crate) fn extend(&self, until: Instant) {
        let micros = micros(until.saturating_duration_since(self.start));
        self.until.store(micros, Ordering::Release);
    }

    /// Whether the session has not timed out by itself.
    pub(crate) fn holds(&self) -> bool {
        let now = micros(clock::now().saturating_duration_since(self.start));
        now < self.until.load(Ordering::Acquire)
    }
}

/// Saturates after half a million years.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_until_its_time() {
        let now = clock::now();
        let lease = Lease::new(now, now);
        assert!(!lease.holds());
        lease.extend(now + Duration::from_secs(60));
        assert!(lease.holds());
    }
}
