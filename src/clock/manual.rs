//! The clock that moves by hand, and knows when it may.
//!
//! It may move when nothing can happen without it: every task of the workers
//! waits, and nothing that one of them waits for is there. A thread leaves the
//! list of waits before it takes what it waited for, so none is ever seen
//! waiting that is at work.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use parking_lot::{Condvar, Mutex};
use time::OffsetDateTime;

use super::after;
use super::task::{depth, off_duty, on_duty};
use super::wait::{Probe, Source, is_ready, select};

/// How long a worker may be busy, in the machine's time.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Manual {
    start: Instant,
    start_utc: OffsetDateTime,
    /// Held by who moves the clock step by step.
    moving: Mutex<()>,
    state: Mutex<State>,
    /// Something began to wait or ended.
    quieter: Condvar,
}

#[derive(Default)]
struct State {
    elapsed: Duration,
    /// Tasks that do not wait.
    busy: usize,
    waits: BTreeMap<u64, Wait>,
    tickets: u64,
}

/// A thread that waits.
struct Wait {
    due: Option<Instant>,
    /// Dropped when it is due, which wakes the thread.
    alarm: Option<Sender<Infallible>>,
    on: Vec<Probe>,
}

impl State {
    fn is_idle(&self) -> bool {
        self.busy == 0 && self.waits.values().all(Wait::is_asleep)
    }

    fn next_due(&self) -> Option<Instant> {
        self.waits.values().filter_map(|wait| wait.due).min()
    }

    fn ring(&mut self, now: Instant) {
        let is_due = |wait: &&mut Wait| wait.due.is_some_and(|due| due <= now);
        for wait in self.waits.values_mut().filter(is_due) {
            wait.alarm = None;
        }
    }
}

impl Wait {
    fn is_asleep(&self) -> bool {
        self.alarm.is_some() && !self.on.iter().any(|is_ready| is_ready())
    }
}

impl Manual {
    pub(super) fn new(start: OffsetDateTime) -> Manual {
        Manual {
            start: crate::clock::now(),
            start_utc: start,
            moving: Mutex::default(),
            state: Mutex::default(),
            quieter: Condvar::new(),
        }
    }

    // What time it is.

    pub(super) fn elapsed(&self) -> Duration {
        self.state.lock().elapsed
    }

    pub(super) fn now(&self) -> Instant {
        after(self.start, self.elapsed())
    }

    pub(super) fn utc(&self) -> OffsetDateTime {
        let elapsed = time::Duration::try_from(self.elapsed()).unwrap_or(time::Duration::MAX);
        self.start_utc.saturating_add(elapsed)
    }

    // Who is busy.

    pub(super) fn begins(&self) {
        self.state.lock().busy += 1;
    }

    pub(super) fn ends(&self) {
        self.state.lock().busy -= 1;
        self.quieter.notify_all();
    }

    /// Runs `wait` as if this thread had nothing to do.
    pub(super) fn blocked<T>(self: &Arc<Self>, wait: impl FnOnce() -> T) -> T {
        let depth = depth(self);
        self.state.lock().busy -= depth;
        self.quieter.notify_all();
        // Also when it panics.
        let _busy_again = BusyAgain(self, depth, off_duty());
        wait()
    }

    pub(super) fn wait(self: &Arc<Self>, on: &[&dyn Source], until: Option<Instant>) -> bool {
        loop {
            let (alarm, rung) = bounded(0);
            let Some(ticket) = self.begin_wait(on, until, alarm) else {
                return is_ready(on);
            };
            let mut all = select(on);
            all.recv(&rung);
            all.ready();
            let is_due = self.end_wait(ticket);
            if is_ready(on) {
                return true;
            }
            if is_due {
                return false;
            }
        }
    }

    /// None when the time has come.
    fn begin_wait(
        self: &Arc<Self>,
        on: &[&dyn Source],
        due: Option<Instant>,
        alarm: Sender<Infallible>,
    ) -> Option<u64> {
        let on = on.iter().map(|source| source.probe()).collect();
        let mut state = self.state.lock();
        if due.is_some_and(|due| due <= after(self.start, state.elapsed)) {
            return None;
        }
        state.busy -= depth(self);
        state.tickets += 1;
        let (ticket, alarm) = (state.tickets, Some(alarm));
        state.waits.insert(ticket, Wait { due, alarm, on });
        drop(state);
        self.quieter.notify_all();
        Some(ticket)
    }

    /// Whether the time has come.
    fn end_wait(self: &Arc<Self>, ticket: u64) -> bool {
        let mut state = self.state.lock();
        state.busy += depth(self);
        let wait = state.waits.remove(&ticket);
        drop(state);
        self.quieter.notify_all();
        wait.is_some_and(|wait| wait.alarm.is_none())
    }

    // Moving.

    pub(super) fn jump(&self, by: Duration) {
        let mut state = self.state.lock();
        state.elapsed = state.elapsed.saturating_add(by);
        let now = after(self.start, state.elapsed);
        state.ring(now);
    }

    pub(super) fn advance_until(
        &self,
        limit: Duration,
        mut condition: impl FnMut() -> bool,
    ) -> bool {
        let _moving = self.moving.lock();
        let end = after(self.now(), limit);
        loop {
            self.settle();
            if condition() {
                return true;
            }
            if !self.step(end) {
                return false;
            }
        }
    }

    /// Goes to the next time that something is due, or to the end; false at
    /// the end.
    fn step(&self, end: Instant) -> bool {
        let mut state = self.state.lock();
        let now = after(self.start, state.elapsed);
        if now >= end {
            return false;
        }
        let next = state.next_due().map_or(end, |due| due.clamp(now, end));
        state.elapsed += next - now;
        state.ring(next);
        true
    }

    /// Waits until nothing happens any more without time passing.
    fn settle(&self) {
        let patience = crate::clock::now() + PATIENCE;
        let mut state = self.state.lock();
        while !state.is_idle() {
            let waited = self.quieter.wait_until(&mut state, patience);
            assert!(
                !waited.timed_out() || state.is_idle(),
                "the clock cannot move on: {} tasks of a worker are busy since a minute; \
                 a callback that waits for the test must do so inside Clock::blocked",
                state.busy
            );
        }
    }
}

/// Counts a thread as busy again, when dropped.
struct BusyAgain<'a>(&'a Manual, usize, Vec<usize>);

impl Drop for BusyAgain<'_> {
    fn drop(&mut self) {
        on_duty(std::mem::take(&mut self.2));
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

    /// Counts the times that it has slept.
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
    fn nothing_is_skipped_however_far_it_goes() {
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
    fn stops_where_it_is_told_to() {
        let clock = manual();
        let slept = sleeper(&clock, SECOND, 100);
        assert!(clock.advance_until(100 * SECOND, || slept.load(Ordering::SeqCst) == 3));
        assert_eq!(clock.utc().unix_timestamp(), 3);
        assert!(!clock.advance_until(2 * SECOND, || false));
        assert_eq!(clock.utc().unix_timestamp(), 5);
        clock.advance(100 * SECOND);
    }

    #[test]
    fn a_jump_is_one_sleep() {
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
    fn a_message_on_its_way_is_waited_for() {
        let clock = manual();
        let (sender, receiver) = unbounded();
        let (task, echo, waiting) = (clock.task(), unbounded(), clock.clone());
        let answer = echo.0;
        let echoing = thread::spawn(move || {
            task.run(|| {
                while let Ok(n) = waiting.recv::<u32>(&receiver, None) {
                    let _ = answer.send(n);
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
    fn who_is_blocked_is_not_waited_for() {
        let clock = manual();
        let (open, gate) = unbounded::<()>();
        let (task, blocking) = (clock.task(), clock.clone());
        let waiter = thread::spawn(move || task.run(|| blocking.blocked(|| gate.recv())));
        clock.advance(SECOND);
        drop(open);
        waiter.join().expect("waiter").expect_err("closed");
    }

    #[test]
    fn may_be_moved_by_what_runs_on_it() {
        let clock = manual();
        clock.task().run(|| clock.advance(SECOND));
        assert_eq!(clock.utc().unix_timestamp(), 1);
    }
}
