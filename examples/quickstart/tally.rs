//! Counts what was written and what was delivered, and compares.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tablestore_emulator::Written;
use tablestore_tunnel::{ChannelContext, Record, SequenceInfo, TunnelError};

/// How many records of each kind are shown.
const SHOWN: u64 = 3;

/// How many records more a line of the count tells of, at least.
const SHOWN_TOGETHER: u64 = 250;

/// What tells one record from all others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Id {
    /// A row of the base data, by its key.
    Row(String),
    /// A change, by its partition and its place in the partition's log.
    Change(String, SequenceInfo),
}

#[derive(Default)]
pub(crate) struct Tally {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Default)]
struct Counts {
    /// What was written, where that is known, and how often it was delivered.
    records: HashMap<Id, u64>,
    written: u64,
    /// Of what was written: how much was delivered.
    seen: u64,
    rows: u64,
    changes: u64,
    /// What the last line of the count told of.
    shown: u64,
    duplicates: u64,
    out_of_order: u64,
    /// The newest change of each channel.
    newest: HashMap<String, SequenceInfo>,
    interrupted: bool,
}

impl Tally {
    /// A row is in the table before the tunnel is made.
    pub(crate) fn expect_base(&self, key: &str) {
        self.lock().expect(Id::Row(key.to_owned()));
    }

    /// Writes a change and remembers it. Under the lock, so that it is known
    /// before it can be delivered.
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

    /// The callback: counts the records of a batch, and tells of many at a time;
    /// while changes trickle in, a batch has few.
    pub(crate) fn deliver(&self, ctx: &ChannelContext, records: &[Record]) {
        let mut counts = self.lock();
        for record in records {
            counts.deliver(ctx.channel_id(), record);
        }
        let delivered = counts.rows + counts.changes;
        let news = delivered - counts.shown;
        if news >= SHOWN_TOGETHER {
            counts.shown = delivered;
            println!(
                "{:>6} rows {:>6} changes  (+{news:<4} {})",
                counts.rows,
                counts.changes,
                ctx.channel_id()
            );
        }
        self.changed.notify_all();
    }

    /// Waits until everything written has been delivered.
    pub(crate) fn wait_until_complete(&self, patience: Duration) {
        let missing = |counts: &mut Counts| counts.seen < counts.written && !counts.interrupted;
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), patience, missing);
        drop(waited);
    }

    /// Waits a little, less if interrupted.
    pub(crate) fn pause(&self, time: Duration) {
        let going_on = |counts: &mut Counts| !counts.interrupted;
        let waited = self.changed.wait_timeout_while(self.lock(), time, going_on);
        drop(waited);
    }

    /// The program is to end early: what has not been delivered by now stays in
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
        let missing = counts.written - counts.seen;
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
        self.records.insert(id, 0);
    }

    fn deliver(&mut self, channel: &str, record: &Record) {
        let id = match record.sequence_info() {
            None => {
                self.rows += 1;
                show(self.rows, channel, record);
                Id::Row(key(record))
            }
            Some(sequence) => {
                self.changes += 1;
                show(self.changes, channel, record);
                self.check_order(channel, sequence);
                Id::Change(partition(channel), sequence)
            }
        };
        // What is not expected was written by others: a real table.
        if let Some(times) = self.records.get_mut(&id) {
            self.seen += u64::from(*times == 0);
            self.duplicates += u64::from(*times > 0);
            *times += 1;
        }
    }

    fn check_order(&mut self, channel: &str, sequence: SequenceInfo) {
        let newest = self.newest.insert(channel.to_owned(), sequence);
        self.out_of_order += u64::from(newest.is_some_and(|newest| newest > sequence));
    }
}

fn show(count: u64, channel: &str, record: &Record) {
    if count <= SHOWN {
        println!("{channel} {record}");
    }
}

fn key(record: &Record) -> String {
    let column = record.primary_key().next();
    let value = column.and_then(|column| column.value().as_str().map(str::to_owned));
    value.unwrap_or_default()
}

/// A stream channel's id begins with that of its partition.
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
    pub(crate) fn is_right(&self) -> bool {
        self.lost == 0 && self.out_of_order == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.written == 0 {
            // A real table: only its writers know what they wrote.
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
