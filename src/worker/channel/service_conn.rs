//! [`ServiceConn`]: reads a channel from the service.

use std::sync::{Arc, Weak};

use super::connection::Connection;
use super::state::Phase;
use super::waits::lost_error;
use crate::error::TunnelError;
use crate::limits::memory::MemoryPermit;
use crate::processor::{ChannelBatch, ChannelConn};
use crate::protocol::ReadRecordsRequest;

/// The worker's own connection. Go: what `channelConn` reads with. Keeps nothing of the
/// channel, because a connection of the program's may keep it.
pub(super) struct ServiceConn {
    connection: Weak<Connection>,
    /// Made once; only the token changes.
    request: ReadRecordsRequest,
}

impl ServiceConn {
    pub(super) fn new(connection: &Arc<Connection>) -> ServiceConn {
        let session = &connection.session;
        ServiceConn {
            connection: Arc::downgrade(connection),
            request: ReadRecordsRequest {
                tunnel_id: session.tunnel_id.to_string(),
                client_id: session.client_id.to_string(),
                channel_id: connection.channel_id.to_string(),
                token: String::new(),
            },
        }
    }
}

impl ChannelConn for ServiceConn {
    fn read(&mut self, token: &str) -> Result<ChannelBatch, TunnelError> {
        let request = &mut self.request;
        // A connection of the program's may call late, or on a thread of its own.
        let connection = self.connection.upgrade();
        let Some(connection) = connection.filter(|connection| !connection.is_closing()) else {
            return Err(lost_error(&request.tunnel_id, &request.channel_id));
        };
        request.token.clear();
        request.token.push_str(token);
        let reserve = |bytes| connection.reserve(bytes);
        let batch = connection.session.api.read_records(request, &reserve)?;
        Ok(ChannelBatch::from_service(batch))
    }
}

impl Connection {
    /// Acquires memory for the response that is about to be read, without waiting.
    ///
    /// # Errors
    ///
    /// If the budget has not enough free bytes. The read then has to be abandoned.
    fn reserve(&self, bytes: usize) -> Result<(), TunnelError> {
        let permit = self.data.lock().reading.memory.take();
        let Some(mut permit) = permit else {
            // The worker does not read: the program reads by itself, which is not limited.
            return Ok(());
        };
        if permit.grow(bytes) {
            self.put_memory(permit);
            return Ok(());
        }
        drop(permit);
        self.data.lock().reading.rejected = Some(bytes);
        Err(TunnelError::client(
            "the response does not fit into the memory budget now; it will be read again later",
        ))
    }

    /// What the next read has of the memory budget from its beginning. Nothing in a channel
    /// that has closed meanwhile: the read may be the program's, and may hang.
    pub(super) fn put_memory(&self, permit: MemoryPermit) {
        let mut data = self.data.lock();
        data.reading.rejected = None;
        let unused = match data.state.phase() {
            Phase::Ended => Some(permit),
            _ => data.reading.memory.replace(permit),
        };
        drop(data);
        drop(unused);
    }

    /// What the last read has of the memory budget, and the size of its response if that
    /// was rejected.
    pub(super) fn take_memory(&self) -> (MemoryPermit, Option<usize>) {
        let mut data = self.data.lock();
        let (permit, rejected) = (data.reading.memory.take(), data.reading.rejected.take());
        drop(data);
        let permit = permit.unwrap_or_else(|| self.session.budget.empty_permit());
        (permit, rejected)
    }
}
