//! Consumption progress of a tunnel and its channels, in detail.

use std::collections::BTreeMap;

/// The request of [`TunnelClient::get_rpo`](crate::TunnelClient::get_rpo) and
/// [`TunnelClient::get_rpo_by_offset`](crate::TunnelClient::get_rpo_by_offset).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetRpoRequest {
    /// Id of the tunnel.
    pub tunnel_id: String,
    /// A limit that the service does not document. Defaults to `None`.
    pub limit: Option<i32>,
}

impl GetRpoRequest {
    /// Creates a request for all channels of a tunnel.
    pub fn new(tunnel_id: impl Into<String>) -> GetRpoRequest {
        GetRpoRequest {
            tunnel_id: tunnel_id.into(),
            limit: None,
        }
    }
}

/// The response of [`TunnelClient::get_rpo`](crate::TunnelClient::get_rpo).
///
/// The service does not document the keys of the maps and the units of the times. This
/// crate passes them on unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetRpoResponse {
    /// Progress of each channel, by group (`BaseData` or `Stream`) and channel id. Go:
    /// `RpoInfos`.
    pub rpo_infos: BTreeMap<String, BTreeMap<String, ChannelRpo>>,
    /// Progress of the tunnel, by group. Go: `TunnelRpoInfos`.
    pub tunnel_rpo_infos: BTreeMap<String, TunnelRpo>,
    /// Id of the tunnel; `None` if the service omits it.
    pub tunnel_id: Option<String>,
    /// Id of the request; quote it when you contact the service's support.
    pub request_id: String,
}

/// Consumption progress of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelRpo {
    /// `BaseData` or `Stream`. Go: `ChannelTyp`.
    pub channel_type: String,
    /// Status, as the service reports it.
    pub status: String,
    /// Number of consumed rows.
    pub total_count: i64,
    /// Time of the last read; unit undocumented.
    pub access_time: i64,
    /// Time up to which changes have been consumed; unit undocumented, presumably
    /// nanoseconds since the epoch, as in
    /// [`ChannelInfo::channel_rpo`](crate::ChannelInfo::channel_rpo).
    pub rpo_time: i64,
}

/// Consumption progress of a tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TunnelRpo {
    /// Status, as the service reports it.
    pub status: String,
    /// Number of consumed rows.
    pub total_count: i64,
    /// Time of the last read; unit undocumented.
    pub access_time: i64,
    /// Time up to which changes have been consumed; unit undocumented, presumably
    /// nanoseconds since the epoch.
    pub rpo_time: i64,
}
