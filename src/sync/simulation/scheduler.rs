//! The state of a run, and every decision.
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
use super::policy::{Candidate, Policy};
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
    threads: Vec<Thread>,
    /// The threads that could go on, including the one that has the turn.
    runnable: Vec<Candidate>,
    blocked: Vec<usize>,
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

#[derive(Debug)]
struct Thread {
    name: String,
    turn: Arc<Turn>,
    state: State,
    /// Its last scheduling point.
    at: &'static Location<'static>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Runnable,
    Blocked(Blocked),
    Ended,
}

impl Scheduler {
    pub(super) fn new(seed: u64, options: Options) -> Scheduler {
        let mut rng = Rng::with_seed(seed);
        Scheduler {
            policy: Policy::new(&mut rng, options.preemption),
            rng,
            threads: Vec::new(),
            runnable: Vec::new(),
            blocked: Vec::new(),
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

    // ---- scheduling points

    /// The thread that has the turn is about to do something.
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
        self.threads[self.current].at = at;
        self.trace.decided(self.current, what, self.now);
        if self.steps > self.options.max_steps {
            let threads = self.describe_threads();
            self.fail(format!(
                "not at an end after {} steps{threads}",
                self.steps - 1
            ));
        }
        self.failure.is_none()
    }

    /// The thread that has the turn has released a lock.
    pub(super) fn unlocked(&mut self) -> Next {
        if self.failure.is_some() {
            return Next::Unwinds;
        }
        self.may_preempt()
    }

    fn may_preempt(&mut self) -> Next {
        let turn = self.steps - self.turn_began;
        let is_alone = self.runnable.len() == 1;
        if is_alone || !self.policy.reconsiders(&mut self.rng, self.current, turn) {
            return Next::GoesOn;
        }
        self.preempt()
    }

    /// The thread that has the turn could go on, but another one may do so.
    fn preempt(&mut self) -> Next {
        if let Policy::Random { .. } = self.policy {
            self.prefer_others();
            let others = &self.runnable[..self.runnable.len() - 1];
            if others.is_empty() {
                return Next::GoesOn;
            }
            let position = self.policy.choose(&mut self.rng, others);
            return self.switch_to(position);
        }
        self.choose()
    }

    /// Moves the thread that has the turn to the end of the runnable ones.
    fn prefer_others(&mut self) {
        let last = self.runnable.len() - 1;
        let is_current = |candidate: &Candidate| candidate.index == self.current;
        if let Some(position) = self.runnable.iter().position(is_current) {
            self.runnable.swap(position, last);
        }
    }

    /// The thread that has the turn lets others go first.
    pub(super) fn yields(&mut self, at: &'static Location<'static>) -> Next {
        match self.step(Operation::Yield, at) {
            Next::GoesOn => {
                self.policy.yields(self.current);
                self.preempt()
            }
            next => next,
        }
    }

    /// The thread that has the turn has started another one, which begins before or after
    /// it goes on with equal chances.
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

    /// The thread that has the turn cannot go on.
    pub(super) fn block(&mut self, blocked: Blocked) -> Next {
        if !self.count(Operation::Block, blocked.at) {
            return Next::Unwinds;
        }
        self.leave_turn(blocked)
    }

    fn leave_turn(&mut self, blocked: Blocked) -> Next {
        let me = self.current;
        self.note_with(me, || blocked.to_string());
        self.threads[me].state = State::Blocked(blocked);
        self.runnable.retain(|candidate| candidate.index != me);
        self.blocked.push(me);
        if blocked
            .deadline
            .is_some_and(|deadline| deadline <= self.now)
        {
            self.wake(me, true);
        } else if matches!(blocked.reason, Reason::Condition { .. }) && self.chance(SPURIOUS) {
            self.wake(me, false);
        }
        self.give_away()
    }

    /// The thread that has the turn has ended. Returns who gets the turn.
    pub(super) fn end(&mut self, me: usize) -> Option<Arc<Turn>> {
        self.threads[me].state = State::Ended;
        self.runnable.retain(|candidate| candidate.index != me);
        self.blocked.retain(|&blocked| blocked != me);
        if self.failure.is_some() || self.live() == 0 {
            return None;
        }
        self.trace.decided(me, Operation::End, self.now);
        self.note_with(me, || "ends".to_owned());
        match self.give_away() {
            Next::Gives(turn) => Some(turn),
            Next::GoesOn | Next::Unwinds => None,
        }
    }

    /// Some thread must go on. If none can, time passes.
    fn give_away(&mut self) -> Next {
        if self.runnable.is_empty() && !self.pass_time() {
            let threads = self.describe_threads();
            self.fail(format!("deadlock, no thread can go on{threads}"));
            return Next::Unwinds;
        }
        self.choose()
    }

    /// Moves the time to the earliest deadline; false if there is none.
    fn pass_time(&mut self) -> bool {
        let deadline = |&index: &usize| self.threads[index].deadline();
        let Some(earliest) = self.blocked.iter().filter_map(deadline).min() else {
            return false;
        };
        self.now = self.now.max(earliest);
        self.wake_where(true, |blocked| {
            blocked
                .deadline
                .is_some_and(|deadline| deadline <= earliest)
        });
        true
    }

    fn choose(&mut self) -> Next {
        let position = self.policy.choose(&mut self.rng, &self.runnable);
        self.switch_to(position)
    }

    fn switch_to(&mut self, position: usize) -> Next {
        let chosen = &mut self.runnable[position];
        chosen.last_turn = self.steps;
        let index = chosen.index;
        self.turn_began = self.steps;
        let is_same = index == self.current;
        self.current = index;
        if is_same {
            return Next::GoesOn;
        }
        self.note_with(index, || "goes on".to_owned());
        Next::Gives(self.threads[index].turn.clone())
    }

    // ---- changes

    /// Adds a thread, which may have the turn from now on.
    pub(super) fn add_thread(
        &mut self,
        name: &str,
        at: &'static Location<'static>,
    ) -> (usize, Arc<Turn>) {
        let index = self.threads.len();
        let turn = Arc::new(Turn::default());
        self.threads.push(Thread {
            name: name.to_owned(),
            turn: turn.clone(),
            state: State::Runnable,
            at,
        });
        self.policy.add_thread(&mut self.rng);
        self.runnable.push(Candidate {
            index,
            last_turn: self.steps,
        });
        self.most_threads = self.most_threads.max(self.live());
        self.note_with(index, || "starts".to_owned());
        (index, turn)
    }

    /// Lets all threads go on that wait for the lock at this address.
    pub(super) fn wake_lock(&mut self, lock: usize) {
        self.wake_where(false, |blocked| blocked.on_lock(lock));
    }

    pub(super) fn notify_all(&mut self, condition: usize) {
        self.wake_where(false, |blocked| blocked.on_condition(condition));
    }

    /// Notifies a random one of the threads that wait.
    pub(super) fn notify_one(&mut self, condition: usize) {
        let waits = |&&index: &&usize| {
            let blocked = self.threads[index].blocked();
            blocked.is_some_and(|blocked| blocked.on_condition(condition))
        };
        let waiting: Vec<usize> = self.blocked.iter().filter(waits).copied().collect();
        if let Some(index) = self.rng.choice(waiting) {
            self.wake(index, false);
        }
    }

    fn wake_where(&mut self, is_due: bool, applies: impl Fn(&Blocked) -> bool) {
        let mut position = 0;
        while let Some(&index) = self.blocked.get(position) {
            let blocked = self.threads[index].blocked();
            if blocked.is_some_and(&applies) {
                self.wake(index, is_due);
            } else {
                position += 1;
            }
        }
    }

    fn wake(&mut self, index: usize, is_due: bool) {
        self.blocked.retain(|&blocked| blocked != index);
        self.runnable.push(Candidate {
            index,
            last_turn: self.steps,
        });
        self.note_with(index, || match is_due {
            true => "wakes up at its deadline".to_owned(),
            false => "is woken".to_owned(),
        });
        let thread = &mut self.threads[index];
        thread.state = State::Runnable;
        thread.turn.set_due(is_due);
    }

    /// Ends the run, if it has not failed before. All threads get the turn to unwind.
    pub(super) fn fail(&mut self, why: String) {
        if self.failure.is_some() {
            return;
        }
        self.note_with(self.current, || format!("the run fails: {why}"));
        self.failure = Some(why);
        for thread in &self.threads {
            if !matches!(thread.state, State::Ended) {
                thread.turn.give();
            }
        }
    }

    /// From here on no stalls and no failures of threads; every thread gets its turn.
    pub(super) fn stop_stalls(&mut self) {
        self.options.stalls = 0.0;
        self.options.thread_failures = 0.0;
        let preemption = self.options.preemption.max(LEAST_PREEMPTION);
        self.policy = Policy::Fair { preemption };
        self.wake_where(true, |blocked| matches!(blocked.reason, Reason::Stall));
    }

    pub(super) fn suspend(&mut self, by: Duration) {
        self.suspended += by;
    }

    pub(super) fn note(&mut self, text: String) {
        self.note_with(self.current, || text);
    }

    fn note_with(&mut self, who: usize, what: impl FnOnce() -> String) {
        // What happens while the threads unwind is neither in order nor of interest.
        if self.failure.is_some() {
            return;
        }
        let name = &self.threads[who].name;
        self.trace.line(self.now, (who, name), what);
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

    // ---- questions

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
        self.runnable.len() + self.blocked.len()
    }

    pub(super) fn live_threads(&self) -> Vec<String> {
        let lives = |thread: &&Thread| !matches!(thread.state, State::Ended);
        let live = self.threads.iter().filter(lives);
        live.map(|thread| thread.name.clone()).collect()
    }

    pub(super) fn name(&self, index: usize) -> String {
        format!("{}#{index}", self.threads[index].name)
    }

    /// The live threads, one a line.
    pub(super) fn describe_threads(&self) -> String {
        let mut text = format!(" at {:.6} s", self.now.as_secs_f64());
        for (index, thread) in self.threads.iter().enumerate() {
            let state = match thread.state {
                State::Ended => continue,
                State::Runnable => format!("can go on at {}", thread.at),
                State::Blocked(blocked) => blocked.to_string(),
            };
            text += &format!("\n    {} {state}", self.name(index));
        }
        text
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

impl Thread {
    fn blocked(&self) -> Option<&Blocked> {
        match &self.state {
            State::Blocked(blocked) => Some(blocked),
            State::Runnable | State::Ended => None,
        }
    }

    fn deadline(&self) -> Option<Duration> {
        self.blocked().and_then(|blocked| blocked.deadline)
    }
}
