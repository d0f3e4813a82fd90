//! [`Settings`]: how the emulator behaves, with the defaults.

use std::fmt;
use std::time::Duration;

use super::core::log::Limits;

/// What the builder decides.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) instance: String,
    pub(super) access_key_id: String,
    pub(super) access_key_secret: String,
    pub(super) seed: u64,
    pub(super) limits: Limits,
    pub(super) base_split_rows: usize,
    pub(super) warm_up: Duration,
    /// In place of what the client asks for.
    pub(super) client_timeout: Option<Duration>,
    pub(super) retention: Duration,
    pub(super) clock_skew: Duration,
    pub(super) epoch_grows: bool,
    pub(super) owners_only: bool,
    pub(super) ledger_limit: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            instance: "emulator".to_owned(),
            access_key_id: "emulator-key".to_owned(),
            access_key_secret: "emulator-secret".to_owned(),
            seed: 0,
            limits: Limits {
                rows: 5_000,
                bytes: 4 << 20,
            },
            base_split_rows: 50_000,
            warm_up: Duration::from_millis(500),
            client_timeout: None,
            retention: Duration::from_secs(7 * 24 * 3_600),
            clock_skew: Duration::from_secs(15 * 60),
            epoch_grows: false,
            owners_only: false,
            ledger_limit: 250_000,
        }
    }
}

impl fmt::Debug for Settings {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("instance", &self.instance)
            .field("access_key_id", &self.access_key_id)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
