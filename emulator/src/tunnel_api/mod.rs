//! The actions of the tunnel API: each turns a message into a command on the
//! state, and the result into a message.
//!
//! Nothing here knows HTTP, signatures, faults or the ledger.
//!
//! Files, in reading order:
//!
//! - this file: [`Operation`], a request that can be carried out.
//! - [`errors`]: the status and code of each error of the state.
//! - [`create`], [`delete`], [`list`], [`describe`]: tunnels.
//! - [`connect`], [`heartbeat`], [`shutdown`]: clients.
//! - [`get_checkpoint`], [`read_records`], [`checkpoint`]: consuming.
//! - [`get_rpo`], [`get_rpo_by_offset`], [`schedule`]: operating.

pub(super) mod checkpoint;
pub(super) mod connect;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod describe;
mod errors;
pub(super) mod get_checkpoint;
pub(super) mod get_rpo;
pub(super) mod get_rpo_by_offset;
pub(super) mod heartbeat;
pub(super) mod list;
pub(super) mod read_records;
pub(super) mod schedule;
pub(super) mod shutdown;

use std::fmt::{self, Debug, Formatter};

use super::protocol::{Action, Failure, Scope};
use super::state::State;
use super::timestamp::Timestamp;

/// The message of a request.
pub(super) trait Request: prost::Message + Default + Debug {
    /// The ids that the request names.
    fn scope(&self) -> Scope;
}

/// The message of an answer. It can be encoded without any lock.
pub(super) trait Answer {
    fn to_body(&self) -> Vec<u8>;

    /// The number of records in the answer.
    fn records(&self) -> usize {
        0
    }
}

impl<M: prost::Message> Answer for M {
    fn to_body(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

/// A decoded request of any action.
pub(super) trait Operation: Debug + Send {
    /// The ids that the request names.
    fn scope(&self) -> Scope;

    /// Carries the request out. It can be carried out again.
    fn run(&self, state: &mut State, now: Timestamp) -> Result<Box<dyn Answer>, Failure>;
}

/// Decodes the body of a request; `None` if it is not the action's message.
pub(super) fn decode(action: Action, body: &[u8]) -> Option<Box<dyn Operation>> {
    match action {
        Action::Create => typed(body, create::run),
        Action::Delete => typed(body, delete::run),
        Action::List => typed(body, list::run),
        Action::Describe => typed(body, describe::run),
        Action::Connect => typed(body, connect::run),
        Action::Heartbeat => typed(body, heartbeat::run),
        Action::Shutdown => typed(body, shutdown::run),
        Action::GetCheckpoint => typed(body, get_checkpoint::run),
        Action::ReadRecords => typed(body, read_records::run),
        Action::Checkpoint => typed(body, checkpoint::run),
        Action::GetRpo => typed(body, get_rpo::run),
        Action::GetRpoByOffset => typed(body, get_rpo_by_offset::run),
        Action::Schedule => typed(body, schedule::run),
    }
}

/// The function that carries an action out.
type Run<Q, A> = fn(&mut State, &Q, Timestamp) -> Result<A, Failure>;

fn typed<Q: Request + 'static, A: Answer + 'static>(
    body: &[u8],
    run: Run<Q, A>,
) -> Option<Box<dyn Operation>> {
    let request = Q::decode(body).ok()?;
    Some(Box::new(Typed { request, run }))
}

/// A message with the function that carries it out.
struct Typed<Q, A> {
    request: Q,
    run: Run<Q, A>,
}

impl<Q: Request, A> Debug for Typed<Q, A> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.request, f)
    }
}

impl<Q: Request, A: Answer + 'static> Operation for Typed<Q, A> {
    fn scope(&self) -> Scope {
        self.request.scope()
    }

    fn run(&self, state: &mut State, now: Timestamp) -> Result<Box<dyn Answer>, Failure> {
        let answer = (self.run)(state, &self.request, now)?;
        Ok(Box::new(answer))
    }
}
