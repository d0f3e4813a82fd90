//! Every error code, what the worker does about it, and what you do.
//!
//! Whatever fails gives a [`TunnelError`]: a [`code`](crate::TunnelError::code), a
//! [`message`](crate::TunnelError::message), often the
//! [`request_id`](crate::TunnelError::request_id) that the service's support asks for, and
//! the cause as [`source`](std::error::Error::source). A `main` that returns the
//! error prints all of this in one line. None of it holds a key, a token or data.
//!
//! | code | what has happened | the worker | you |
//! |---|---|---|---|
//! | [`OTSParameterInvalid`](crate::ErrorCode::ParameterInvalid) | no such table, tunnel or channel, or a value that the service does not take | `run` returns it | check names, instance and times; is the tunnel deleted? |
//! | [`OTSTunnelExpired`](crate::ErrorCode::TunnelExpired) | changes that the tunnel still needs are no longer in the log | `run` returns it | delete the tunnel and create it again, and fill the gap: [how](crate::guide::faq#my-tunnel-has-expired) |
//! | [`OTSPermissionDenied`](crate::ErrorCode::PermissionDenied) | the key may not do this | `run` returns it | grant the RAM actions: [which](crate::guide::security#permissions) |
//! | [`OTSAuthFailed`](crate::ErrorCode::AuthFailed) | key, secret, signature or this machine's clock is wrong | `run` returns it | check the key, then the clock (15 minutes are tolerated), then the instance's name |
//! | [`OTSTunnelExist`](crate::ErrorCode::TunnelExist) | the table has a tunnel of this name | does not occur | describe it and use its id |
//! | [`OTSSequenceNumberNotMatch`](crate::ErrorCode::SequenceNumberNotMatch) | someone else has saved a checkpoint of this channel | fetches the number anew and saves again | nothing if it is rare; if not, two programs commit the same channel: [more](crate::guide::faq#sequence-numbers-do-not-match) |
//! | [`OTSResourceGone`](crate::ErrorCode::ResourceGone) | the service has given up this session, mostly after a heartbeat timeout | connects again, up to 10 s later | nothing if it is rare; [more](crate::guide::faq#sessions-are-lost-again-and-again) |
//! | [`OTSTunnelServerUnavailable`](crate::ErrorCode::ServerUnavailable) | the service is overloaded or restarting | tries again, reads for 75 s, all else for 35 s | nothing; if it stays, tell the service's support the request id |
//! | [`OTSNetworkError`](crate::ErrorCode::Network) | no answer: refused, reset, timed out, cut off, no such host | tries again likewise | if it stays: endpoint, DNS, proxy, firewall; VPC or public endpoint? |
//! | [`OTSClientError`](crate::ErrorCode::ClientError) | refused on this side before anything was sent, or answered by something that is not the service | connects again if it happens in a session | read the message; a wrong endpoint or proxy answers with HTML |
//! | [`OTSMalformedData`](crate::ErrorCode::Malformed) | an answer or a record that does not parse, or a wrong checksum | closes the channel, which comes back from its checkpoint | if it repeats for the same batch, report it with the request id |
//! | [`OTSChannelLost`](crate::ErrorCode::ChannelLost) | the channel is no longer ours; nothing was sent | goes on with its other channels | drop what was to be committed: it comes again elsewhere |
//! | any other, as [`Other`](crate::ErrorCode::Other) | the service sent a code that this version does not know | connects again | read the message, and the service's list of error codes |
//!
//! # Which calls return what
//!
//! - A call of [`TunnelClient`] returns its error after its retries are used up.
//! - [`run`](crate::TunnelWorkerDaemon::run) returns the first four of the table, and
//!   [`OTSClientError`](crate::ErrorCode::ClientError) if the daemon runs already.
//!   Everything else is logged, told to the observer, and tried again for as long as
//!   it takes.
//! - [`connect_and_working`](crate::TunnelWorker::connect_and_working) returns whatever
//!   ended its one session.
//! - [`commit_token`](crate::ProcessorHandle::commit_token) returns the failure of its last
//!   attempt.
//!
//! [`is_temporary`](crate::TunnelError::is_temporary) tells whether the same call may
//! succeed a little later:
//!
//! ```no_run
//! use tablestore_tunnel::{ErrorCode, TunnelError, TunnelWorkerDaemon};
//!
//! fn run(daemon: &TunnelWorkerDaemon) -> Result<(), TunnelError> {
//!     match daemon.run() {
//!         Err(error) if *error.code() == ErrorCode::TunnelExpired => {
//!             eprintln!("some changes are lost, a new tunnel is needed: {error}");
//!             Err(error)
//!         }
//!         end => end,
//!     }
//! }
//! ```
//!
//! # Errors of your own
//!
//! A callback returns a [`ProcessError`](crate::ProcessError), which any error
//! becomes by `?`; see [what to return](crate::guide::processing#what-to-return). Traits
//! that have to return a [`TunnelError`] make one with [`TunnelError::other`].
//!
//! [`TunnelError`]: crate::TunnelError
//! [`TunnelError::other`]: crate::TunnelError::other
//! [`TunnelClient`]: crate::TunnelClient
