//! A small state and since when it is so, in one atomic word, so that whoever
//! looks sees both as they belong together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// The low bits hold the state, the rest microseconds: enough for 2000 years.
const STATE_BITS: u32 = 8;

/// A state and a time, packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimedState(u64);

impl TimedState {
    /// `state`, from now on.
    pub(crate) fn now(clock: &Clock, state: u8) -> TimedState {
        TimedState(clock.micros() << STATE_BITS | u64::from(state))
    }

    /// Another state that goes on since the same time.
    pub(crate) fn with_state(self, state: u8) -> TimedState {
        TimedState(self.0 >> STATE_BITS << STATE_BITS | u64::from(state))
    }

    pub(crate) fn state(self) -> u8 {
        self.0.to_le_bytes()[0]
    }

    /// For how long it has been so.
    pub(crate) fn age(self, clock: &Clock) -> Duration {
        clock.age(self.0 >> STATE_BITS)
    }

    /// Whether it has been so for less long than `other`.
    pub(crate) fn is_later_than(self, other: TimedState) -> bool {
        self.0 >> STATE_BITS > other.0 >> STATE_BITS
    }

    pub(crate) fn from_word(word: u64) -> TimedState {
        TimedState(word)
    }

    pub(crate) fn word(self) -> u64 {
        self.0
    }
}

/// A stamp that one thread sets and others look at.
#[derive(Debug)]
pub(crate) struct AtomicTimedState(AtomicU64);

impl AtomicTimedState {
    pub(crate) fn new(stamp: TimedState) -> AtomicTimedState {
        AtomicTimedState(AtomicU64::new(stamp.0))
    }

    pub(crate) fn set(&self, stamp: TimedState) {
        self.0.store(stamp.0, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> TimedState {
        TimedState(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_both_parts() {
        let clock = Clock::system();
        let stamp = TimedState::now(&clock, 7);
        assert_eq!(stamp.state(), 7);
        assert!(stamp.age(&clock) < Duration::from_secs(60));
        let later = stamp.with_state(255);
        assert_eq!(later.state(), 255);
        assert_eq!(later.with_state(7), stamp, "the time stays");
        assert_eq!(TimedState::from_word(stamp.word()), stamp);
    }

    #[test]
    fn ages() {
        let clock = Clock::manual(time::OffsetDateTime::UNIX_EPOCH);
        clock.jump(Duration::from_secs(1));
        let before = TimedState::now(&clock, 9);
        clock.jump(Duration::from_secs(2));
        let after = TimedState::now(&clock, 1);
        assert_eq!(before.age(&clock), Duration::from_secs(2));
        assert_eq!(after.age(&clock), Duration::ZERO);
        assert!(after.is_later_than(before) && !before.is_later_than(after));
        assert!(!before.is_later_than(before.with_state(200)));
    }
}
