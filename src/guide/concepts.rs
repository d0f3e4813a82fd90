//! Words and a picture: tunnels, channels, workers, tokens.
//!
//! Tablestore keeps a table in *partitions* and, where that is turned on, a log of
//! changes for each. The Tunnel Service makes a queue of both that many consumers
//! can share:
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
//! - A *tunnel* belongs to a table and delivers all of it to its consumers, once
//!   for all of them together. It is one of three types ([`TunnelType`]): the rows
//!   that are there when it is created (`BaseData`), the changes (`Stream`), or
//!   first the one and then the other (`BaseAndStream`). A table can have several
//!   tunnels, each for a consumer of another kind.
//! - A *channel* is a part of a tunnel that is read in order: a split of the base
//!   data, or the log of one partition. Channels are read side by side.
//! - A *record* ([`Record`]) is one change of one row: put (the whole row is
//!   replaced), update (columns are put or deleted) or delete. Base data comes as
//!   puts without [`sequence_info`](crate::Record::sequence_info).
//! - A *worker* is one client of the tunnel with a *session*. It reports by
//!   *heartbeats* what it does with its channels and hears which it is to have. The
//!   service spreads the channels over all workers that are connected, and gives
//!   the channels of one that has gone silent to the others.
//! - A *token* is a place in a channel. A *checkpoint* is the token that the service
//!   keeps for a channel: where it goes on, whoever reads it next.
//! - A channel is *finished* when nothing will ever come after: base data that has
//!   been read, or the log of a partition that was split. Its last token is
//!   [`FINISH_TAG`].
//!
//! # The life of a tunnel
//!
//! [`describe_tunnel`](crate::TunnelClient::describe_tunnel) tells the stage
//! ([`TunnelStage`]):
//!
//! 1. `InitBaseDataAndStreamShard`: just created, no channels yet. This takes
//!    seconds, at times minutes.
//! 2. `ProcessBaseData`: base channels are handed out. Stream channels wait, and the
//!    log grows meanwhile: it is kept for a limited time, see
//!    [the questions](crate::guide::faq#my-tunnel-has-expired).
//! 3. `ProcessStream`: changes are handed out. A tunnel without a stream ends here
//!    too.
//!
//! The change from base data to the stream takes one to two heartbeats, since the
//! workers hear of their new channels by them.
//!
//! # The life of a channel
//!
//! | status | meaning |
//! |---|---|
//! | `WAIT` | waits for its parents to be consumed, or for a worker |
//! | `OPEN` | is read by a worker |
//! | `CLOSING` | the service wants it back, to give it to another worker, or it was suspended by hand |
//! | `CLOSE` | was given back, waits for the next worker |
//! | `TERMINATED` | has been consumed to its end |
//!
//! When a partition splits, its channel comes to an end and two new ones begin.
//! They wait until the parent's `finished` is saved, so that the changes of one
//! primary key keep their order.
//!
//! [`TunnelType`]: crate::TunnelType
//! [`TunnelStage`]: crate::TunnelStage
//! [`Record`]: crate::Record
//! [`FINISH_TAG`]: crate::FINISH_TAG
