//! Which threads exist, and which of your code runs on them.
//!
//! | thread | how many | your code on it |
//! |---|---|---|
//! | the caller of [`run`](crate::TunnelWorkerDaemon::run) | one per worker | none |
//! | `tunnel-daemon` | one per [`spawn`](crate::TunnelWorkerDaemon::spawn), to call `run` | none |
//! | `tunnel-heartbeat` | one per worker, which makes all decisions | none |
//! | `tunnel-requests` | one per worker, for connecting and heartbeats | the credentials provider |
//! | `tunnel-reader` | one per open channel | the factory, `channel_open`, a dialer and its connections, the credentials provider |
//! | `tunnel-leave` | short-lived, one at the end of a session, to release it | the credentials provider |
//! | `tunnel-pool-n` | 32 per configuration, or the threads of your own rayon pool | the process callbacks |
//! | `tunnel-io` | as many as needed, at most one per open or closing channel, for its saves and its end; idle ones end after 1 s | the shutdown callback, a checkpointer, the credentials provider |
//! | `tunnel-observer` | one per configuration with an observer | the observer, for events that belong to no channel, and for stalled channels and failed requests |
//!
//! A [`WorkerObserver`] receives the events of a channel on the channel's own threads.
//!
//! - The pool serves channels in turn. The channel that has waited longest is served
//!   first. Only one callback of a channel runs at a time, but not always on the same
//!   thread: do not keep a channel's state in thread-locals.
//! - A reader thread has a stack of 256 KiB and spends most of its time waiting. A
//!   thousand open channels mean a thousand reader threads.
//! - A [`TunnelWorkerConfig`] owns the pool and the memory budget. Workers made from
//!   clones of one configuration share both. The threads end when the last clone is
//!   dropped.
//! - The number of threads is bounded by the configuration and the number of open channels,
//!   whatever hangs: a callback, a checkpointer, a request or the service. What hangs
//!   delays its own channel only. If the system cannot start another thread, the channel
//!   stays with this worker and is opened a little later, and the pool does what
//!   `tunnel-io` would do.
//! - A daemon whose session was lost does not connect again while requests of two earlier
//!   sessions hang in your credentials provider.
//! - No lock is held while your code runs, so you can call every method from every
//!   callback. A method that would have to wait for its own caller, such as `close` inside
//!   a callback, only makes the request and returns.
//! - A panic in your code is caught and becomes an error of that channel. Other channels
//!   are not affected. This requires `panic = "unwind"`, which is the default.
//! - The crate uses no async runtime. In an async program, call `run` the way your runtime
//!   runs blocking code (`spawn_blocking` in tokio), and pass records on through a queue.
//!
//! [`TunnelWorkerConfig`]: crate::TunnelWorkerConfig
//! [`WorkerObserver`]: crate::WorkerObserver
