//! One file per action: from its message to its answer, on the core.
//!
//! Nothing here knows of HTTP, signatures or threads; the time comes in.
//!
//! - [`create`], [`delete`], [`list`], [`describe`]: tunnels.
//! - [`connect`], [`heartbeat`], [`shutdown`]: clients.
//! - [`get_checkpoint`], [`read_records`], [`checkpoint`]: consuming.
//! - [`get_rpo`], [`get_rpo_by_offset`], [`schedule`]: operating.

pub(super) mod checkpoint;
pub(super) mod connect;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod describe;
pub(super) mod get_checkpoint;
pub(super) mod get_rpo;
pub(super) mod get_rpo_by_offset;
pub(super) mod heartbeat;
pub(super) mod list;
pub(super) mod read_records;
pub(super) mod schedule;
pub(super) mod shutdown;

use super::core::Scene;
use super::failure::Failure;
use super::scope::Scope;

/// A request's message.
pub(super) trait Request: prost::Message + Default {
    /// Whom and what it is about.
    fn scope(&self) -> Scope;
}

/// An answer's message, encoded without holding any lock.
pub(super) trait Answer {
    fn into_body(self) -> Vec<u8>;

    /// How many records it gives.
    fn records(&self) -> usize {
        0
    }
}

impl<M: prost::Message> Answer for M {
    fn into_body(self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

/// Whether the channel is the client's; an error where only owners may act.
fn owned(scene: &Scene<'_>, client: &str, channel: usize) -> Result<bool, Failure> {
    let owned = scene.tunnel.holds(client, channel);
    if scene.settings.owners_only && !owned {
        let id = &scene.tunnel.channel(channel).id;
        let message = format!("channel {id} is not assigned to client {client}");
        return Err(Failure::new(410, "OTSResourceGone", message));
    }
    Ok(owned)
}
