//! [`Reopening`]: how long to wait before a channel that failed is opened again (pure).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::error::ErrorClass;

/// The first pause, and the longest, after a failure that may last: of the program's
/// code, or a refusal.
const PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The same after a failure that passes, such as a record that was damaged on its way.
/// The first time the channel is opened immediately.
const PASSING_PAUSE: Duration = Duration::from_secs(1);
const MAX_PASSING_PAUSE: Duration = Duration::from_secs(5);

/// The channels of a session that failed and have not been well since.
#[derive(Debug)]
pub(crate) struct Reopening {
    /// No pause grows faster than heartbeats come, so that tests with short ones do
    /// not wait.
    interval: Duration,
    failed: HashMap<Arc<str>, Failed>,
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    count: u32,
    ready_at: Instant,
}

impl Reopening {
    pub(crate) fn new(heartbeat_interval: Duration) -> Reopening {
        Reopening {
            interval: heartbeat_interval,
            failed: HashMap::new(),
        }
    }

    /// The channel has failed, after it was open for that long. If it was well for a
    /// while, this is not the failure of the last time.
    pub(crate) fn failed(
        &mut self,
        channel_id: &Arc<str>,
        class: ErrorClass,
        open_for: Duration,
        now: Instant,
    ) {
        let before = self.failed.get(channel_id).filter(|_| open_for < MAX_PAUSE);
        let count = before.map_or(0, |failed| failed.count).saturating_add(1);
        let ready_at = clock::after(now, self.pause(class, count));
        self.failed
            .insert(channel_id.clone(), Failed { count, ready_at });
    }

    fn pause(&self, class: ErrorClass, count: u32) -> Duration {
        let (first, longest, doublings) = match (class, count) {
            (ErrorClass::Gone, _) | (ErrorClass::Passing, 1) => return Duration::ZERO,
            (ErrorClass::Passing, count) => (PASSING_PAUSE, MAX_PASSING_PAUSE, count - 2),
            (_, count) => (PAUSE, MAX_PAUSE, count.saturating_sub(1)),
        };
        let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let first = first.min(self.interval);
        first.saturating_mul(factor).min(longest)
    }

    /// From when on the channel may be opened; `None` if it has not failed.
    pub(crate) fn ready_at(&self, channel_id: &str) -> Option<Instant> {
        Some(self.failed.get(channel_id)?.ready_at)
    }

    /// The channel ended without a failure.
    pub(crate) fn forget(&mut self, channel_id: &str) {
        self.failed.remove(channel_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(class: ErrorClass, interval: u64) -> Vec<u64> {
        let mut reopening = Reopening::new(Duration::from_secs(interval));
        let (channel, now) = (Arc::from("c"), clock::now());
        let pause = |_| {
            reopening.failed(&channel, class, Duration::ZERO, now);
            let ready = reopening.ready_at("c").expect("it failed");
            (ready - now).as_secs()
        };
        (0..7).map(pause).collect()
    }

    #[test]
    fn pauses_grow_by_the_class_of_failure() {
        use ErrorClass as C;
        for class in [C::Refused, C::Unacceptable, C::Local] {
            assert_eq!(pauses(class, 30), [5, 10, 20, 40, 60, 60, 60], "{class:?}");
        }
        assert_eq!(pauses(C::Passing, 30), [0, 1, 2, 4, 5, 5, 5]);
        assert_eq!(pauses(C::Gone, 30), [0; 7]);
        assert_eq!(pauses(C::Local, 1), [1, 2, 4, 8, 16, 32, 60]);
    }

    #[test]
    fn a_channel_that_was_open_for_a_while_begins_anew() {
        let mut reopening = Reopening::new(Duration::from_secs(30));
        let (channel, now) = (Arc::from("c"), clock::now());
        for _ in 0..5 {
            reopening.failed(&channel, ErrorClass::Local, Duration::ZERO, now);
        }
        reopening.failed(&channel, ErrorClass::Local, MAX_PAUSE, now);
        assert_eq!(reopening.ready_at("c"), Some(now + PAUSE));
        reopening.forget("c");
        assert_eq!(reopening.ready_at("c"), None);
    }

    #[test]
    fn counts_do_not_overflow() {
        let mut reopening = Reopening::new(Duration::from_secs(30));
        let pause = reopening.pause(ErrorClass::Local, u32::MAX);
        assert_eq!(pause, MAX_PAUSE);
        let (channel, now) = (Arc::from("c"), clock::now());
        reopening.failed.insert(
            Arc::clone(&channel),
            Failed {
                count: u32::MAX,
                ready_at: now,
            },
        );
        reopening.failed(&channel, ErrorClass::Local, Duration::ZERO, now);
        assert_eq!(reopening.ready_at("c"), Some(now + MAX_PAUSE));
    }
}
