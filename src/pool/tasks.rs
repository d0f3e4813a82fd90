//! [`Tasks`]: what the threads of a pool have to do, and which of them sleep.
//!
//! Who finds nothing sleeps at once, and who fell asleep last is woken first: so a few
//! threads do what a few can do, and their stacks stay in the caches. A queue of
//! crossbeam-channel wakes who has waited longest, and who waits there yields some
//! times before it sleeps: where all cores are busy, all threads of a pool then
//! stand in line to look for work.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

pub(crate) type Task = Box<dyn FnOnce() + Send>;

/// Tasks that are to be done in the order in which they were added. Clones are the
/// same; when the last one is dropped there will be no more.
#[derive(Clone)]
pub(crate) struct Tasks(Arc<Owner>);

/// Where the threads of a pool get their tasks from.
#[derive(Clone)]
pub(crate) struct Source(Arc<Shared>);

struct Owner(Arc<Shared>);

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    /// Those of whom there is no task; the last one fell asleep last.
    asleep: Vec<Arc<Sleeper>>,
    has_ended: bool,
}

/// A thread that has nothing to do.
#[derive(Default)]
struct Sleeper {
    given: Mutex<Given>,
    woken: Condvar,
}

#[derive(Default)]
enum Given {
    #[default]
    Nothing,
    Task(Task),
    End,
}

impl Tasks {
    pub(crate) fn new() -> (Tasks, Source) {
        let shared = Arc::new(Shared::default());
        let tasks = Tasks(Arc::new(Owner(shared.clone())));
        (tasks, Source(shared))
    }

    pub(crate) fn add(&self, task: Task) {
        let mut state = self.0.0.0.lock();
        match state.asleep.pop() {
            Some(sleeper) => {
                drop(state);
                sleeper.wake(Given::Task(task));
            }
            None => state.tasks.push_back(task),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.has_ended = true;
        let asleep = mem::take(&mut state.asleep);
        drop(state);
        asleep.iter().for_each(|sleeper| sleeper.wake(Given::End));
    }
}

impl Source {
    /// Runs the tasks that come, on this thread, until there will be no more.
    pub(crate) fn run(self, run: impl Fn(Task)) {
        let sleeper = Arc::new(Sleeper::default());
        while let Some(task) = self.next(&sleeper) {
            run(task);
        }
    }

    fn next(&self, sleeper: &Arc<Sleeper>) -> Option<Task> {
        let mut state = self.0.0.lock();
        if let Some(task) = state.tasks.pop_front() {
            return Some(task);
        }
        if state.has_ended {
            return None;
        }
        state.asleep.push(sleeper.clone());
        drop(state);
        sleeper.sleep()
    }
}

impl Sleeper {
    fn wake(&self, given: Given) {
        *self.given.lock() = given;
        self.woken.notify_one();
    }

    /// Until there is a task, or will be none.
    fn sleep(&self) -> Option<Task> {
        let mut given = self.given.lock();
        loop {
            match mem::take(&mut *given) {
                Given::Nothing => self.woken.wait(&mut given),
                Given::Task(task) => return Some(task),
                Given::End => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::{self, JoinHandle, ThreadId};
    use std::time::{Duration, Instant};

    use crossbeam_channel::{Receiver, bounded, unbounded};

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn start(source: &Source, count: usize) -> Vec<JoinHandle<()>> {
        let thread = |_| {
            let source = source.clone();
            thread::spawn(|| source.run(|task| task()))
        };
        (0..count).map(thread).collect()
    }

    /// Waits until so many threads sleep.
    fn asleep(source: &Source, count: usize) {
        let deadline = Instant::now() + SOON;
        while source.0.0.lock().asleep.len() != count {
            assert!(Instant::now() < deadline, "{count} threads do not sleep");
            thread::yield_now();
        }
    }

    /// A task that tells who runs it, and then waits for the sender to be dropped.
    fn task(tasks: &Tasks, until: &Receiver<()>) -> Receiver<ThreadId> {
        let (sender, ran) = bounded(1);
        let until = until.clone();
        tasks.add(Box::new(move || {
            sender.send(thread::current().id()).expect("who asks");
            let _ = until.recv();
        }));
        ran
    }

    fn ran_on(ran: &Receiver<ThreadId>) -> ThreadId {
        ran.recv_timeout(SOON).expect("a task that runs")
    }

    #[test]
    fn who_fell_asleep_last_is_woken_first() {
        let (tasks, source) = Tasks::new();
        let _threads = start(&source, 3);
        let (sender, until) = bounded(0);
        asleep(&source, 3);
        let first = ran_on(&task(&tasks, &until));
        let second = ran_on(&task(&tasks, &until));
        assert_ne!(first, second);
        drop(sender);
        asleep(&source, 3);
        let (_sender, until) = bounded(0);
        let next = [ran_on(&task(&tasks, &until)), ran_on(&task(&tasks, &until))];
        assert!(next.contains(&first) && next.contains(&second));
    }

    #[test]
    fn a_task_that_finds_nobody_asleep_waits_for_its_turn() {
        let (tasks, source) = Tasks::new();
        let _threads = start(&source, 1);
        let (sender, until) = bounded(0);
        let ran = [task(&tasks, &until), task(&tasks, &until)];
        ran_on(&ran[0]);
        assert!(ran[1].is_empty(), "the only thread is busy");
        drop(sender);
        ran_on(&ran[1]);
    }

    #[test]
    fn all_that_was_added_is_done_before_the_end() {
        let (tasks, source) = Tasks::new();
        let (sender, ran) = unbounded();
        for number in 0..100 {
            let sender = sender.clone();
            tasks.add(Box::new(move || sender.send(number).expect("who asks")));
        }
        drop((tasks, sender));
        for thread in start(&source, 4) {
            thread.join().expect("no panic");
        }
        assert_eq!(ran.iter().sum::<i32>(), (0..100).sum::<i32>());
    }

    #[test]
    fn threads_that_sleep_end_with_the_last_clone() {
        let (tasks, source) = Tasks::new();
        let threads = start(&source, 4);
        asleep(&source, 4);
        drop(tasks.clone());
        assert!(!threads.iter().any(JoinHandle::is_finished));
        drop(tasks);
        for thread in threads {
            thread.join().expect("no panic");
        }
    }
}
