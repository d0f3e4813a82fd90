//! How far a tunnel has been consumed, in more detail.

use std::collections::BTreeMap;

/// What [`TunnelClient::get_rpo`](crate::TunnelClient::get_rpo) and
/// [`TunnelClient::get_rpo_by_offset`](crate::TunnelClient::get_rpo_by_offset) ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetRpoRequest {
    /// The tunnel.
    pub tunnel_id: String,
    /// A limit that the service defines and does not document. Defaults to none.
    pub limit: Option<i32>,
}

impl GetRpoRequest {
    /// About all channels of a tunnel.
    pub fn new(tunnel_id: impl Into<String>) -> GetRpoRequest {
        GetRpoRequest {
            tunnel_id: tunnel_id.into(),
            limit: None,
        }
    }
}

/// The answer to [`TunnelClient::get_rpo`](crate::TunnelClient::get_rpo).
///
/// The service does not document the keys of its maps or the units of its
/// times; they are given as it sends them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetRpoResponse {
    /// By group (`BaseData` or `Stream`) and channel id. Go: `RpoInfos`.
    pub rpo_infos: BTreeMap<String, BTreeMap<String, ChannelRpo>>,
    /// By group. Go: `TunnelRpoInfos`.
    pub tunnel_rpo_infos: BTreeMap<String, TunnelRpo>,
    /// The tunnel, if the service names it.
    pub tunnel_id: Option<String>,
    /// The id of the request, to name to the service's support.
    pub request_id: String,
}

/// How far a channel has been consumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelRpo {
    /// `BaseData` or `Stream`. Go: `ChannelTyp`.
    pub channel_type: String,
    /// The status, as the service writes it.
    pub status: String,
    /// The number of rows that have been consumed.
    pub total_count: i64,
    /// When the channel was last read; unit undocumented.
    pub access_time: i64,
    /// Up to when changes have been consumed; unit undocumented, presumably
    /// nanoseconds since the epoch, as in
    /// [`ChannelInfo::channel_rpo`](crate::ChannelInfo::channel_rpo).
    pub rpo_time: i64,
}

/// How far a tunnel has been consumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TunnelRpo {
    /// The status, as the service writes it.
    pub status: String,
    /// The number of rows that have been consumed.
    pub total_count: i64,
    /// When the tunnel was last read; unit undocumented.
    pub access_time: i64,
    /// Up to when changes have been consumed; unit undocumented, presumably
    /// nanoseconds since the epoch.
    pub rpo_time: i64,
}
