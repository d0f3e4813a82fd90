//! A request goes out: from a message of the protocol to the answer.
//!
//! In reading order:
//!
//! - this file: [`TunnelApi`], the service as the rest of the crate sees it.
//! - [`service`]: an attempt, from credentials to answer; the service over HTTP.
//! - [`retry`]: when there is another attempt.
//! - [`failure`]: what went wrong with an attempt.
//! - [`message`]: between messages and the public model.
//! - [`request`]: endpoint, headers and signature.
//! - [`transport`]: the HTTP client, its connections and the bodies of answers.
//! - `test_server` (tests only): a server that answers as a test says.

mod failure;
pub(crate) mod message;
pub(crate) mod request;
pub(crate) mod retry;
pub(crate) mod service;
#[cfg(test)]
pub(crate) mod test_server;
pub(crate) mod transport;

use std::fmt::Debug;
use std::time::Duration;

use crate::error::TunnelError;
use crate::protocol as p;
use crate::record::RawBatch;

/// The service as the rest of the crate sees it: one method per action.
///
/// The seam at which tests put a service of their own. Every call blocks and is one
/// attempt: whether and when there is another one is for the caller to decide.
pub(crate) trait TunnelApi: Debug + Send + Sync {
    fn create(&self, request: &p::CreateTunnelRequest) -> Answer<p::CreateTunnelResponse>;
    fn delete(&self, request: &p::DeleteTunnelRequest) -> Answer<p::DeleteTunnelResponse>;
    fn list(&self, request: &p::ListTunnelRequest) -> Answer<p::ListTunnelResponse>;
    fn describe(&self, request: &p::DescribeTunnelRequest) -> Answer<p::DescribeTunnelResponse>;
    fn get_rpo(&self, request: &p::GetRpoRequest) -> Answer<p::GetRpoResponse>;
    fn get_rpo_by_offset(&self, request: &p::GetRpoRequest) -> Answer<p::GetRpoResponse>;
    fn schedule(&self, request: &p::ScheduleRequest) -> Answer<p::ScheduleResponse>;
    fn connect(&self, request: &p::ConnectRequest) -> Answer<p::ConnectResponse>;
    fn heartbeat(
        &self,
        request: &p::HeartbeatRequest,
        attempt: Attempt,
    ) -> Answer<p::HeartbeatResponse>;
    fn shutdown(
        &self,
        request: &p::ShutdownRequest,
        attempt: Attempt,
    ) -> Answer<p::ShutdownResponse>;
    fn get_checkpoint(&self, request: &p::GetCheckpointRequest)
    -> Answer<p::GetCheckpointResponse>;
    fn checkpoint(&self, request: &p::CheckpointRequest) -> Answer<p::CheckpointResponse>;
    /// `room` is called with the size of the answer before it is read, and can refuse
    /// it. The batch is scanned for its token and its length only; its records are
    /// validated where they are decoded.
    fn read_records(
        &self,
        request: &p::ReadRecordsRequest,
        room: MakeRoom<'_>,
    ) -> Result<RawBatch, TunnelError>;
}

/// What one attempt may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// It takes no longer, nor than the request timeout.
    pub(crate) timeout: Duration,
    /// Not on a connection that was idle before: such a connection may be why the
    /// attempt before this one failed.
    pub(crate) on_new_connection: bool,
}

/// Makes room for the body of an answer, or refuses it.
pub(crate) type MakeRoom<'a> = &'a dyn Fn(usize) -> Result<(), TunnelError>;

/// For who has room for everything.
pub(crate) const ANY_SIZE: MakeRoom<'static> = &|_| Ok(());

/// An answer's message with the id of the request that it answers.
pub(crate) type Answer<M> = Result<Answered<M>, TunnelError>;

/// See [`Answer`].
#[derive(Clone, Debug)]
pub(crate) struct Answered<M> {
    pub(crate) message: M,
    pub(crate) request_id: String,
}
