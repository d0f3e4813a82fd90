//! Every decision of a run, and its time.
//!
//! Nothing here waits or knows a thread of the system, except to give it the turn.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use time::OffsetDateTime;
use time::macros::datetime;

use super::blocked::{Blocked, Reason};
use super::options::{Options, Outcome};
use super::policy::Policy;
use super::table::Table;
use super::trace::{Operation, Trace};
use super::turn::Turn;

/// The calendar time at which every run starts.
const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

/// Chance that a wait for a condition ends without a reason.
const SPURIOUS: f64 = 0.01;

/// Chance of a preemption once every thread must get its turn.
const LEAST_PREEMPTION: f64 = 0.02;

/// What the thread that called the scheduler does next.
#[derive(Debug)]
#[must_use]
pub(super) enum Next {
    GoesOn,
    /// Gives the turn to another thread, and waits for its own.
    Gives(Arc<Turn>),
    /// The run is over: the thread unwinds.
    Unwinds,
}

#[derive(Debug)]
pub(super) struct Scheduler {
    options: Options,
    rng: Rng,
    policy: Policy,
    threads: Table,
    /// The thread that has the turn.
    current: usize,
    /// The step at which it got the turn.
    turn_began: u64,
    now: Duration,
    /// By how much the calendar is ahead of `now`.
    suspended: Duration,
    steps: u64,
    most_threads: usize,
    failure: Option<String>,
    trace: Trace,
}

/// Scheduling points, called for the thread that has the turn.
impl Scheduler {
    pub(super) fn new(seed: u64, options: Options) -> Scheduler {
        let mut rng = Rng::with_seed(seed);
        Scheduler {
            policy: Policy::new(&mut rng, options.preemption),
            rng,
            threads: Table::default(),
            current: 0,
            turn_began: 0,
            now: Duration::ZERO,
            suspended: Duration::ZERO,
            steps: 0,
            most_threads: 0,
            failure: None,
            trace: Trace::new(seed, options.trace),
            options,
        }
    }

    /// The thread is about to do something that others can notice.
    pub(super) fn step(&mut self, what: Operation, at: &'static Location<'static>) -> Next {
        if !self.count(what, at) {
            return Next::Unwinds;
        }
        if self.chance(self.options.stalls) {
            return self.stall(at);
        }
        self.may_preempt()
    }

    /// Counts a scheduling point; false if the run is over.
    fn count(&mut self, what: Operation, at: &'static Location<'static>) -> bool {
        if self.failure.is_some() {
            return false;
        }
        self.steps += 1;
        self.threads.passes(self.current, at);
        self.trace.decided(self.current, what, self.now);
        if self.steps > self.options.max_steps {
            let (steps, threads) = (self.options.max_steps, self.describe());
            self.fail(format!("not at an end after {steps} steps{threads}"));
        }
        self.failure.is_none()
    }

    /// The thread has released a lock.
    pub(super) fn unlocked(&mut self) -> Next {
        match self.failure {
            Some(_) => Next::Unwinds,
            None => self.may_preempt(),
        }
    }

    fn may_preempt(&mut self) -> Next {
        let turn = self.steps - self.turn_began;
        let is_alone = self.threads.runnable().len() == 1;
        if is_alone || !self.policy.reconsiders(&mut self.rng, self.current, turn) {
            return Next::GoesOn;
        }
        self.preempt()
    }

    /// The thread could go on, but another one may do so.
    fn preempt(&mut self) -> Next {
        if !matches!(self.policy, Policy::Random { .. }) {
            return self.choose();
        }
        let others = self.threads.others(self.current);
        if others.is_empty() {
            return Next::GoesOn;
        }
        let position = self.policy.choose(&mut self.rng, others);
        self.switch_to(position)
    }

    /// The thread lets others go first.
    pub(super) fn yields(&mut self, at: &'static Location<'static>) -> Next {
        match self.step(Operation::Yield, at) {
            Next::GoesOn => {
                self.policy.yields(self.current);
                self.preempt()
            }
            next => next,
        }
    }

    /// The thread has started another one, which begins before or after it goes on, with
    /// equal chances.
    pub(super) fn spawned(&mut self, at: &'static Location<'static>) -> Next {
        match self.step(Operation::Spawn, at) {
            Next::GoesOn if self.chance(0.5) => self.preempt(),
            next => next,
        }
    }

    fn stall(&mut self, at: &'static Location<'static>) -> Next {
        // Most stalls are short, few are long.
        let share = self.rng.f64().powi(3);
        let deadline = self.now + self.options.longest_stall.mul_f64(share);
        self.leave_turn(Blocked {
            reason: Reason::Stall,
            deadline: Some(deadline),
            at,
        })
    }

    /// The thread cannot go on.
    pub(super) fn block(&mut self, blocked: Blocked) -> Next {
        match self.count(Operation::Block, blocked.at) {
            true => self.leave_turn(blocked),
            false => Next::Unwinds,
        }
    }

    fn leave_turn(&mut self, blocked: Blocked) -> Next {
        let me = self.current;
        self.note_of(me, || blocked.to_string());
        self.threads.block(me, blocked);
        let is_due = blocked
            .deadline
            .is_some_and(|deadline| deadline <= self.now);
        let is_condition = matches!(blocked.reason, Reason::Condition { .. });
        if is_due || is_condition && self.chance(SPURIOUS) {
            self.wake(me, is_due);
        }
        self.give_away()
    }

    /// The thread `me` has ended. Returns who gets the turn.
    pub(super) fn end(&mut self, me: usize) -> Option<Arc<Turn>> {
        self.threads.end(me);
        if self.failure.is_some() || self.live() == 0 {
            return None;
        }
        self.trace.decided(me, Operation::End, self.now);
        self.note_of(me, || "ends".to_owned());
        match self.give_away() {
            Next::Gives(turn) => Some(turn),
            Next::GoesOn | Next::Unwinds => None,
        }
    }

    /// Some thread must go on. If none can, time passes.
    fn give_away(&mut self) -> Next {
        if self.threads.runnable().is_empty() && !self.pass_time() {
            let threads = self.describe();
            self.fail(format!("deadlock, no thread can go on{threads}"));
            return Next::Unwinds;
        }
        self.choose()
    }

    /// Moves the time to the earliest deadline; false if there is none.
    fn pass_time(&mut self) -> bool {
        let Some(earliest) = self.threads.earliest_deadline() else {
            return false;
        };
        self.now = self.now.max(earliest);
        let is_due = |blocked: &Blocked| blocked.deadline.is_some_and(|at| at <= earliest);
        self.wake_all(true, is_due);
        true
    }

    fn choose(&mut self) -> Next {
        let runnable = self.threads.runnable();
        let position = self.policy.choose(&mut self.rng, runnable);
        self.switch_to(position)
    }

    fn switch_to(&mut self, position: usize) -> Next {
        let before = self.current;
        self.current = self.threads.choose(position, self.steps);
        self.turn_began = self.steps;
        if self.current == before {
            return Next::GoesOn;
        }
        self.note_of(self.current, || "goes on".to_owned());
        Next::Gives(self.threads.turn(self.current))
    }
}

/// What a thread changes for the others.
impl Scheduler {
    /// Adds a thread, which may have the turn from now on.
    pub(super) fn add_thread(
        &mut self,
        name: &str,
        at: &'static Location<'static>,
    ) -> (usize, Arc<Turn>) {
        let (index, turn) = self.threads.add(name, at, self.steps);
        self.policy.add_thread(&mut self.rng);
        self.most_threads = self.most_threads.max(self.live());
        self.note_of(index, || "starts".to_owned());
        (index, turn)
    }

    /// Lets all threads go on that wait for the lock at this address.
    pub(super) fn wake_lock(&mut self, lock: usize) {
        self.wake_all(false, |blocked| blocked.on_lock(lock));
    }

    pub(super) fn notify_all(&mut self, condition: usize) {
        self.wake_all(false, |blocked| blocked.on_condition(condition));
    }

    /// Notifies a random one of the threads that wait.
    pub(super) fn notify_one(&mut self, condition: usize) {
        let waiting = self
            .threads
            .waiting(|blocked| blocked.on_condition(condition));
        if let Some(index) = self.rng.choice(waiting) {
            self.wake(index, false);
        }
    }

    fn wake_all(&mut self, is_due: bool, applies: impl Fn(&Blocked) -> bool) {
        for index in self.threads.waiting(applies) {
            self.wake(index, is_due);
        }
    }

    fn wake(&mut self, index: usize, is_due: bool) {
        self.threads.wake(index, self.steps, is_due);
        self.note_of(index, || match is_due {
            true => "wakes up at its deadline".to_owned(),
            false => "is woken".to_owned(),
        });
    }

    /// Ends the run, if it has not failed before. All threads get the turn to unwind.
    pub(super) fn fail(&mut self, why: String) {
        if self.failure.is_none() {
            self.note_of(self.current, || format!("the run fails: {why}"));
            self.failure = Some(why);
            self.threads.give_all();
        }
    }

    /// From here on no stalls and no failures of threads; every thread gets its turn.
    pub(super) fn stop_stalls(&mut self) {
        self.options.stalls = 0.0;
        self.options.thread_failures = 0.0;
        let preemption = self.options.preemption.max(LEAST_PREEMPTION);
        self.policy = Policy::Fair { preemption };
        self.wake_all(true, |blocked| matches!(blocked.reason, Reason::Stall));
    }

    pub(super) fn suspend(&mut self, by: Duration) {
        self.suspended += by;
    }

    pub(super) fn note(&mut self, text: String) {
        self.note_of(self.current, || text);
    }

    fn note_of(&mut self, thread: usize, what: impl FnOnce() -> String) {
        // What happens while the threads unwind is neither in order nor of interest.
        if self.failure.is_none() {
            let name = self.threads.name(thread);
            self.trace.line(self.now, (thread, name), what);
        }
    }

    /// Whether something with this chance happens.
    fn chance(&mut self, chance: f64) -> bool {
        chance > 0.0 && self.rng.f64() < chance
    }

    pub(super) fn thread_fails(&mut self) -> bool {
        self.chance(self.options.thread_failures)
    }

    pub(super) fn random(&mut self) -> u64 {
        self.rng.u64(..)
    }
}

/// Questions.
impl Scheduler {
    pub(super) fn is_over(&self) -> bool {
        self.failure.is_some()
    }

    pub(super) fn now(&self) -> Duration {
        self.now
    }

    pub(super) fn utc(&self) -> OffsetDateTime {
        START + self.now + self.suspended
    }

    /// The thread that has the turn.
    pub(super) fn current(&self) -> usize {
        self.current
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// Number of threads that have not ended.
    pub(super) fn live(&self) -> usize {
        self.threads.live()
    }

    pub(super) fn live_threads(&self) -> Vec<String> {
        self.threads.live_names()
    }

    pub(super) fn name(&self, index: usize) -> String {
        format!("{}#{index}", self.threads.name(index))
    }

    fn describe(&self) -> String {
        let threads = self.threads.describe();
        format!(" at {:.6} s{threads}", self.now.as_secs_f64())
    }

    pub(super) fn outcome(&mut self) -> Outcome {
        Outcome {
            failure: self.failure.clone(),
            steps: self.steps,
            elapsed: self.now,
            threads_started: self.threads.len(),
            most_threads: self.most_threads,
            hash: self.trace.hash(),
            trace: self.trace.take(),
        }
    }
}
