//! Starts the crate's own threads, with a name and a small stack.

use std::io;
use std::thread;

use super::catch_panic::catch_panic;
use crate::clock::Clock;

/// Stack size of all threads, in bytes.
///
/// There may be thousands of reader threads. A reader touches 24 to 44 KiB of its stack
/// (measured with 200 channels, unoptimized, without TLS, from /proc/self/smaps). The
/// rest is for TLS and for user code: factories, checkpointers, shutdown callbacks.
/// Untouched stack uses address space, but no memory.
const STACK_SIZE: usize = 256 * 1024;

/// Starts a detached thread. A manual `clock` waits for its work from now on.
pub(crate) fn spawn(
    clock: &Clock,
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let task = clock.task();
    #[cfg(simulation)]
    if super::simulation::is_simulated() {
        return super::simulation::start(name, move || task.run(work));
    }
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK_SIZE)
        .spawn(move || {
            task.run(|| {
                if let Err(error) = catch_panic(work) {
                    log::error!("{error}");
                }
            });
        })
        .map(drop)
}
