//! A request goes out: from a message of the protocol to the answer.
//!
//! In reading order:
//!
//! - [`endpoint`]: where requests go, checked.
//! - [`sign`]: the signature of a request.
//! - [`headers`]: the head of a request, and what a user may add to it.
//! - [`http`]: an attempt, from credentials to answer; the service over HTTP.
//! - [`body`]: the bodies of answers, in buffers that are used again.
//! - [`memory`]: theirs, from the allocator or from the system.
//! - [`resolve`]: host names, looked up now and then.
//! - [`wire`]: the connections.
//! - [`retry`]: when there is another attempt.
//! - [`failure`]: what went wrong with an attempt.
//! - [`complete`]: what an answer must hold.
//! - [`names`]: names and ids in requests, checked.
//! - [`convert`]: between messages and the public model; [`rpo`]: the JSON in one.
//! - `vectors`, `test_server` (tests only): recorded exchanges of the official
//!   Go SDK; a server that does as it is told.

mod body;
mod complete;
pub(crate) mod convert;
pub(crate) mod endpoint;
mod failure;
mod headers;
pub(crate) mod http;
mod memory;
pub(crate) mod names;

mod resolve;
pub(crate) mod retry;
mod rpo;
pub mod sign;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
pub(crate) mod vectors;
mod wire;

use std::fmt::Debug;

use crate::error::TunnelError;
use crate::protocol as p;
use crate::record::RawBatch;
use crate::stop::Stop;
use retry::Patience;

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
