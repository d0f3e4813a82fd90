//! How to write the callback that processes records.
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
//! - The closure is an `FnMut`. Each channel gets its own clone when it is opened, so in
//!   this example each channel has its own `total`. Put state that all channels share
//!   into an `Arc`, with a lock or atomics inside.
//! - [`per_channel`](crate::SimpleProcessFactory::per_channel) takes a function that
//!   makes a closure for each channel. Use it for captured values that cannot be cloned,
//!   such as a database connection, and for closures that need the channel's id.
//! - [`custom_value`](crate::SimpleProcessFactory::custom_value) is Go's way to share
//!   state. A captured `Arc` does the same and is checked by the compiler.
//! - A batch holds the records of one read: up to a few thousand records or about 4 MiB.
//!   [`read_max_times_per_round`](crate::TunnelWorkerConfigBuilder::read_max_times_per_round)
//!   joins several reads into one batch.
//!
//! # What to return
//!
//! | return value | what happens to the batch |
//! |---|---|
//! | `Ok(())` | It is done. Its token may be saved from now on. The batch is delivered again only after a crash. |
//! | any error through `?`, [`ProcessError::new`], a panic | It is retried in place, after delays of about 100 ms, 500 ms and so on up to 5 s. After [`process_attempts`](crate::TunnelWorkerConfigBuilder::process_attempts) attempts in all, the channel is released, and reopened from its last checkpoint after 5 s, doubling to 60 s while it keeps failing. |
//! | [`ProcessError::retry_after`] | It is retried after the given delay, any number of times. Use this while a sink is unavailable. |
//! | [`ProcessError::close`] | The channel is released immediately, and reopened in the same way. |
//! | [`ProcessError::skip`] | It counts as done although it was not processed. Use this for records that can never be processed, and store them elsewhere first. |
//!
//! While a batch waits for a retry, it occupies no thread, heartbeats continue, and the
//! worker keeps the channel. [`ChannelContext::attempt`] returns the number of earlier
//! attempts.
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
//!             // The sink is unavailable: wait for it, however long that takes.
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
//! A retried batch starts at its first record. If a callback fails in the middle of a
//! batch, the records before the failure are processed again: see
//! [Once and more than once](crate::guide::checkpoints#once-and-more-than-once).
//!
//! # Reading records
//!
//! A [`Record`] is a view into the response that it arrived in. Reading a record
//! allocates nothing, and cloning it copies no data. Every record was validated when its
//! batch was decoded. [`get`](crate::Record::get) finds one column by name. To read most
//! of the columns, iterate over [`columns`](crate::Record::columns).
//!
//! A callback only borrows its records: the memory of the batch is reused after the
//! callback has returned. To keep a record longer, make a `Record<'static>`:
//!
//! - [`share`](crate::Record::share) copies nothing and keeps the whole batch in memory.
//! - [`detach`](crate::Record::detach) copies the record. Prefer it for a few records
//!   that you keep for a long time.
//!
//! An update lists the changes to columns, not the row. A change puts a column
//! ([`ColumnKind::Put`]), or deletes one or all of its versions.
//! [`origin_columns`](crate::Record::origin_columns) returns the row before the change,
//! if the table's stream is configured to include it.
//!
//! # Long callbacks
//!
//! A callback may take as long as it needs, because neither heartbeats nor reads wait for
//! it. A long callback should call
//! [`ctx.is_closing()`](crate::ChannelContext::is_closing) from time to time. If the
//! result is true, the channel is being released or was lost, or the program is shutting
//! down. The callback should then return an error, and the batch will be delivered again
//! to the next owner of the channel. Callbacks that mostly wait, for example for a
//! network, need more threads than the machine has cores: see
//! [`pool_threads`](crate::TunnelWorkerConfigBuilder::pool_threads).
//!
//! # More than a closure
//!
//! - Implement [`ChannelProcessorFactory`] and [`ChannelProcessor`] for a processor with
//!   named fields of its own.
//! - Implement [`ChannelDialer`] to measure, record or replace reads.
//! - Implement [`Checkpointer`] to observe or redirect checkpoints.
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
