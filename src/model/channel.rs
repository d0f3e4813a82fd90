//! A channel of a tunnel, as the service describes it.

use time::OffsetDateTime;

use super::string_enum;

string_enum! {
    /// What a channel delivers.
    ChannelType {
        /// A part of the rows that the table had when the tunnel was created.
        BaseData = "BaseData",
        /// The changes of one partition.
        Stream = "Stream",
    }
}

string_enum! {
    /// What the service does with a channel.
    ChannelStatus {
        /// Waits, for its parents to be consumed or for a client.
        Wait = "WAIT",
        /// Is given to a client.
        Open = "OPEN",
        /// Is being taken from a client, or has been suspended.
        Closing = "CLOSING",
        /// Has been given back by a client, and waits for the next one.
        Close = "CLOSE",
        /// Has been consumed to its end.
        Terminated = "TERMINATED",
    }
}

/// What the service tells about a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// Unique in the tunnel. That of base data begins with `BaseData_`.
    pub channel_id: String,
    /// What it delivers.
    pub channel_type: ChannelType,
    /// What the service does with it.
    pub channel_status: ChannelStatus,
    /// The client that it is given to; empty if there is none.
    pub client_id: String,
    /// Up to when changes have been consumed; none before any were, and for
    /// base data. Go: `ChannelRPO`, in nanoseconds since the epoch.
    pub channel_rpo: Option<OffsetDateTime>,
    /// The number of rows that have been consumed, if the service says so.
    pub channel_count: Option<i64>,
}
