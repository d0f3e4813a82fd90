//! Lists the threads of the process by name, for tests that check which threads
//! are left.
//!
//! The list is empty on systems other than Linux. The tests of a binary that uses
//! it must run one at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::harness::wait_until;

/// Locked by the running test.
static RUNNING: Mutex<()> = Mutex::new(());

/// Waits until no other test runs and the threads of the previous test have
/// ended. The test must hold the guard to its end.
pub(crate) fn run_alone() -> MutexGuard<'static, ()> {
    let guard = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    wait_until("the threads of the previous test have ended", || {
        crate_threads().is_empty()
    });
    guard
}

/// The names of this crate's threads. Linux keeps 15 bytes of each name.
pub(crate) fn crate_threads() -> Vec<String> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    // A thread that has just ended has no name.
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    let names = tasks.filter_map(|task| name(task.ok()?));
    names
        .map(|name| name.trim_end().to_owned())
        .filter(|name| name.starts_with("tunnel-"))
        .collect()
}

pub(crate) fn is_pool_thread(name: &str) -> bool {
    name.starts_with("tunnel-pool-")
}

/// The threads of workers, without the pool threads of their configuration.
pub(crate) fn worker_threads() -> Vec<String> {
    let mut names = crate_threads();
    names.retain(|name| !is_pool_thread(name));
    names
}

/// Fails if a thread of a worker does not end. Threads signal their end slightly
/// before they end, so this waits.
pub(crate) fn assert_no_worker_threads() {
    wait_until("no thread of a worker is left", || {
        worker_threads().is_empty()
    });
}
