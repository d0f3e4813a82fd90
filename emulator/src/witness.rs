//! [`Witness`]: notes the records that consumers have processed.

use std::sync::Arc;

use super::checker::{Checker, Verdict};
use super::service::Service;
use super::state::RecordId;
use tablestore_tunnel::{ChannelContext, Record};

/// Notes the records that the callbacks of a test have processed, so that the whole
/// run can be judged: no record is lost, out of order, or processed twice without a
/// reason, and no checkpoint is saved before its records are processed.
///
/// The requests alone do not show whether records that were read are processed.
/// Clones write into the ledger of the same emulator. Any thread may call; each
/// record takes one look-up under the emulator's lock.
///
/// ```
/// # use tablestore_emulator::{Emulator, KeyType, TableSpec};
/// # use tablestore_tunnel::{ChannelContext, Record, SimpleProcessFactory};
/// let emulator = Emulator::builder().start()?;
/// let witness = emulator.witness();
/// let noting = witness.clone();
/// let factory = SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
///     // ... what the program does with the records; then, at the very end:
///     noting.note(ctx, records);
///     Ok(())
/// });
/// // ... a worker with this factory runs until it has processed everything ...
/// # drop(factory);
/// let verdict = witness.verdict();
/// assert!(verdict.is_clean(), "{verdict}");
/// # Ok::<(), tablestore_tunnel::TunnelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Witness {
    service: Arc<Service>,
}

impl Witness {
    pub(super) fn new(service: &Arc<Service>) -> Witness {
        Witness {
            service: Arc::clone(service),
        }
    }

    /// Notes that a callback has processed these records. Call it just before the
    /// callback returns `Ok`, because later checkpoints cover the records.
    pub fn note(&self, ctx: &ChannelContext, records: &[Record]) {
        let ids = records.iter().map(RecordId::of);
        self.note_ids(ctx.tunnel_id(), ctx.client_id(), ctx.channel_id(), ids);
    }

    /// As [`Witness::note`], for consumers that do not use the Rust client.
    ///
    /// If the tunnel or the channel does not exist (any more), nothing is noted.
    pub fn note_ids(
        &self,
        tunnel: &str,
        client: &str,
        channel: &str,
        records: impl IntoIterator<Item = RecordId>,
    ) {
        let records = records.into_iter().collect();
        self.service
            .record_processed(tunnel, client, channel, records);
    }

    /// Judges a run that is over: all written records should have been read and, by
    /// clients that note records, processed. For a run that goes on, or for other
    /// limits, see [`Checker`].
    pub fn verdict(&self) -> Verdict {
        Checker::new().complete().judge(&self.service.ledger())
    }
}
