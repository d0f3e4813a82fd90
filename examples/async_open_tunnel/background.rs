//! A thread that processes batches after their callbacks have returned.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use tablestore_tunnel::{
    ErrorCode, ProcessResult, ProcessorHandle, TunnelError, parse_binary_records,
};

/// The capacity of the queue. Callbacks wait while it is full.
const QUEUE_CAPACITY: usize = 16;
/// The pause before a failed batch is retried.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A batch with everything needed to commit it later.
pub(crate) struct Batch {
    pub(crate) processor: ProcessorHandle,
    pub(crate) next_token: String,
    pub(crate) binary_records: Vec<u8>,
}

enum Message {
    Process(Batch),
    /// Answered when every earlier message has been handled.
    Flush(SyncSender<()>),
}

/// A handle to the thread.
///
/// A token must not be committed before all earlier batches of its channel are
/// done. A single thread keeps that order.
#[derive(Clone)]
pub(crate) struct Background {
    queue: SyncSender<Message>,
    committed: Arc<AtomicUsize>,
}

impl Background {
    pub(crate) fn start() -> Background {
        let (queue, messages) = mpsc::sync_channel(QUEUE_CAPACITY);
        let committed = Arc::<AtomicUsize>::default();
        let counter = committed.clone();
        thread::spawn(move || run(&messages, &counter));
        Background { queue, committed }
    }

    /// Adds a batch to the queue. Waits while the queue is full.
    pub(crate) fn enqueue(&self, batch: Batch) -> ProcessResult {
        Ok(self.queue.send(Message::Process(batch))?)
    }

    /// Returns when every batch added so far has been handled.
    pub(crate) fn flush(&self) {
        let (done, flushed) = mpsc::sync_channel(1);
        if self.queue.send(Message::Flush(done)).is_ok() {
            // Fails only if the thread has ended.
            let _ = flushed.recv();
        }
    }

    /// The number of records committed so far.
    pub(crate) fn committed(&self) -> usize {
        self.committed.load(Ordering::Relaxed)
    }
}

fn run(messages: &Receiver<Message>, committed: &AtomicUsize) {
    for message in messages {
        match message {
            Message::Process(batch) => {
                committed.fetch_add(process_with_retries(&batch), Ordering::Relaxed);
            }
            Message::Flush(done) => drop(done.send(())),
        }
    }
}

/// Retries until the batch is committed, because no later token may be committed
/// before it. Returns the number of committed records.
///
/// If the channel has moved to another worker, nothing is committed: that worker
/// continues from the last committed token.
fn process_with_retries(batch: &Batch) -> usize {
    loop {
        match process(batch) {
            Ok(records) => return records,
            Err(error) if *error.code() == ErrorCode::ChannelLost => return 0,
            Err(error) => eprintln!("will be retried in {RETRY_DELAY:?}: {error}"),
        }
        thread::sleep(RETRY_DELAY);
    }
}

/// Parses the records of the batch, and commits its token. Returns the number of
/// records.
fn process(batch: &Batch) -> Result<usize, TunnelError> {
    let records = parse_binary_records(batch.binary_records.as_slice())?;
    batch.processor.commit_token(&batch.next_token)?;
    Ok(records.len())
}
