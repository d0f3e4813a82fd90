//! When to send a heartbeat, and when the session is lost (pure).

use std::time::{Duration, Instant};

use crate::clock;
use crate::config::MIN_HEARTBEAT_INTERVAL;

/// The rhythm of one session's heartbeats.
#[derive(Debug)]
pub(crate) struct HeartbeatSchedule {
    interval: Duration,
    timeout: Duration,
    /// The least distance between two beats when there is news.
    floor: Duration,
    /// When the last beat was sent; the connect counts as the first.
    last_sent: Instant,
    /// When the last beat that was answered had been sent. Its sending and not
    /// its answer, so that we stop before the service gives the channels away.
    last_success: Instant,
    in_flight: bool,
    first: bool,
}

impl HeartbeatSchedule {
    /// A schedule for a session that was connected by a request sent at `connected`.
    pub(crate) fn new(
        interval: Duration,
        timeout: Duration,
        connected: Instant,
    ) -> HeartbeatSchedule {
        HeartbeatSchedule {
            interval,
            timeout,
            floor: MIN_HEARTBEAT_INTERVAL.min(interval),
            last_sent: connected,
            last_success: connected,
            in_flight: false,
            first: true,
        }
    }

    /// When the next beat is due, with or without news to tell; none while
    /// one is on its way.
    pub(crate) fn next(&self, news: bool) -> Option<Instant> {
        let wait = match (self.first, news) {
            (true, _) => Duration::ZERO,
            (false, true) => self.floor,
            (false, false) => self.interval,
        };
        (!self.in_flight).then(|| clock::after(self.last_sent, wait))
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        self.last_sent = now;
        self.in_flight = true;
        self.first = false;
    }

    /// The beat has come back, with an answer or without.
    pub(crate) fn returned(&mut self, answered: bool) {
        self.in_flight = false;
        if answered {
            self.last_success = self.last_sent;
        }
    }

    /// From when on the session counts as lost.
    pub(crate) fn lost_at(&self) -> Instant {
        clock::after(self.last_success, self.timeout)
    }
}

/// The least time for an answer, from a service that is slow and well.
const MIN_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one attempt of a beat may take: a connection that swallows it (a
/// router that forgot it, a host that is gone) must leave time to try another
/// before the session is lost, twice if possible.
pub(crate) fn attempt_timeout(interval: Duration, timeout: Duration) -> Duration {
    let spare = timeout.saturating_sub(interval) / 3;
    spare.min(interval).max(MIN_ATTEMPT_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn beats_at_once_and_then_by_the_interval() {
        let start = crate::clock::now();
        let mut beats = HeartbeatSchedule::new(seconds(30), seconds(300), start);
        assert_eq!(beats.next(false), Some(start));
        beats.sent(start);
        assert_eq!(beats.next(false), None);
        beats.returned(true);
        assert_eq!(beats.next(false), Some(start + seconds(30)));
        assert_eq!(beats.next(true), Some(start + seconds(5)), "news are early");
    }

    #[test]
    fn a_beat_can_be_tried_thrice_before_the_session_is_lost() {
        for (interval, timeout, attempt) in [(30, 300, 30), (5, 300, 5), (30, 60, 10), (5, 6, 1)] {
            let limit = attempt_timeout(seconds(interval), seconds(timeout));
            assert_eq!(limit, seconds(attempt), "{interval} {timeout}");
        }
    }

    #[test]
    fn news_wait_for_the_interval_if_that_is_less_than_the_floor() {
        let start = crate::clock::now();
        let mut beats = HeartbeatSchedule::new(seconds(1), seconds(10), start);
        beats.sent(start);
        beats.returned(true);
        assert_eq!(beats.next(true), Some(start + seconds(1)));
    }

    #[test]
    fn the_session_lives_from_the_sending_of_the_last_answered_beat() {
        let start = crate::clock::now();
        let mut beats = HeartbeatSchedule::new(seconds(30), seconds(300), start);
        assert_eq!(beats.lost_at(), start + seconds(300));
        beats.sent(start + seconds(10));
        beats.returned(false);
        assert_eq!(beats.lost_at(), start + seconds(300), "no answer");
        beats.sent(start + seconds(40));
        assert_eq!(beats.lost_at(), start + seconds(300), "no answer yet");
        beats.returned(true);
        assert_eq!(beats.lost_at(), start + seconds(340));
    }
}
