//! What is saved when, and how often a record can come.
//!
//! A checkpoint says where a channel goes on when it is opened the next time: here
//! after a restart, or in another process. It is a token, and leads behind a whole
//! batch, never into one.
//!
//! # Who saves
//!
//! - [`SimpleProcessFactory`] leaves it to the worker: the token of the newest batch
//!   whose callback returned `Ok` is saved every
//!   [`checkpoint_interval`](crate::SimpleProcessFactory::checkpoint_interval) (10 s), if
//!   there is a new one, and when the channel closes.
//! - [`AsyncProcessFactory`] leaves it to you: call
//!   [`ctx.processor().commit_token(token)`](crate::ProcessorHandle::commit_token) with the
//!   [`next_token`](crate::ChannelContext::next_token) of a batch when that batch and all
//!   before it are dealt with. From any thread, also long after the callback has
//!   returned: clone the handle.
//!
//! ```
//! use std::sync::mpsc;
//! use tablestore_tunnel::{AsyncProcessFactory, ChannelContext, ProcessorHandle, Record};
//!
//! // A writer thread stores batches in order and commits what is stored.
//! let (batches, to_store) = mpsc::sync_channel::<(Vec<Record<'static>>, String, ProcessorHandle)>(16);
//! std::thread::spawn(move || {
//!     for (records, token, processor) in to_store {
//!         println!("{} records stored", records.len());
//!         if let Err(error) = processor.commit_token(&token) {
//!             eprintln!("not committed, the records will come again: {error}");
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
//! With the async factory the last token of a channel, [`FINISH_TAG`], is yours to
//! commit too. The channel stays open until it is, and the children of a split
//! begin only then.
//!
//! # A save that fails
//!
//! The worker's own are tried again: the newest token is kept, an answer that was
//! lost is noticed, and a sequence number that somebody else has used is fetched
//! anew. Failures are told to the [observer](crate::guide::observing) and shown in
//! [`save_failures`](crate::ChannelSnapshot::save_failures). A commit of your own
//! returns the error; the token can be committed again.
//!
//! Once a channel is known to be lost nothing is saved any more:
//! `commit_token` returns [`ErrorCode::ChannelLost`] without sending anything.
//! Another worker goes on from the last token that was saved.
//!
//! # Once and more than once
//!
//! Delivery is *at least once*. Nothing is lost, whatever fails. Records come again
//!
//! - after a crash or a lost session: those since the last checkpoint;
//! - after an error in a callback: the batch from its beginning;
//! - when a running callback was abandoned at the deadline of a shutdown, or by the
//!   closing detector.
//!
//! They do not come again after an orderly shutdown, nor when a channel moves to
//! another worker in order.
//!
//! To have an effect *exactly once*, make the repetition harmless. From the simplest:
//!
//! 1. Write by the row's primary key. Puts of base data and of whole rows can be
//!    repeated; the last state wins.
//! 2. Store [`Record::sequence_info`] with the row, and pass over what is not newer.
//!    Compare it within a channel: after a split the row's changes go on in another
//!    channel, and today's service sends an epoch that does not tell which is newer.
//!    The order of delivery does: the child begins when the parent is finished.
//! 3. Store effects and position in one transaction of the sink, by channel id, as
//!    the example `sink_to_sqlite` does. The example `exactly_once` does it with
//!    conditional writes.
//!
//! # How often to save
//!
//! A checkpoint is one small request per channel. A short interval costs requests
//! (1000 busy channels at 10 s: 100 a second), a long one repetitions after a crash.
//! Zero saves after every batch.
//!
//! [`SimpleProcessFactory`]: crate::SimpleProcessFactory
//! [`AsyncProcessFactory`]: crate::AsyncProcessFactory
//! [`FINISH_TAG`]: crate::FINISH_TAG
//! [`ErrorCode::ChannelLost`]: crate::ErrorCode::ChannelLost
//! [`Record::sequence_info`]: crate::Record::sequence_info
