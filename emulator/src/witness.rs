//! [`Witness`]: what consumers say that they have dealt with.

use std::sync::Arc;

use super::checker::{Checker, Verdict};
use super::service::Service;
use super::state::RecordId;
use tablestore_tunnel::{ChannelContext, Record};

/// Takes down what the callbacks of a test have dealt with, so that the run
/// can be judged from end to end: nothing lost, nothing out of order, nothing
/// twice without a reason, nothing saved that was not done.
///
/// From the requests alone nobody can see what became of the records that
/// were read. Clones write into the ledger of the same emulator; any thread may
/// call, for the time of a look-up per record under the emulator's lock.
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
/// // ... a worker with that factory runs, and everything has come ...
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

    /// Takes down that a callback has dealt with these records. To be called
    /// where it is about to return `Ok`: what is saved afterwards covers them.
    pub fn note(&self, ctx: &ChannelContext, records: &[Record]) {
        let ids = records.iter().map(RecordId::of);
        self.note_ids(ctx.tunnel_id(), ctx.client_id(), ctx.channel_id(), ids);
    }

    /// As [`Witness::note`], for consumers that are no callback of this crate.
    ///
    /// Of a tunnel or channel that is not there (any more) nothing is taken down.
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

    /// Judges a run that is over: everything that was written should have been
    /// read and, by clients that have noted anything, dealt with. For a run
    /// that goes on, or with other limits, see [`Checker`].
    pub fn verdict(&self) -> Verdict {
        Checker::new().complete().judge(&self.service.ledger())
    }
}
