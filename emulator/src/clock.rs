//! What time the emulator believes it is.
//!
//! Timeouts of clients, sequence numbers, cell versions and expiry all follow
//! this clock; only the check of a request's date header follows the machine's,
//! because clients sign with theirs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use tablestore_tunnel::Clock;

/// The emulator's clock: the machine's, or one that is moved by hand.
///
/// Clones are the same clock. A manual one can be shared with workers, so that
/// both sides live in the same time: make it from a [`Clock`], or give its
/// [`worker_clock`](EmulatorClock::worker_clock) to their configuration.
#[derive(Clone, Debug)]
pub struct EmulatorClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    /// Microseconds that a running clock is ahead.
    ahead: AtomicU64,
    /// Microseconds that it was moved at once, running or not.
    moved: AtomicU64,
}

impl EmulatorClock {
    /// A clock that runs with the machine's calendar time.
    pub fn system() -> EmulatorClock {
        Clock::system().into()
    }

    /// A clock that stands at `start` until [`EmulatorClock::advance`] moves it.
    ///
    /// A start before 1970 is taken as 1970.
    pub fn manual(start: OffsetDateTime) -> EmulatorClock {
        Clock::manual(start.max(OffsetDateTime::UNIX_EPOCH)).into()
    }

    /// The same time for workers: what to give to
    /// [`TunnelWorkerConfigBuilder::clock`](crate::TunnelWorkerConfigBuilder::clock).
    /// [`Clock::advance`] of it moves both sides, step by step. Of a running
    /// clock it is the machine's, which [`EmulatorClock::advance`] does not move.
    pub fn worker_clock(&self) -> Clock {
        self.0.clock.clone()
    }

    /// Moves the clock forward at once; a running one stays ahead by that much.
    ///
    /// What becomes due meanwhile (a client's timeout, the end of a backfill)
    /// takes effect with the next request. For workers on the same clock it is
    /// a [`Clock::jump`].
    pub fn advance(&self, by: Duration) {
        self.0.moved.fetch_add(micros(by), Ordering::SeqCst);
        if self.0.clock.is_manual() {
            self.0.clock.jump(by);
        } else {
            self.0.ahead.fetch_add(micros(by), Ordering::SeqCst);
        }
    }

    /// How far it was moved at once, in all. Steps of a clock that workers
    /// share are not among it: they live through them.
    pub(super) fn moved(&self) -> Duration {
        Duration::from_micros(self.0.moved.load(Ordering::SeqCst))
    }

    /// What time it is on this clock.
    pub fn utc(&self) -> OffsetDateTime {
        self.now().to_utc()
    }

    /// Whether it goes on by itself.
    pub(super) fn runs(&self) -> bool {
        !self.0.clock.is_manual()
    }

    pub(super) fn now(&self) -> Timestamp {
        let ahead = self.0.ahead.load(Ordering::SeqCst);
        Timestamp(Timestamp::from_utc(self.0.clock.utc()).0 + ahead)
    }
}

impl From<Clock> for EmulatorClock {
    /// The emulator lives by this clock, whoever moves it.
    fn from(clock: Clock) -> EmulatorClock {
        EmulatorClock(Arc::new(Inner {
            clock,
            ahead: AtomicU64::new(0),
            moved: AtomicU64::new(0),
        }))
    }
}

/// A time in microseconds since 1970, the unit of the change log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Timestamp(u64);

impl Timestamp {
    pub(super) const fn from_micros(micros: u64) -> Timestamp {
        Timestamp(micros)
    }

    pub(super) const fn from_nanos(nanos: u64) -> Timestamp {
        Timestamp(nanos / 1_000)
    }

    fn from_utc(utc: OffsetDateTime) -> Timestamp {
        Timestamp(u64::try_from(utc.unix_timestamp_nanos() / 1_000).unwrap_or(0))
    }

    pub(super) fn to_utc(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    pub(super) const fn micros(self) -> u64 {
        self.0
    }

    /// As the wire's signed fields want it.
    pub(super) const fn micros_i64(self) -> i64 {
        self.micros() as i64
    }

    pub(super) const fn millis(self) -> i64 {
        (self.0 / 1_000) as i64
    }

    pub(super) const fn nanos(self) -> i64 {
        (self.0 * 1_000) as i64
    }

    pub(super) fn to_rfc3339(self) -> String {
        // Fails for years beyond 9999, which no RFC 3339 time can tell.
        let text = self.to_utc().format(&Rfc3339);
        text.unwrap_or_else(|_| self.to_string())
    }

    /// How long after `earlier` this is.
    pub(super) fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    pub(super) fn plus(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(micros(by)))
    }

    pub(super) fn minus(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(micros(by)))
    }
}

impl fmt::Display for Timestamp {
    /// Sixteen digits, as ids carry it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016}", self.0)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_until_it_is_moved() {
        let clock = EmulatorClock::manual(OffsetDateTime::UNIX_EPOCH + Duration::from_secs(5));
        assert_eq!(clock.now(), Timestamp::from_micros(5_000_000));
        clock.clone().advance(Duration::from_millis(7));
        assert_eq!(clock.now(), Timestamp::from_micros(5_007_000));
        assert_eq!(clock.now().to_string(), "0000000005007000");
    }

    #[test]
    fn a_running_clock_can_be_ahead() {
        let clock = EmulatorClock::system();
        clock.advance(Duration::from_secs(3_600));
        let ahead = clock.utc() - OffsetDateTime::now_utc();
        assert!((3_590..=3_600).contains(&ahead.whole_seconds()), "{ahead}");
    }
}
