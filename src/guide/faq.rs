//! Questions that users of the Tunnel Service ask, whatever their language.
//!
//! # My tunnel has expired
//!
//! The log of changes is kept for the table's retention, at most 7 days. If the tunnel needs
//! changes that are no longer in the log, `run` returns `OTSTunnelExpired`. (Sometimes the
//! service reports this as a 503 with `OTSTrimmedDataAccess`, which other SDKs retry forever.
//! This client returns the same `OTSTunnelExpired`.) There are two causes:
//!
//! - The base data stage took longer than the retention, so the stream cannot begin. Make
//!   the base data stage faster with more workers, more threads or larger batches to the
//!   sink. Or ask the service's support before you start.
//! - A consumer of changes stood still for that long. In this case, the service may also
//!   continue at the newest change without reporting an error, and silently skip the changes
//!   in between. Raise an alarm on the lag.
//!
//! Only a new tunnel helps: delete the tunnel and create it again. With `BaseAndStream`, all
//! rows are delivered again. A sink that writes rows by key then misses nothing, but it keeps
//! rows that were deleted in the meantime. The service disables an expired tunnel and deletes
//! it after 30 days.
//!
//! # Nothing is delivered
//!
//! Check in this order:
//!
//! 1. Does [`health`](crate::TunnelWorkerDaemon::health) give a reason? `no channels` means
//!    that the service has assigned none to this worker: continue with the next points.
//! 2. What is the `stage` of the tunnel? In `InitBaseDataAndStreamShard` there are no channels
//!    yet.
//! 3. Does `describe_tunnel` show channels that are `OPEN` with the client id of another
//!    worker, perhaps a forgotten one on a developer's machine?
//! 4. Is the type of the tunnel `Stream`, and has nothing been written since it was created?
//! 5. In which stage are the channels of
//!    [`snapshot`](crate::TunnelWorkerDaemon::snapshot)?
//!
//! # The first records come late
//!
//! `run` sends its first heartbeat immediately. But a new tunnel needs some time for its
//! setup, and channels are assigned only in response to heartbeats. In the first 60 s,
//! heartbeats come every 5 s, so up to 5 s can pass at the start. Later, up to one interval
//! (30 s) can pass, for example between base data and stream. A shorter
//! [`heartbeat_interval`](crate::TunnelWorkerConfigBuilder::heartbeat_interval) shortens that.
//!
//! # Changes come late
//!
//! An idle stream channel is read again after a pause that grows up to 5 s. Set
//! [`backoff`](crate::TunnelWorkerConfigBuilder::backoff) to shorten it. A busy channel is
//! read without a pause. If the lag grows, look at the stage of the channels:
//!
//! - `in callback`: your callback takes the time.
//! - `queued`: more [`pool_threads`](crate::TunnelWorkerConfigBuilder::pool_threads) help.
//! - `reading`: the service or the network takes the time.
//! - `waiting for memory`: the budget is too small, or the callbacks are too slow.
//!
//! # Records come twice
//!
//! Delivery is [at least once](crate::guide::checkpoints#once-and-more-than-once). If records
//! are delivered twice without a crash, check: Do callbacks fail (`warn` in the log)? Are
//! sessions lost? Does shutdown exceed its timeout (see the shutdown report)? Is the process
//! killed instead of closed?
//!
//! # Records come in the wrong order
//!
//! Order is guaranteed within a channel, and across splits for one primary key. It is not
//! guaranteed between channels. A callback that passes records to several threads loses the
//! order. In a `BaseAndStream` tunnel, a row that is changed during the base data stage can
//! be delivered with its new state as base data, and again as a change.
//!
//! # One channel is far behind
//!
//! The usual cause is a hot partition: all writes go to neighbouring keys. See
//! [More channels](crate::guide::scaling#more-channels).
//!
//! # My callback is slow
//!
//! A slow callback endangers neither heartbeats nor the session. Its channel falls behind,
//! and memory fills up to the budget. If the callback waits, more `pool_threads` help. If it
//! computes, more processes help. Writing to the sink in batches always helps.
//!
//! # Sequence numbers do not match
//!
//! Each checkpoint carries the number of the previous checkpoint plus 1.
//! `OTSSequenceNumberNotMatch` means that the number has already been used. An occasional
//! error has one of two harmless causes. If a response was lost, the worker finds its own
//! token stored, corrects the number and goes on. If the channel moved and the worker has not
//! noticed yet, the worker finds the token of another owner: it leaves that token alone and
//! gives up the channel. If the error is frequent,
//! either two programs commit the same channel outside of a session, as with
//! [`TunnelClient::checkpoint`], or the process was frozen (a debugger, a suspended machine)
//! for longer than the heartbeat timeout.
//!
//! # Sessions are lost again and again
//!
//! A session is lost with `OTSResourceGone`, or when no heartbeat succeeds within the
//! timeout. Callbacks cannot cause this here, unlike in other SDKs, and neither can a few
//! heartbeats that fail for a temporary reason. Possible causes are a
//! network that drops idle connections or long requests, a machine that is frozen or short of
//! CPU (a container at its limit), a wrong clock, and a deleted tunnel. The log shows the
//! errors of the heartbeats at level `warn`.
//!
//! # How do I start over, or start at a point in time?
//!
//! Checkpoints belong to the tunnel, so create another tunnel:
//!
//! - `Stream` with [`StreamTunnelConfig::starting_at`](crate::StreamTunnelConfig::starting_at)
//!   for the changes since a point in time (within the retention).
//! - `Stream` with [`earliest`](crate::StreamTunnelConfig::earliest) for everything in the
//!   log.
//! - `BaseAndStream` for everything.
//!
//! Delete the old tunnel. If you do not, it will expire.
//!
//! # Can two programs consume the same changes?
//!
//! Yes, if each program has its own tunnel: then each gets all changes. Programs that use the
//! same tunnel share the changes.
//!
//! # How do I know that the base data is done?
//!
//! [`describe_tunnel`](crate::TunnelClient::describe_tunnel) then returns the stage
//! `ProcessStream`. All channels of a tunnel of type `BaseData` are then `TERMINATED`.
//!
//! # Why no `async`?
//!
//! A consumer reads few streams in large batches and calls code that mostly blocks. Threads
//! suit this well: their stacks can be inspected, and they need no runtime. To use the crate
//! in an async program, see [Threads](crate::guide::threads).
//!
//! # Does it work with time-series tables?
//!
//! Yes. They deliver their raw columns under the internal names.
//!
//! [`TunnelClient::checkpoint`]: crate::TunnelClient::checkpoint
