//! [`Witness`]: what consumers say that they have dealt with.

use std::sync::Arc;

use super::check::{Checker, Verdict};
use super::core::Core;
use super::core::places::Places;
use super::handle::{Emulator, Shared};
use super::ledger::EventKind;
use tablestore_tunnel::ChannelContext;
use tablestore_tunnel::{Record, SequenceInfo, Value};

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
    shared: Arc<Shared>,
}

/// What tells a record from all others of its channel.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RecordId {
    /// The values of its primary key; for records of base data.
    Key(Vec<Value>),
    /// Its sequence number; for records of a stream.
    Sequence(SequenceInfo),
}

impl RecordId {
    /// Of that record.
    pub fn of(record: &Record) -> RecordId {
        match record.sequence_info() {
            Some(sequence) => RecordId::Sequence(sequence),
            None => {
                let values = record.primary_key().map(|column| column.value().to_value());
                RecordId::Key(values.collect())
            }
        }
    }
}

impl Emulator {
    /// Takes down what consumers have dealt with.
    pub fn witness(&self) -> Witness {
        Witness::new(self.shared())
    }
}

impl Witness {
    pub(super) fn new(shared: &Arc<Shared>) -> Witness {
        Witness {
            shared: Arc::clone(shared),
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
        let records: Vec<RecordId> = records.into_iter().collect();
        let (mut core, now) = self.shared.enter();
        if let Some(places) = core.places(tunnel, channel, records) {
            let who = [tunnel, client, channel].map(Arc::from);
            record(&mut core, &who, places, now);
        }
    }

    /// Judges a run that is over: everything that was written should have been
    /// read and, by clients that have noted anything, dealt with. For a run
    /// that goes on, or with other limits, see [`Checker`].
    pub fn verdict(&self) -> Verdict {
        let ledger = self.shared.core.lock().ledger.copy();
        Checker::new().complete().judge(&ledger)
    }
}

fn record(
    core: &mut Core,
    [tunnel, client, channel]: &[Arc<str>; 3],
    places: Places,
    now: super::clock::Timestamp,
) {
    for run in places.runs {
        let event = EventKind::Processed {
            tunnel: tunnel.clone(),
            client: client.clone(),
            channel: channel.clone(),
            from: run.start,
            to: run.end,
        };
        core.ledger.record(now, event);
    }
    if places.unknown > 0 {
        let event = EventKind::ProcessedUnknown {
            tunnel: tunnel.clone(),
            client: client.clone(),
            channel: channel.clone(),
            records: places.unknown,
        };
        core.ledger.record(now, event);
    }
}
