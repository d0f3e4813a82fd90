//! The threads of a run: which can go on, which wait, and for what.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::blocked::Blocked;
use super::policy::Candidate;
use super::turn::Turn;

#[derive(Debug, Default)]
pub(super) struct Table {
    /// All threads, in the order of their start.
    threads: Vec<Thread>,
    /// The threads that could go on, including the one that has the turn.
    runnable: Vec<Candidate>,
    blocked: Vec<usize>,
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

impl Table {
    /// Adds a runnable thread.
    pub(super) fn add(
        &mut self,
        name: &str,
        at: &'static Location<'static>,
        step: u64,
    ) -> (usize, Arc<Turn>) {
        let index = self.threads.len();
        let turn = Arc::new(Turn::default());
        self.threads.push(Thread {
            name: name.to_owned(),
            turn: turn.clone(),
            state: State::Runnable,
            at,
        });
        self.add_runnable(index, step);
        (index, turn)
    }

    fn add_runnable(&mut self, index: usize, step: u64) {
        let last_turn = step;
        self.runnable.push(Candidate { index, last_turn });
    }

    pub(super) fn block(&mut self, index: usize, blocked: Blocked) {
        self.threads[index].state = State::Blocked(blocked);
        self.runnable.retain(|candidate| candidate.index != index);
        self.blocked.push(index);
    }

    /// Lets a blocked thread go on. `is_due` if its deadline has come.
    pub(super) fn wake(&mut self, index: usize, step: u64, is_due: bool) {
        self.blocked.retain(|&blocked| blocked != index);
        self.add_runnable(index, step);
        let thread = &mut self.threads[index];
        thread.state = State::Runnable;
        thread.turn.set_due(is_due);
    }

    pub(super) fn end(&mut self, index: usize) {
        self.threads[index].state = State::Ended;
        self.runnable.retain(|candidate| candidate.index != index);
        self.blocked.retain(|&blocked| blocked != index);
    }

    /// Gives the turn to the runnable thread at this position; its index.
    pub(super) fn choose(&mut self, position: usize, step: u64) -> usize {
        let chosen = &mut self.runnable[position];
        chosen.last_turn = step;
        chosen.index
    }

    /// Gives every thread the turn.
    pub(super) fn give_all(&self) {
        let live = self.threads.iter().filter(|thread| thread.is_live());
        live.for_each(|thread| thread.turn.give());
    }

    pub(super) fn passes(&mut self, index: usize, at: &'static Location<'static>) {
        self.threads[index].at = at;
    }

    pub(super) fn turn(&self, index: usize) -> Arc<Turn> {
        self.threads[index].turn.clone()
    }

    pub(super) fn runnable(&self) -> &[Candidate] {
        &self.runnable
    }

    /// The runnable threads without the thread `current`, which is runnable, too.
    pub(super) fn others(&mut self, current: usize) -> &[Candidate] {
        let last = self.runnable.len() - 1;
        let is_current = |candidate: &Candidate| candidate.index == current;
        if let Some(position) = self.runnable.iter().position(is_current) {
            self.runnable.swap(position, last);
        }
        &self.runnable[..last]
    }

    /// The threads that wait for something like that.
    pub(super) fn waiting(&self, applies: impl Fn(&Blocked) -> bool) -> Vec<usize> {
        let waits = |&&index: &&usize| self.threads[index].blocked().is_some_and(&applies);
        self.blocked.iter().filter(waits).copied().collect()
    }

    pub(super) fn earliest_deadline(&self) -> Option<Duration> {
        let blocked = self.blocked.iter();
        let blocked = blocked.filter_map(|&index| self.threads[index].blocked());
        blocked.filter_map(|blocked| blocked.deadline).min()
    }

    /// Number of threads that were added.
    pub(super) fn len(&self) -> usize {
        self.threads.len()
    }

    /// Number of threads that have not ended.
    pub(super) fn live(&self) -> usize {
        self.runnable.len() + self.blocked.len()
    }

    pub(super) fn live_names(&self) -> Vec<String> {
        let live = self.threads.iter().filter(|thread| thread.is_live());
        live.map(|thread| thread.name.clone()).collect()
    }

    pub(super) fn name(&self, index: usize) -> &str {
        &self.threads[index].name
    }

    /// The live threads, one a line.
    pub(super) fn describe(&self) -> String {
        let mut text = String::new();
        for (index, thread) in self.threads.iter().enumerate() {
            let state = match thread.state {
                State::Ended => continue,
                State::Runnable => format!("can go on at {}", thread.at),
                State::Blocked(blocked) => blocked.to_string(),
            };
            text += &format!("\n    {}#{index} {state}", thread.name);
        }
        text
    }
}

impl Thread {
    fn is_live(&self) -> bool {
        !matches!(self.state, State::Ended)
    }

    fn blocked(&self) -> Option<&Blocked> {
        match &self.state {
            State::Blocked(blocked) => Some(blocked),
            State::Runnable | State::Ended => None,
        }
    }
}
