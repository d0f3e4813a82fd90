//! What a worker is busy with, for a clock that must not move meanwhile.
//!
//! With the machine's clock all of this is nothing.

use std::cell::RefCell;
use std::sync::Arc;

use super::Clock;
use super::manual::Manual;

thread_local! {
    /// The clocks of the tasks that this thread runs, by address; one may
    /// run inside another where a pool's thread waits for its pool.
    static RUNS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Something that is to be done without time passing: a manual clock waits
/// from its making to its end, but for the waits in between.
pub(crate) struct Task(Option<Arc<Manual>>);

impl Clock {
    /// Something that is to be done; made by who asks for it, so that there is
    /// no gap before the thread that does it begins.
    pub(crate) fn task(&self) -> Task {
        if let Some(manual) = &self.0 {
            manual.begins();
        }
        Task(self.0.clone())
    }
}

impl Task {
    /// Does it, on this thread.
    pub(crate) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        let Some(manual) = &self.0 else {
            return work();
        };
        RUNS.with_borrow_mut(|runs| runs.push(id(manual)));
        // Also when it panics.
        let _end = End(self);
        work()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(manual) = &self.0 {
            manual.ends();
        }
    }
}

/// Takes the task off its thread and drops it.
struct End(#[expect(dead_code, reason = "dropped after the thread is off it")] Task);

impl Drop for End {
    fn drop(&mut self) {
        RUNS.with_borrow_mut(|runs| runs.pop());
    }
}

/// Takes this thread off all its tasks, while it is blocked.
pub(super) fn off_duty() -> Vec<usize> {
    RUNS.take()
}

/// Puts it back.
pub(super) fn on_duty(runs: Vec<usize>) {
    RUNS.set(runs);
}

/// How many tasks of this clock the thread runs.
pub(super) fn depth(manual: &Arc<Manual>) -> usize {
    let id = id(manual);
    RUNS.with_borrow(|runs| runs.iter().filter(|clock| **clock == id).count())
}

fn id(manual: &Arc<Manual>) -> usize {
    Arc::as_ptr(manual).addr()
}
