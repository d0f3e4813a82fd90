//! The failure policy: what follows from each class of failure, in each request.
//!
//! One table, in one function, [`reaction`]. Loops around requests ask it and carry
//! out what it says; nothing else decides whether a failure ends anything.

use crate::error::ErrorClass;

/// Where a failure happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A read, get-checkpoint or checkpoint of a channel that is ours.
    Channel,
    /// A heartbeat of a session that holds.
    Heartbeat,
    /// Connecting.
    Connect {
        /// No connect of this daemon has succeeded yet.
        is_first: bool,
        /// The key has been rejected for the heartbeat timeout, without a success.
        is_overdue: bool,
    },
    /// A call of [`TunnelClient`](crate::TunnelClient).
    Call {
        /// Repeating the request does no harm: it changes nothing, or the failure
        /// says that nothing was changed.
        is_repeatable: bool,
    },
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Try again with backoff. Channel and session stay ours while the lease holds.
    Retry,
    /// As `Retry`, and log the first such failure as an error: somebody has to change
    /// something.
    RetryAndLogError,
    /// Close the channel without saving; the service hands it out again.
    LoseChannel,
    /// Compare the stored checkpoint with the tokens that this channel has sent.
    CompareCheckpoint,
    /// Close the channel in order and open it again after a pause.
    ReleaseChannel,
    /// The session is over; a daemon connects again.
    EndSession,
    /// No further session helps: the caller has to know.
    EndDaemon,
    /// Return the error to the caller.
    Report,
}

/// What to do about a failure of this class in this request.
pub(crate) fn reaction(class: ErrorClass, request: Request) -> Reaction {
    use ErrorClass as C;
    use Reaction as R;
    use Request as Q;
    match (class, request) {
        // A call is repeated only where that is safe, and only if it may help.
        (
            C::Passing,
            Q::Call {
                is_repeatable: true,
            },
        ) => R::Retry,
        (_, Q::Call { .. }) => R::Report,

        (C::Passing | C::Foreign, _) => R::Retry,
        // Nothing of the kind has ever worked, so it is most likely a mistake. Once
        // it has worked, somebody changed something and may change it back.
        (C::Setup | C::Auth, Q::Connect { is_first: true, .. }) => R::EndDaemon,
        (
            C::Auth,
            Q::Connect {
                is_overdue: true, ..
            },
        ) => R::EndDaemon,
        (C::Setup, _) => R::RetryAndLogError,
        (C::Auth, _) => R::Retry,

        (C::Gone, Q::Channel) => R::LoseChannel,
        (C::Gone, Q::Heartbeat) => R::EndSession,
        // Nobody knew us before, so this makes no sense; it may pass.
        (C::Gone, Q::Connect { .. }) => R::Retry,

        (C::SequenceMismatch, Q::Channel) => R::CompareCheckpoint,
        (C::SequenceMismatch, _) => R::Retry,

        (C::Expired, _) => R::EndDaemon,

        (C::Refused | C::Unacceptable | C::Local, Q::Channel) => R::ReleaseChannel,
        (C::Refused, _) => R::EndDaemon,
        (C::Unacceptable, _) => R::Retry,
        (C::Local, Q::Heartbeat) => R::Retry,
        (C::Local, Q::Connect { .. }) => R::EndDaemon,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_table() {
        use ErrorClass as C;
        use Reaction as R;
        let connect = |is_first, is_overdue| Request::Connect {
            is_first,
            is_overdue,
        };
        let columns = [
            Request::Channel,
            Request::Heartbeat,
            connect(true, false),
            connect(false, false),
            connect(false, true),
            Request::Call {
                is_repeatable: true,
            },
            Request::Call {
                is_repeatable: false,
            },
        ];
        let retry = R::Retry;
        let (loud, daemon) = (R::RetryAndLogError, R::EndDaemon);
        #[rustfmt::skip]
        let table = [
            // channel, heartbeat, first connect, connect, overdue, safe call, other call
            (C::Passing, [retry, retry, retry, retry, retry, retry, R::Report]),
            (C::Foreign, [retry, retry, retry, retry, retry, R::Report, R::Report]),
            (C::Setup, [loud, loud, daemon, loud, loud, R::Report, R::Report]),
            (C::Auth, [retry, retry, daemon, retry, daemon, R::Report, R::Report]),
            (C::Gone, [R::LoseChannel, R::EndSession, retry, retry, retry, R::Report, R::Report]),
            (C::SequenceMismatch, [R::CompareCheckpoint, retry, retry, retry, retry, R::Report, R::Report]),
            (C::Expired, [daemon, daemon, daemon, daemon, daemon, R::Report, R::Report]),
            (C::Refused, [R::ReleaseChannel, daemon, daemon, daemon, daemon, R::Report, R::Report]),
            (C::Unacceptable, [R::ReleaseChannel, retry, retry, retry, retry, R::Report, R::Report]),
            (C::Local, [R::ReleaseChannel, retry, daemon, daemon, daemon, R::Report, R::Report]),
        ];
        for (class, row) in table {
            for (request, expected) in columns.into_iter().zip(row) {
                assert_eq!(reaction(class, request), expected, "{class:?} {request:?}");
            }
        }
    }
}
