//! The limits on memory and parallelism.
//!
//! In reading order:
//!
//! - [`semaphore`]: a fair counting semaphore, the basis of both limits.
//! - [`memory`]: limits the bytes that are read and not yet processed.
//! - [`parallel`]: limits the channels that read and process at the same time.

pub(crate) mod memory;
#[cfg(all(shuttle, test))]
mod models;
pub(crate) mod parallel;
pub(crate) mod semaphore;
