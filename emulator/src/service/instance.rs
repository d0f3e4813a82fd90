//! [`Instance`]: the state of the emulated instance, with its ledger and its
//! faults.

use std::time::Duration;

use crate::faults::FaultPlan;
use crate::ledger::LedgerWriter;
use crate::settings::Settings;
use crate::state::State;

/// The state, the ledger and the fault plan.
#[derive(Debug)]
pub(crate) struct Instance {
    state: State,
    pub(crate) ledger: LedgerWriter,
    pub(crate) faults: FaultPlan,
}

impl Instance {
    /// `moved` is how far the clock was moved by hand before.
    pub(crate) fn new(settings: &Settings, moved: Duration) -> Instance {
        Instance {
            state: State::new(settings.state.clone()),
            ledger: LedgerWriter::new(settings.ledger_limit, moved),
            faults: FaultPlan::default(),
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Runs a command on the state and records its events. This is the only
    /// way to change the state, so no event is missing from the ledger.
    pub(crate) fn command<R>(&mut self, command: impl FnOnce(&mut State) -> R) -> R {
        let result = command(&mut self.state);
        self.ledger.record_state(self.state.take_events());
        result
    }
}
