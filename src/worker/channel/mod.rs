//! One open channel, from reading to the last checkpoint.
//!
//! In reading order:
//!
//! - [`state`]: what a channel is at, and what has to be done next (pure).
//! - [`data`]: everything of a connection that changes, under one lock.
//! - [`connection`]: one open channel, as its threads share it; [`waits`]: what they wait
//!   for.
//! - [`opening`], [`reader`]: the thread that opens and reads the channel.
//! - [`backoff`]: how long the reader pauses (pure).
//! - [`service_conn`]: reads from the service.
//! - [`batch`]: what one callback gets, of one read or several.
//! - [`runner`]: gives batches to the callback.
//! - [`closing`]: the task that saves, and closes the channel.
//! - [`saver`]: which token is saved, and when that is known.
//! - [`checkpoint`]: saves at the service.
//! - [`tokens`]: the tokens of the channel, in their order (pure).
//! - [`stage`]: what a channel is at, as others see it (pure).

mod backoff;
mod batch;
mod checkpoint;
mod closing;
pub(crate) mod connection;
mod data;
#[cfg(all(shuttle, test))]
mod models;
mod opening;
pub(crate) mod reader;
mod runner;
mod saver;
mod service_conn;
mod stage;
mod state;
#[cfg(test)]
mod tests;
mod tokens;
mod waits;
