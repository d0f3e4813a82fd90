//! The crate's own threads: their names and the size of their stacks.

use std::io;
use std::thread;

use crate::clock::Clock;

/// One size for all. There may be thousands of readers, and code of the
/// user's runs on them, on those that close and that save.
const STACK_SIZE: usize = 512 * 1024;

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
