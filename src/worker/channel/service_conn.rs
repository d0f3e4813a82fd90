//! [`ServiceConn`]: reads a channel from the service.

use std::sync::Arc;

use super::connection::Connection;
use crate::error::{ErrorCode, TunnelError};
use crate::http::TunnelApi;
use crate::limits::memory::Room;
use crate::processor::{ChannelBatch, ChannelConn};
use crate::protocol::ReadRecordsRequest;
use crate::sync::stop::Stop;

/// The worker's own connection. Go: what `channelConn` reads with.
pub(crate) struct ServiceConn {
    api: Arc<dyn TunnelApi>,
    /// Made once; only the token changes.
    request: ReadRecordsRequest,
    /// What its answers may take.
    room: Arc<Room>,
    closing: Stop,
}

impl ServiceConn {
    pub(crate) fn new(connection: &Connection, room: Arc<Room>) -> ServiceConn {
        let session = &connection.session;
        ServiceConn {
            api: session.api.clone(),
            request: ReadRecordsRequest {
                tunnel_id: session.tunnel_id.to_string(),
                client_id: session.client_id.to_string(),
                channel_id: connection.channel_id.to_string(),
                token: String::new(),
            },
            room,
            closing: connection.closing.clone(),
        }
    }
}

impl ChannelConn for ServiceConn {
    fn read(&mut self, token: &str) -> Result<ChannelBatch, TunnelError> {
        // A connection of the program's may call late, or on a thread of its own.
        if self.closing.is_triggered() {
            return Err(TunnelError::new(
                ErrorCode::ChannelLost,
                "the channel is closing, nothing is read",
            ));
        }
        self.request.token.clear();
        self.request.token.push_str(token);
        let room = |bytes| self.room.make(bytes);
        let batch = self.api.read_records(&self.request, &room)?;
        Ok(ChannelBatch::from_service(batch))
    }
}
