//! Converts between the messages of the protocol and the public model.
//!
//! Checks requests before they are sent. Fields that the service omits in a response
//! become `None` or empty.

use time::{Duration, OffsetDateTime};

use super::names::{check_given, check_id, check_name};
use super::rpo;
use crate::error::TunnelError;
use crate::http::{Answered, failure};
use crate::record::RawBatch;
use crate::{model as m, protocol as p};

pub(crate) fn create_request(
    request: &m::CreateTunnelRequest,
) -> Result<p::CreateTunnelRequest, TunnelError> {
    check_name("table name", &request.table_name)?;
    check_name("tunnel name", &request.tunnel_name)?;
    let config = request.stream_tunnel_config.as_ref();
    Ok(p::CreateTunnelRequest {
        tunnel: p::Tunnel {
            table_name: request.table_name.clone(),
            tunnel_name: request.tunnel_name.clone(),
            tunnel_type: tunnel_type(&request.tunnel_type)?.into(),
            stream_tunnel_config: config.map(stream_config).transpose()?,
            // Sent even when false, as the Go SDK does.
            need_all_time_series_columns: Some(request.need_all_time_series_columns),
        },
    })
}

pub(crate) fn list_request(
    request: &m::ListTunnelRequest,
) -> Result<p::ListTunnelRequest, TunnelError> {
    check_name("table name", &request.table_name)?;
    Ok(p::ListTunnelRequest {
        table_name: Some(request.table_name.clone()),
    })
}

pub(crate) fn describe_request(
    request: &m::DescribeTunnelRequest,
) -> Result<p::DescribeTunnelRequest, TunnelError> {
    check_name("table name", &request.table_name)?;
    check_name("tunnel name", &request.tunnel_name)?;
    Ok(p::DescribeTunnelRequest {
        table_name: request.table_name.clone(),
        tunnel_name: request.tunnel_name.clone(),
        tunnel_id: None,
    })
}

pub(crate) fn delete_request(
    request: &m::DeleteTunnelRequest,
) -> Result<p::DeleteTunnelRequest, TunnelError> {
    check_name("table name", &request.table_name)?;
    check_name("tunnel name", &request.tunnel_name)?;
    Ok(p::DeleteTunnelRequest {
        table_name: request.table_name.clone(),
        tunnel_name: request.tunnel_name.clone(),
        tunnel_id: None,
    })
}

pub(crate) fn rpo_request(request: &m::GetRpoRequest) -> Result<p::GetRpoRequest, TunnelError> {
    check_id("tunnel id", &request.tunnel_id)?;
    Ok(p::GetRpoRequest {
        tunnel_id: Some(request.tunnel_id.clone()),
        limit: request.limit,
    })
}

pub(crate) fn schedule_request(
    request: &m::ScheduleRequest,
) -> Result<p::ScheduleRequest, TunnelError> {
    check_id("tunnel id", &request.tunnel_id)?;
    let channels = request.channels.iter().map(schedule_channel);
    Ok(p::ScheduleRequest {
        tunnel_id: request.tunnel_id.clone(),
        channels: channels.collect::<Result<_, _>>()?,
    })
}

pub(crate) fn get_checkpoint_request(
    request: &m::GetCheckpointRequest,
) -> Result<p::GetCheckpointRequest, TunnelError> {
    check_id("tunnel id", &request.tunnel_id)?;
    check_id("channel id", &request.channel_id)?;
    Ok(p::GetCheckpointRequest {
        tunnel_id: request.tunnel_id.clone(),
        client_id: request.client_id.clone(),
        channel_id: request.channel_id.clone(),
    })
}

pub(crate) fn checkpoint_request(
    request: &m::CheckpointRequest,
) -> Result<p::CheckpointRequest, TunnelError> {
    check_id("tunnel id", &request.tunnel_id)?;
    check_id("channel id", &request.channel_id)?;
    check_given("checkpoint", &request.checkpoint)?;
    Ok(p::CheckpointRequest {
        tunnel_id: request.tunnel_id.clone(),
        client_id: request.client_id.clone(),
        channel_id: request.channel_id.clone(),
        checkpoint: request.checkpoint.clone(),
        sequence_number: request.sequence_number,
    })
}

pub(crate) fn read_records_request(
    request: &m::ReadRecordsRequest,
) -> Result<p::ReadRecordsRequest, TunnelError> {
    check_id("tunnel id", &request.tunnel_id)?;
    check_id("channel id", &request.channel_id)?;
    check_given("token", &request.token)?;
    Ok(p::ReadRecordsRequest {
        tunnel_id: request.tunnel_id.clone(),
        client_id: request.client_id.clone(),
        channel_id: request.channel_id.clone(),
        token: request.token.clone(),
    })
}

pub(crate) fn create_response(
    response: Answered<p::CreateTunnelResponse>,
) -> m::CreateTunnelResponse {
    m::CreateTunnelResponse {
        tunnel_id: response.message.tunnel_id,
        request_id: response.request_id,
    }
}

pub(crate) fn list_response(response: Answered<p::ListTunnelResponse>) -> m::ListTunnelResponse {
    let tunnels = response.message.tunnels.into_iter();
    m::ListTunnelResponse {
        tunnels: tunnels.map(tunnel_info).collect(),
        request_id: response.request_id,
    }
}

pub(crate) fn describe_response(
    response: Answered<p::DescribeTunnelResponse>,
) -> m::DescribeTunnelResponse {
    let channels = response.message.channels.into_iter();
    m::DescribeTunnelResponse {
        tunnel: tunnel_info(response.message.tunnel),
        channels: channels.map(channel_info).collect(),
        tunnel_rpo: response.message.tunnel_rpo.and_then(time_of),
        request_id: response.request_id,
    }
}

pub(crate) fn rpo_response(
    action: &str,
    response: Answered<p::GetRpoResponse>,
) -> Result<m::GetRpoResponse, TunnelError> {
    let Answered {
        message,
        request_id,
    } = response;
    let malformed = |error: serde_json::Error| {
        failure::malformed(action, "its JSON does not parse")
            .with_source(error)
            .with_request_id(&request_id)
    };
    Ok(m::GetRpoResponse {
        rpo_infos: rpo::channels(message.rpo_infos.as_deref()).map_err(malformed)?,
        tunnel_rpo_infos: rpo::tunnels(message.tunnel_rpo_infos.as_deref()).map_err(malformed)?,
        tunnel_id: message.tunnel_id.filter(|id| !id.is_empty()),
        request_id,
    })
}

pub(crate) fn get_checkpoint_response(
    response: Answered<p::GetCheckpointResponse>,
) -> m::GetCheckpointResponse {
    m::GetCheckpointResponse {
        checkpoint: response.message.checkpoint().to_owned(),
        sequence_number: response.message.sequence_number(),
        request_id: response.request_id,
    }
}

pub(crate) fn read_records_response(
    batch: RawBatch,
) -> Result<m::ReadRecordsResponse, TunnelError> {
    Ok(m::ReadRecordsResponse {
        records: batch
            .records()?
            .iter()
            .map(|record| record.share())
            .collect(),
        next_token: batch.next_token,
        may_more_record: batch.may_more_record,
        size: batch.body.len(),
        request_id: batch.request_id,
    })
}

fn tunnel_type(tunnel_type: &m::TunnelType) -> Result<p::TunnelType, TunnelError> {
    match tunnel_type {
        m::TunnelType::BaseData => Ok(p::TunnelType::BaseData),
        m::TunnelType::Stream => Ok(p::TunnelType::Stream),
        m::TunnelType::BaseAndStream => Ok(p::TunnelType::BaseAndStream),
        m::TunnelType::Unknown(name) => Err(TunnelError::client(format!(
            "a tunnel of type \"{}\" cannot be created: use BaseData, Stream or BaseAndStream",
            name.escape_debug()
        ))),
    }
}

fn schedule_channel(channel: &m::ScheduleChannel) -> Result<p::Channel, TunnelError> {
    check_id("channel id", &channel.channel_id)?;
    let status = match &channel.channel_status {
        m::ChannelStatus::Open => p::ChannelStatus::Open,
        m::ChannelStatus::Closing => p::ChannelStatus::Closing,
        m::ChannelStatus::Close => p::ChannelStatus::Close,
        m::ChannelStatus::Terminated => p::ChannelStatus::Terminated,
        status @ (m::ChannelStatus::Wait | m::ChannelStatus::Unknown(_)) => {
            return Err(TunnelError::client(format!(
                "a channel cannot be given the status \"{}\": use OPEN, CLOSING, CLOSE or TERMINATED",
                status.as_str().escape_debug()
            )));
        }
    };
    Ok(p::Channel {
        channel_id: channel.channel_id.clone(),
        // The service assigns the version.
        version: 0,
        status: status.into(),
        detail: None,
    })
}

fn stream_config(config: &m::StreamTunnelConfig) -> Result<p::StreamTunnelConfig, TunnelError> {
    // The service accepts either a flag or a start offset; an offset of 0 means none.
    let (flag, start_offset) = match config.start {
        m::StartOffset::Latest => (Some(p::StartOffsetFlag::Latest), None),
        m::StartOffset::Earliest => (Some(p::StartOffsetFlag::Earliest), None),
        m::StartOffset::At(time) => (None, Some(nanos_of("start", time)?)),
    };
    let end_offset = config.end.map(|time| nanos_of("end", time)).transpose()?;
    if let (Some(start), Some(end)) = (start_offset, end_offset)
        && end <= start
    {
        let message = "the stream tunnel config ends before it starts; set a later end";
        return Err(TunnelError::client(message));
    }
    Ok(p::StreamTunnelConfig {
        flag: flag.map(Into::into),
        start_offset,
        end_offset,
    })
}

/// Converts a time to nanoseconds since the epoch. Fails for times that the protocol
/// cannot represent: it uses an unsigned number, and 0 means none.
fn nanos_of(what: &str, time: OffsetDateTime) -> Result<u64, TunnelError> {
    let nanos = u64::try_from(time.unix_timestamp_nanos()).ok();
    nanos.filter(|nanos| *nanos != 0).ok_or_else(|| {
        TunnelError::client(format!(
            "the {what} {time} of the stream tunnel config is out of range; use a time between \
             1970 and 2554"
        ))
    })
}

fn tunnel_info(info: p::TunnelInfo) -> m::TunnelInfo {
    m::TunnelInfo {
        tunnel_id: info.tunnel_id,
        tunnel_name: info.tunnel_name.unwrap_or_default(),
        tunnel_type: info.tunnel_type.into(),
        table_name: info.table_name,
        instance_name: info.instance_name,
        stream_id: info.stream_id,
        stage: info.stage.into(),
        expired: info.expired.unwrap_or_default(),
        create_time: info.create_time.and_then(time_of),
        stream_tunnel_config: info.stream_tunnel_config.map(stream_config_of),
    }
}

fn channel_info(info: p::ChannelInfo) -> m::ChannelInfo {
    m::ChannelInfo {
        channel_id: info.channel_id,
        channel_type: info.channel_type.unwrap_or_default().into(),
        channel_status: info.channel_status.unwrap_or_default().into(),
        client_id: info.client_id.unwrap_or_default(),
        channel_rpo: info.channel_rpo.and_then(time_of),
        channel_count: info.channel_count,
    }
}

fn stream_config_of(config: p::StreamTunnelConfig) -> m::StreamTunnelConfig {
    let start = config.start_offset.filter(|nanos| *nanos != 0);
    let end = config.end_offset.filter(|nanos| *nanos != 0);
    let start = match (start, config.flag()) {
        (Some(nanos), _) => m::StartOffset::At(offset_of(nanos)),
        (None, p::StartOffsetFlag::Earliest) => m::StartOffset::Earliest,
        (None, p::StartOffsetFlag::Latest) => m::StartOffset::Latest,
    };
    m::StreamTunnelConfig {
        start,
        end: end.map(offset_of),
    }
}

/// Converts nanoseconds since the epoch to a time; `None` for 0.
///
/// Cannot overflow: the nanoseconds of an `i64` or a `u64` cover the years 1677 to 2554,
/// which an `OffsetDateTime` can represent.
fn time_of(nanos: i64) -> Option<OffsetDateTime> {
    (nanos != 0).then(|| OffsetDateTime::UNIX_EPOCH + Duration::nanoseconds(nanos))
}

/// Like [`time_of`], for the unsigned offsets of a stream tunnel config.
fn offset_of(nanos: u64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + std::time::Duration::from_nanos(nanos)
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
