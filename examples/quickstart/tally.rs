//! Counts the records written and the records delivered, and compares them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tablestore_emulator::Written;
use tablestore_tunnel::{ChannelContext, Record, SequenceInfo, TunnelError};

/// How many records of each kind are printed.
const PRINTED_RECORDS: u64 = 3;

/// The minimum number of new records between two progress lines.
const RECORDS_PER_LINE: u64 = 250;

/// Identifies a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Id {
    /// A row of the base data, by its primary key.
    Row(String),
    /// A change, by its partition and its position in the partition's log.
    Change(String, SequenceInfo),
}

#[derive(Default)]
pub(crate) struct Tally {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Default)]
struct Counts {
    /// How often each written record was delivered. Empty on a real instance.
    deliveries: HashMap<Id, u64>,
    written: u64,
    /// The number of written records that were delivered at least once.
    delivered_of_written: u64,
    rows: u64,
    changes: u64,
    /// The number of delivered records at the last progress line.
    last_printed: u64,
    duplicates: u64,
    out_of_order: u64,
    /// The last change of each channel.
    last_changes: HashMap<String, SequenceInfo>,
    interrupted: bool,
}

impl Tally {
    /// Expects a row that exists before the tunnel is created.
    pub(crate) fn expect_base(&self, key: &str) {
        self.lock().expect(Id::Row(key.to_owned()));
    }

    /// Writes a change and expects it. The lock is held meanwhile, so the change
    /// is known before it can be delivered.
    pub(crate) fn expect_change(
        &self,
        write: impl FnOnce() -> Result<Written, TunnelError>,
    ) -> Result<(), TunnelError> {
        let mut counts = self.lock();
        let written = write()?;
        counts.expect(Id::Change(
            written.partition.to_string(),
            written.sequence_info,
        ));
        Ok(())
    }

    /// Counts the records of a batch. Batches are small while changes trickle in,
    /// so one progress line covers several of them.
    pub(crate) fn deliver(&self, ctx: &ChannelContext, records: &[Record]) {
        let mut counts = self.lock();
        for record in records {
            counts.deliver(ctx.channel_id(), record);
        }
        let delivered = counts.rows + counts.changes;
        let new = delivered - counts.last_printed;
        if new >= RECORDS_PER_LINE {
            counts.last_printed = delivered;
            println!(
                "{:>6} rows {:>6} changes  (+{new:<4} {})",
                counts.rows,
                counts.changes,
                ctx.channel_id()
            );
        }
        self.changed.notify_all();
    }

    /// Waits until every written record has been delivered, the program is
    /// interrupted, or `timeout` has passed.
    pub(crate) fn wait_until_complete(&self, timeout: Duration) {
        let is_incomplete = |counts: &mut Counts| {
            counts.delivered_of_written < counts.written && !counts.interrupted
        };
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), timeout, is_incomplete);
        drop(waited);
    }

    /// Waits until `time` has passed or the program is interrupted.
    pub(crate) fn pause(&self, time: Duration) {
        let is_running = |counts: &mut Counts| !counts.interrupted;
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), time, is_running);
        drop(waited);
    }

    /// Ends the program early. Records that have not been delivered yet stay in
    /// the tunnel for the next run.
    pub(crate) fn interrupt(&self) {
        self.lock().interrupted = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.lock().interrupted
    }

    pub(crate) fn summary(&self) -> Summary {
        let counts = self.lock();
        let missing = counts.written - counts.delivered_of_written;
        let (left, lost) = match counts.interrupted {
            true => (missing, 0),
            false => (0, missing),
        };
        Summary {
            written: counts.written,
            delivered: counts.rows + counts.changes,
            left,
            lost,
            out_of_order: counts.out_of_order,
            duplicates: counts.duplicates,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn expect(&mut self, id: Id) {
        self.written += 1;
        self.deliveries.insert(id, 0);
    }

    fn deliver(&mut self, channel: &str, record: &Record) {
        let id = match record.sequence_info() {
            None => {
                self.rows += 1;
                print_if_among_first(self.rows, channel, record);
                Id::Row(key(record))
            }
            Some(sequence) => {
                self.changes += 1;
                print_if_among_first(self.changes, channel, record);
                self.check_order(channel, sequence);
                Id::Change(partition(channel), sequence)
            }
        };
        // On a real instance nothing is expected: other programs write the table.
        if let Some(times) = self.deliveries.get_mut(&id) {
            self.delivered_of_written += u64::from(*times == 0);
            self.duplicates += u64::from(*times > 0);
            *times += 1;
        }
    }

    fn check_order(&mut self, channel: &str, sequence: SequenceInfo) {
        let last = self.last_changes.insert(channel.to_owned(), sequence);
        self.out_of_order += u64::from(last.is_some_and(|last| last > sequence));
    }
}

fn print_if_among_first(count: u64, channel: &str, record: &Record) {
    if count <= PRINTED_RECORDS {
        println!("{channel} {record}");
    }
}

fn key(record: &Record) -> String {
    let column = record.primary_key().next();
    let value = column.and_then(|column| column.value().as_str().map(str::to_owned));
    value.unwrap_or_default()
}

/// Returns the partition's id, which is the first part of a stream channel's id.
fn partition(channel: &str) -> String {
    channel.split('_').next().unwrap_or_default().to_owned()
}

pub(crate) struct Summary {
    written: u64,
    delivered: u64,
    left: u64,
    lost: u64,
    out_of_order: u64,
    duplicates: u64,
}

impl Summary {
    pub(crate) fn is_correct(&self) -> bool {
        self.lost == 0 && self.out_of_order == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.written == 0 {
            // On a real instance the number of written records is unknown.
            writeln!(f, "records delivered          {:>6}", self.delivered)?;
            return write!(f, "out of order               {:>6}", self.out_of_order);
        }
        writeln!(f, "rows and changes written   {:>6}", self.written)?;
        writeln!(f, "records delivered          {:>6}", self.delivered)?;
        if self.left > 0 {
            writeln!(f, "left for the next run      {:>6}", self.left)?;
        }
        writeln!(f, "lost                       {:>6}", self.lost)?;
        writeln!(f, "out of order               {:>6}", self.out_of_order)?;
        write!(f, "duplicates                 {:>6}", self.duplicates)
    }
}
