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
mod transport;

use std::fmt::Debug;

use self::retry::Patience;
use crate::error::TunnelError;
use crate::protocol as p;
use crate::record::RawBatch;
use crate::sync::stop::Stop;

/// The service as the rest of the crate sees it: one method per action.
///
/// The seam at which tests put a service of their own. Every call blocks, is
/// retried as the schedule of its action says, and gives up its waits between
/// two attempts (not an attempt itself) as soon as `stop` is fired.
pub(crate) trait TunnelApi: Debug + Send + Sync {
    fn create(
        &self,
        request: &p::CreateTunnelRequest,
        stop: &Stop,
    ) -> Answer<p::CreateTunnelResponse>;
    fn delete(
        &self,
        request: &p::DeleteTunnelRequest,
        stop: &Stop,
    ) -> Answer<p::DeleteTunnelResponse>;
    fn list(&self, request: &p::ListTunnelRequest, stop: &Stop) -> Answer<p::ListTunnelResponse>;
    fn describe(
        &self,
        request: &p::DescribeTunnelRequest,
        stop: &Stop,
    ) -> Answer<p::DescribeTunnelResponse>;
    fn get_rpo(&self, request: &p::GetRpoRequest, stop: &Stop) -> Answer<p::GetRpoResponse>;
    fn get_rpo_by_offset(
        &self,
        request: &p::GetRpoRequest,
        stop: &Stop,
    ) -> Answer<p::GetRpoResponse>;
    fn schedule(&self, request: &p::ScheduleRequest, stop: &Stop) -> Answer<p::ScheduleResponse>;
    fn connect(&self, request: &p::ConnectRequest, stop: &Stop) -> Answer<p::ConnectResponse>;
    /// Each attempt but the first goes out on a connection of its own: an old
    /// one may be what failed.
    fn heartbeat(
        &self,
        request: &p::HeartbeatRequest,
        patience: Patience,
        stop: &Stop,
    ) -> Answer<p::HeartbeatResponse>;
    fn shutdown(&self, request: &p::ShutdownRequest, stop: &Stop) -> Answer<p::ShutdownResponse>;
    fn get_checkpoint(
        &self,
        request: &p::GetCheckpointRequest,
        stop: &Stop,
    ) -> Answer<p::GetCheckpointResponse>;
    fn checkpoint(
        &self,
        request: &p::CheckpointRequest,
        stop: &Stop,
    ) -> Answer<p::CheckpointResponse>;
    /// `room` hears of the size of the answer before it is read, and can refuse
    /// it. The batch is looked through for its token and its length only; its
    /// records are validated where they are decoded.
    fn read_records(
        &self,
        request: &p::ReadRecordsRequest,
        room: MakeRoom<'_>,
        stop: &Stop,
    ) -> Result<RawBatch, TunnelError>;
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
