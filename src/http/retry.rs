//! When a call of the client is tried again, and how long the pauses between the
//! attempts of any request are.
//!
//! The schedule is pure. Whether there is another attempt at all is decided in
//! [`policy`](crate::policy).

use std::time::Duration;

use crate::clock::{Clock, rounded};
use crate::error::TunnelError;
use crate::policy::{Reaction, Request, reaction};

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
}

impl Schedule {
    /// For all actions but reading records.
    pub(crate) const META: Schedule = Schedule {
        first: Duration::from_millis(100),
        longest: Duration::from_secs(2),
        give_up: Duration::from_secs(35),
    };

    /// For reading records: quick at first, since a channel waits for it.
    pub(crate) fn read_records(give_up: Duration) -> Schedule {
        Schedule {
            first: Duration::from_millis(16),
            longest: Duration::from_secs(3),
            give_up,
        }
    }

    /// The same pauses, without an end.
    pub(crate) fn endless(self) -> Schedule {
        Schedule {
            give_up: Duration::MAX,
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

/// Whether a call may be repeated after a failure that may have been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing, or changes the same thing again.
    Always,
    /// Only if the service has surely not carried it out.
    IfNotApplied,
}

/// Attempts until one succeeds, fails for good or time is up.
///
/// The error is that of the last attempt.
pub(crate) fn retry<T>(
    schedule: &Schedule,
    repeat: Repeat,
    mut attempt: impl FnMut() -> Result<T, TunnelError>,
) -> Result<T, TunnelError> {
    let clock = Clock::system();
    let began = clock.now();
    let mut retries = 0;
    loop {
        let error = match attempt() {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let is_repeatable = repeat == Repeat::Always || error.is_not_applied();
        if reaction(error.class(), Request::Call { is_repeatable }) != Reaction::Retry {
            return Err(error);
        }
        let elapsed = clock.now().saturating_duration_since(began);
        let Some(pause) = schedule.pause(retries, elapsed, fastrand::f64()) else {
            return Err(error);
        };
        log::debug!(
            "attempt {} failed, the next one follows in {:?}: {error:?}",
            retries + 1,
            rounded(pause)
        );
        clock.sleep(pause);
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

    fn passing() -> TunnelError {
        TunnelError::new(ErrorCode::ServerUnavailable, "busy")
    }

    #[test]
    fn what_does_not_pass_is_not_tried_again() {
        let mut attempts = 0;
        let answer: Result<(), _> = retry(&Schedule::META, Repeat::Always, || {
            attempts += 1;
            Err(TunnelError::service("OTSParameterInvalid", "no such table"))
        });
        assert_eq!(attempts, 1);
        assert_eq!(
            answer.expect_err("refused").code(),
            &ErrorCode::ParameterInvalid
        );
    }

    #[test]
    fn tries_again_until_it_succeeds() {
        let mut failures = vec![passing(), passing()];
        let quick = Schedule::read_records(ms(60_000));
        let attempt = || failures.pop().map_or(Ok(7), Err);
        assert_eq!(retry(&quick, Repeat::Always, attempt).expect("success"), 7);
    }

    #[test]
    fn a_change_is_repeated_only_if_it_was_surely_not_made() {
        let quick = Schedule::read_records(ms(60_000));
        for (error, attempts) in [
            (passing as fn() -> TunnelError, 1),
            (|| TunnelError::service("OTSServerBusy", "busy"), 2),
            (
                || TunnelError::new(ErrorCode::Network, "refused").unsent(),
                2,
            ),
            (|| TunnelError::new(ErrorCode::Network, "reset"), 1),
        ] {
            let mut made = 0;
            let answer = retry(&quick, Repeat::IfNotApplied, || {
                made += 1;
                if made == 1 { Err(error()) } else { Ok(()) }
            });
            assert_eq!(made, attempts, "{answer:?}");
            assert_eq!(answer.is_ok(), attempts == 2);
        }
    }
}
