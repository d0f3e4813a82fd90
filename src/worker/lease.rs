//! [`Lease`]: whether the session still holds. Asked before every callback and every
//! request that changes something, by any thread.

use std::fmt;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use crate::clock::{Clock, after};
use crate::sync::Mutex;

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
    end: Mutex<LeaseEnd>,
    on_doubt: Box<dyn Fn() + Send + Sync>,
}

/// When a lease is over.
struct LeaseEnd {
    until: Instant,
    calendar_until: OffsetDateTime,
    /// `on_doubt` was called since the last renewal.
    is_doubted: bool,
}

impl LeaseEnd {
    /// That of a lease which a request renews that was sent then.
    fn new(sent: Instant, sent_utc: OffsetDateTime, timeout: Duration) -> LeaseEnd {
        let calendar = time::Duration::try_from(timeout).unwrap_or(time::Duration::MAX);
        LeaseEnd {
            until: after(sent, timeout),
            calendar_until: sent_utc.saturating_add(calendar),
            is_doubted: false,
        }
    }
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
        Lease {
            clock: clock.clone(),
            end: Mutex::new(LeaseEnd::new(sent, sent_utc, timeout)),
            on_doubt: Box::new(on_doubt),
        }
    }

    /// A request that was sent then has been answered.
    pub(crate) fn renew(&self, sent: Instant, sent_utc: OffsetDateTime, timeout: Duration) {
        *self.end.lock() = LeaseEnd::new(sent, sent_utc, timeout);
    }

    /// Whether callbacks and saves may begin.
    pub(crate) fn holds(&self) -> bool {
        self.state() == LeaseState::Holds
    }

    pub(crate) fn state(&self) -> LeaseState {
        let (now, utc) = (self.clock.now(), self.clock.utc());
        let mut end = self.end.lock();
        if now >= end.until {
            return LeaseState::Over;
        }
        if utc < end.calendar_until {
            return LeaseState::Holds;
        }
        let was_doubted = std::mem::replace(&mut end.is_doubted, true);
        drop(end);
        if !was_doubted {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

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
