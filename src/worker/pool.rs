//! The pool that callbacks run on, shared by all workers of a configuration.

use std::fmt;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::connection::Connection;
use crate::error::TunnelError;
use crate::record::Record;
use crate::spare::Spare;

/// What is kept for the records of later batches: as many as cores decode.
const MOST_SPARE: usize = 8 << 20;

/// A rayon pool and the queue of channels whose turn it is. Clones share both.
///
/// A task of the pool runs the channel that has waited longest, not the one
/// that spawned it: rayon prefers tasks that its own threads spawn, so a few
/// busy channels that spawn themselves again would starve all others.
#[derive(Clone)]
pub(crate) struct Pool {
    threads: Arc<ThreadPool>,
    ready: Sender<Arc<Connection>>,
    next: Receiver<Arc<Connection>>,
    /// For the records of a batch, while it is decoded and processed.
    pub(crate) spare_records: Arc<Spare<Record>>,
}

impl Pool {
    /// A pool of its own.
    pub(crate) fn start(threads: usize) -> Result<Pool, TunnelError> {
        ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("tunnel-pool-{index}"))
            .build()
            .map(|pool| Pool::new(Arc::new(pool)))
            .map_err(|error| {
                TunnelError::client("the threads of the pool could not be started")
                    .with_source(error)
            })
    }

    pub(crate) fn new(threads: Arc<ThreadPool>) -> Pool {
        let (ready, next) = unbounded();
        Pool {
            threads,
            ready,
            next,
            spare_records: Arc::new(Spare::new(MOST_SPARE)),
        }
    }

    /// Runs something else.
    pub(crate) fn spawn(&self, task: impl FnOnce() + Send + 'static) {
        self.threads.spawn_fifo(task);
    }

    /// Gives `connection` a turn, after all that got one before.
    pub(crate) fn schedule(&self, connection: Arc<Connection>) {
        // As many tasks as queued channels: no task finds the queue empty and
        // no channel stays behind. Sending cannot fail, we hold a receiver.
        let task = connection.link.clock().task();
        let _ = self.ready.send(connection);
        let next = self.next.clone();
        self.threads.spawn_fifo(move || {
            if let Ok(connection) = next.try_recv() {
                task.run(|| connection.take_turn());
            }
        });
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads.current_num_threads())
            .finish_non_exhaustive()
    }
}
