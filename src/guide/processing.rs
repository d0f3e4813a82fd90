//! Writing the code that is called with records.
//!
//! Most programs give a closure to [`SimpleProcessFactory`]:
//!
//! ```
//! use tablestore_tunnel::{ChannelContext, Record, SimpleProcessFactory, ValueRef};
//!
//! let mut total = 0;
//! let factory = SimpleProcessFactory::new(move |ctx: &ChannelContext, records: &[Record]| {
//!     for record in records {
//!         if let Some(amount) = record.get("amount").and_then(ValueRef::as_i64) {
//!             total += amount;
//!         }
//!     }
//!     println!("{}: {total} so far", ctx.channel_id());
//!     Ok(())
//! });
//! ```
//!
//! - It is `FnMut`, and each channel gets its own clone, made when the channel is
//!   opened: here, each channel has its own `total`. What all channels share goes
//!   into an `Arc`, with a lock or atomics inside.
//! - [`per_channel`](crate::SimpleProcessFactory::per_channel) takes a function that makes
//!   a closure for each channel instead: for what cannot be cloned, as a database
//!   connection, and for what needs the channel's id.
//! - [`custom_value`](crate::SimpleProcessFactory::custom_value) is what Go has for shared
//!   state; a captured `Arc` does the same and is checked by the compiler.
//! - A batch is what one read brought: up to a few thousand records or about 4 MiB.
//!   [`read_max_times_per_round`](crate::TunnelWorkerConfigBuilder::read_max_times_per_round)
//!   joins several.
//!
//! # What to return
//!
//! | return | what happens to the batch |
//! |---|---|
//! | `Ok(())` | It is done. Its token may be saved from now on; it does not come again, except after a crash. |
//! | any error by `?`, [`ProcessError::new`], a panic | It comes again in place, after about 100 ms, 500 ms and so on up to 5 s, at most [`process_attempts`](crate::TunnelWorkerConfigBuilder::process_attempts) times in all; then the channel is closed, and comes back from its last checkpoint. |
//! | [`ProcessError::retry_after`] | It comes again after that delay, however often. For a sink that is away. |
//! | [`ProcessError::close`] | The channel is closed now and comes back from its last checkpoint. |
//! | [`ProcessError::skip`] | It counts as done, though it was not: for records that can never be processed. Put them somewhere first. |
//!
//! While a batch waits to come again no thread is held, heartbeats go on, and the
//! channel stays ours. [`ChannelContext::attempt`] counts.
//!
//! ```
//! use std::time::Duration;
//! use tablestore_tunnel::{ChannelContext, ProcessError, ProcessResult, Record};
//!
//! # fn send(_: &Record) -> Result<(), std::io::Error> { Ok(()) }
//! fn process(ctx: &ChannelContext, records: &[Record]) -> ProcessResult {
//!     for record in records {
//!         match send(record) {
//!             Ok(()) => {}
//!             // The sink is away: wait for it, however long that takes.
//!             Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
//!                 return Err(ProcessError::retry_after(Duration::from_secs(1), error));
//!             }
//!             Err(error) => return Err(error.into()),
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! A batch that comes again begins at its first record, so a callback that fails in
//! the middle repeats the records before: see
//! [once and more than once](crate::guide::checkpoints#once-and-more-than-once).
//!
//! # Reading records
//!
//! A [`Record`] is a window into the answer that it came in. Reading it allocates
//! nothing, cloning it copies nothing, and it was checked when the batch was
//! decoded. [`get`](crate::Record::get) finds one column by name; to look at most of them,
//! iterate over [`columns`](crate::Record::columns).
//!
//! The records are lent: the batch's memory is used again when the callback has
//! returned. One that is to live longer is a `Record<'static>`: from
//! [`share`](crate::Record::share), which copies nothing and keeps the whole batch, or
//! from [`detach`](crate::Record::detach), which copies the record; that is better for
//! those few that are kept for long.
//!
//! An update lists what was done to columns, not the row: a column can be put
//! ([`ColumnKind::Put`]), or one or all of its versions deleted. What the row was
//! before is in [`origin_columns`](crate::Record::origin_columns), if the table's stream
//! is set up to carry it.
//!
//! # Callbacks that take long
//!
//! Heartbeats and reading do not wait for callbacks, so one may take as long as it
//! needs. It should look at [`ctx.is_closing()`](crate::ChannelContext::is_closing) now and
//! then and return an error when that is true: the channel is wanted back or the
//! program is ending, and the batch comes again elsewhere. Callbacks that mostly
//! wait, for a network say, need more threads than cores: see
//! [`pool_threads`](crate::TunnelWorkerConfigBuilder::pool_threads).
//!
//! # More than a closure
//!
//! Implement [`ChannelProcessorFactory`] and [`ChannelProcessor`] for a processor
//! with named parts of its own, [`ChannelDialer`] to measure, record or replace the
//! reading, [`Checkpointer`] to see or move checkpoints.
//!
//! [`SimpleProcessFactory`]: crate::SimpleProcessFactory
//! [`ProcessError::new`]: crate::ProcessError::new
//! [`ProcessError::retry_after`]: crate::ProcessError::retry_after
//! [`ProcessError::close`]: crate::ProcessError::close
//! [`ProcessError::skip`]: crate::ProcessError::skip
//! [`ChannelContext::attempt`]: crate::ChannelContext::attempt
//! [`ColumnKind::Put`]: crate::ColumnKind::Put
//! [`Record`]: crate::Record
//! [`ChannelProcessorFactory`]: crate::ChannelProcessorFactory
//! [`ChannelProcessor`]: crate::ChannelProcessor
//! [`ChannelDialer`]: crate::ChannelDialer
//! [`Checkpointer`]: crate::Checkpointer
