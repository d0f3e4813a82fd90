//! Every error code, what the worker does about it, and what you should do.
//!
//! Every failure returns a [`TunnelError`]. It has a [`code`](crate::TunnelError::code), a
//! [`message`](crate::TunnelError::message), often the
//! [`request_id`](crate::TunnelError::request_id) that the service's support asks for, and
//! the cause as its [`source`](std::error::Error::source). A `main` that returns the error
//! prints all of these in one line. None of them contains a key, a token or data.
//!
//! | code | what happened | what the worker does | what you should do |
//! |---|---|---|---|
//! | [`OTSParameterInvalid`](crate::ErrorCode::ParameterInvalid) | the table, tunnel or channel does not exist, or the service rejects a value | `run` returns it | check the names, the instance and the times; was the tunnel deleted? |
//! | [`OTSTunnelExpired`](crate::ErrorCode::TunnelExpired) | the log no longer has changes that the tunnel still needs | `run` returns it | delete the tunnel, create it again and fill the gap: [how](crate::guide::faq#my-tunnel-has-expired) |
//! | [`OTSPermissionDenied`](crate::ErrorCode::PermissionDenied) | the key is not allowed to do this | `run` returns it | grant the RAM actions: [which](crate::guide::security#permissions) |
//! | [`OTSAuthFailed`](crate::ErrorCode::AuthFailed) | the key, secret, signature or this machine's clock is wrong | `run` returns it | check the key, then the clock (15 minutes are tolerated), then the instance name |
//! | [`OTSTunnelExist`](crate::ErrorCode::TunnelExist) | the table already has a tunnel of this name | does not occur | describe that tunnel and use its id |
//! | [`OTSSequenceNumberNotMatch`](crate::ErrorCode::SequenceNumberNotMatch) | another client has saved a checkpoint of this channel | fetches the current number and saves again | nothing if it is rare; if it is frequent, two programs commit the same channel: [more](crate::guide::faq#sequence-numbers-do-not-match) |
//! | [`OTSResourceGone`](crate::ErrorCode::ResourceGone) | the service has ended this session, usually after a heartbeat timeout | reconnects within 10 s | nothing if it is rare; [more](crate::guide::faq#sessions-are-lost-again-and-again) |
//! | [`OTSTunnelServerUnavailable`](crate::ErrorCode::ServerUnavailable) | the service is overloaded or restarting | retries reads for 75 s and all other requests for 35 s | nothing; if it persists, send the request id to the service's support |
//! | [`OTSNetworkError`](crate::ErrorCode::Network) | no response: connection refused, reset, timed out or cut, or unknown host | retries in the same way | if it persists, check the endpoint (VPC or public?), DNS, the proxy and the firewall |
//! | [`OTSClientError`](crate::ErrorCode::ClientError) | the client rejected the call before sending anything, or the response did not come from the service | reconnects if it happens in a session | read the message; a wrong endpoint or proxy answers with HTML |
//! | [`OTSMalformedData`](crate::ErrorCode::Malformed) | a response or a record does not parse, or a checksum is wrong | requests an unreadable response again up to three times, then closes the channel and reopens it from its checkpoint | if it repeats for the same batch, report it with the request id |
//! | [`OTSChannelLost`](crate::ErrorCode::ChannelLost) | the worker no longer owns the channel; nothing was sent | continues with its other channels | discard what you wanted to commit: the next owner will get the records again |
//! | any other, as [`Other`](crate::ErrorCode::Other) | the service sent a code that this version does not know | reconnects | read the message and the service's list of error codes |
//!
//! "`run` returns it" and "reconnects" apply to the requests of the session: connect and
//! heartbeat. If a request of a single channel fails with one of these errors, the worker
//! releases only that channel, which is later reopened from its checkpoint. The exception is
//! `OTSTunnelExpired`, which always ends `run`.
//!
//! # Which calls return what
//!
//! - A call of [`TunnelClient`] returns its error when its retries are used up.
//! - [`run`](crate::TunnelWorkerDaemon::run) returns the first four errors of the table,
//!   and [`OTSClientError`](crate::ErrorCode::ClientError) if the daemon is already
//!   running. All other errors are logged, sent to the observer and retried for as long as
//!   necessary.
//! - [`connect_and_working`](crate::TunnelWorker::connect_and_working) returns the error
//!   that ended its session.
//! - [`commit_token`](crate::ProcessorHandle::commit_token) returns the error of its last
//!   attempt.
//!
//! [`is_temporary`](crate::TunnelError::is_temporary) returns whether the same call may
//! succeed later:
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
//! A callback returns a [`ProcessError`](crate::ProcessError). `?` converts any error into
//! one; see [What to return](crate::guide::processing#what-to-return). If you implement a
//! trait whose methods return a [`TunnelError`], make the error with
//! [`TunnelError::other`].
//!
//! [`TunnelError`]: crate::TunnelError
//! [`TunnelError::other`]: crate::TunnelError::other
//! [`TunnelClient`]: crate::TunnelClient
