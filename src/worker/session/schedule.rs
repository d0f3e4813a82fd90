//! When to send a heartbeat, and when the session is lost (pure).

use std::time::{Duration, Instant};

use crate::clock;

/// News wait no longer than that, so that all news of that time share one heartbeat.
const NEWS_DELAY: Duration = Duration::from_secs(1);

/// The interval while channels move: for a while after connecting and after each change
/// of the list of channels, so that a channel that one worker gives back is soon
/// consumed by another.
const MOVING_INTERVAL: Duration = Duration::from_secs(5);

/// For how long after a change channels may still move.
const MOVING_TIME: Duration = Duration::from_secs(60);

/// The first pause after a heartbeat that failed, and the longest.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(5);

/// The least pause, however little is left of the lease.
const MIN_RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The rhythm of one session's heartbeats.
#[derive(Debug)]
pub(crate) struct HeartbeatSchedule {
    interval: Duration,
    timeout: Duration,
    /// When the last heartbeat was sent; the connect counts as the first.
    last_sent: Instant,
    /// When the last heartbeat that was answered had been sent. Its sending and not
    /// its answer, so that we stop before the service gives the channels away.
    last_success: Instant,
    /// When the last failed heartbeat came back, and how many have failed in a row.
    last_failure: Instant,
    failures: u32,
    moving_until: Instant,
    in_flight: bool,
    is_urgent: bool,
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
            last_sent: connected,
            last_success: connected,
            last_failure: connected,
            failures: 0,
            moving_until: clock::after(connected, MOVING_TIME),
            in_flight: false,
            // The first heartbeat makes the client take part.
            is_urgent: true,
        }
    }

    /// When the next heartbeat is due, with or without news to report; none while one
    /// is in flight.
    pub(crate) fn next(&self, news: bool) -> Option<Instant> {
        if self.in_flight {
            return None;
        }
        Some(match (self.is_urgent, self.failures, news) {
            (true, ..) => self.last_sent,
            (false, 0, true) => clock::after(self.last_sent, NEWS_DELAY.min(self.interval)),
            (false, 0, false) => self.regular(),
            (false, ..) => clock::after(self.last_failure, self.retry_pause()),
        })
    }

    fn regular(&self) -> Instant {
        let soon = clock::after(self.last_sent, MOVING_INTERVAL.min(self.interval));
        match soon <= self.moving_until {
            true => soon,
            false => clock::after(self.last_sent, self.interval),
        }
    }

    /// The pause after the last failure. Short enough that several more attempts fit
    /// into what is left of the lease.
    pub(crate) fn retry_pause(&self) -> Duration {
        let doubled = 1u32.checked_shl(self.failures.saturating_sub(1));
        let pause = RETRY_PAUSE.saturating_mul(doubled.unwrap_or(u32::MAX));
        let left = self.lost_at().saturating_duration_since(self.last_failure);
        let longest = MAX_RETRY_PAUSE.min(self.interval);
        pause
            .min(longest)
            .min(left / 4)
            .max(MIN_RETRY_PAUSE.min(longest))
    }

    /// Whether a heartbeat has been sent and not come back.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    /// How many heartbeats have failed in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The next heartbeat goes out immediately.
    pub(crate) fn hurry(&mut self) {
        self.is_urgent = true;
    }

    /// The list of our channels has changed.
    pub(crate) fn list_changed(&mut self, now: Instant) {
        self.moving_until = clock::after(now, MOVING_TIME);
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        self.last_sent = now;
        self.in_flight = true;
        self.is_urgent = false;
    }

    pub(crate) fn answered(&mut self) {
        self.in_flight = false;
        self.failures = 0;
        self.last_success = self.last_sent;
    }

    pub(crate) fn failed(&mut self, now: Instant) {
        self.in_flight = false;
        self.failures = self.failures.saturating_add(1);
        self.last_failure = now;
    }

    /// When the last heartbeat was sent.
    pub(crate) fn last_sent(&self) -> Instant {
        self.last_sent
    }

    /// From when on the session is given back while it is still ours, because no
    /// heartbeat was answered: what has been processed can be saved, so it does not come
    /// again.
    pub(crate) fn gives_up_at(&self) -> Instant {
        let last = MAX_GIVE_BACK_TIME.min(self.timeout / 20);
        clock::after(self.last_success, self.timeout - last)
    }

    /// From when on the session counts as lost.
    pub(crate) fn lost_at(&self) -> Instant {
        clock::after(self.last_success, self.timeout)
    }
}

/// The most time that a session whose heartbeats fail gets for its last saves.
const MAX_GIVE_BACK_TIME: Duration = Duration::from_secs(2);

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

    /// A schedule at the defaults whose moving time is over, with the last heartbeat
    /// sent and answered at the instant that is returned.
    fn settled() -> (HeartbeatSchedule, Instant) {
        let start = crate::clock::now();
        let mut schedule = HeartbeatSchedule::new(seconds(30), seconds(300), start);
        let later = start + seconds(1000);
        schedule.sent(later);
        schedule.answered();
        (schedule, later)
    }

    #[test]
    fn the_first_heartbeat_goes_out_immediately_and_the_next_soon() {
        let start = crate::clock::now();
        let mut schedule = HeartbeatSchedule::new(seconds(30), seconds(300), start);
        let mut sent = Vec::new();
        for _ in 0..16 {
            let due = schedule.next(false).expect("none is in flight");
            schedule.sent(due);
            assert_eq!(schedule.next(false), None);
            schedule.answered();
            sent.push((due - start).as_secs());
        }
        let expected = [
            0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 90, 120, 150,
        ];
        assert_eq!(sent, expected);
    }

    #[test]
    fn heartbeats_come_often_while_channels_move() {
        let (mut schedule, last) = settled();
        assert_eq!(schedule.next(false), Some(last + seconds(30)));
        schedule.list_changed(last + seconds(2));
        assert_eq!(schedule.next(false), Some(last + seconds(5)));
        let mut short = HeartbeatSchedule::new(seconds(1), seconds(10), last);
        short.sent(last);
        short.answered();
        assert_eq!(
            short.next(false),
            Some(last + seconds(1)),
            "the interval if shorter"
        );
    }

    #[test]
    fn all_news_of_one_second_share_a_heartbeat() {
        let (mut schedule, last) = settled();
        assert_eq!(schedule.next(true), Some(last + seconds(1)));
        schedule.sent(last + seconds(20));
        assert_eq!(schedule.next(true), None, "one is in flight");
        schedule.answered();
        assert_eq!(schedule.next(true), Some(last + seconds(21)));
    }

    #[test]
    fn a_failed_heartbeat_is_followed_by_another_with_backoff() {
        let (mut schedule, last) = settled();
        let mut now = last + seconds(30);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            schedule.sent(now);
            schedule.failed(now);
            let due = schedule.next(true).expect("none is in flight");
            assert_eq!(schedule.next(false), Some(due), "news change nothing");
            pauses.push((due - now).as_secs());
            now = due;
        }
        assert_eq!(pauses, [1, 2, 4, 5, 5, 5]);
        assert_eq!(schedule.failures(), 6);
        schedule.sent(now);
        schedule.answered();
        assert_eq!(schedule.next(false), Some(now + seconds(30)));
    }

    #[test]
    fn a_session_without_answers_is_given_back_shortly_before_it_is_lost() {
        for (timeout, earlier) in [(300, 2000), (20, 1000), (2, 100)] {
            let start = crate::clock::now();
            let schedule = HeartbeatSchedule::new(seconds(1), seconds(timeout), start);
            let gives_up = schedule.gives_up_at();
            assert_eq!(
                schedule.lost_at() - gives_up,
                Duration::from_millis(earlier)
            );
        }
    }

    #[test]
    fn several_attempts_fit_into_what_is_left_of_the_lease() {
        let (mut schedule, last) = settled();
        schedule.sent(last + seconds(296));
        schedule.failed(last + seconds(296));
        assert_eq!(schedule.retry_pause(), seconds(1));
        schedule.failed(last + seconds(298));
        assert_eq!(schedule.retry_pause(), seconds(1) / 2);
        schedule.failed(last + seconds(300));
        assert_eq!(schedule.retry_pause(), MIN_RETRY_PAUSE);
    }

    #[test]
    fn an_urgent_heartbeat_does_not_wait() {
        let (mut schedule, last) = settled();
        schedule.hurry();
        assert!(schedule.next(false) <= Some(last));
        schedule.sent(last + seconds(3));
        schedule.answered();
        assert_eq!(schedule.next(false), Some(last + seconds(33)), "once");
    }

    #[test]
    fn a_beat_can_be_tried_thrice_before_the_session_is_lost() {
        for (interval, timeout, attempt) in [(30, 300, 30), (5, 300, 5), (30, 60, 10), (5, 6, 1)] {
            let limit = attempt_timeout(seconds(interval), seconds(timeout));
            assert_eq!(limit, seconds(attempt), "{interval} {timeout}");
        }
    }

    #[test]
    fn the_session_lives_from_the_sending_of_the_last_answered_beat() {
        let start = crate::clock::now();
        let mut beats = HeartbeatSchedule::new(seconds(30), seconds(300), start);
        assert_eq!(beats.lost_at(), start + seconds(300));
        beats.sent(start + seconds(10));
        beats.failed(start + seconds(11));
        assert_eq!(beats.lost_at(), start + seconds(300), "no answer");
        beats.sent(start + seconds(40));
        assert_eq!(beats.lost_at(), start + seconds(300), "no answer yet");
        beats.answered();
        assert_eq!(beats.lost_at(), start + seconds(340));
    }
}
