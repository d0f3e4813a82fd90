//! [`Task`]: work that a manual clock waits for before it advances, and threads for it.
//!
//! With the system clock, tasks have no effect.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use super::Clock;
use super::manual::Manual;
use crate::sync::catch_panic::catch_panic;
use crate::sync::threads;

thread_local! {
    /// The clocks of the tasks that this thread runs, as addresses. Tasks can be nested:
    /// a pool thread that waits for its own pool runs other tasks meanwhile.
    static TASKS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Work during which a manual clock does not advance, except while the work waits on
/// the clock.
pub(crate) struct Task(Option<Arc<Manual>>);

impl Clock {
    /// Starts a task.
    ///
    /// Call this on the thread that requests the work, not on the thread that does it.
    /// Otherwise the clock could advance before the other thread begins.
    pub(crate) fn task(&self) -> Task {
        if let Some(manual) = &self.0 {
            manual.task_started();
        }
        Task(self.0.clone())
    }
}

impl Task {
    /// Runs the work of the task on this thread.
    pub(crate) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        let Some(manual) = &self.0 else {
            return work();
        };
        TASKS.with_borrow_mut(|tasks| tasks.push(id(manual)));
        // A guard, so that the task also ends if `work` panics.
        let _end = RemoveOnDrop(self);
        work()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(manual) = &self.0 {
            manual.task_ended();
        }
    }
}

/// Starts a detached thread of this crate. A manual `clock` waits for its work from now
/// on.
pub(crate) fn spawn(
    clock: &Clock,
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let task = clock.task();
    threads::spawn(name, move || {
        task.run(|| {
            if let Err(error) = catch_panic(work) {
                log::error!("{error}");
            }
        });
    })
}

/// Removes the task from its thread when dropped, and then ends it.
struct RemoveOnDrop(
    #[expect(
        dead_code,
        reason = "held to be dropped after it is removed from the thread"
    )]
    Task,
);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        TASKS.with_borrow_mut(|tasks| tasks.pop());
    }
}

/// Removes all tasks from this thread while it is blocked.
pub(super) fn suspend_tasks() -> Vec<usize> {
    TASKS.take()
}

/// Restores the tasks that [`suspend_tasks`] removed.
pub(super) fn resume_tasks(tasks: Vec<usize>) {
    TASKS.set(tasks);
}

/// Number of tasks of this clock that the current thread runs.
pub(super) fn depth(manual: &Arc<Manual>) -> usize {
    let id = id(manual);
    TASKS.with_borrow(|tasks| tasks.iter().filter(|clock| **clock == id).count())
}

fn id(manual: &Arc<Manual>) -> usize {
    Arc::as_ptr(manual).addr()
}
