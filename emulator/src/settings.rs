//! [`Settings`]: how the emulator behaves, with the defaults.

use std::iter;
use std::time::Duration;

use super::access_key::AccessKey;
use super::core::log::Limits;
use tablestore_tunnel::Credentials;

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
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) instance: String,
    /// The key that the handle tells of.
    pub(super) access_key: AccessKey,
    /// Keys that are accepted as well.
    pub(super) more_keys: Vec<AccessKey>,
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
            access_key: AccessKey::new(Credentials::new("emulator-key", "emulator-secret")),
            more_keys: Vec::new(),
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

impl Settings {
    /// The key of that id, if it is accepted.
    pub(super) fn key(&self, id: &str) -> Option<&AccessKey> {
        let mut keys = iter::once(&self.access_key).chain(&self.more_keys);
        keys.find(|key| key.credentials().access_key_id() == id)
    }
}
