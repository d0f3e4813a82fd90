//! The crate's own threads: their names and the size of their stacks.

use std::io;
use std::thread;

use crate::clock::Clock;

/// One size for all. Readers, of which there may be thousands, touch 24 to 44
/// KiB of it (200 channels, unoptimised, without TLS, by /proc/self/smaps); the
/// rest is for TLS and for code of the user's: factories, checkpointers,
/// shutdown callbacks. What is not touched takes up addresses, no memory.
const STACK_SIZE: usize = 256 * 1024;

/// Starts a thread that nobody joins. A manual `clock` waits for what it does
/// from now on.
pub(crate) fn spawn(
    clock: &Clock,
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let task = clock.task();
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK_SIZE)
        .spawn(move || task.run(work))
        .map(drop)
}
