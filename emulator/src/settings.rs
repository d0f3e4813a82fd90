//! [`Settings`]: everything that the builder sets, with the defaults.

use std::time::Duration;

use super::protocol::AuthSettings;
use super::state::StateSettings;

/// The settings of an emulator.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) auth: AuthSettings,
    pub(super) state: StateSettings,
    /// How long tables keep changes in their logs, unless they say otherwise.
    pub(super) retention: Duration,
    /// Whether the partitions of new tables count epochs.
    pub(super) epoch_grows: bool,
    /// How many events the ledger keeps.
    pub(super) ledger_limit: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            auth: AuthSettings::default(),
            state: StateSettings::default(),
            retention: Duration::from_secs(7 * 24 * 3_600),
            epoch_grows: false,
            ledger_limit: 250_000,
        }
    }
}

impl Settings {
    /// The name of the instance.
    pub(super) fn instance(&self) -> &str {
        &self.auth.instance
    }
}
