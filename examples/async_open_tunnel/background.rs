//! The thread that works on batches after their callbacks have returned.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use tablestore_tunnel::{
    ErrorCode, ProcessResult, ProcessorHandle, TunnelError, parse_binary_records,
};

/// How many batches may wait before callbacks do.
const WAITING: usize = 16;
/// Before work that failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// A batch, and all that is needed to commit it later.
pub(crate) struct Batch {
    pub(crate) processor: ProcessorHandle,
    pub(crate) next_token: String,
    pub(crate) binary_records: Vec<u8>,
}

enum Work {
    Do(Batch),
    /// Answered when all before it is done.
    Tell(SyncSender<()>),
}

/// One thread keeps the order of each channel: a token must not be committed
/// before those in front of it are done.
#[derive(Clone)]
pub(crate) struct Background {
    queue: SyncSender<Work>,
    committed: Arc<AtomicUsize>,
}

impl Background {
    pub(crate) fn start() -> Background {
        let (queue, work) = mpsc::sync_channel(WAITING);
        let committed = Arc::<AtomicUsize>::default();
        let counted = committed.clone();
        thread::spawn(move || work_off(&work, &counted));
        Background { queue, committed }
    }

    pub(crate) fn hand_on(&self, batch: Batch) -> ProcessResult {
        Ok(self.queue.send(Work::Do(batch))?)
    }

    /// Returns when all that was handed on before has been dealt with.
    pub(crate) fn wait_until_idle(&self) {
        let (done, told) = mpsc::sync_channel(1);
        if self.queue.send(Work::Tell(done)).is_ok() {
            // Fails only where the thread is gone, and its work with it.
            let _ = told.recv();
        }
    }

    /// How many records are done and committed.
    pub(crate) fn committed(&self) -> usize {
        self.committed.load(Ordering::Relaxed)
    }
}

fn work_off(work: &Receiver<Work>, committed: &AtomicUsize) {
    for work in work {
        match work {
            Work::Do(batch) => drop(committed.fetch_add(finish(&batch), Ordering::Relaxed)),
            Work::Tell(done) => drop(done.send(())),
        }
    }
}

/// Tries until the batch is done, for a later token must not pass it. How many
/// records are committed: none if the channel is another worker's by now, who
/// goes on from the last token.
fn finish(batch: &Batch) -> usize {
    loop {
        match process(batch) {
            Ok(records) => return records,
            Err(error) if *error.code() == ErrorCode::ChannelLost => return 0,
            Err(error) => eprintln!("once more in {PAUSE:?}: {error}"),
        }
        thread::sleep(PAUSE);
    }
}

/// The work: here, the bytes are looked into. How many records there were.
fn process(batch: &Batch) -> Result<usize, TunnelError> {
    let records = parse_binary_records(batch.binary_records.as_slice())?;
    batch.processor.commit_token(&batch.next_token)?;
    Ok(records.len())
}
