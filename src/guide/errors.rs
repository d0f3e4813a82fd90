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
//! | [`OTSParameterInvalid`](crate::ErrorCode::ParameterInvalid) | the table, tunnel or channel does not exist, or the service rejects a value | `run` returns it; in a request of a channel, the channel is released | check the names, the instance and the times; was the tunnel deleted? |
//! | [`OTSTunnelExpired`](crate::ErrorCode::TunnelExpired) | the log no longer has changes that the tunnel still needs | `run` returns it, whatever request failed | delete the tunnel, create it again and fill the gap: [how](crate::guide::faq#my-tunnel-has-expired) |
//! | [`OTSPermissionDenied`](crate::ErrorCode::PermissionDenied) | the key is not allowed to do this | `run` returns it; in a request of a channel, the channel is released | grant the RAM actions: [which](crate::guide::security#permissions) |
//! | [`OTSAuthFailed`](crate::ErrorCode::AuthFailed) | the key, secret, signature or this machine's clock is wrong | `run` returns it on the first connect; a worker that has been connected retries: [how long](#what-follows-from-a-failure) | check the key, then the clock (15 minutes are tolerated), then the instance name |
//! | [`OTSTunnelExist`](crate::ErrorCode::TunnelExist) | the table already has a tunnel of this name | does not occur | describe that tunnel and use its id |
//! | [`OTSSequenceNumberNotMatch`](crate::ErrorCode::SequenceNumberNotMatch) | the service expected another sequence number for a checkpoint | compares the stored checkpoint with the tokens that it has sent: [more](crate::guide::checkpoints#when-a-save-fails) | nothing if it is rare; if it is frequent, two programs commit the same channel: [more](crate::guide::faq#sequence-numbers-do-not-match) |
//! | [`OTSResourceGone`](crate::ErrorCode::ResourceGone) | the service has ended this session, usually after a heartbeat timeout; or it has given the channel to another worker | reconnects within 1 s; in a request of a channel, the channel is lost | nothing if it is rare; [more](crate::guide::faq#sessions-are-lost-again-and-again) |
//! | [`OTSTunnelServerUnavailable`](crate::ErrorCode::ServerUnavailable) | the service is overloaded or restarting | retries | nothing; if it persists, send the request id to the service's support |
//! | [`OTSNetworkError`](crate::ErrorCode::Network) | no response: connection refused, reset, timed out or cut, or unknown host | retries | if it persists, check the endpoint (VPC or public?), DNS, the proxy and the firewall |
//! | [`OTSClientError`](crate::ErrorCode::ClientError) | the client rejected the call before sending anything, the credentials provider failed, or the response did not come from the service | depends on the cause: see the next table | read the message; a wrong endpoint or proxy answers with HTML |
//! | [`OTSMalformedData`](crate::ErrorCode::Malformed) | a response or a record does not parse, or a checksum is wrong | requests an unreadable response again; after a damaged record, releases the channel and reads it again from its checkpoint | if it repeats for the same batch, report it with the request id |
//! | [`OTSChannelLost`](crate::ErrorCode::ChannelLost) | the worker no longer owns the channel; nothing was sent | continues with its other channels | discard what you wanted to commit: the next owner will get the records again |
//! | [`OTSCheckpointOutOfOrder`](crate::ErrorCode::CheckpointOutOfOrder) | your program committed a token that is older than one that it committed before; nothing was sent | keeps the newer checkpoint | commit in the order of the batches; to go back on purpose, use [`rewind_to`](crate::ProcessorHandle::rewind_to) |
//! | any other, as [`Other`](crate::ErrorCode::Other) | the service sent a code that this version does not know, for example `OTSServerBusy` or `OTSTimeout` | retries; 401 and 403 count as a rejected key | read the message and the service's list of error codes |
//!
//! # What follows from a failure
//!
//! A failure is temporary unless it is known not to be. This table shows what a worker does
//! about each kind of failure, in each request
//! ([calls of `TunnelClient`](#calls-of-tunnelclient) follow below):
//!
//! | failure | read, get-checkpoint or checkpoint of a channel | heartbeat | connect |
//! |---|---|---|---|
//! | *temporary*: the network, DNS, a TLS handshake that was cut; HTTP 408, 429 and 5xx; unknown codes; a response that cannot be read; a credentials provider that failed or panicked; no thread could be started | retried | retried | retried |
//! | something other than the service answers, for example 404 with HTML | retried | retried | retried |
//! | *wrong setup*: a certificate that is refused, a proxy that answers 403 or 407, a URL or header that cannot be sent, a provider that returns a [`CredentialsError`] | retried; the first failure is logged as `error` | retried; the first failure is logged as `error` | first connect: ends `run`; later: retried, logged as `error` |
//! | *rejected key*: `OTSAuthFailed`, any other 401 or 403 | retried | retried | first connect: ends `run`; later: retried until the key has been rejected for the `heartbeat_timeout` |
//! | `OTSResourceGone` | channel lost | session over, reconnects | retried |
//! | `OTSSequenceNumberNotMatch` | repaired, or channel lost | – | – |
//! | `OTSTunnelExpired`, also as a 503 with `OTSTrimmedDataAccess` | ends `run` | ends `run` | ends `run` |
//! | `OTSParameterInvalid`, `OTSPermissionDenied` | channel released | ends `run` | ends `run` |
//! | a redirect, a response larger than [`max_response_size`](crate::TunnelConfig::max_response_size) | channel released | retried | retried |
//! | an error or panic of your factory, `channel_open` or dialer; a callback whose attempts are used up | channel released | – | – |
//!
//! - *Retried*: the session and the channel stay with this worker, for as long as its
//!   [lease](crate::guide::concepts#heartbeats-and-the-lease) holds. The log,
//!   [`snapshot`](crate::TunnelWorkerDaemon::snapshot) and the observer show the failure.
//!   Nothing is delivered twice.
//! - *Channel released*: the channel is closed in order, and the tokens of processed batches
//!   are saved. The service assigns it again, often to this worker, which then pauses before
//!   it opens the channel.
//! - *Channel lost*: the channel is closed without saving, because it belongs to another
//!   worker by now. The service may assign it to this worker again later.
//! - *Ends `run`*: the session is given back first, like in a
//!   [shutdown](crate::guide::shutdown): callbacks may finish within the `shutdown_timeout`,
//!   and tokens are saved. Other workers get the channels immediately.
//! - *First connect*: no connect of this daemon has succeeded yet, so the cause is probably a
//!   mistake. Once a daemon has been connected, somebody has changed something and may change
//!   it back: keys rotate, and clocks are corrected.
//!
//! If your own checkpointer fails or panics, the worker keeps the token and saves it later.
//!
//! # Pauses
//!
//! | what is repeated | pauses |
//! |---|---|
//! | a read | 16 ms, doubling to 3 s, for as long as the channel is this worker's |
//! | get-checkpoint | 100 ms, doubling to 2 s, for as long as the channel is this worker's |
//! | a checkpoint | 100 ms, doubling to 2 s, for 35 s; then at the next checkpoint interval; while the channel closes, after 1 s |
//! | a heartbeat | 1, 2, 4, then 5 s; never more than the heartbeat interval, or a quarter of what is left of the lease |
//! | a connect of a daemon | random: first up to 1 s; then up to 2, 4, 8 and 10 s, but at least half of that |
//! | a connect of a [`TunnelWorker`](crate::TunnelWorker) without a daemon, after temporary failures only | 100 ms, doubling to 2 s, for 35 s |
//! | opening a released channel | 5 s, doubling to 60 s; after a temporary failure, such as a damaged record, 0, 1, 2, 4, then 5 s; from the start again if the channel was open for 60 s |
//! | a call of [`TunnelClient`] | 100 ms, doubling to 2 s, for 35 s; `read_records`: 16 ms, doubling to 3 s, for [`max_retry_elapsed_time`](crate::TunnelConfig::max_retry_elapsed_time) |
//!
//! The doubling pauses of requests vary by a third at random. Each attempt takes at most
//! [`request_timeout`](crate::TunnelConfig::request_timeout); an attempt of a heartbeat also
//! takes at most the heartbeat interval (less if the timeout is short), so that several fit
//! into the lease.
//!
//! # Calls of `TunnelClient`
//!
//! A call is repeated only after a temporary failure, and only where that is safe. It returns
//! the error of its last attempt.
//!
//! - `list_tunnel`, `describe_tunnel`, `get_rpo`, `get_rpo_by_offset`, `get_checkpoint`,
//!   `read_records` and `checkpoint` are repeated after every temporary failure. If the
//!   response to a `checkpoint` was lost, its repetition gets `OTSSequenceNumberNotMatch`:
//!   get the checkpoint to see whether yours was saved.
//! - `create_tunnel`, `delete_tunnel` and `schedule` are repeated only if the service has
//!   surely not carried the request out: it was never sent (no connection, no credentials),
//!   or the service answered `OTSServerBusy` or HTTP 429. After any other failure, such as a
//!   reset or a timeout, the change may have been made: describe the tunnel to find out.
//!
//! # Which calls return what
//!
//! - [`run`](crate::TunnelWorkerDaemon::run) returns the errors that end it (see the table),
//!   and [`OTSClientError`](crate::ErrorCode::ClientError) if the daemon is already
//!   running. All other errors are logged, sent to the observer and retried for as long as
//!   necessary.
//! - [`connect_and_working`](crate::TunnelWorker::connect_and_working) returns the error
//!   that ended its session.
//! - [`commit_token`](crate::ProcessorHandle::commit_token) retries temporary failures for
//!   35 s, and then returns the error of its last attempt.
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
//! [`is_temporary`](crate::TunnelError::is_temporary) returns whether the failure is
//! temporary in the sense of the table: the same call may succeed later. It is also true for
//! `OTSServerBusy`, `OTSTimeout`, `OTSInternalServerError` and every code that this version
//! does not know, unless the status is 3xx, 401, 403 or 407.
//!
//! # Credentials that cannot be provided
//!
//! An error or a panic of a [`CredentialsProvider`] is temporary: the request is repeated,
//! and the session survives as long as its lease holds. If your provider knows that there
//! will never be credentials, let it return [`CredentialsError::permanent`]: then `run`
//! returns that error on the first connect, instead of waiting for credentials forever.
//! [`CredentialsProvider::check`] lets a provider reject credentials that are known to be
//! wrong when the client is created.
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
//! [`CredentialsError`]: crate::CredentialsError
//! [`CredentialsError::permanent`]: crate::CredentialsError::permanent
//! [`CredentialsProvider`]: crate::CredentialsProvider
//! [`CredentialsProvider::check`]: crate::CredentialsProvider::check
