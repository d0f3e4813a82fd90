//! Whose turn it is with a channel's processor, without a lock.
//!
//! The processor of a channel is run by one thread at a time, though three
//! parties want it: the reader (a batch has come), the pool (a task begins or
//! ends) and the worker's loop (the channel is to be closed). One atomic word
//! decides; whoever makes a change that asks for work does that work. The
//! transitions are one pure function, [`next`].
//!
//! ```text
//! Opening ─make─▶ Making ─opened─▶ Idle ─arrived─▶ Queued ─start─▶ Running ─finish─▶ Idle
//!    │              │               │               │ ▲             │  │
//!    │ close        │ close         │ close         │ └──resume── Paused ◀─pause
//!    │              ▼               ▼               ▼             │ close, or end by itself
//!    │         MakingClose ────▶ Closing ◀──────────┴─────────────┘
//!    └──────────────────────────────▲
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;
use crate::sync::timed_state::TimedState;

/// The states; `Closing` is final and belongs to who closes the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// The service is asked about the channel; nothing of the user's runs.
    Opening,
    /// The user's code makes the processor.
    Making,
    /// As `Making`, and to be closed as soon as it is made.
    MakingClose,
    /// Nothing to do.
    Idle,
    /// A task of the pool will take it.
    Queued,
    /// A task of the pool has it.
    Running,
    /// As `Running`, and something came meanwhile.
    RunningMore,
    /// As `Running`, and to be closed as soon as the task is done with it.
    RunningClose,
    /// A failed batch waits for its next attempt.
    Paused,
    /// The closing thread has it, for good.
    Closing,
}

const STATES: [State; 10] = [
    State::Opening,
    State::Making,
    State::MakingClose,
    State::Idle,
    State::Queued,
    State::Running,
    State::RunningMore,
    State::RunningClose,
    State::Paused,
    State::Closing,
];

/// What happens to a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnEvent {
    /// The user's code is about to make the processor.
    Make,
    /// The processor is made and in its seat.
    Opened,
    /// A batch, or something else to look at, has come.
    Arrived,
    /// A task of the pool begins.
    Start,
    /// The task is done; `more`: it saw that there is more to do.
    Finish { more: bool },
    /// The task is done until the batch is tried again.
    Pause,
    /// Time for the next attempt.
    Resume,
    /// The task found that the channel ends.
    End,
    /// The channel is to be closed.
    Close,
}

/// What the party that reported the event has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnAction {
    Nothing,
    /// Spawn a task on the pool.
    Schedule,
    /// Go on: the processor is yours.
    Run,
    /// Close the channel: the processor is yours for good.
    Close,
    /// Say that nothing was read and nothing will be: who opens the channel
    /// closes it when that returns.
    TellUnread,
}

fn next(state: State, event: TurnEvent) -> (State, TurnAction) {
    use State as S;
    use TurnAction as A;
    use TurnEvent as E;
    match (state, event) {
        (S::Opening, E::Make) => (S::Making, A::Run),
        (S::Making, E::Opened) => (S::Idle, A::Nothing),
        (S::Making, E::Close) => (S::MakingClose, A::TellUnread),
        (S::MakingClose, E::Opened) => (S::Closing, A::Close),

        (S::Idle, E::Arrived) | (S::Paused, E::Resume) => (S::Queued, A::Schedule),
        (S::Running, E::Arrived) => (S::RunningMore, A::Nothing),
        (S::Queued, E::Start) => (S::Running, A::Run),

        (S::Running, E::Finish { more: false }) => (S::Idle, A::Nothing),
        (S::Running | S::RunningMore, E::Finish { .. }) => (S::Queued, A::Schedule),
        (S::Running | S::RunningMore, E::Pause) => (S::Paused, A::Nothing),
        (S::Running | S::RunningMore | S::RunningClose, E::End)
        | (S::RunningClose, E::Finish { .. } | E::Pause) => (S::Closing, A::Close),

        // Nobody waits for the service's answer about a channel that closes.
        (S::Opening | S::Idle | S::Queued | S::Paused, E::Close) => (S::Closing, A::Close),
        (S::Running | S::RunningMore, E::Close) => (S::RunningClose, A::Nothing),

        // What comes late, or was already known.
        (state, _) => (state, A::Nothing),
    }
}

/// What the turn is at, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnStage {
    Opening,
    Idle,
    Queued,
    Running,
    Paused,
    Closing,
}

impl State {
    fn stage(self) -> TurnStage {
        match self {
            State::Opening | State::Making | State::MakingClose => TurnStage::Opening,
            State::Idle => TurnStage::Idle,
            State::Queued => TurnStage::Queued,
            State::Running | State::RunningMore | State::RunningClose => TurnStage::Running,
            State::Paused => TurnStage::Paused,
            State::Closing => TurnStage::Closing,
        }
    }
}

/// The turn of one channel: its state, and since when it is at its stage.
#[derive(Debug)]
pub(crate) struct Turn {
    word: AtomicU64,
    clock: Clock,
}

impl Turn {
    /// The turn of a channel that nothing is known of yet.
    pub(crate) fn new(clock: &Clock) -> Turn {
        let stamp = TimedState::now(clock, State::Opening as u8);
        Turn {
            word: AtomicU64::new(stamp.word()),
            clock: clock.clone(),
        }
    }

    /// Applies `event`. What was written before it is seen by the thread that
    /// gets the turn after it.
    pub(crate) fn on(&self, event: TurnEvent) -> TurnAction {
        let mut current = self.word.load(Ordering::Acquire);
        loop {
            let stamp = TimedState::from_word(current);
            let before = decode(stamp.state());
            let (state, action) = next(before, event);
            let after = match state.stage() == before.stage() {
                true => stamp.with_state(state as u8),
                false => TimedState::now(&self.clock, state as u8),
            };
            // The write is not skipped when the state stays: it publishes too.
            match self.word.compare_exchange_weak(
                current,
                after.word(),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return action,
                Err(actual) => current = actual,
            }
        }
    }

    /// What the turn is at, in a word, for logs.
    pub(crate) fn describe(&self) -> &'static str {
        match self.stage().0 {
            TurnStage::Opening => "opening",
            TurnStage::Idle => "idle",
            TurnStage::Queued => "queued",
            TurnStage::Running => "in callback",
            TurnStage::Paused => "waiting to retry",
            TurnStage::Closing => "closing",
        }
    }

    /// What the turn is at, and since when.
    pub(crate) fn stage(&self) -> (TurnStage, TimedState) {
        let stamp = TimedState::from_word(self.word.load(Ordering::Acquire));
        (decode(stamp.state()).stage(), stamp)
    }
}

fn decode(byte: u8) -> State {
    // Only `State as u8` is ever stored.
    STATES
        .get(usize::from(byte))
        .copied()
        .unwrap_or(State::Closing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use {State as S, TurnAction as A, TurnEvent as E};

    #[test]
    fn the_byte_stands_for_the_state() {
        for (index, state) in STATES.iter().enumerate() {
            assert_eq!(index, *state as usize);
            assert_eq!(decode(*state as u8), *state);
        }
    }

    #[test]
    fn transitions() {
        let table = [
            (S::Opening, E::Make, S::Making, A::Run),
            (S::Opening, E::Close, S::Closing, A::Close),
            (S::Closing, E::Make, S::Closing, A::Nothing),
            (S::Making, E::Opened, S::Idle, A::Nothing),
            (S::Making, E::Close, S::MakingClose, A::TellUnread),
            (S::MakingClose, E::Close, S::MakingClose, A::Nothing),
            (S::MakingClose, E::Opened, S::Closing, A::Close),
            (S::Idle, E::Arrived, S::Queued, A::Schedule),
            (S::Idle, E::Close, S::Closing, A::Close),
            (S::Idle, E::Resume, S::Idle, A::Nothing),
            (S::Queued, E::Arrived, S::Queued, A::Nothing),
            (S::Queued, E::Start, S::Running, A::Run),
            (S::Queued, E::Close, S::Closing, A::Close),
            (S::Running, E::Arrived, S::RunningMore, A::Nothing),
            (S::Running, E::Finish { more: false }, S::Idle, A::Nothing),
            (S::Running, E::Finish { more: true }, S::Queued, A::Schedule),
            (S::Running, E::Pause, S::Paused, A::Nothing),
            (S::Running, E::End, S::Closing, A::Close),
            (S::Running, E::Close, S::RunningClose, A::Nothing),
            (
                S::RunningMore,
                E::Finish { more: false },
                S::Queued,
                A::Schedule,
            ),
            (S::RunningMore, E::Pause, S::Paused, A::Nothing),
            (S::RunningMore, E::End, S::Closing, A::Close),
            (S::RunningMore, E::Close, S::RunningClose, A::Nothing),
            (S::RunningClose, E::Arrived, S::RunningClose, A::Nothing),
            (
                S::RunningClose,
                E::Finish { more: true },
                S::Closing,
                A::Close,
            ),
            (S::RunningClose, E::Pause, S::Closing, A::Close),
            (S::RunningClose, E::End, S::Closing, A::Close),
            (S::Paused, E::Arrived, S::Paused, A::Nothing),
            (S::Paused, E::Resume, S::Queued, A::Schedule),
            (S::Paused, E::Close, S::Closing, A::Close),
            (S::Closing, E::Start, S::Closing, A::Nothing),
            (S::Closing, E::Arrived, S::Closing, A::Nothing),
            (S::Closing, E::Resume, S::Closing, A::Nothing),
            (S::Closing, E::Close, S::Closing, A::Nothing),
        ];
        for (from, event, to, action) in table {
            assert_eq!(next(from, event), (to, action), "{from:?} {event:?}");
        }
    }

    #[test]
    fn closing_is_given_to_one_party_only() {
        // Whatever comes after the first `Close` action, no second one does.
        let events = [
            E::Opened,
            E::Arrived,
            E::Start,
            E::Finish { more: true },
            E::Finish { more: false },
            E::Pause,
            E::Resume,
            E::End,
            E::Close,
        ];
        for event in events {
            assert_eq!(next(S::Closing, event), (S::Closing, A::Nothing));
        }
    }
}
