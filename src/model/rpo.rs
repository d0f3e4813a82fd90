//! How far a tunnel has been consumed, in more detail.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[non_exhaustive]
pub struct ChannelRpo {
    /// `BaseData` or `Stream`. Go: `ChannelTyp`.
    #[serde(rename = "ChannelTyp", deserialize_with = "null_as_default")]
    pub channel_type: String,
    /// The status, as the service writes it.
    #[serde(deserialize_with = "null_as_default")]
    pub status: String,
    /// The number of rows that have been consumed.
    #[serde(deserialize_with = "null_as_default")]
    pub total_count: i64,
    /// When the channel was last read; unit undocumented.
    #[serde(deserialize_with = "null_as_default")]
    pub access_time: i64,
    /// Up to when changes have been consumed; unit undocumented, presumably
    /// nanoseconds since the epoch, as in
    /// [`ChannelInfo::channel_rpo`](crate::ChannelInfo::channel_rpo).
    #[serde(deserialize_with = "null_as_default")]
    pub rpo_time: i64,
}

/// How far a tunnel has been consumed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[non_exhaustive]
pub struct TunnelRpo {
    /// The status, as the service writes it.
    #[serde(deserialize_with = "null_as_default")]
    pub status: String,
    /// The number of rows that have been consumed.
    #[serde(deserialize_with = "null_as_default")]
    pub total_count: i64,
    /// When the tunnel was last read; unit undocumented.
    #[serde(deserialize_with = "null_as_default")]
    pub access_time: i64,
    /// Up to when changes have been consumed; unit undocumented, presumably
    /// nanoseconds since the epoch.
    #[serde(deserialize_with = "null_as_default")]
    pub rpo_time: i64,
}

/// Go writes what it has not set as null.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
