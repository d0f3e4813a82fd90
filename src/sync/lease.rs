//! Whether the session still holds, and a channel with it: asked before every
//! callback and every request that changes something, by any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::stop::Stop;
use crate::clock::Clock;
use crate::error::{ErrorCode, TunnelError};

/// The time until which the service keeps our channels for us.
#[derive(Debug)]
pub(crate) struct Lease {
    clock: Clock,
    start: Instant,
    /// Microseconds after `start`.
    until: AtomicU64,
}

impl Lease {
    pub(crate) fn new(clock: &Clock, start: Instant, until: Instant) -> Lease {
        let lease = Lease {
            clock: clock.clone(),
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
        let now = micros(self.clock.now().saturating_duration_since(self.start));
        now < self.until.load(Ordering::Acquire)
    }
}

/// Whether one channel is ours, for all who may save for it. Holds nothing of
/// the session, so that a handle that is kept for long keeps nothing either.
#[derive(Clone, Debug)]
pub(crate) struct Ownership {
    pub(crate) tunnel_id: Arc<str>,
    pub(crate) channel_id: Arc<str>,
    /// Fired when the channel is no longer ours.
    pub(crate) lost: Stop,
    pub(crate) lease: Arc<Lease>,
}

impl Ownership {
    pub(crate) fn holds(&self) -> bool {
        !self.lost.is_triggered() && self.lease.holds()
    }

    /// # Errors
    ///
    /// [`lost_error`](Self::lost_error).
    pub(crate) fn check(&self) -> Result<(), TunnelError> {
        match self.holds() {
            true => Ok(()),
            false => Err(self.lost_error()),
        }
    }

    /// The refusal to save for a channel that is no longer ours.
    pub(crate) fn lost_error(&self) -> TunnelError {
        let message = format!(
            "channel {} is no longer ours, nothing was saved; it goes on from its last checkpoint elsewhere",
            self.channel_id
        );
        TunnelError::new(ErrorCode::ChannelLost, message).with_tunnel_id(&*self.tunnel_id)
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
        let clock = Clock::manual(time::OffsetDateTime::UNIX_EPOCH);
        let now = clock.now();
        let lease = Lease::new(&clock, now, now);
        assert!(!lease.holds());
        lease.extend(now + Duration::from_secs(60));
        clock.jump(Duration::from_secs(59));
        assert!(lease.holds());
        clock.jump(Duration::from_secs(1));
        assert!(!lease.holds());
    }
}
