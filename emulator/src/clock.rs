//! What time the emulator believes it is.
//!
//! Timeouts of clients, sequence numbers, cell versions and expiry all follow
//! this clock; only the check of a request's date header follows the machine's,
//! because clients sign with theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use time::OffsetDateTime;

use crate::timestamp::{Timestamp, micros};
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
        let clock = Timestamp::from_utc(self.0.clock.utc());
        Timestamp::from_micros(clock.micros() + ahead)
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
