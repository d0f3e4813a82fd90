//! [`Settings`]: how the emulator behaves, with the defaults.

use std::fmt;
use std::time::Duration;

use super::core::log::Limits;

/// What becomes of a read whose place is no longer in the change log.
///
/// The service's documentation tells of all four: it is an error that a new
/// tunnel repairs, the tunnel expires, or consuming goes on and skips what is
/// gone without a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrimmedRead {
    /// 503 `OTSTunnelServerUnavailable` with a message that begins with
    /// `OTSTrimmedDataAccess`, for good. Clients take the code for one that
    /// passes, and try again and again.
    #[default]
    Fail,
    /// 400 `OTSTunnelExpired`, from now on for all that consumes the tunnel.
    Expire,
    /// It goes on with the oldest record that is still there.
    Oldest,
    /// It goes on with the next record that will be written.
    Newest,
}

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
    pub(super) trimmed_read: TrimmedRead,
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
            trimmed_read: TrimmedRead::default(),
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
