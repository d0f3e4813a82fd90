//! Which threads there are, and what of yours runs on them.
//!
//! | thread | how many | runs of yours |
//! |---|---|---|
//! | the one that calls [`run`](crate::TunnelWorkerDaemon::run) | one a worker | nothing |
//! | `tunnel-daemon` | one a [`spawn`](crate::TunnelWorkerDaemon::spawn), which calls `run` | nothing |
//! | `tunnel-heartbeat` | one a worker | the credentials provider |
//! | `tunnel-reader` | one an open channel | the factory, `channel_open`, a dialer and its connections, the provider |
//! | `tunnel-pool-n` | 32 a configuration, or your own rayon pool | the process callbacks |
//! | `tunnel-checkpoint`, `tunnel-close` | short-lived, for a save or the end of a channel | the shutdown callback, a checkpointer, the provider |
//! | `tunnel-observer` | one a configuration with an observer | the observer, for what is not of one channel |
//!
//! A [`WorkerObserver`] hears of what a channel does on the channel's threads.
//!
//! - Channels are served by the pool in turn, the one that has waited longest
//!   first. Of one channel only one callback runs at a time, but not always on the
//!   same thread: thread-locals do not belong to a channel.
//! - A reader thread has a stack of 512 KiB and mostly waits. A thousand open
//!   channels are a thousand reader threads.
//! - A [`TunnelWorkerConfig`] owns the pool and the memory budget; workers made from
//!   clones of one configuration share both. The threads end with its last clone.
//! - No lock is held while your code runs: every method may be called from every
//!   callback. What would wait for itself, as a `close` inside a callback, asks and
//!   returns.
//! - A panic in your code is caught, is an error of that channel, and touches no
//!   other. This needs `panic = "unwind"`, the default.
//! - Nothing here knows an async runtime. From one, call `run` by its way to run
//!   blocking code (in tokio, `spawn_blocking`), and hand records over by a queue.
//!
//! [`TunnelWorkerConfig`]: crate::TunnelWorkerConfig
//! [`WorkerObserver`]: crate::WorkerObserver
