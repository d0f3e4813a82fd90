//! [`ChannelInfo`]: a channel of a tunnel, as the service describes it.

use time::OffsetDateTime;

use super::string_enum;

string_enum! {
    /// The kind of data that a channel delivers.
    ChannelType {
        /// Some of the rows that the table had when the tunnel was created.
        BaseData = "BaseData",
        /// The changes of one partition.
        Stream = "Stream",
    }
}

string_enum! {
    /// The status of a channel at the service.
    ChannelStatus {
        /// Waiting for a client, or for its parents to be consumed.
        Wait = "WAIT",
        /// Assigned to a client.
        Open = "OPEN",
        /// Being taken from its client, or suspended.
        Closing = "CLOSING",
        /// Released by a client, and waiting for the next one.
        Close = "CLOSE",
        /// Consumed to its end.
        Terminated = "TERMINATED",
    }
}

/// The description of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// Id of the channel, unique in the tunnel. Ids of base data channels start with
    /// `BaseData_`.
    pub channel_id: String,
    /// The kind of data that the channel delivers.
    pub channel_type: ChannelType,
    /// Status of the channel.
    pub channel_status: ChannelStatus,
    /// Id of the client to which the channel is assigned; empty if there is none.
    pub client_id: String,
    /// Time up to which changes have been consumed; `None` if no change has been consumed
    /// yet, and for base data. Go: `ChannelRPO`, in nanoseconds since the epoch.
    pub channel_rpo: Option<OffsetDateTime>,
    /// Number of consumed rows; `None` if the service does not report it.
    pub channel_count: Option<i64>,
}
