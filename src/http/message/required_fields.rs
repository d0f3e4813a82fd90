//! Checks that responses are complete.
//!
//! The decoder sets missing required fields to their default. This module detects the
//! defaults that cannot be real values.

use crate::protocol as p;

/// A response that can check its required fields.
pub(crate) trait Complete {
    /// The name of a required field that is missing; `None` if the response is complete.
    fn missing(&self) -> Option<&'static str>;
}

/// The name of the first field that is empty.
fn first_empty(fields: &[(&'static str, &str)]) -> Option<&'static str> {
    let empty = fields.iter().find(|(_, value)| value.is_empty());
    empty.map(|(name, _)| *name)
}

impl Complete for p::CreateTunnelResponse {
    fn missing(&self) -> Option<&'static str> {
        first_empty(&[("tunnel_id", &self.tunnel_id)])
    }
}

impl Complete for p::ListTunnelResponse {
    fn missing(&self) -> Option<&'static str> {
        self.tunnels.iter().find_map(Complete::missing)
    }
}

impl Complete for p::DescribeTunnelResponse {
    fn missing(&self) -> Option<&'static str> {
        let channels = || self.channels.iter().find_map(Complete::missing);
        self.tunnel.missing().or_else(channels)
    }
}

impl Complete for p::TunnelInfo {
    /// Does not check the stream id and the instance name, which may be empty: a tunnel of
    /// base data has no stream.
    fn missing(&self) -> Option<&'static str> {
        first_empty(&[
            ("tunnel_id", &self.tunnel_id),
            ("tunnel_type", &self.tunnel_type),
            ("table_name", &self.table_name),
            ("stage", &self.stage),
        ])
    }
}

impl Complete for p::ChannelInfo {
    fn missing(&self) -> Option<&'static str> {
        first_empty(&[("channel_id", &self.channel_id)])
    }
}

impl Complete for p::ConnectResponse {
    fn missing(&self) -> Option<&'static str> {
        first_empty(&[("client_id", &self.client_id)])
    }
}

impl Complete for p::HeartbeatResponse {
    fn missing(&self) -> Option<&'static str> {
        let mut ids = self.channels.iter().map(|c| c.channel_id.as_str());
        ids.find_map(|id| first_empty(&[("channel_id", id)]))
    }
}

impl Complete for p::GetCheckpointResponse {
    fn missing(&self) -> Option<&'static str> {
        let given = [
            ("checkpoint", self.checkpoint.is_some()),
            ("sequence_number", self.sequence_number.is_some()),
        ];
        let missing = given.iter().find(|(_, is_given)| !is_given);
        missing.map(|(name, _)| *name)
    }
}

/// Implements [`Complete`] for responses without required fields.
macro_rules! always_complete {
    ($($message:ident),*) => {$(
        impl Complete for p::$message {
            fn missing(&self) -> Option<&'static str> {
                None
            }
        }
    )*};
}

always_complete!(
    CheckpointResponse,
    DeleteTunnelResponse,
    GetRpoResponse,
    ScheduleResponse,
    ShutdownResponse
);

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    fn missing<M: Message + Default + Complete>(body: &[u8]) -> Option<&'static str> {
        M::decode(body).expect("a message").missing()
    }

    #[test]
    fn an_empty_body_is_complete_where_nothing_is_required() {
        assert_eq!(missing::<p::CheckpointResponse>(b""), None);
        assert_eq!(missing::<p::DeleteTunnelResponse>(b""), None);
        assert_eq!(missing::<p::GetRpoResponse>(b""), None);
        assert_eq!(missing::<p::HeartbeatResponse>(b""), None);
        assert_eq!(missing::<p::ListTunnelResponse>(b""), None);
        assert_eq!(missing::<p::ScheduleResponse>(b""), None);
        assert_eq!(missing::<p::ShutdownResponse>(b""), None);
    }

    #[test]
    fn an_empty_body_is_incomplete_where_something_is() {
        assert_eq!(missing::<p::CreateTunnelResponse>(b""), Some("tunnel_id"));
        assert_eq!(missing::<p::ConnectResponse>(b""), Some("client_id"));
        assert_eq!(missing::<p::DescribeTunnelResponse>(b""), Some("tunnel_id"));
        assert_eq!(missing::<p::GetCheckpointResponse>(b""), Some("checkpoint"));
        let no_number = missing::<p::GetCheckpointResponse>(b"\x0a\x01t");
        assert_eq!(no_number, Some("sequence_number"));
        let empty_and_zero = missing::<p::GetCheckpointResponse>(b"\x0a\x00\x10\x00");
        assert_eq!(empty_and_zero, None);
    }

    #[test]
    fn nested_messages_are_checked() {
        let heartbeat = p::HeartbeatResponse {
            channels: vec![p::Channel::default()],
        };
        assert_eq!(heartbeat.missing(), Some("channel_id"));
        let list = p::ListTunnelResponse {
            tunnels: vec![p::TunnelInfo::default()],
        };
        assert_eq!(list.missing(), Some("tunnel_id"));
        let describe = p::DescribeTunnelResponse {
            tunnel: p::TunnelInfo {
                tunnel_id: "t".into(),
                tunnel_type: "Stream".into(),
                table_name: "a".into(),
                stage: "ProcessStream".into(),
                ..Default::default()
            },
            channels: vec![p::ChannelInfo::default()],
            tunnel_rpo: None,
        };
        assert_eq!(describe.missing(), Some("channel_id"));
    }
}
