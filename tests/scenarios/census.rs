//! Which threads there are, by their names, which only Linux tells; elsewhere
//! there seem to be none. For binaries that run one test at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::harness::wait_until;

/// Held by the test that runs.
static ALONE: Mutex<()> = Mutex::new(());

pub(crate) fn alone() -> MutexGuard<'static, ()> {
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    wait_until("the last test's threads are gone", || ours().is_empty());
    guard
}

/// The names of this crate's threads; Linux keeps 15 bytes of each.
pub(crate) fn ours() -> Vec<String> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    // A thread that ends meanwhile has no name any more.
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    let names = tasks.filter_map(|task| name(task.ok()?));
    names
        .map(|name| name.trim_end().to_owned())
        .filter(|name| name.starts_with("tunnel-"))
        .collect()
}

pub(crate) fn is_pool(name: &str) -> bool {
    name.starts_with("tunnel-pool-")
}

/// The threads of workers, without the pool of their configuration.
pub(crate) fn of_workers() -> Vec<String> {
    ours().into_iter().filter(|name| !is_pool(name)).collect()
}

pub(crate) fn no_thread_of_a_worker_is_left() {
    // A thread has told of its end before it has ended.
    wait_until("no thread of a worker is left", || of_workers().is_empty());
}
