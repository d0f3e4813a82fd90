//! The pool that callbacks run on, shared by all workers of a configuration.

use std::fmt;
use std::sync::Arc;

use log::error;
use rayon::ThreadPool;

use crate::clock::{Clock, Task};
use crate::error::TunnelError;
use crate::sync::catch_panic::catch_panic;
use crate::sync::channel::{Receiver, Sender, unbounded};
use crate::sync::threads;

/// What runs in turns on the pool: an open channel.
pub(crate) trait Turn: Send + Sync {
    /// Runs one turn.
    fn run(self: Arc<Self>);

    /// The clock of its worker.
    fn clock(&self) -> &Clock;
}

/// A channel that waits for its turn, and the task of the turn.
type Ready = (Arc<dyn Turn>, Task);

/// Threads and the queue of channels whose turn it is. Clones share both.
///
/// A channel queues again at the back after each turn, so a few busy channels cannot
/// starve the others.
#[derive(Clone)]
pub(crate) struct Pool {
    ready: Sender<Ready>,
    threads: Threads,
}

#[derive(Clone)]
enum Threads {
    /// So many of our own, which receive from the queue until the last clone of the pool
    /// is dropped.
    Own(usize),
    /// The caller's. Each channel in the queue has one task in the caller's pool, which
    /// takes the channel that has waited longest: not necessarily its own, because rayon
    /// prefers tasks that its own threads spawn.
    Passed(Arc<ThreadPool>, Receiver<Ready>),
}

impl Pool {
    /// A pool with threads of its own.
    pub(crate) fn start(count: usize) -> Result<Pool, TunnelError> {
        let (ready, next) = unbounded();
        for index in 0..count {
            let next: Receiver<Ready> = next.clone();
            let work = move || next.iter().for_each(run);
            threads::spawn_large(&format!("tunnel-pool-{index}"), work).map_err(|error| {
                TunnelError::client("the threads of the pool could not be started")
                    .with_source(error)
            })?;
        }
        Ok(Pool {
            ready,
            threads: Threads::Own(count),
        })
    }

    /// The caller's pool.
    pub(crate) fn passed(pool: Arc<ThreadPool>) -> Pool {
        let (ready, next) = unbounded();
        Pool {
            ready,
            threads: Threads::Passed(pool, next),
        }
    }

    /// Gives `channel` a turn, after all that wait for one already.
    pub(crate) fn schedule(&self, channel: Arc<dyn Turn>) {
        let task = channel.clock().task();
        // It fails only if no thread is left to receive, which is when the process ends.
        let _ = self.ready.send((channel, task));
        if let Threads::Passed(pool, next) = &self.threads {
            let next = next.clone();
            pool.spawn_fifo(move || next.try_iter().take(1).for_each(run));
        }
    }

    fn thread_count(&self) -> usize {
        match &self.threads {
            Threads::Own(count) => *count,
            Threads::Passed(pool, _) => pool.current_num_threads(),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.thread_count())
            .finish_non_exhaustive()
    }
}

fn run((channel, task): Ready) {
    if let Err(error) = catch_panic(|| task.run(|| channel.run())) {
        error!("a turn of a channel: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Sends its name in its turn.
    struct Named(&'static str, Clock, crossbeam_channel::Sender<&'static str>);

    impl Turn for Named {
        fn run(self: Arc<Self>) {
            self.2.send(self.0).expect("a test");
            assert_ne!(self.0, "panics");
        }

        fn clock(&self) -> &Clock {
            &self.1
        }
    }

    #[test]
    fn channels_run_in_the_order_in_which_they_came() {
        let rayon = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let rayon = Arc::new(rayon.expect("a pool"));
        for pool in [Pool::start(1).expect("threads"), Pool::passed(rayon)] {
            let (sender, ran) = crossbeam_channel::unbounded();
            for name in ["a", "panics", "b"] {
                let named = Named(name, Clock::system(), sender.clone());
                pool.schedule(Arc::new(named));
            }
            for name in ["a", "panics", "b"] {
                assert_eq!(ran.recv_timeout(Duration::from_secs(20)), Ok(name));
            }
        }
    }
}
