//! What users of the Tunnel Service ask, in any language.
//!
//! # My tunnel has expired
//!
//! The log of changes is kept for the table's retention, 7 days at most. `run`
//! returns `OTSTunnelExpired` when the tunnel needs what is no longer there. (At times
//! the service says so with a 503 of `OTSTrimmedDataAccess`, which other SDKs try
//! again for ever; here it is the same error.) It happens in two ways:
//!
//! - The base stage took longer than the retention. The stream then cannot begin.
//!   Make the base stage faster (more workers, more threads, larger batches to the
//!   sink), or ask the service's support before you begin.
//! - A consumer of changes stood still for that long. The service may then also go on
//!   at the newest change without an error, and what lies between is passed over in
//!   silence. Alarm on the lag.
//!
//! Only a new tunnel helps: delete it and create it again. With `BaseAndStream` all
//! rows come again, so nothing is missing in a sink that takes them by their key,
//! but for rows that were deleted meanwhile. A tunnel that has expired is disabled,
//! and deleted by the service after 30 days.
//!
//! # Nothing is delivered
//!
//! In this order: does [`health`](crate::TunnelWorkerDaemon::health) say anything? What is
//! the `stage` of the tunnel: in `InitBaseDataAndStreamShard` there are no channels
//! yet. Does `describe_tunnel` show channels as `OPEN` with the client id of another
//! worker, perhaps a forgotten one on a developer's machine? Is the tunnel of type
//! `Stream`, and nothing was written since it was created? What stage do the channels
//! of [`snapshot`](crate::TunnelWorkerDaemon::snapshot) have?
//!
//! # The first records come late
//!
//! After `run` the first heartbeat is sent at once. A new tunnel needs some time to be
//! set up, and channels are handed out with heartbeats only: up to an interval (30 s)
//! passes, and again between base data and stream. A shorter
//! [`heartbeat_interval`](crate::TunnelWorkerConfigBuilder::heartbeat_interval) shortens both.
//!
//! # Changes come late
//!
//! An idle stream channel is read again after a pause that grows up to 5 s: set
//! [`backoff`](crate::TunnelWorkerConfigBuilder::backoff). A busy one is read on at once. If
//! the lag grows, look at the stage of the channels: `in callback` is your code,
//! `queued` wants more [`pool_threads`](crate::TunnelWorkerConfigBuilder::pool_threads),
//! `reading` is the service or the network, `waiting for memory` a budget that is too
//! small or callbacks that are too slow.
//!
//! # Records come twice
//!
//! Delivery is [at least once](crate::guide::checkpoints#once-and-more-than-once). If they come
//! twice without a crash: are callbacks failing (`warn` in the log)? Are sessions lost?
//! Does a shutdown run into its deadline (its receipt tells)? Is the process killed
//! instead of closed?
//!
//! # Records come in the wrong order
//!
//! Order is promised within a channel, and for one primary key over splits: not
//! between channels. A callback that hands records on to several threads loses it.
//! In a `BaseAndStream` tunnel a row that is changed during the base stage can come
//! with its new state as base data and again as a change.
//!
//! # One channel is far behind
//!
//! A hot partition: all writes go to keys that lie together. See
//! [more channels](crate::guide::scaling#more-channels).
//!
//! # My callback is slow
//!
//! It costs no heartbeat and no session. Its channel is behind, and memory fills up to
//! the budget. More `pool_threads` help if it waits, more processes if it computes, and
//! writing to the sink in batches helps always.
//!
//! # Sequence numbers do not match
//!
//! `OTSSequenceNumberNotMatch`: each checkpoint carries the number of the last plus 1,
//! and somebody else has used it. Now and then that is an answer that got lost, or a
//! worker that has not noticed yet that its channel moved; both are repaired. Often: two
//! programs commit the same channel outside of a session, as with
//! [`TunnelClient::checkpoint`], or the process was frozen (a debugger, a suspended
//! machine) for longer than the heartbeat timeout.
//!
//! # Sessions are lost again and again
//!
//! `OTSResourceGone`, or no heartbeat answered within the timeout. Callbacks cannot be
//! the cause here, unlike in other SDKs. What can: a network that drops idle
//! connections or long requests, a machine that is frozen or starved of CPU (a
//! container at its limit), a clock that is wrong, a deleted tunnel. The log says with
//! `warn` what the heartbeats ran into.
//!
//! # How do I begin anew, or at a point in time?
//!
//! Checkpoints belong to the tunnel, so create another: `Stream` with
//! [`StreamTunnelConfig::starting_at`](crate::StreamTunnelConfig::starting_at) for
//! changes since a time (within the retention),
//! [`earliest`](crate::StreamTunnelConfig::earliest) for all that the log has,
//! `BaseAndStream` for everything. Delete the old one, or it expires by itself.
//!
//! # Can two programs consume the same changes?
//!
//! Each with a tunnel of its own gets all of them. With the same tunnel they share.
//!
//! # How do I know that the base data is done?
//!
//! When [`describe_tunnel`](crate::TunnelClient::describe_tunnel) says `ProcessStream`. A
//! tunnel of type `BaseData` then has only channels that are `TERMINATED`.
//!
//! # Why no `async`?
//!
//! A consumer reads few streams with large batches and calls code that mostly blocks.
//! Threads do that well, have stacks to look at, and need no runtime. From a program
//! that has one, see [threads](crate::guide::threads).
//!
//! # Does it work with time-series tables?
//!
//! They deliver their raw columns, with the internal names.
//!
//! [`TunnelClient::checkpoint`]: crate::TunnelClient::checkpoint
