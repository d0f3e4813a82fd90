//! What every part of a session shares, and the events that they send to its loop.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Sender;

use super::board::Board;
use super::lease::Lease;
use super::pool::Pool;
use super::receipt::ChannelReceipt;
use super::state::ConnectionId;
use super::timers::Timer;
use crate::api::TunnelApi;
use crate::api::protocol::Channel;
use crate::config::Settings;
use crate::error::TunnelError;
use crate::observer::{Notice, WorkerEventKind};

/// One session: a client id that the service gave us, and what goes with it.
pub(crate) struct Link {
    pub(crate) api: Arc<dyn TunnelApi>,
    pub(crate) tunnel_id: Arc<str>,
    pub(crate) client_id: Arc<str>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) pool: Pool,
    pub(crate) lease: Lease,
    pub(crate) board: Arc<Board>,
    pub(crate) events: Sender<Event>,
}

impl Link {
    /// Tells the session's loop; a loop that is gone needs not know.
    pub(crate) fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Tells the observer now, on this thread. Not for the session's loop, nor
    /// while anything is held that others wait for.
    pub(crate) fn observe(&self, kind: WorkerEventKind<'_>) {
        if let Some(observer) = &self.settings.observer {
            observer.tell(&self.tunnel_id, &self.client_id, kind);
        }
    }

    /// Has the observer told; never waits.
    pub(crate) fn notify(&self, notice: Notice) {
        if let Some(observer) = &self.settings.observer {
            observer.notify(&self.tunnel_id, &self.client_id, notice);
        }
    }
}

/// What the loop of a session hears of.
#[derive(Debug)]
pub(crate) enum Event {
    /// The connect request has come back, with the client id.
    Connected(Result<String, TunnelError>),
    /// A heartbeat has come back, with the channels that we own now.
    Beat(Result<Vec<Channel>, TunnelError>),
    /// The last report and the shutdown request have been sent.
    Left,
    /// A connection begins to read.
    Opened(Arc<str>, ConnectionId),
    /// A connection has closed: nothing of it runs any more.
    Ended(Ended),
    /// Something is to happen later.
    Later(Instant, Timer),
    /// The worker is to shut down by this time.
    Shutdown(Instant),
}

/// The end of a connection.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) connection: ConnectionId,
    /// Nothing of the channel is left and the service knows `finished`.
    pub(crate) finished: bool,
    /// What became of it, if it had been opened.
    pub(crate) receipt: Option<ChannelReceipt>,
    /// Why it ended by itself, if it failed.
    pub(crate) error: Option<TunnelError>,
    pub(crate) channel_id: Arc<str>,
}
