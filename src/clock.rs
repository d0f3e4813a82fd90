//! The one place that asks the machine what time it is.
//!
//! What decides takes the time as a value; what waits takes a deadline. So a
//! search for `Instant::now` finds this file and no other.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

/// The monotonic time, for intervals and deadlines.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Longer than any program runs, and far from where an `Instant` ends.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// `delay` after `start`. A user may say [`Duration::MAX`] for "never", which
/// must not be a panic: nothing is later than in a hundred years.
pub(crate) fn after(start: Instant, delay: Duration) -> Instant {
    start + delay.min(CENTURY)
}

/// The calendar time, for what is written on the wire.
pub(crate) fn utc() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// The monotonic time in microseconds, for ages that are kept in atomics;
/// counted from its first use, and never 0.
pub(crate) fn micros() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = now().saturating_duration_since(*START.get_or_init(now));
    u64::try_from(elapsed.as_micros()).map_or(u64::MAX, |micros| micros.max(1))
}

/// How long ago `micros` was, a time of [`micros`].
pub(crate) fn age(then: u64) -> Duration {
    Duration::from_micros(micros().saturating_sub(then))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_far_away_and_no_panic() {
        let start = now();
        let second = Duration::from_secs(1);
        assert_eq!(after(start, second), start + second);
        assert!(after(start, Duration::MAX) >= start + CENTURY);
    }
}
