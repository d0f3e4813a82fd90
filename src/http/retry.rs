//! When a request is tried again.
//!
//! The schedule is pure; the loop around it waits where a stop wakes it.
//! Whether a failure passes is [`TunnelError::verdict`]'s to say.

use std::time::Duration;

use crate::error::{ErrorCode, TunnelError, Verdict};
use crate::sync::stop::Stop;

/// Pauses double from one attempt to the next.
const FACTOR: u32 = 2;

/// Pauses are spread over ±33 %, so that clients that failed together do not
/// come back together.
const JITTER: f64 = 0.33;

/// How the pauses between attempts grow, and when there is no other attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Schedule {
    /// The first pause, before jitter.
    pub(crate) first: Duration,
    /// No pause is longer, whatever the jitter.
    pub(crate) longest: Duration,
    /// No attempt begins later than this after the first one began.
    pub(crate) give_up: Duration,
    /// How many answers that cannot be read are asked for again: whatever
    /// spoiled one on its way may be gone, and the next attempt is sooner than
    /// a new session. For requests that may be carried out twice.
    pub(crate) unreadable: u32,
}

/// How long a request is tried, beside its [`Schedule`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// One attempt takes no longer.
    pub(crate) attempt: Duration,
    /// No attempt begins later than this after the first one began.
    pub(crate) in_all: Duration,
}

/// Enough for a fault that passes, and soon over for one that stays.
const UNREADABLE: u32 = 3;

impl Schedule {
    /// For all actions but reading records.
    pub(crate) const META: Schedule = Schedule {
        first: Duration::from_millis(100),
        longest: Duration::from_secs(2),
        give_up: Duration::from_secs(35),
        unreadable: 0,
    };

    /// For reading records: quick at first, since a channel waits for it.
    pub(crate) fn read_records(give_up: Duration) -> Schedule {
        Schedule {
            first: Duration::from_millis(16),
            longest: Duration::from_secs(3),
            give_up,
            unreadable: UNREADABLE,
        }
    }

    /// For a request that only asks, or may be carried out twice.
    pub(crate) fn read_again(self) -> Schedule {
        Schedule {
            unreadable: UNREADABLE,
            ..self
        }
    }

    /// The pause after the failure of attempt `retries` (from 0), `elapsed`
    /// after the first attempt began; none to give up.
    ///
    /// `random` is uniform in `0.0..1.0`.
    pub(crate) fn pause(&self, retries: u32, elapsed: Duration, random: f64) -> Option<Duration> {
        let grown = self.first.saturating_mul(FACTOR.saturating_pow(retries));
        let spread = 1.0 + JITTER * (2.0 * random - 1.0);
        let pause = grown.min(self.longest).mul_f64(spread).min(self.longest);
        (elapsed.saturating_add(pause) <= self.give_up).then_some(pause)
    }
}

/// Attempts until one succeeds, fails for good, time is up or `stop` is fired.
///
/// The error is that of the last attempt. There is always a first attempt,
/// even with `stop` fired: what is sent while stopping goes through here too.
/// Time is that of the stop's clock.
pub(crate) fn retry<T>(
    schedule: &Schedule,
    stop: &Stop,
    mut attempt: impl FnMut() -> Result<T, TunnelError>,
) -> Result<T, TunnelError> {
    let began = stop.clock().now();
    let (mut retries, mut unreadable) = (0, 0);
    loop {
        let error = match attempt() {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        unreadable += u32::from(*error.code() == ErrorCode::Malformed);
        let passes = match error.code() {
            ErrorCode::Malformed => unreadable <= schedule.unreadable,
            _ => error.verdict() == Verdict::Retry,
        };
        if !passes {
            return Err(error);
        }
        let elapsed = stop.clock().now().saturating_duration_since(began);
        let Some(pause) = schedule.pause(retries, elapsed, fastrand::f64()) else {
            return Err(error);
        };
        log::debug!(
            "attempt {} failed, next in {pause:?}: {error:?}",
            retries + 1
        );
        if stop.wait_for(pause) {
            return Err(error);
        }
        retries += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    const MIDDLE: f64 = 0.5;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let meta: Vec<_> = (0..8)
            .map(|n| Schedule::META.pause(n, ms(0), MIDDLE))
            .collect();
        let expected = [100, 200, 400, 800, 1600, 2000, 2000, 2000];
        assert_eq!(meta, expected.map(|pause| Some(ms(pause))));

        let read = Schedule::read_records(ms(75_000));
        let read: Vec<_> = (0..10).map(|n| read.pause(n, ms(0), MIDDLE)).collect();
        let expected = [16, 32, 64, 128, 256, 512, 1024, 2048, 3000, 3000];
        assert_eq!(read, expected.map(|pause| Some(ms(pause))));
    }

    #[test]
    fn jitter_is_a_third_and_never_exceeds_the_longest() {
        let pause = |retries, random| Schedule::META.pause(retries, ms(0), random);
        assert_eq!(pause(0, 0.0), Some(ms(67)));
        assert_eq!(pause(0, 1.0), Some(ms(133)));
        assert_eq!(pause(9, 0.0), Some(ms(1340)));
        assert_eq!(pause(9, 1.0), Some(ms(2000)));
    }

    #[test]
    fn gives_up_when_the_next_attempt_would_begin_too_late() {
        let meta = |elapsed| Schedule::META.pause(9, ms(elapsed), MIDDLE);
        assert_eq!(meta(33_000), Some(ms(2000)));
        assert_eq!(meta(33_001), None);
        let read = Schedule::read_records(ms(75_000));
        assert_eq!(read.pause(9, ms(72_000), MIDDLE), Some(ms(3000)));
        assert_eq!(read.pause(9, ms(72_001), MIDDLE), None);
    }

    #[test]
    fn large_counts_and_times_do_not_overflow() {
        let read = Schedule::read_records(Duration::MAX);
        assert_eq!(read.pause(u32::MAX, ms(0), MIDDLE), Some(ms(3000)));
        assert!(
            Schedule::META
                .pause(u32::MAX, Duration::MAX, MIDDLE)
                .is_none()
        );
    }

    /// Its pauses would outlast any test.
    const SLOW: Schedule = Schedule {
        first: Duration::from_secs(36_000),
        longest: Duration::from_secs(36_000),
        give_up: Duration::MAX,
        unreadable: 0,
    };

    fn passing() -> TunnelError {
        TunnelError::new(ErrorCode::ServerUnavailable, "busy")
    }

    #[test]
    fn what_cannot_be_read_is_asked_for_again_but_not_for_ever() {
        let again = Schedule::META.read_again();
        for (schedule, expected) in [(Schedule::META, 1), (again, 4)] {
            let mut attempts = 0;
            let answer: Result<(), _> = retry(&schedule, &Stop::new(), || {
                attempts += 1;
                Err(TunnelError::new(ErrorCode::Malformed, "garbage"))
            });
            assert_eq!(attempts, expected);
            assert!(answer.is_err());
        }
    }

    #[test]
    fn a_stop_ends_the_wait_but_not_the_first_attempt() {
        let stop = Stop::new();
        stop.trigger();
        let mut attempts = 0;
        let answer: Result<(), _> = retry(&SLOW, &stop, || {
            attempts += 1;
            Err(passing())
        });
        assert_eq!(attempts, 1);
        assert_eq!(
            answer.expect_err("busy").code(),
            &ErrorCode::ServerUnavailable
        );
    }

    #[test]
    fn a_stop_during_the_wait_ends_it() {
        let stop = Stop::new();
        let (began, attempts) = crossbeam_channel::unbounded();
        let waiter = std::thread::spawn({
            let stop = stop.clone();
            move || {
                retry(&SLOW, &stop, || -> Result<(), _> {
                    began.send(()).expect("the test listens");
                    Err(passing())
                })
            }
        });
        attempts.recv().expect("an attempt");
        stop.trigger();
        waiter.join().expect("waiter").expect_err("stopped");
        assert!(attempts.recv().is_err(), "a second attempt");
    }

    #[test]
    fn what_does_not_pass_is_not_tried_again() {
        let fatal = || TunnelError::service("OTSParameterInvalid", "no such table");
        let mut attempts = 0;
        let answer: Result<(), _> = retry(&SLOW, &Stop::new(), || {
            attempts += 1;
            Err(fatal())
        });
        assert_eq!(attempts, 1);
        assert_eq!(
            answer.expect_err("fatal").code(),
            &ErrorCode::ParameterInvalid
        );
    }

    #[test]
    fn tries_again_until_it_succeeds() {
        let mut failures = vec![passing(), passing()];
        let quick = Schedule::read_records(ms(60_000));
        let answer = retry(&quick, &Stop::new(), || failures.pop().map_or(Ok(7), Err));
        assert_eq!(answer.expect("success"), 7);
    }
}
