//! How one thread hands the turn to another.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};

/// Where a simulated thread waits for its turn.
///
/// Parking is the cheapest way: one atomic exchange and at most one system call on each
/// side.
#[derive(Debug, Default)]
pub(super) struct Turn {
    is_given: AtomicBool,
    /// Whether the wait before this turn reached its deadline.
    is_due: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Turn {
    /// Names the thread that takes the turn.
    pub(super) fn belongs_to(&self, thread: &Thread) {
        // It is set once, by whoever starts the thread.
        let _ = self.thread.set(thread.clone());
        if self.is_given.load(Ordering::Acquire) {
            thread.unpark();
        }
    }

    pub(super) fn give(&self) {
        self.is_given.store(true, Ordering::Release);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Waits on the thread that the turn belongs to.
    pub(super) fn wait(&self) {
        while !self.is_given.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }

    pub(super) fn set_due(&self, is_due: bool) {
        self.is_due.store(is_due, Ordering::Relaxed);
    }

    pub(super) fn is_due(&self) -> bool {
        self.is_due.load(Ordering::Relaxed)
    }
}
