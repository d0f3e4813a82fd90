//! [`Positions`]: the positions of records in a channel, found by key or
//! sequence number.

use std::ops::Range;

use super::channel::{Channel, Source};
use super::key::{self, Route};
use super::partition::SnapshotRow;
use super::record_id::RecordId;
use super::table::Table;
use tablestore_tunnel::{SequenceInfo, Value};

/// The positions of some records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Positions {
    /// Ranges of positions in the order of the records.
    pub(crate) runs: Vec<Range<u64>>,
    /// How many of the records the channel does not have.
    pub(crate) unknown: u64,
}

impl Positions {
    pub(crate) fn find(channel: &Channel, table: &Table, records: Vec<RecordId>) -> Positions {
        let mut positions = Positions::default();
        for record in records {
            match position(channel, table, record) {
                Some(position) => positions.add(position),
                None => positions.unknown += 1,
            }
        }
        positions
    }

    fn add(&mut self, position: u64) {
        match self.runs.last_mut() {
            Some(run) if run.end == position => run.end += 1,
            _ => self.runs.push(position..position + 1),
        }
    }
}

fn position(channel: &Channel, table: &Table, record: RecordId) -> Option<u64> {
    match (&channel.source, record) {
        (Source::Base(rows), RecordId::Key(values)) => position_of_row(rows, table, values),
        (Source::Stream { .. }, RecordId::Sequence(sequence)) => {
            position_of_change(channel, table, sequence)
        }
        _ => None,
    }
}

fn position_of_row(rows: &[SnapshotRow], table: &Table, values: Vec<Value>) -> Option<u64> {
    let key = key::parse(values, &table.schema.primary_key).ok()?;
    let route = Route::of(key, table.schema.partitions);
    let row = rows.binary_search_by(|(other, _)| other.cmp(&route)).ok()?;
    Some(row as u64)
}

/// `None` also for trimmed changes.
fn position_of_change(channel: &Channel, table: &Table, sequence: SequenceInfo) -> Option<u64> {
    let log = &channel.partition(table)?.log;
    let (mut low, mut high) = (log.first(), log.end());
    while low < high {
        let middle = low + (high - low) / 2;
        match log.sequence_at(middle)?.cmp(&sequence) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Equal => return Some(middle),
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    None
}
