//! Requests to create, list, describe and delete tunnels, and their responses.

use time::OffsetDateTime;

use super::channel::ChannelInfo;
use super::start::StreamTunnelConfig;
use super::string_enum;

string_enum! {
    /// The kind of data that a tunnel delivers.
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
    /// The stage of a tunnel.
    TunnelStage {
        /// The tunnel is being initialized, and has no channels yet.
        InitBaseDataAndStreamShard = "InitBaseDataAndStreamShard",
        /// The tunnel delivers base data.
        ProcessBaseData = "ProcessBaseData",
        /// The tunnel delivers changes. A tunnel without a stream also reaches this stage,
        /// once its base data has been consumed.
        ProcessStream = "ProcessStream",
    }
}

/// The request of [`TunnelClient::create_tunnel`](crate::TunnelClient::create_tunnel).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateTunnelRequest {
    /// Name of an existing table.
    pub table_name: String,
    /// Name of the new tunnel, unique in the table.
    pub tunnel_name: String,
    /// The kind of data that the tunnel delivers. Go: `Type`.
    pub tunnel_type: TunnelType,
    /// The part of the change log that the tunnel delivers. Defaults to `None`, which
    /// means [`StreamTunnelConfig::latest`].
    pub stream_tunnel_config: Option<StreamTunnelConfig>,
    /// An option for time series tables, which the service has currently disabled. Go:
    /// `NeedAllTimeSeriesColumns`. Defaults to false.
    pub need_all_time_series_columns: bool,
}

impl CreateTunnelRequest {
    /// Creates a request for a tunnel that starts now. Names have 1 to 255 bytes.
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

    /// Sets the part of the change log that the tunnel delivers. Defaults to all changes
    /// after the tunnel was created.
    pub fn stream_tunnel_config(mut self, config: StreamTunnelConfig) -> CreateTunnelRequest {
        self.stream_tunnel_config = Some(config);
        self
    }
}

/// The response of [`TunnelClient::create_tunnel`](crate::TunnelClient::create_tunnel).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateTunnelResponse {
    /// Id of the new tunnel, which workers need to connect.
    pub tunnel_id: String,
    /// Id of the request; quote it when you contact the service's support.
    pub request_id: String,
}

/// The request of [`TunnelClient::list_tunnel`](crate::TunnelClient::list_tunnel).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListTunnelRequest {
    /// Name of the table whose tunnels to list.
    pub table_name: String,
}

impl ListTunnelRequest {
    /// Creates a request for all tunnels of a table.
    pub fn new(table_name: impl Into<String>) -> ListTunnelRequest {
        ListTunnelRequest {
            table_name: table_name.into(),
        }
    }
}

/// The response of [`TunnelClient::list_tunnel`](crate::TunnelClient::list_tunnel).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListTunnelResponse {
    /// The tunnels, in the order of the service.
    pub tunnels: Vec<TunnelInfo>,
    /// Id of the request; quote it when you contact the service's support.
    pub request_id: String,
}

/// The description of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TunnelInfo {
    /// Id of the tunnel, which workers need to connect.
    pub tunnel_id: String,
    /// Name of the tunnel, unique in its table; empty if the service omits it.
    pub tunnel_name: String,
    /// The kind of data that the tunnel delivers.
    pub tunnel_type: TunnelType,
    /// Name of the table.
    pub table_name: String,
    /// Name of the instance.
    pub instance_name: String,
    /// Id of the change log; empty for a tunnel without a stream.
    pub stream_id: String,
    /// Stage of the tunnel.
    pub stage: TunnelStage,
    /// Whether the log has lost changes that the tunnel has not delivered yet. Such a
    /// tunnel cannot continue, and has to be replaced by a new one.
    pub expired: bool,
    /// Time of creation; `None` if the service does not report it.
    pub create_time: Option<OffsetDateTime>,
    /// The part of the change log that the tunnel delivers; `None` if the service does not
    /// report it.
    pub stream_tunnel_config: Option<StreamTunnelConfig>,
}

/// The request of [`TunnelClient::describe_tunnel`](crate::TunnelClient::describe_tunnel).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescribeTunnelRequest {
    /// Name of the table.
    pub table_name: String,
    /// Name of the tunnel.
    pub tunnel_name: String,
}

impl DescribeTunnelRequest {
    /// Creates a request for one tunnel.
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

/// The response of [`TunnelClient::describe_tunnel`](crate::TunnelClient::describe_tunnel).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescribeTunnelResponse {
    /// The description of the tunnel.
    pub tunnel: TunnelInfo,
    /// The channels of the tunnel; empty while the tunnel is being initialized.
    pub channels: Vec<ChannelInfo>,
    /// Time up to which the slowest channel has consumed changes; `None` if no change has
    /// been consumed yet. Go: `TunnelRPO`, in nanoseconds since the epoch.
    pub tunnel_rpo: Option<OffsetDateTime>,
    /// Id of the request; quote it when you contact the service's support.
    pub request_id: String,
}

/// The request of [`TunnelClient::delete_tunnel`](crate::TunnelClient::delete_tunnel).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteTunnelRequest {
    /// Name of the table.
    pub table_name: String,
    /// Name of the tunnel.
    pub tunnel_name: String,
}

impl DeleteTunnelRequest {
    /// Creates a request to delete a tunnel.
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

/// The response of [`TunnelClient::delete_tunnel`](crate::TunnelClient::delete_tunnel).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteTunnelResponse {
    /// Id of the request; quote it when you contact the service's support.
    pub request_id: String,
}
