//! One open channel, from reading to the last checkpoint.
//!
//! In reading order:
//!
//! - [`connection`]: one open channel, as its threads share it.
//! - [`reader`]: the thread that opens and reads the channel.
//! - [`backoff`]: how long the reader pauses (pure).
//! - [`service_conn`]: reads from the service.
//! - [`batch`]: what one callback gets, of one read or several.
//! - [`runner`]: gives batches to the callback.
//! - [`saver`]: which token is saved, and when that is known.
//! - [`checkpoint`]: saves at the service.
//! - [`tokens`]: the tokens of the channel, in their order (pure).
//! - [`closing`]: the end of a channel.

mod backoff;
pub(crate) mod batch;
mod checkpoint;
mod closing;
pub(crate) mod connection;
pub(crate) mod reader;
mod runner;
mod saver;
mod service_conn;
mod tokens;
