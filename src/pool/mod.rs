//! The pool that callbacks run on, shared by all workers of a configuration.
//!
//! - [`tasks`]: what its threads do.
//! - [`ahead`]: whether a reader decodes a batch, or the pool (pure).

mod ahead;
mod tasks;

use std::sync::Arc;
use std::{fmt, io, thread};

use crossbeam_channel::{Receiver, Sender, unbounded};
use log::error;
use rayon::ThreadPool;

use self::ahead::{Counted, InFlight};
use self::tasks::{Source, Task, Tasks};
use crate::clock::Clock;
use crate::error::TunnelError;
use crate::record::{Checked, Record};
use crate::sync::buffer_pool::BufferPool;
use crate::sync::catch_panic;

/// What is kept for the records of later batches: as many as cores decode.
const MOST_SPARE: usize = 8 << 20;

/// What runs in turns on the pool: an open channel.
pub(crate) trait Turn: Send + Sync {
    /// Runs one turn.
    fn run(self: Arc<Self>);

    /// The clock of its worker.
    fn clock(&self) -> &Clock;
}

/// What tasks run on.
#[derive(Clone)]
enum Threads {
    /// What threads of our own do, which end when the last clone of it is dropped.
    /// rayon's look for work for a while before they sleep: a quarter of
    /// all time with one busy channel.
    Own {
        tasks: Tasks,
        count: usize,
    },
    Passed(Arc<ThreadPool>),
}

impl Threads {
    fn count(&self) -> usize {
        match self {
            Threads::Own { count, .. } => *count,
            Threads::Passed(pool) => pool.current_num_threads(),
        }
    }
}

/// Threads and the queue of channels whose turn it is. Clones share both.
///
/// A task of the pool runs the channel that has waited longest, not the one
/// that spawned it: rayon prefers tasks that its own threads spawn, so a few
/// busy channels that spawn themselves again would starve all others.
#[derive(Clone)]
pub(crate) struct Pool {
    threads: Threads,
    ready: Sender<Arc<dyn Turn>>,
    next: Receiver<Arc<dyn Turn>>,
    turns: InFlight,
    /// Those that read without a pause.
    readers: InFlight,
    /// How many of either run at the same time, at most.
    at_once: usize,
    /// For the records of a batch, while it is processed.
    pub(crate) record_buffers: Arc<BufferPool<Vec<Record<'static>>>>,
    /// The same of batches that are decoded before their turn.
    pub(crate) checked_buffers: Arc<BufferPool<Vec<Checked>>>,
}

impl Pool {
    /// A pool of its own.
    pub(crate) fn start(threads: usize) -> Result<Pool, TunnelError> {
        let (tasks, source) = Tasks::new();
        for index in 0..threads {
            start_thread(index, source.clone()).map_err(|error| {
                TunnelError::client("the threads of the pool could not be started")
                    .with_source(error)
            })?;
        }
        let count = threads;
        Ok(Pool::over(Threads::Own { tasks, count }))
    }

    /// The caller's pool.
    pub(crate) fn new(threads: Arc<ThreadPool>) -> Pool {
        Pool::over(Threads::Passed(threads))
    }

    fn over(threads: Threads) -> Pool {
        let (ready, next) = unbounded();
        Pool {
            turns: InFlight::default(),
            readers: InFlight::default(),
            at_once: ahead::at_once(threads.count()),
            threads,
            ready,
            next,
            record_buffers: Arc::new(BufferPool::new(MOST_SPARE)),
            checked_buffers: Arc::new(BufferPool::new(MOST_SPARE)),
        }
    }

    /// Runs something else.
    pub(crate) fn spawn(&self, task: impl FnOnce() + Send + 'static) {
        match &self.threads {
            Threads::Own { tasks, .. } => tasks.add(Box::new(task)),
            // A panic would end the process that owns the pool.
            Threads::Passed(pool) => pool.spawn_fifo(move || run(Box::new(task))),
        }
    }

    /// Gives `channel` a turn, after all that got one before.
    pub(crate) fn schedule(&self, channel: Arc<dyn Turn>) {
        // As many tasks as queued channels: no task finds the queue empty and
        // no channel stays behind. Sending cannot fail, we hold a receiver.
        let task = channel.clock().task();
        let _ = self.ready.send(channel);
        let next = self.next.clone();
        let turn = self.turns.enter();
        self.spawn(move || {
            let _until_done = turn;
            if let Ok(channel) = next.try_recv() {
                task.run(|| channel.run());
            }
        });
    }

    /// Whether the reader of a channel is to decode what it brought, as the pool
    /// would not take it at once.
    pub(crate) fn leaves_to_reader(&self, turn_is_idle: bool) -> bool {
        let (turns, readers) = (self.turns.count(), self.readers.count());
        ahead::by_reader(turn_is_idle, turns, readers, self.at_once)
    }

    /// Counts a reader that reads without a pause, until what is returned is dropped.
    pub(crate) fn count_reader(&self) -> Counted {
        self.readers.enter()
    }
}

#[cfg(test)]
impl Pool {
    pub(crate) fn reader_count(&self) -> usize {
        self.readers.count()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads.count())
            .finish_non_exhaustive()
    }
}

/// A thread of the usual size, as callbacks may need it.
fn start_thread(index: usize, source: Source) -> io::Result<()> {
    thread::Builder::new()
        .name(format!("tunnel-pool-{index}"))
        .spawn(move || source.run(run))
        .map(drop)
}

fn run(task: Task) {
    if let Err(error) = catch_panic::catch_panic(task) {
        error!("a task of the pool: {error}");
    }
}
