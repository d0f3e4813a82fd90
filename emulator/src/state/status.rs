//! [`ChannelState`], [`ChannelStatus`] and [`Departure`]: the words for the
//! state of channels and clients.
//!
//! The ledger writes them as JSON, so their names stay as they are.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A channel in a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChannelState {
    /// The channel.
    pub channel: Arc<str>,
    /// Its version.
    pub version: i64,
    /// Never [`ChannelStatus::Wait`].
    pub status: ChannelStatus,
}

/// The status of a channel. In JSON it is the service's word: `WAIT`, `OPEN`,
/// `CLOSING`, `CLOSE` or `TERMINATED`.
///
/// The order is the one in which a channel goes through them.
///
/// The list is complete: the service has no other status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChannelStatus {
    /// Its parents are not read to their ends yet.
    Wait,
    /// To be read.
    Open,
    /// Its holder should give it back.
    Closing,
    /// A client gave it back.
    Close,
    /// Read to its end.
    Terminated,
}

impl ChannelStatus {
    /// The service's word, such as `OPEN`.
    pub const fn as_str(self) -> &'static str {
        match self {
            ChannelStatus::Wait => "WAIT",
            ChannelStatus::Open => "OPEN",
            ChannelStatus::Closing => "CLOSING",
            ChannelStatus::Close => "CLOSE",
            ChannelStatus::Terminated => "TERMINATED",
        }
    }

    /// Whether the holder of a channel with this status may read it.
    pub(crate) const fn is_held(self) -> bool {
        matches!(self, ChannelStatus::Open | ChannelStatus::Closing)
    }
}

impl std::fmt::Display for ChannelStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a client was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Departure {
    /// It was silent for longer than its timeout.
    Expired,
    /// It sent a shutdown request.
    ShutDown,
}
