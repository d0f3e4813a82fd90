//! [`Manual`]: the clock that tests advance, and the rule when it may advance.
//!
//! The clock may advance when nothing can happen without it: every task of the workers
//! is waiting, and no event that one of them waits for has occurred. A thread removes
//! its wait from the list before it consumes the event. A working thread is therefore
//! never listed as waiting.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use parking_lot::{Condvar, Mutex};
use time::OffsetDateTime;

use super::task::{depth, resume_tasks, suspend_tasks};
use super::wait::{Probe, Source, is_ready, select};
use super::{after, at_most_a_century};

/// How long a worker may be busy before the clock reports a hang, in system time.
const MAX_BUSY: Duration = Duration::from_secs(60);

pub(super) struct Manual {
    start: Instant,
    start_utc: OffsetDateTime,
    /// Held by the thread that advances the clock step by step.
    advancing: Mutex<()>,
    state: Mutex<State>,
    /// Notified when a task ends, and when a wait begins or ends.
    changed: Condvar,
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
    waits: BTreeMap<u64, Wait>,
    last_id: u64,
}

/// A waiting thread.
struct Wait {
    due: Option<Instant>,
    /// Dropped at the due time, which disconnects the receiver and so wakes the thread.
    alarm: Option<Sender<Infallible>>,
    /// Checks for the events that the thread waits for.
    probes: Vec<Probe>,
}

impl State {
    fn is_idle(&self) -> bool {
        self.busy == 0 && self.waits.values().all(Wait::is_waiting)
    }

    fn next_due(&self) -> Option<Instant> {
        self.waits.values().filter_map(|wait| wait.due).min()
    }

    fn fire_alarms(&mut self, now: Instant) {
        let is_due = |wait: &&mut Wait| wait.due.is_some_and(|due| due <= now);
        for wait in self.waits.values_mut().filter(is_due) {
            wait.alarm = None;
        }
    }
}

impl Wait {
    fn is_waiting(&self) -> bool {
        // A thread whose event has occurred counts as busy, although it has not woken
        // yet. Otherwise the clock could advance before the thread reacts.
        self.alarm.is_some() && !self.probes.iter().any(|is_ready| is_ready())
    }
}

impl Manual {
    pub(super) fn new(start: OffsetDateTime) -> Manual {
        Manual {
            start: crate::clock::now(),
            start_utc: start,
            advancing: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
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
        self.state.lock().busy -= 1;
        self.changed.notify_all();
    }

    /// Runs `wait` without counting the tasks of this thread as busy.
    pub(super) fn blocked<T>(self: &Arc<Self>, wait: impl FnOnce() -> T) -> T {
        let depth = depth(self);
        self.state.lock().busy -= depth;
        self.changed.notify_all();
        // A guard, so that the count is right if `wait` panics.
        let _busy_again = BusyAgain(self, depth, suspend_tasks());
        wait()
    }

    pub(super) fn wait(self: &Arc<Self>, on: &[&dyn Source], until: Option<Instant>) -> bool {
        loop {
            let (alarm, fired) = bounded(0);
            let Some(id) = self.begin_wait(on, until, alarm) else {
                return is_ready(on);
            };
            let mut all = select(on);
            all.recv(&fired);
            all.ready();
            let is_due = self.end_wait(id);
            if is_ready(on) {
                return true;
            }
            if is_due {
                return false;
            }
        }
    }

    /// Registers a wait, and returns its id; `None` if the due time has been reached.
    fn begin_wait(
        self: &Arc<Self>,
        on: &[&dyn Source],
        due: Option<Instant>,
        alarm: Sender<Infallible>,
    ) -> Option<u64> {
        let probes = on.iter().map(|source| source.probe()).collect();
        let mut state = self.state.lock();
        if due.is_some_and(|due| due <= self.start + state.elapsed) {
            return None;
        }
        state.busy -= depth(self);
        state.last_id += 1;
        let (id, alarm) = (state.last_id, Some(alarm));
        state.waits.insert(id, Wait { due, alarm, probes });
        drop(state);
        self.changed.notify_all();
        Some(id)
    }

    /// Removes a wait, and returns whether its due time was reached.
    fn end_wait(self: &Arc<Self>, id: u64) -> bool {
        let mut state = self.state.lock();
        state.busy += depth(self);
        let wait = state.waits.remove(&id);
        drop(state);
        self.changed.notify_all();
        wait.is_some_and(|wait| wait.alarm.is_none())
    }

    // Advancing.

    pub(super) fn jump(&self, by: Duration) {
        let mut state = self.state.lock();
        state.elapsed += at_most_a_century(by);
        let now = self.start + state.elapsed;
        state.fire_alarms(now);
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
        state.fire_alarms(next);
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
        while !state.is_idle() {
            let waited = self.changed.wait_until(&mut state, deadline);
            assert!(
                !waited.timed_out() || state.is_idle(),
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
        assert!(clock.age(clock.micros()) < SECOND);
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
        let (sender, receiver) = unbounded();
        let (task, echo, waiting) = (clock.task(), unbounded(), clock.clone());
        let reply = echo.0;
        let echoing = thread::spawn(move || {
            task.run(|| {
                while let Ok(n) = waiting.recv::<u32>(&receiver, None) {
                    let _ = reply.send(n);
                }
            });
        });
        for n in 0..1000 {
            sender.send(n).expect("a receiver");
            clock.advance(Duration::ZERO);
            assert_eq!(echo.1.try_recv(), Ok(n));
        }
        drop(sender);
        clock.advance(Duration::ZERO);
        echoing.join().expect("echo");
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
