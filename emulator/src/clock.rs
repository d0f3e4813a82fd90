//! [`EmulatorClock`]: the emulator's time.
//!
//! Timeouts of clients, sequence numbers, cell versions and expiry follow this
//! clock. Only the check of a request's date follows the machine's clock, because
//! clients sign with their machines' clocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use time::OffsetDateTime;

use crate::timestamp::{Timestamp, micros};
use tablestore_tunnel::Clock;

/// The longest move, as of [`Clock::jump`].
pub(crate) const LONGEST_MOVE: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// The emulator's clock: the machine's clock, or one that is moved by hand.
///
/// Clones are the same clock. Workers can share a manual clock, so that both sides
/// have the same time: make it from a [`Clock`], or pass its
/// [`worker_clock`](EmulatorClock::worker_clock) to their configuration.
#[derive(Clone, Debug)]
pub struct EmulatorClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    /// How many microseconds a running clock is ahead of the machine's.
    ahead: AtomicU64,
    /// By how many microseconds [`EmulatorClock::advance`] moved it in total.
    moved: AtomicU64,
}

impl EmulatorClock {
    /// A clock that runs with the machine's calendar time.
    pub fn system() -> EmulatorClock {
        Clock::system().into()
    }

    /// A clock that shows `start` until [`EmulatorClock::advance`] moves it.
    ///
    /// A start before 1970 means 1970. The clock stops in the year 2262, which is as far as
    /// nanoseconds in the service's messages reach.
    pub fn manual(start: OffsetDateTime) -> EmulatorClock {
        let limits = (OffsetDateTime::UNIX_EPOCH, Timestamp::MAX.to_utc());
        Clock::manual(start.clamp(limits.0, limits.1)).into()
    }

    /// The same time for workers, for the `clock` of their configuration.
    /// [`Clock::advance`] of this clock moves both sides step by step. For a running
    /// clock this is the machine's clock, which [`EmulatorClock::advance`] does not
    /// move.
    pub fn worker_clock(&self) -> Clock {
        self.0.clock.clone()
    }

    /// Moves the clock forward in one step. A running clock stays ahead by the same
    /// amount.
    ///
    /// Timeouts and the ends of backfills that become due take effect with the next
    /// request. Workers on the same clock see a [`Clock::jump`]. More than 100 years
    /// counts as 100 years.
    pub fn advance(&self, by: Duration) {
        let by = by.min(LONGEST_MOVE);
        self.0.moved.fetch_add(micros(by), Ordering::SeqCst);
        if self.0.clock.is_manual() {
            self.0.clock.jump(by);
        } else {
            self.0.ahead.fetch_add(micros(by), Ordering::SeqCst);
        }
    }

    /// How far [`EmulatorClock::advance`] moved it in total. Steps of a clock that
    /// workers share are not included, because workers act at each step.
    pub(super) fn moved(&self) -> Duration {
        Duration::from_micros(self.0.moved.load(Ordering::SeqCst))
    }

    /// The current time on this clock.
    pub fn utc(&self) -> OffsetDateTime {
        self.now().to_utc()
    }

    /// Whether the clock runs by itself.
    pub(super) fn runs(&self) -> bool {
        !self.0.clock.is_manual()
    }

    pub(super) fn now(&self) -> Timestamp {
        let ahead = self.0.ahead.load(Ordering::SeqCst);
        let clock = Timestamp::from_utc(self.0.clock.utc());
        clock.plus(Duration::from_micros(ahead))
    }
}

impl From<Clock> for EmulatorClock {
    /// The emulator follows this clock, whoever moves it.
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
    fn a_manual_clock_stands_still_until_it_is_moved() {
        let clock = EmulatorClock::manual(OffsetDateTime::UNIX_EPOCH + Duration::from_secs(5));
        assert_eq!(clock.now(), Timestamp::from_micros(5_000_000));
        clock.clone().advance(Duration::from_millis(7));
        assert_eq!(clock.now(), Timestamp::from_micros(5_007_000));
        assert_eq!(clock.now().to_string(), "0000000005007000");
    }

    #[test]
    fn the_longest_moves_stop_the_clock_and_nothing_panics() {
        let far = OffsetDateTime::new_utc(time::Date::MAX, time::Time::MIDNIGHT);
        for clock in [
            EmulatorClock::system(),
            EmulatorClock::manual(OffsetDateTime::UNIX_EPOCH),
            EmulatorClock::manual(far),
        ] {
            for by in [Duration::ZERO, Duration::from_nanos(1)] {
                clock.advance(by);
            }
            for _ in 0..5 {
                clock.advance(Duration::MAX);
            }
            assert_eq!(clock.now(), Timestamp::MAX);
            assert_eq!(clock.utc().year(), 2262);
            assert!(clock.moved() >= 5 * LONGEST_MOVE);
        }
    }

    #[test]
    fn a_running_clock_can_be_moved_ahead() {
        let clock = EmulatorClock::system();
        clock.advance(Duration::from_secs(3_600));
        let ahead = clock.utc() - OffsetDateTime::now_utc();
        assert!((3_590..=3_600).contains(&ahead.whole_seconds()), "{ahead}");
    }
}
