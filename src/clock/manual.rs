//! [`Manual`]: the clock that tests advance, and the rule when it may advance.
//!
//! The clock may advance when nothing can happen without it: every task of the workers
//! is waiting. A task that is woken counts as busy from the moment of the wake-up, not
//! only when its thread runs again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::task::{depth, resume_tasks, suspend_tasks};
use super::{after, at_most_a_century};
use crate::sync::{Condvar, Mutex};

/// How long a worker may be busy before the clock reports a hang, in system time.
const MAX_BUSY: Duration = Duration::from_secs(60);

pub(super) struct Manual {
    start: Instant,
    start_utc: OffsetDateTime,
    /// Held by the thread that advances the clock step by step.
    advancing: Mutex<()>,
    state: Mutex<State>,
    /// Notified when the last busy task waits or ends.
    idle: Condvar,
}

#[derive(Default)]
struct State {
    /// The sum of the moves. Each is at most a century, so that neither this sum nor
    /// `start + elapsed` overflows in less than a billion moves.
    elapsed: Duration,
    /// For how long the machine was suspended, which only the calendar time shows.
    suspended: Duration,
    /// Number of tasks that are not waiting.
    busy: usize,
    /// The waits that go on, by the order in which they began.
    waits: BTreeMap<u64, Arc<Wait>>,
    last_id: u64,
}

/// A waiting thread.
pub(super) struct Wait {
    id: u64,
    /// The monitor whose changes it waits for.
    monitor: usize,
    due: Option<Instant>,
    /// Number of tasks that wait with the thread.
    tasks: usize,
    woken: Condvar,
}

impl State {
    /// Ends the waits that `ends` chooses: their tasks are busy from now on.
    fn wake(&mut self, ends: impl Fn(&Wait) -> bool) {
        let ended: Vec<u64> = self
            .waits
            .values()
            .filter(|w| ends(w))
            .map(|w| w.id)
            .collect();
        for wait in ended.iter().filter_map(|id| self.waits.remove(id)) {
            self.busy += wait.tasks;
            wait.woken.notify_all();
        }
    }

    fn next_due(&self) -> Option<Instant> {
        self.waits.values().filter_map(|wait| wait.due).min()
    }
}

impl Manual {
    pub(super) fn new(start: OffsetDateTime) -> Manual {
        Manual {
            start: crate::clock::now(),
            start_utc: start,
            advancing: Mutex::default(),
            state: Mutex::default(),
            idle: Condvar::new(),
        }
    }

    // The time.

    pub(super) fn elapsed(&self) -> Duration {
        self.state.lock().elapsed
    }

    pub(super) fn now(&self) -> Instant {
        self.start + self.elapsed()
    }

    pub(super) fn utc(&self) -> OffsetDateTime {
        let state = self.state.lock();
        let passed = state.elapsed.saturating_add(state.suspended);
        drop(state);
        let passed = time::Duration::try_from(passed).unwrap_or(time::Duration::MAX);
        self.start_utc.saturating_add(passed)
    }

    // Busy tasks, and waits.

    pub(super) fn task_started(&self) {
        self.state.lock().busy += 1;
    }

    pub(super) fn task_ended(&self) {
        self.set_busy(|busy| busy - 1);
    }

    fn set_busy(&self, change: impl FnOnce(usize) -> usize) {
        let mut state = self.state.lock();
        state.busy = change(state.busy);
        self.idle.notify_all();
    }

    /// Runs `wait` without counting the tasks of this thread as busy.
    pub(super) fn blocked<T>(self: &Arc<Self>, wait: impl FnOnce() -> T) -> T {
        let depth = depth(self);
        self.set_busy(|busy| busy - depth);
        // A guard, so that the count is right if `wait` panics.
        let _busy_again = BusyAgain(self, depth, suspend_tasks());
        wait()
    }

    /// Registers a wait of this thread; `None` if its time has come already.
    pub(super) fn begin_wait(
        self: &Arc<Self>,
        monitor: usize,
        due: Option<Instant>,
    ) -> Option<Arc<Wait>> {
        let mut state = self.state.lock();
        if due.is_some_and(|due| due <= self.start + state.elapsed) {
            return None;
        }
        state.last_id += 1;
        let wait = Arc::new(Wait {
            id: state.last_id,
            monitor,
            due,
            tasks: depth(self),
            woken: Condvar::new(),
        });
        state.busy -= wait.tasks;
        state.waits.insert(wait.id, wait.clone());
        self.idle.notify_all();
        Some(wait)
    }

    /// Blocks until the wait ends; whether its time has come.
    pub(super) fn finish_wait(&self, wait: &Wait) -> bool {
        let mut state = self.state.lock();
        while state.waits.contains_key(&wait.id) {
            wait.woken.wait(&mut state);
        }
        wait.due
            .is_some_and(|due| due <= self.start + state.elapsed)
    }

    /// Ends all waits for changes of a monitor.
    pub(super) fn notify(&self, monitor: usize) {
        self.state.lock().wake(|wait| wait.monitor == monitor);
    }

    // Advancing.

    pub(super) fn jump(&self, by: Duration) {
        let mut state = self.state.lock();
        state.elapsed += at_most_a_century(by);
        let now = self.start + state.elapsed;
        state.wake(|wait| wait.due.is_some_and(|due| due <= now));
    }

    pub(super) fn suspend(&self, by: Duration) {
        let mut state = self.state.lock();
        state.suspended += at_most_a_century(by);
    }

    pub(super) fn advance_until(
        &self,
        limit: Duration,
        mut condition: impl FnMut() -> bool,
    ) -> bool {
        let end = after(self.now(), limit);
        loop {
            {
                let _advancing = self.advancing.lock();
                self.settle();
            }
            // The condition is the program's code: no lock is held meanwhile, so that
            // it may move the clock itself.
            if condition() {
                return true;
            }
            let _advancing = self.advancing.lock();
            if !self.step(end) {
                return false;
            }
        }
    }

    /// Advances to the next due time, or to `end` if that is earlier. Returns false if
    /// the clock is already at `end`.
    fn step(&self, end: Instant) -> bool {
        let mut state = self.state.lock();
        let now = self.start + state.elapsed;
        if now >= end {
            return false;
        }
        let next = state.next_due().map_or(end, |due| due.clamp(now, end));
        state.elapsed += next - now;
        state.wake(|wait| wait.due.is_some_and(|due| due <= next));
        true
    }

    /// Waits until nothing more can happen without the clock advancing.
    ///
    /// # Panics
    ///
    /// After [`MAX_BUSY`]: a test that hangs would say nothing about the reason.
    fn settle(&self) {
        let deadline = crate::clock::now() + MAX_BUSY;
        let mut state = self.state.lock();
        while state.busy > 0 {
            let waited = self.idle.wait_until(&mut state, deadline);
            assert!(
                !waited.timed_out() || state.busy == 0,
                "the clock cannot advance: {} tasks of a worker have been busy for a minute; \
                 a callback that waits for the test must do so inside Clock::blocked",
                state.busy
            );
        }
    }
}

/// Counts the tasks of a thread as busy again when dropped.
struct BusyAgain<'a>(&'a Manual, usize, Vec<usize>);

impl Drop for BusyAgain<'_> {
    fn drop(&mut self) {
        resume_tasks(std::mem::take(&mut self.2));
        self.0.state.lock().busy += self.1;
    }
}

#[cfg(test)]
mod tests {
    use crate::clock::Clock;
    use crate::clock::Queue;
    use crossbeam_channel::unbounded;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;
    use time::OffsetDateTime;

    const SECOND: Duration = Duration::from_secs(1);

    fn manual() -> Clock {
        Clock::manual(OffsetDateTime::UNIX_EPOCH)
    }

    /// Starts a task that sleeps several times, and returns the number of sleeps so far.
    fn sleeper(clock: &Clock, time: Duration, times: usize) -> Arc<AtomicUsize> {
        let slept = Arc::new(AtomicUsize::new(0));
        let (task, clock, count) = (clock.task(), clock.clone(), slept.clone());
        thread::spawn(move || {
            task.run(|| {
                for _ in 0..times {
                    clock.sleep(time);
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        });
        slept
    }

    #[test]
    fn a_long_advance_skips_no_wakeup() {
        let clock = manual();
        let (often, seldom) = (
            sleeper(&clock, SECOND, 1000),
            sleeper(&clock, 7 * SECOND, 9),
        );
        let slept = || (often.load(Ordering::SeqCst), seldom.load(Ordering::SeqCst));
        clock.advance(SECOND / 2);
        assert_eq!(slept(), (0, 0));
        clock.advance(20 * SECOND);
        assert_eq!(slept(), (20, 2));
        clock.advance(2000 * SECOND);
        assert_eq!(slept(), (1000, 9));
    }

    #[test]
    fn the_shortest_and_the_longest_moves_do_not_panic() {
        let clock = manual();
        let slept = sleeper(&clock, Duration::MAX, 3);
        for by in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            clock.jump(by);
            clock.advance(by);
            clock.suspend(by);
            assert!(!clock.advance_until(by, || false));
        }
        assert_eq!(slept.load(Ordering::SeqCst), 3, "a century each");
        assert!(clock.utc().year() > 2200);
    }

    #[test]
    fn advance_until_stops_at_the_condition_or_the_limit() {
        let clock = manual();
        let slept = sleeper(&clock, SECOND, 100);
        assert!(clock.advance_until(100 * SECOND, || slept.load(Ordering::SeqCst) == 3));
        assert_eq!(clock.utc().unix_timestamp(), 3);
        assert!(!clock.advance_until(2 * SECOND, || false));
        assert_eq!(clock.utc().unix_timestamp(), 5);
        clock.advance(100 * SECOND);
    }

    #[test]
    fn a_jump_ends_only_one_sleep() {
        let clock = manual();
        let slept = sleeper(&clock, SECOND, 2);
        clock.advance(Duration::ZERO);
        clock.jump(50 * SECOND);
        clock.advance(Duration::ZERO);
        assert_eq!(slept.load(Ordering::SeqCst), 1);
        clock.advance(SECOND);
        assert_eq!(slept.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn advance_waits_for_a_message_in_flight() {
        let clock = manual();
        let (messages, (reply, replies)) = (Queue::new(&clock), unbounded());
        let (task, queue) = (clock.task(), messages.clone());
        let echo = thread::spawn(move || {
            task.run(|| {
                while let Ok(n) = queue.pop(None) {
                    reply.send(n).expect("a receiver");
                }
            });
        });
        for n in 0..1000 {
            messages.push(n).expect("open");
            clock.advance(Duration::ZERO);
            assert_eq!(replies.try_recv(), Ok(n));
        }
        messages.close();
        echo.join().expect("echo");
    }

    #[test]
    fn advance_does_not_wait_for_a_blocked_task() {
        let clock = manual();
        let (open, gate) = unbounded::<()>();
        let (task, blocking) = (clock.task(), clock.clone());
        let waiter = thread::spawn(move || task.run(|| blocking.blocked(|| gate.recv())));
        clock.advance(SECOND);
        drop(open);
        waiter.join().expect("waiter").expect_err("closed");
    }

    #[test]
    fn a_task_may_advance_its_own_clock() {
        let clock = manual();
        clock.task().run(|| clock.advance(SECOND));
        assert_eq!(clock.utc().unix_timestamp(), 1);
    }
}
