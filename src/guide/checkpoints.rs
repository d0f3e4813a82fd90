//! What is saved when, and which records can be delivered again.
//!
//! A checkpoint says where a channel continues when it is next opened, in this process
//! or in another one. It is a token. A token points just past a batch, never into one.
//!
//! # Who saves checkpoints
//!
//! - With [`SimpleProcessFactory`], the worker saves them. Every
//!   [`checkpoint_interval`](crate::SimpleProcessFactory::checkpoint_interval) (10 s), and
//!   when the channel closes, it saves the token of the newest batch whose callback
//!   returned `Ok`, if that token has changed.
//! - With [`AsyncProcessFactory`], your program saves them. Call
//!   [`ctx.processor().commit_token(token)`](crate::ProcessorHandle::commit_token) with the
//!   [`next_token`](crate::ChannelContext::next_token) of a batch once that batch and all
//!   batches before it are done. You can commit from any thread, and long after the
//!   callback has returned: clone the handle. Commit in the order of the batches: a token
//!   that is older than one that was committed before is rejected with
//!   [`ErrorCode::CheckpointOutOfOrder`], because it would move the checkpoint back. To go
//!   back on purpose, call [`rewind_to`](crate::ProcessorHandle::rewind_to).
//!
//! ```
//! use std::sync::mpsc;
//! use tablestore_tunnel::{AsyncProcessFactory, ChannelContext, ProcessorHandle, Record};
//!
//! // A writer thread stores batches in order and commits each batch that is stored.
//! let (batches, to_store) = mpsc::sync_channel::<(Vec<Record<'static>>, String, ProcessorHandle)>(16);
//! std::thread::spawn(move || {
//!     for (records, token, processor) in to_store {
//!         println!("{} records stored", records.len());
//!         if let Err(error) = processor.commit_token(&token) {
//!             eprintln!("not committed, the records will be delivered again: {error}");
//!         }
//!     }
//! });
//! let factory = AsyncProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
//!     let kept = records.iter().map(Record::share).collect();
//!     batches.send((kept, ctx.next_token().to_owned(), ctx.processor().clone()))?;
//!     Ok(())
//! });
//! ```
//!
//! With the async factory, your program must also commit the last token of a channel,
//! [`FINISH_TAG`]. The channel stays open until this token is committed. If its partition
//! was split, the child channels begin only then.
//!
//! # When a save fails
//!
//! The worker retries its own saves after every
//! [temporary failure](crate::guide::errors#what-follows-from-a-failure):
//!
//! - It keeps the newest token and saves it later, at the latest when the channel closes.
//! - If the sequence number does not match, it gets the stored checkpoint. If the stored
//!   token is the one that the channel was opened with, or one that this worker has sent
//!   since, a response was lost: the worker takes the current number and saves its token.
//! - If the stored token is any other, another owner of the channel has saved it. It is
//!   never overwritten: the worker has lost the channel and saves nothing.
//!
//! Failures are sent to the [observer](crate::guide::observing) and shown in
//! [`save_failures`](crate::ChannelSnapshot::save_failures). If your own commit fails
//! for 35 s, `commit_token` returns the error, and you can commit the token again.
//!
//! Nothing is saved once the worker knows that a channel is lost: `commit_token` returns
//! [`ErrorCode::ChannelLost`] and sends nothing. Another worker continues from the last
//! saved token.
//!
//! # Once and more than once
//!
//! Delivery is *at least once*: no failure loses a record. Records are delivered again in
//! these cases:
//!
//! - After a crash or a lost session: the records since the last checkpoint.
//! - After an error in a callback: the whole batch.
//! - When a running callback was abandoned because the shutdown timeout expired, or by
//!   the closing channel detector.
//!
//! A graceful shutdown causes no duplicates, and neither does a graceful move of a
//! channel to another worker, or a temporary failure that ends before the lease of the
//! session does.
//!
//! The [`ChannelReport`](crate::ChannelReport) of a shutdown counts the records that will
//! be delivered again, also for programs that commit by themselves. The count is `None`
//! only if the last committed token is one that this session never delivered; then
//! [`is_clean`](crate::ChannelReport::is_clean) is false.
//!
//! To get an *exactly-once* effect, make repetition harmless. Three ways, the simplest
//! first:
//!
//! 1. Write by the row's primary key. Puts of base data and of whole rows can be
//!    repeated, because the last state wins.
//! 2. Store [`Record::sequence_info`] with the row, and ignore records that are not newer.
//!    Compare sequence infos only within one channel: after a split, the changes of a row
//!    continue in another channel, and the epoch that the service currently sends does
//!    not show which one is newer. The order of delivery does: the child channel begins
//!    only when its parent is finished.
//! 3. Store the effect and the position in one transaction of the sink, keyed by channel
//!    id. The example `sink_to_sqlite` does this. The example `exactly_once` uses
//!    conditional writes instead.
//!
//! # How often to save
//!
//! A checkpoint is one small request per channel. A short interval costs requests: 1000
//! busy channels at 10 s send 100 requests per second. A long interval causes more
//! duplicates after a crash. An interval of zero saves after every batch.
//!
//! [`SimpleProcessFactory`]: crate::SimpleProcessFactory
//! [`AsyncProcessFactory`]: crate::AsyncProcessFactory
//! [`FINISH_TAG`]: crate::FINISH_TAG
//! [`ErrorCode::ChannelLost`]: crate::ErrorCode::ChannelLost
//! [`ErrorCode::CheckpointOutOfOrder`]: crate::ErrorCode::CheckpointOutOfOrder
//! [`Record::sequence_info`]: crate::Record::sequence_info
