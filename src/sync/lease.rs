//! Whether the session still holds, and a channel with it: asked before every
//! callback and every request that changes something, by any thread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::stop::Stop;
use crate::clock::Clock;
use crate::error::{ErrorCode, TunnelError};

/// How long to wait before looking again whether a lease that is in doubt was renewed.
pub(crate) const LEASE_PAUSE: Duration = Duration::from_millis(100);

/// The time until which the service keeps our channels for us.
///
/// Measured by the monotonic clock, which stands still while the machine is suspended.
/// So a lease that is over by the calendar clock is in doubt: callbacks and saves pause
/// and a heartbeat goes out immediately. Only the service's answer or the monotonic
/// clock ends the session, because the calendar clock may just have been set.
pub(crate) struct Lease {
    clock: Clock,
    start: Instant,
    /// Microseconds after `start`.
    until: AtomicU64,
    /// Microseconds since 1970.
    calendar_until: AtomicI64,
    /// `on_doubt` was called since the last renewal.
    is_doubted: AtomicBool,
    on_doubt: Box<dyn Fn() + Send + Sync>,
}

/// What a lease is worth now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseState {
    Holds,
    InDoubt,
    Over,
}

impl Lease {
    /// A lease that is renewed by what was sent at `sent` (and at the calendar time
    /// `sent_utc`) for `timeout`. `on_doubt` is called once when it comes into doubt; it
    /// must not block.
    pub(crate) fn new(
        clock: &Clock,
        sent: Instant,
        sent_utc: OffsetDateTime,
        timeout: Duration,
        on_doubt: impl Fn() + Send + Sync + 'static,
    ) -> Lease {
        let lease = Lease {
            clock: clock.clone(),
            start: sent,
            until: AtomicU64::new(0),
            calendar_until: AtomicI64::new(0),
            is_doubted: AtomicBool::new(false),
            on_doubt: Box::new(on_doubt),
        };
        lease.renew(sent, sent_utc, timeout);
        lease
    }

    /// A request that was sent then has been answered.
    pub(crate) fn renew(&self, sent: Instant, sent_utc: OffsetDateTime, timeout: Duration) {
        let after_start = sent.saturating_duration_since(self.start);
        let until = micros(after_start.saturating_add(timeout));
        let calendar = calendar(sent_utc).saturating_add_unsigned(micros(timeout));
        self.until.store(until, Ordering::Release);
        self.calendar_until.store(calendar, Ordering::Release);
        self.is_doubted.store(false, Ordering::Release);
    }

    /// Whether callbacks and saves may begin.
    pub(crate) fn holds(&self) -> bool {
        self.state() == LeaseState::Holds
    }

    pub(crate) fn state(&self) -> LeaseState {
        let now = micros(self.clock.now().saturating_duration_since(self.start));
        if now >= self.until.load(Ordering::Acquire) {
            return LeaseState::Over;
        }
        if calendar(self.clock.utc()) < self.calendar_until.load(Ordering::Acquire) {
            return LeaseState::Holds;
        }
        if !self.is_doubted.swap(true, Ordering::AcqRel) {
            (self.on_doubt)();
        }
        LeaseState::InDoubt
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// Whether one channel is ours, for every thread that may save for it. Holds nothing of
/// the session, so that a handle that is kept for long keeps nothing either.
#[derive(Clone, Debug)]
pub(crate) struct Ownership {
    pub(crate) tunnel_id: Arc<str>,
    pub(crate) channel_id: Arc<str>,
    /// Triggered when the channel is no longer ours.
    pub(crate) lost: Stop,
    pub(crate) lease: Arc<Lease>,
}

impl Ownership {
    pub(crate) fn holds(&self) -> bool {
        !self.lost.is_triggered() && self.lease.holds()
    }

    /// Waits while the lease is in doubt.
    ///
    /// # Errors
    ///
    /// [`lost_error`](Self::lost_error).
    pub(crate) fn check(&self) -> Result<(), TunnelError> {
        loop {
            if self.lost.is_triggered() {
                return Err(self.lost_error());
            }
            match self.lease.state() {
                LeaseState::Holds => return Ok(()),
                LeaseState::Over => return Err(self.lost_error()),
                LeaseState::InDoubt => {
                    self.lost.wait_for(LEASE_PAUSE);
                }
            }
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

impl fmt::Display for Ownership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ownership {
            tunnel_id,
            channel_id,
            ..
        } = self;
        write!(f, "tunnel {tunnel_id}, channel {channel_id}")
    }
}

/// Saturates after half a million years.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds since 1970.
fn calendar(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(clock: &Clock) -> (Lease, Arc<AtomicUsize>) {
        let doubts = Arc::new(AtomicUsize::new(0));
        let count = doubts.clone();
        let on_doubt = move || {
            count.fetch_add(1, Ordering::SeqCst);
        };
        let lease = Lease::new(clock, clock.now(), clock.utc(), 60 * SECOND, on_doubt);
        (lease, doubts)
    }

    #[test]
    fn holds_until_its_time() {
        let clock = Clock::manual(OffsetDateTime::UNIX_EPOCH);
        let (lease, doubts) = lease(&clock);
        clock.jump(59 * SECOND);
        assert_eq!(lease.state(), LeaseState::Holds);
        clock.jump(SECOND);
        assert_eq!(lease.state(), LeaseState::Over);
        lease.renew(clock.now(), clock.utc(), SECOND);
        assert!(lease.holds());
        assert_eq!(doubts.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_suspended_machine_brings_it_into_doubt_until_it_is_renewed() {
        let clock = Clock::manual(OffsetDateTime::UNIX_EPOCH);
        let (lease, doubts) = lease(&clock);
        clock.suspend(59 * SECOND);
        assert_eq!(lease.state(), LeaseState::Holds);
        clock.suspend(SECOND);
        assert_eq!(
            (lease.state(), lease.state()),
            (LeaseState::InDoubt, LeaseState::InDoubt)
        );
        assert_eq!(doubts.load(Ordering::SeqCst), 1, "reported once");
        lease.renew(clock.now(), clock.utc(), 60 * SECOND);
        assert!(lease.holds());
        clock.suspend(3600 * SECOND);
        assert_eq!(lease.state(), LeaseState::InDoubt);
        assert_eq!(doubts.load(Ordering::SeqCst), 2);
        clock.jump(60 * SECOND);
        assert_eq!(lease.state(), LeaseState::Over);
    }

    #[test]
    fn the_longest_timeout_does_not_overflow() {
        let clock = Clock::manual(OffsetDateTime::UNIX_EPOCH);
        let lease = Lease::new(&clock, clock.now(), clock.utc(), Duration::MAX, || ());
        clock.jump(1_000_000 * SECOND);
        assert!(lease.holds());
    }
}
