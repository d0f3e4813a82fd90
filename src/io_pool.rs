//! [`IoPool`]: threads for work that may wait for the service or for code of the
//! program: saves, the ends of channels, destructors.
//!
//! It has as many threads as it has tasks at a time, so no task ever waits for another
//! one. Its users keep the number of tasks small: one for each open or closing channel.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Monitor, Task, after};
use crate::sync::catch_panic::catch_panic;
use crate::sync::threads;
use crate::user_code::drop_user;

/// How long a thread without work lives.
const IDLE_TIME: Duration = Duration::from_secs(1);

/// The threads. Clones share them; with the last clone, idle threads end.
#[derive(Clone)]
pub(crate) struct IoPool(Arc<Owner>);

struct Owner(Arc<Monitor<State>>);

#[derive(Default)]
struct State {
    tasks: VecDeque<Work>,
    /// Number of threads that wait for a task.
    idle: usize,
    is_closed: bool,
    /// Values to be dropped, one after the other.
    values: VecDeque<Box<dyn Any + Send>>,
    is_dropping: bool,
}

struct Work {
    task: Task,
    run: Box<dyn FnOnce() + Send>,
}

impl IoPool {
    pub(crate) fn new(clock: &Clock) -> IoPool {
        IoPool(Arc::new(Owner(Arc::new(Monitor::new(
            clock,
            State::default(),
        )))))
    }

    /// Runs `run` on a thread of the pool, immediately.
    ///
    /// # Errors
    ///
    /// If there is no idle thread and none can be started.
    pub(crate) fn spawn(&self, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let monitor = &self.0.0;
        let work = Work {
            task: monitor.clock().task(),
            run: Box::new(run),
        };
        let mut state = monitor.lock();
        if state.idle > state.tasks.len() {
            state.tasks.push_back(work);
            drop(state);
            monitor.notify();
            return Ok(());
        }
        drop(state);
        let monitor = monitor.clone();
        threads::spawn("tunnel-io", move || run_all(&monitor, work))
    }

    /// Drops a value elsewhere, because its destructor may be the program's and may
    /// hang. All values share one thread.
    pub(crate) fn drop_later(&self, value: impl Any + Send) {
        let mut state = self.0.0.lock();
        state.values.push_back(Box::new(value));
        if std::mem::replace(&mut state.is_dropping, true) {
            return;
        }
        drop(state);
        let monitor = self.0.0.clone();
        let drop_all = move || {
            while let Some(value) = next_value(&monitor) {
                drop_user(value);
            }
        };
        if self.spawn(drop_all).is_err() {
            // The next value tries again.
            self.0.0.lock().is_dropping = false;
        }
    }
}

fn next_value(monitor: &Monitor<State>) -> Option<Box<dyn Any + Send>> {
    let mut state = monitor.lock();
    let value = state.values.pop_front();
    state.is_dropping = value.is_some();
    value
}

/// The life of a thread: its first work, and then what comes while it is idle.
fn run_all(monitor: &Monitor<State>, first: Work) {
    let mut next = Some(first);
    while let Some(work) = next {
        let Work { task, run } = work;
        if let Err(error) = catch_panic(|| task.run(run)) {
            log::error!("{error}");
        }
        next = wait_for_work(monitor);
    }
}

fn wait_for_work(monitor: &Monitor<State>) -> Option<Work> {
    monitor.lock().idle += 1;
    let until = after(monitor.clock().now(), IDLE_TIME);
    let work = monitor.wait_for(Some(until), |state| match state.tasks.pop_front() {
        // Whoever adds a task counts on a thread that is idle.
        Some(work) => {
            state.idle -= 1;
            Some(Some(work))
        }
        None if state.is_closed => {
            state.idle -= 1;
            Some(None)
        }
        None => None,
    });
    work.unwrap_or_else(|| {
        let mut state = monitor.lock();
        state.idle -= 1;
        // One may have come just now.
        state.tasks.pop_front()
    })
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.notify();
    }
}

impl fmt::Debug for IoPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoPool").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread::{self, ThreadId};

    use crossbeam_channel::{Receiver, bounded};

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// A task that sends the id of its thread, and then waits for the sender of `until`.
    fn task(pool: &IoPool, until: &Receiver<()>) -> Receiver<ThreadId> {
        let (sender, ran) = bounded(1);
        let until = until.clone();
        pool.spawn(move || {
            sender.send(thread::current().id()).expect("a test");
            let _ = until.recv();
        })
        .expect("a thread");
        ran
    }

    #[test]
    fn no_task_waits_for_another_and_idle_threads_are_used_again() {
        let pool = IoPool::new(&Clock::system());
        let (sender, until) = bounded(0);
        let ran = [task(&pool, &until), task(&pool, &until)];
        let ids = ran.map(|ran| ran.recv_timeout(SOON).expect("it runs"));
        assert_ne!(ids[0], ids[1]);
        drop(sender);
        let idle = |state: &mut State| (state.idle == 2).then_some(());
        while pool
            .0
            .0
            .wait_for(Some(after(crate::clock::now(), SOON / 1000)), idle)
            .is_none()
        {}
        let (_sender, until) = bounded(0);
        let id = task(&pool, &until).recv_timeout(SOON).expect("it runs");
        assert!(ids.contains(&id));
    }

    #[test]
    fn idle_threads_end_after_a_while_and_with_the_pool() {
        let clock = Clock::manual(time::OffsetDateTime::UNIX_EPOCH);
        let pool = IoPool::new(&clock);
        let idle = |pool: &IoPool| pool.0.0.lock().idle;
        pool.spawn(|| ()).expect("a thread");
        let begun = crate::clock::now();
        while idle(&pool) == 0 {
            assert!(begun.elapsed() < SOON, "the task ends");
            thread::yield_now();
        }
        clock.advance(IDLE_TIME);
        while idle(&pool) > 0 {
            assert!(begun.elapsed() < SOON, "the thread ends");
            thread::yield_now();
        }
        pool.spawn(|| ()).expect("a thread");
        let monitor = pool.0.0.clone();
        drop(pool);
        while Arc::strong_count(&monitor) > 1 {
            assert!(begun.elapsed() < SOON, "the thread ends");
            thread::yield_now();
        }
    }

    #[test]
    fn values_that_hang_in_their_destructor_share_one_thread() {
        struct Hangs(Receiver<()>);
        impl Drop for Hangs {
            fn drop(&mut self) {
                let _ = self.0.recv();
            }
        }
        let pool = IoPool::new(&Clock::system());
        let (sender, until) = bounded(0);
        for _ in 0..10 {
            pool.drop_later(Hangs(until.clone()));
        }
        assert!(pool.0.0.lock().values.len() >= 9);
        drop(sender);
        let begun = crate::clock::now();
        while pool.0.0.lock().is_dropping {
            assert!(begun.elapsed() < SOON, "all are dropped");
            thread::yield_now();
        }
    }
}
