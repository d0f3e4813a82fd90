//! What a configuration limits, over all its workers: bytes in memory, and channels
//! at work at the same time.
//!
//! In reading order:
//!
//! - [`semaphore`]: a fair counting semaphore, which both are built on.
//! - [`memory`]: bytes that have been read and not yet processed.
//! - [`parallel`]: channels that read and process at the same time.

pub(crate) mod memory;
pub(crate) mod parallel;
pub(crate) mod semaphore;
