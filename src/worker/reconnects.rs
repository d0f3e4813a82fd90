//! [`Reconnects`]: whether a daemon connects again, and after which pause (pure).

use std::time::{Duration, Instant};

use crate::error::{ErrorClass, TunnelError};
use crate::policy::{Reaction, Request, reaction};

/// The longest first pause: enough that clients that failed together do not come back
/// together.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// No pause is longer.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// What became of the worker before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastSession {
    /// It did not get a session.
    NotConnected,
    /// It had a session of which no heartbeat was answered.
    NotAnswered,
    Worked,
}

/// The connects of one daemon.
#[derive(Debug)]
pub(crate) struct Reconnects {
    heartbeat_timeout: Duration,
    has_been_connected: bool,
    /// When a connect was first answered with a rejected key, since the last success.
    rejected_since: Option<Instant>,
    /// How many sessions in a row did not work.
    retries: u32,
}

impl Reconnects {
    pub(crate) fn new(heartbeat_timeout: Duration) -> Reconnects {
        Reconnects {
            heartbeat_timeout,
            has_been_connected: false,
            rejected_since: None,
            retries: 0,
        }
    }

    /// What to do after a worker ended with `error`, and the pause if it is to connect
    /// again. `random` is in `[0, 1)`.
    pub(crate) fn next(
        &mut self,
        error: &TunnelError,
        session: LastSession,
        now: Instant,
        random: f64,
    ) -> (Reaction, Duration) {
        if session == LastSession::Worked {
            self.retries = 0;
        }
        let pause = self.pause(random);
        self.retries = self.retries.saturating_add(1);
        if session != LastSession::NotConnected {
            self.has_been_connected = true;
            self.rejected_since = None;
            return (reaction(error.class(), Request::Heartbeat), pause);
        }
        if error.class() == ErrorClass::Auth {
            self.rejected_since.get_or_insert(now);
        }
        let rejected_for = self
            .rejected_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let request = Request::Connect {
            is_first: !self.has_been_connected,
            is_overdue: rejected_for >= self.heartbeat_timeout,
        };
        (reaction(error.class(), request), pause)
    }

    fn pause(&self, random: f64) -> Duration {
        let factor = 1u32.checked_shl(self.retries).unwrap_or(u32::MAX);
        let longest = FIRST_PAUSE.saturating_mul(factor).min(MAX_PAUSE);
        match self.retries {
            0 => longest.mul_f64(random),
            // Half of it at random.
            _ => longest.mul_f64(0.5 + random / 2.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::error::ErrorCode;

    const SECOND: Duration = Duration::from_secs(1);

    fn error(code: ErrorCode) -> TunnelError {
        TunnelError::new(code, "m")
    }

    #[test]
    fn pauses_grow_to_ten_seconds_and_begin_anew_after_a_session_that_worked() {
        let mut reconnects = Reconnects::new(300 * SECOND);
        let (busy, now) = (error(ErrorCode::ServerUnavailable), clock::now());
        let mut pauses = |session, random| {
            let (reaction, pause) = reconnects.next(&busy, session, now, random);
            assert_eq!(reaction, Reaction::Retry);
            pause.as_millis()
        };
        let longest: Vec<_> = (0..6)
            .map(|_| pauses(LastSession::NotConnected, 1.0))
            .collect();
        assert_eq!(longest, [1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(
            pauses(LastSession::NotAnswered, 0.0),
            5000,
            "half of it at least"
        );
        assert_eq!(pauses(LastSession::Worked, 0.25), 250);
    }

    #[test]
    fn a_refused_key_ends_a_daemon_first_and_after_the_heartbeat_timeout() {
        let refused = error(ErrorCode::AuthFailed);
        let now = clock::now();
        let mut first = Reconnects::new(300 * SECOND);
        let mut reaction = |session, at| first.next(&refused, session, at, 0.0).0;
        assert_eq!(
            reaction(LastSession::NotConnected, now),
            Reaction::EndDaemon
        );
        assert_eq!(reaction(LastSession::Worked, now), Reaction::Retry);
        assert_eq!(reaction(LastSession::NotConnected, now), Reaction::Retry);
        let later = now + 299 * SECOND;
        assert_eq!(reaction(LastSession::NotConnected, later), Reaction::Retry);
        let late = now + 300 * SECOND;
        assert_eq!(
            reaction(LastSession::NotConnected, late),
            Reaction::EndDaemon
        );
    }

    #[test]
    fn an_outage_before_it_does_not_make_a_rejected_key_final() {
        let (rejected, busy) = (ErrorCode::AuthFailed, ErrorCode::ServerUnavailable);
        let (mut connects, now) = (Reconnects::new(300 * SECOND), clock::now());
        for (code, session, seconds, expected) in [
            (&busy, LastSession::Worked, 0, Reaction::Retry),
            (&busy, LastSession::NotConnected, 1, Reaction::Retry),
            (&rejected, LastSession::NotConnected, 400, Reaction::Retry),
            (&busy, LastSession::NotConnected, 500, Reaction::Retry),
            (&rejected, LastSession::NotConnected, 699, Reaction::Retry),
            (
                &rejected,
                LastSession::NotConnected,
                700,
                Reaction::EndDaemon,
            ),
        ] {
            let at = now + seconds * SECOND;
            assert_eq!(
                connects.next(&error(code.clone()), session, at, 0.0).0,
                expected
            );
        }
    }

    #[test]
    fn a_session_that_is_gone_is_begun_anew() {
        let mut reconnects = Reconnects::new(300 * SECOND);
        let gone = error(ErrorCode::ResourceGone);
        let (reaction, _) = reconnects.next(&gone, LastSession::Worked, clock::now(), 0.0);
        assert_eq!(reaction, Reaction::EndSession);
    }

    #[test]
    fn counts_do_not_overflow() {
        let mut reconnects = Reconnects::new(Duration::MAX);
        reconnects.retries = u32::MAX;
        assert_eq!(reconnects.pause(1.0), MAX_PAUSE);
        let busy = error(ErrorCode::ServerUnavailable);
        let _ = reconnects.next(&busy, LastSession::NotConnected, clock::now(), 0.5);
    }
}
