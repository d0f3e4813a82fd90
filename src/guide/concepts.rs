//! What tunnels, channels, workers and tokens are, with a picture.
//!
//! Tablestore stores a table in *partitions*. If the stream of the table is turned on,
//! it also keeps a log of changes for each partition. The Tunnel Service turns both
//! into a queue that many consumers can share:
//!
//! ```text
//!       table                          tunnel                      workers of one tunnel
//! ┌───────────────────┐      ┌─────────────────────────┐      ┌──────────────────────────┐
//! │ rows              │ ───▶ │ base channel, split 1   │ ───▶ │ process A                │
//! │                   │ ───▶ │ base channel, split 2   │ ───▶ │   one callback a channel │
//! ├───────────────────┤      ├─────────────────────────┤      ├──────────────────────────┤
//! │ log of partition 1│ ───▶ │ stream channel 1        │ ───▶ │ process B                │
//! │ log of partition 2│ ───▶ │ stream channel 2, ended │      │   one callback a channel │
//! │   ├ split: 3      │ ───▶ │   └ stream channel 3    │ ───▶ │                          │
//! │   └ split: 4      │ ───▶ │   └ stream channel 4    │ ───▶ │                          │
//! └───────────────────┘      │ a checkpoint for each   │ ◀─── │ saves tokens             │
//!                            └─────────────────────────┘      └──────────────────────────┘
//! ```
//!
//! - A *tunnel* belongs to one table. It delivers the table's data once to all of its
//!   consumers together. A tunnel has one of three types ([`TunnelType`]): it delivers
//!   the rows that exist when the tunnel is created (`BaseData`), the changes
//!   (`Stream`), or first the rows and then the changes (`BaseAndStream`). A table can
//!   have several tunnels, one for each kind of consumer.
//! - A *channel* is a part of a tunnel that is read in order: a split of the base
//!   data, or the log of one partition. Different channels are read in parallel.
//! - A *record* ([`Record`]) is one change of one row: a put replaces the whole row, an
//!   update puts or deletes columns, and a delete removes the row. Base data arrives as
//!   puts without [`sequence_info`](crate::Record::sequence_info).
//! - A *worker* is one client of the tunnel with a *session*. With each *heartbeat* it
//!   reports the state of its channels, and the response lists the channels that it
//!   owns. The service distributes the channels over all connected workers. If a worker
//!   goes silent, the service gives its channels to other workers.
//! - A *token* is a position in a channel. A *checkpoint* is the token that the service
//!   stores for a channel: the next reader of the channel starts there.
//! - A channel is *finished* when it will never have more records: its base data has
//!   been read, or its partition was split or merged. Its last token is
//!   [`FINISH_TAG`].
//!
//! # The life of a tunnel
//!
//! [`describe_tunnel`](crate::TunnelClient::describe_tunnel) returns the stage of a
//! tunnel ([`TunnelStage`]):
//!
//! 1. `InitBaseDataAndStreamShard`: the tunnel has just been created and has no channels
//!    yet. This stage takes seconds, sometimes minutes.
//! 2. `ProcessBaseData`: the service hands out base channels. Stream channels wait, and
//!    the log grows in the meantime. The log is kept for a limited time, see
//!    [My tunnel has expired](crate::guide::faq#my-tunnel-has-expired).
//! 3. `ProcessStream`: the service hands out stream channels. A tunnel without a stream
//!    also ends in this stage.
//!
//! The switch from base data to the stream takes one to two heartbeats, because
//! heartbeats are the only way for workers to learn about new channels.
//!
//! # Heartbeats and the lease
//!
//! - The first heartbeat is sent immediately after the connect. For 60 s after the connect,
//!   and for 60 s after every change of the list of channels, a heartbeat is sent every 5 s,
//!   because channels may still move between workers. Otherwise the
//!   [`heartbeat_interval`](crate::TunnelWorkerConfigBuilder::heartbeat_interval) applies
//!   (30 s). If it is shorter than 5 s, it always applies.
//! - When a channel was closed or consumed to its end, the service has to know. Such news
//!   waits for at most 1 s, so that all news of one second shares a heartbeat. News also
//!   waits for a heartbeat that is in flight.
//! - A failed heartbeat is followed by the next one after 1, 2, 4, then 5 s, with a fresh
//!   report of all channels.
//! - Each successful heartbeat renews the *lease* of the session: for the
//!   [`heartbeat_timeout`](crate::TunnelWorkerConfigBuilder::heartbeat_timeout) (300 s),
//!   counted from when the heartbeat was sent, the service keeps the channels for this
//!   worker. If no heartbeat succeeds until then, the session is lost: the worker starts no
//!   callback and saves nothing, and a daemon reconnects. Shortly before that (a twentieth
//!   of the timeout, at most 2 s), the channels are closed in order: no callback starts any
//!   more, and the tokens of processed batches are saved, so that nothing is repeated.
//! - The lease is measured by the monotonic clock, which stands still while a machine is
//!   suspended. If the calendar clock is past the end of the lease, the machine was
//!   suspended, or its clock was set. Callbacks and checkpoints then pause, and a heartbeat
//!   is sent immediately. Its response decides whether the worker goes on or the session is
//!   over.
//!
//! # The life of a channel
//!
//! | status | meaning |
//! |---|---|
//! | `WAIT` | it waits until its parents are consumed, or for a worker |
//! | `OPEN` | a worker reads it |
//! | `CLOSING` | the service is taking it back to give it to another worker, or it was suspended manually |
//! | `CLOSE` | it was released and waits for the next worker |
//! | `TERMINATED` | it has been consumed to its end |
//!
//! When a partition splits, its channel ends and two new channels begin. The new
//! channels wait until `finished` has been saved for their parent, so the changes of one
//! primary key stay in order.
//!
//! [`TunnelType`]: crate::TunnelType
//! [`TunnelStage`]: crate::TunnelStage
//! [`Record`]: crate::Record
//! [`FINISH_TAG`]: crate::FINISH_TAG
