//! [`ChannelState`]: what one channel is at, and what has to be done next (pure).
//!
//! The state is changed only under the lock of its connection, and whoever makes a
//! change does what the returned [`Action`] says. Nothing begins, and no progress
//! counts, that the state has not permitted under that lock.
//!
//! ```text
//! Opening ─Make─▶ Making ─Opened─▶ Idle ─Arrived─▶ Queued ─Start─▶ Running ─Finish─▶ Idle
//!    │               │              │                 ▲ ▲             │ │
//!    │               │              │                 │ └──────────── │ ┘  more
//!    │               │              │                 └─Resume─ Paused ◀─Pause
//!    ▼               ▼              ▼                                 ▼
//!  Closing ◀──── when the program's code has returned; at once where none runs
//!    │
//!    └─Ended─▶ Ended
//! ```

/// What a channel is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// The service is asked about the channel. No code of the program runs.
    Opening,
    /// The program's code makes the processor, on the reader's thread.
    Making,
    /// Nothing to process.
    Idle,
    /// Waits for a thread of the pool.
    Queued,
    /// A thread of the pool has the runner.
    Running,
    /// A batch waits for its next attempt.
    Paused,
    /// The I/O task saves, calls the shutdown callback and reports the end.
    Closing,
    /// Nothing of the connection runs any more.
    Ended,
}

/// The saves of a channel by the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Save {
    /// Nothing has been processed since the last one.
    None,
    /// A timer runs.
    Timer,
    /// The I/O task saves, or will.
    Due,
}

/// The state of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ChannelState {
    phase: Phase,
    /// No further batch begins.
    is_closing: bool,
    /// The channel is not ours any more: nothing is saved. Never without `is_closing`.
    is_lost: bool,
    save: Save,
    /// The I/O task of the channel runs. There is only one.
    has_io_task: bool,
}

/// What happens to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelEvent {
    /// The program's code is about to make the processor.
    Make,
    /// The processor is there.
    Opened,
    /// There will be none.
    NotOpened,
    /// A batch, or the end of reading, has come.
    Arrived,
    /// A thread of the pool begins a turn.
    Start,
    /// The batch of the turn is about to be given to the callback, or to count.
    Deliver,
    /// A batch is processed, and its token has to be saved.
    Processed,
    /// The turn is over; `more`: there is more to process.
    Finish { more: bool },
    /// The turn is over until the batch is tried again.
    Pause,
    /// Time for the next attempt.
    Resume,
    /// The turn is over, and the channel ends with it.
    End,
    /// The channel is to close in order.
    Close,
    /// The channel is not ours any more.
    Lose,
    /// The checkpoint interval is over.
    SaveDue,
    /// The I/O task asks what to do.
    NextIo,
    /// The I/O task has saved; `more`: something was processed meanwhile, or the save
    /// has failed.
    Saved { more: bool },
    /// The I/O task has done everything.
    Ended,
}

/// What whoever reported the event has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing. For an event that asks for permission: it is refused.
    Nothing,
    /// Go on: it is permitted.
    Proceed,
    /// Have the pool run a turn.
    Schedule,
    /// Start the I/O task.
    StartIo,
    /// Start the timer of the next save.
    StartSaveTimer,
    /// Save what is processed.
    Save,
    /// Close the channel.
    Close,
    /// Tell the session that nothing was read and nothing will be: whoever opens the
    /// channel closes it as soon as the program's code returns.
    ReportUnread,
}

impl ChannelState {
    /// The state of a channel that nothing is known of yet.
    pub(crate) fn new() -> ChannelState {
        ChannelState {
            phase: Phase::Opening,
            is_closing: false,
            is_lost: false,
            save: Save::None,
            has_io_task: false,
        }
    }

    pub(crate) fn phase(self) -> Phase {
        self.phase
    }

    pub(crate) fn is_closing(self) -> bool {
        self.is_closing
    }

    pub(crate) fn is_lost(self) -> bool {
        self.is_lost
    }

    /// Changes the state by an event, and returns what has to be done.
    pub(crate) fn handle(&mut self, event: ChannelEvent) -> Action {
        let (next, action) = next(*self, event);
        *self = next;
        action
    }

    fn at(self, phase: Phase) -> ChannelState {
        ChannelState { phase, ..self }
    }

    /// The I/O task closes the channel.
    fn close(self) -> (ChannelState, Action) {
        let closing = ChannelState {
            is_closing: true,
            ..self.at(Phase::Closing)
        };
        closing.start_io()
    }

    fn start_io(self) -> (ChannelState, Action) {
        let running = ChannelState {
            has_io_task: true,
            ..self
        };
        match self.has_io_task {
            // It asks for more when it is done.
            true => (self, Action::Nothing),
            false => (running, Action::StartIo),
        }
    }

    fn start_save_timer(self) -> (ChannelState, Action) {
        let waiting = ChannelState {
            save: Save::Timer,
            ..self
        };
        (waiting, Action::StartSaveTimer)
    }
}

/// The transition function.
fn next(state: ChannelState, event: ChannelEvent) -> (ChannelState, Action) {
    use ChannelEvent as E;
    use Phase as P;
    let unchanged = (state, Action::Nothing);
    match (event, state.phase) {
        (E::Make, P::Opening) => (state.at(P::Making), Action::Proceed),
        (E::Opened, P::Making) if state.is_closing => state.close(),
        (E::Opened, P::Making) => (state.at(P::Idle), Action::Proceed),
        (E::NotOpened, P::Opening | P::Making) => state.close(),
        (E::Arrived, P::Idle) | (E::Resume, P::Paused) => (state.at(P::Queued), Action::Schedule),
        (E::Start, P::Queued) => (state.at(P::Running), Action::Proceed),
        (E::Deliver, P::Running) if !state.is_closing => (state, Action::Proceed),
        (E::Finish { .. } | E::Pause, P::Running) if state.is_closing => state.close(),
        (E::Finish { more: true }, P::Running) => (state.at(P::Queued), Action::Schedule),
        (E::Finish { more: false }, P::Running) => (state.at(P::Idle), Action::Nothing),
        (E::Pause, P::Running) => (state.at(P::Paused), Action::Nothing),
        (E::End, P::Running) => state.close(),
        (E::Close | E::Lose, _) => close(state, event == E::Lose),
        (E::NextIo, P::Closing) => (state, Action::Close),
        (E::Ended, P::Closing) => (ended(state), Action::Nothing),
        (_, P::Closing | P::Ended) => unchanged,
        (E::Processed | E::SaveDue | E::NextIo | E::Saved { .. }, _) => save(state, event),
        // What comes late, or was known already.
        _ => unchanged,
    }
}

/// What saves mean for a channel that is not closing for good.
fn save(state: ChannelState, event: ChannelEvent) -> (ChannelState, Action) {
    use ChannelEvent as E;
    match (event, state.save) {
        (E::Processed, Save::None) => state.start_save_timer(),
        (E::SaveDue, Save::Timer) => {
            let due = ChannelState {
                save: Save::Due,
                ..state
            };
            due.start_io()
        }
        (E::NextIo, Save::Due) => (state, Action::Save),
        (E::NextIo, _) => (without_io_task(state), Action::Nothing),
        (E::Saved { more: true }, Save::Due) => state.start_save_timer(),
        (E::Saved { more: false }, Save::Due) => {
            let saved = ChannelState {
                save: Save::None,
                ..state
            };
            (saved, Action::Nothing)
        }
        _ => (state, Action::Nothing),
    }
}

fn close(state: ChannelState, is_lost: bool) -> (ChannelState, Action) {
    let closing = ChannelState {
        is_closing: true,
        is_lost: state.is_lost || is_lost,
        ..state
    };
    match state.phase {
        // No code of the program runs. Nobody waits for the service's answer about a
        // channel that closes.
        Phase::Opening | Phase::Idle | Phase::Queued | Phase::Paused => closing.close(),
        Phase::Making if !state.is_closing => (closing, Action::ReportUnread),
        Phase::Making | Phase::Running | Phase::Closing | Phase::Ended => {
            (closing, Action::Nothing)
        }
    }
}

/// Whoever still has a handle to an ended connection must not save any more.
fn ended(state: ChannelState) -> ChannelState {
    ChannelState {
        is_lost: true,
        save: Save::None,
        has_io_task: false,
        ..state.at(Phase::Ended)
    }
}

fn without_io_task(state: ChannelState) -> ChannelState {
    ChannelState {
        has_io_task: false,
        ..state
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use {Action as A, ChannelEvent as E, Phase as P};

    const EVENTS: [E; 19] = [
        E::Make,
        E::Opened,
        E::NotOpened,
        E::Arrived,
        E::Start,
        E::Deliver,
        E::Processed,
        E::Finish { more: true },
        E::Finish { more: false },
        E::Pause,
        E::Resume,
        E::End,
        E::Close,
        E::Lose,
        E::SaveDue,
        E::NextIo,
        E::Saved { more: true },
        E::Saved { more: false },
        E::Ended,
    ];

    /// The phase and the last action after these events.
    fn after(events: &[E]) -> (P, A) {
        let mut state = ChannelState::new();
        let actions: Vec<A> = events.iter().map(|event| state.handle(*event)).collect();
        (state.phase, actions.last().copied().unwrap_or(A::Nothing))
    }

    #[test]
    fn stories() {
        let open = [E::Make, E::Opened];
        let running = [E::Make, E::Opened, E::Arrived, E::Start];
        let more = E::Finish { more: true };
        let done = E::Finish { more: false };
        let table: &[(&[E], &[E], P, A)] = &[
            (&[], &[E::Make], P::Making, A::Proceed),
            (&[], &[E::Close], P::Closing, A::StartIo),
            (&[], &[E::Close, E::Make], P::Closing, A::Nothing),
            (&[], &[E::NotOpened], P::Closing, A::StartIo),
            (&[E::Make], &[E::Close], P::Making, A::ReportUnread),
            (&[E::Make, E::Close], &[E::Close], P::Making, A::Nothing),
            (&[E::Make, E::Close], &[E::Opened], P::Closing, A::StartIo),
            (
                &[E::Make, E::Close],
                &[E::NotOpened],
                P::Closing,
                A::StartIo,
            ),
            (&open, &[], P::Idle, A::Proceed),
            (&open, &[E::Arrived], P::Queued, A::Schedule),
            (&open, &[E::Arrived, E::Arrived], P::Queued, A::Nothing),
            (&open, &[E::Arrived, E::Close], P::Closing, A::StartIo),
            (
                &open,
                &[E::Arrived, E::Close, E::Start],
                P::Closing,
                A::Nothing,
            ),
            (&running, &[], P::Running, A::Proceed),
            (&running, &[E::Deliver], P::Running, A::Proceed),
            (&running, &[E::Arrived], P::Running, A::Nothing),
            (&running, &[done], P::Idle, A::Nothing),
            (&running, &[more], P::Queued, A::Schedule),
            (&running, &[E::Pause], P::Paused, A::Nothing),
            (&running, &[E::Pause, E::Arrived], P::Paused, A::Nothing),
            (&running, &[E::Pause, E::Resume], P::Queued, A::Schedule),
            (&running, &[E::Pause, E::Close], P::Closing, A::StartIo),
            (&running, &[E::Close], P::Running, A::Nothing),
            (&running, &[E::Close, E::Deliver], P::Running, A::Nothing),
            (&running, &[E::Lose, E::Deliver], P::Running, A::Nothing),
            (&running, &[E::Close, done], P::Closing, A::StartIo),
            (&running, &[E::Close, more], P::Closing, A::StartIo),
            (&running, &[E::Close, E::Pause], P::Closing, A::StartIo),
            (&running, &[E::End], P::Closing, A::StartIo),
            (&running, &[E::End, E::NextIo], P::Closing, A::Close),
            (
                &running,
                &[E::End, E::NextIo, E::Ended],
                P::Ended,
                A::Nothing,
            ),
        ];
        for (begin, events, phase, action) in table {
            let story = [*begin, *events].concat();
            assert_eq!(after(&story), (*phase, *action), "{story:?}");
        }
    }

    #[test]
    fn saves() {
        let processed = [E::Make, E::Opened, E::Arrived, E::Start, E::Processed];
        let due = [&processed[..], &[E::SaveDue]].concat();
        let saving = [&due[..], &[E::NextIo]].concat();
        let again = [E::Saved { more: true }, E::NextIo];
        let table: &[(&[E], &[E], A)] = &[
            (&processed, &[], A::StartSaveTimer),
            (&processed, &[E::Processed], A::Nothing),
            (&processed, &[E::SaveDue], A::StartIo),
            (&due, &[E::SaveDue], A::Nothing),
            (&due, &[E::Processed], A::Nothing),
            (&due, &[E::NextIo], A::Save),
            (&saving, &[E::Saved { more: false }], A::Nothing),
            (&saving, &[E::Saved { more: false }, E::NextIo], A::Nothing),
            (
                &saving,
                &[E::Saved { more: false }, E::Processed],
                A::StartSaveTimer,
            ),
            (&saving, &[E::Saved { more: true }], A::StartSaveTimer),
            (&saving, &[&again[..], &[E::SaveDue]].concat(), A::StartIo),
            // A timer that fires before the task has asked for more.
            (&saving, &[E::Saved { more: true }, E::SaveDue], A::Nothing),
            (
                &saving,
                &[E::Saved { more: true }, E::SaveDue, E::NextIo],
                A::Save,
            ),
            // The task that saves also closes.
            (&saving, &[E::End], A::Nothing),
            (&saving, &[E::End, E::Saved { more: true }], A::Nothing),
            (
                &saving,
                &[E::End, E::Saved { more: true }, E::NextIo],
                A::Close,
            ),
        ];
        for (begin, events, action) in table {
            let story = [*begin, *events].concat();
            assert_eq!(after(&story).1, *action, "{story:?}");
        }
    }

    /// All states that can be reached, with every event in each.
    fn all_transitions() -> Vec<(ChannelState, E, ChannelState, A)> {
        let mut seen = HashSet::from([ChannelState::new()]);
        let mut to_do = vec![ChannelState::new()];
        let mut all = Vec::new();
        while let Some(state) = to_do.pop() {
            for event in EVENTS {
                let (after, action) = next(state, event);
                all.push((state, event, after, action));
                if seen.insert(after) {
                    to_do.push(after);
                }
            }
        }
        all
    }

    #[test]
    fn what_holds_in_every_state() {
        let transitions = all_transitions();
        assert!(transitions.len() > 500, "{}", transitions.len());
        for (before, event, after, action) in transitions {
            let at = format!("{before:?} {event:?} -> {after:?} {action:?}");
            // Once it closes, nothing is delivered and no turn begins.
            assert!(!before.is_closing || after.is_closing, "{at}");
            assert!(!before.is_lost || after.is_lost, "{at}");
            assert!(!after.is_lost || after.is_closing, "{at}");
            let begins = matches!(event, E::Make | E::Start | E::Deliver);
            assert!(
                !(begins && action == A::Proceed && before.is_closing),
                "{at}"
            );
            assert!(!(action == A::Schedule && before.is_closing), "{at}");
            // The end is final.
            assert!(before.phase != P::Ended || after.phase == P::Ended, "{at}");
            let is_end = |phase| matches!(phase, P::Closing | P::Ended);
            assert!(!is_end(before.phase) || is_end(after.phase), "{at}");
            // A task is started when there is none, and runs until it asks in vain or
            // has closed the channel.
            assert_eq!(
                action == A::StartIo,
                !before.has_io_task && after.has_io_task,
                "{at}"
            );
            let ends_task = matches!(event, E::NextIo | E::Ended);
            assert!(
                after.has_io_task || !before.has_io_task || ends_task,
                "{at}"
            );
            // Nothing that is to be done is forgotten.
            let is_done = event == E::NextIo && action == A::Nothing;
            assert!(
                !is_done || (after.save != Save::Due && after.phase != P::Closing),
                "{at}"
            );
            // No code of the program is interrupted.
            let runs = matches!(before.phase, P::Making | P::Running);
            let returns = matches!(
                event,
                E::Opened | E::NotOpened | E::Finish { .. } | E::Pause | E::End
            );
            assert!(!runs || after.phase == before.phase || returns, "{at}");
        }
    }
}
