//! [`StateSettings`]: the settings that the state obeys.

use std::time::Duration;

use super::change_log::PageLimits;

/// How a read is answered whose position is no longer in the change log.
///
/// The service's documentation describes all four: an error that only a new
/// tunnel repairs, an expired tunnel, and reads that silently skip the missing
/// records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrimmedRead {
    /// 503 `OTSTunnelServerUnavailable` with a message that begins with
    /// `OTSTrimmedDataAccess`, at every attempt. Clients take the code for a
    /// temporary failure and retry again and again.
    #[default]
    Fail,
    /// 400 `OTSTunnelExpired`, from now on for every request that consumes the
    /// tunnel.
    Expire,
    /// The read goes on with the oldest record that is still in the log.
    Oldest,
    /// The read goes on with the next record that will be written.
    Newest,
}

/// The settings of a [`State`](super::State).
#[derive(Clone, Debug)]
pub(crate) struct StateSettings {
    /// The instance's name, which descriptions of tunnels repeat.
    pub(crate) instance: String,
    /// Seed of the ids.
    pub(crate) seed: u64,
    /// Limits of one read.
    pub(crate) page: PageLimits,
    /// How many rows a base channel has at most.
    pub(crate) base_split_rows: usize,
    /// How long a new tunnel hides its channels, unless a client sends a
    /// heartbeat earlier.
    pub(crate) warm_up: Duration,
    /// Replaces the timeout that clients ask for.
    pub(crate) client_timeout: Option<Duration>,
    pub(crate) trimmed_read: TrimmedRead,
    /// Whether only the client that holds a channel may read it and save its
    /// checkpoint.
    pub(crate) owners_only: bool,
}

impl Default for StateSettings {
    fn default() -> StateSettings {
        StateSettings {
            instance: "emulator".to_owned(),
            seed: 0,
            page: PageLimits {
                rows: 5_000,
                bytes: 4 << 20,
            },
            base_split_rows: 50_000,
            warm_up: Duration::from_millis(500),
            client_timeout: None,
            trimmed_read: TrimmedRead::default(),
            owners_only: false,
        }
    }
}
