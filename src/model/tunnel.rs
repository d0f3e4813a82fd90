//! A tunnel, and how to create, list, describe and delete one.

use time::OffsetDateTime;

use super::channel::ChannelInfo;
use super::start::StreamTunnelConfig;
use super::string_enum;

string_enum! {
    /// What a tunnel delivers.
    TunnelType {
        /// The rows that the table has when the tunnel is created.
        BaseData = "BaseData",
        /// The changes of the table.
        Stream = "Stream",
        /// First the rows, then the changes since the tunnel was created.
        BaseAndStream = "BaseAndStream",
    }
}

string_enum! {
    /// How far a tunnel has come.
    TunnelStage {
        /// It is being set up; it has no channels yet.
        InitBaseDataAndStreamShard = "InitBaseDataAndStreamShard",
        /// It delivers base data.
        ProcessBaseData = "ProcessBaseData",
        /// It delivers changes. A tunnel of base data alone ends in this stage
        /// too, once all of it has been consumed.
        ProcessStream = "ProcessStream",
    }
}

/// What [`TunnelClient::create_tunnel`](crate::TunnelClient::create_tunnel) asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateTunnelRequest {
    /// The table, which exists.
    pub table_name: String,
    /// The tunnel, which the table does not have yet.
    pub tunnel_name: String,
    /// What it delivers. Go: `Type`.
    pub tunnel_type: TunnelType,
    /// The stretch of the change log. Defaults to none, which means
    /// [`StreamTunnelConfig::latest`].
    pub stream_tunnel_config: Option<StreamTunnelConfig>,
    /// For time-series tables, a switch that the service has turned off for the
    /// time being. Go: `NeedAllTimeSeriesColumns`. Defaults to false.
    pub need_all_time_series_columns: bool,
}

impl CreateTunnelRequest {
    /// A tunnel from now on. Names have 1 to 255 bytes.
    pub fn new(
        table_name: impl Into<String>,
        tunnel_name: impl Into<String>,
        tunnel_type: TunnelType,
    ) -> CreateTunnelRequest {
        CreateTunnelRequest {
            table_name: table_name.into(),
            tunnel_name: tunnel_name.into(),
            tunnel_type,
            stream_tunnel_config: None,
            need_all_time_series_columns: false,
        }
    }

    /// The stretch of the change log that the tunnel delivers.
    ///
    /// Defaults to all changes after the tunnel was created.
    pub fn stream_tunnel_config(mut self, config: StreamTunnelConfig) -> CreateTunnelRequest {
        self.stream_tunnel_config = Some(config);
        self
    }
}

/// The answer to [`TunnelClient::create_tunnel`](crate::TunnelClient::create_tunnel).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateTunnelResponse {
    /// The id of the new tunnel, which workers connect with.
    pub tunnel_id: String,
    /// The id of the request, to name to the service's support.
    pub request_id: String,
}

/// What [`TunnelClient::list_tunnel`](crate::TunnelClient::list_tunnel) asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListTunnelRequest {
    /// The table whose tunnels are listed.
    pub table_name: String,
}

impl ListTunnelRequest {
    /// All tunnels of a table.
    pub fn new(table_name: impl Into<String>) -> ListTunnelRequest {
        ListTunnelRequest {
            table_name: table_name.into(),
        }
    }
}

/// The answer to [`TunnelClient::list_tunnel`](crate::TunnelClient::list_tunnel).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListTunnelResponse {
    /// The tunnels, in the service's order.
    pub tunnels: Vec<TunnelInfo>,
    /// The id of the request, to name to the service's support.
    pub request_id: String,
}

/// What the service tells about a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TunnelInfo {
    /// What workers connect with.
    pub tunnel_id: String,
    /// The name, unique in its table; empty if the service left it out.
    pub tunnel_name: String,
    /// What it delivers.
    pub tunnel_type: TunnelType,
    /// Its table.
    pub table_name: String,
    /// The instance of the table.
    pub instance_name: String,
    /// The change log that it reads; empty for a tunnel of base data.
    pub stream_id: String,
    /// How far it has come.
    pub stage: TunnelStage,
    /// Whether changes that it still needed are gone, so that only a new tunnel
    /// helps.
    pub expired: bool,
    /// When it was created, if the service says so.
    pub create_time: Option<OffsetDateTime>,
    /// The stretch of the change log, if the service names one.
    pub stream_tunnel_config: Option<StreamTunnelConfig>,
}

/// What [`TunnelClient::describe_tunnel`](crate::TunnelClient::describe_tunnel) asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescribeTunnelRequest {
    /// The table.
    pub table_name: String,
    /// The tunnel.
    pub tunnel_name: String,
}

impl DescribeTunnelRequest {
    /// The tunnel of this name.
    pub fn new(
        table_name: impl Into<String>,
        tunnel_name: impl Into<String>,
    ) -> DescribeTunnelRequest {
        DescribeTunnelRequest {
            table_name: table_name.into(),
            tunnel_name: tunnel_name.into(),
        }
    }
}

/// The answer to [`TunnelClient::describe_tunnel`](crate::TunnelClient::describe_tunnel).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescribeTunnelResponse {
    /// The tunnel itself.
    pub tunnel: TunnelInfo,
    /// Its channels; none while it is being set up.
    pub channels: Vec<ChannelInfo>,
    /// Up to when changes have been consumed by the slowest channel; none
    /// before any were. Go: `TunnelRPO`, in nanoseconds since the epoch.
    pub tunnel_rpo: Option<OffsetDateTime>,
    /// The id of the request, to name to the service's support.
    pub request_id: String,
}

/// What [`TunnelClient::delete_tunnel`](crate::TunnelClient::delete_tunnel) asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteTunnelRequest {
    /// The table.
    pub table_name: String,
    /// The tunnel.
    pub tunnel_name: String,
}

impl DeleteTunnelRequest {
    /// The tunnel of this name.
    pub fn new(
        table_name: impl Into<String>,
        tunnel_name: impl Into<String>,
    ) -> DeleteTunnelRequest {
        DeleteTunnelRequest {
            table_name: table_name.into(),
            tunnel_name: tunnel_name.into(),
        }
    }
}

/// The answer to [`TunnelClient::delete_tunnel`](crate::TunnelClient::delete_tunnel).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteTunnelResponse {
    /// The id of the request, to name to the service's support.
    pub request_id: String,
}
