//! What every part of a session shares, and the events that they send to its loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection_id::ConnectionId;
use super::lease::Lease;
use super::report::ChannelReport;
use super::status::channel::Totals;
use super::status::outages::Asked;
use super::status::worker::WorkerStatus;
use crate::clock::{Clock, Queue};
use crate::config::Settings;
use crate::error::{ErrorClass, TunnelError};
use crate::http::TunnelApi;
use crate::io_pool::IoPool;
use crate::limits::memory::MemoryBudget;
use crate::limits::parallel::Quota;
use crate::observer::{OwnedEvent, WorkerEventKind};
use crate::policy::Reaction;
use crate::pool::Pool;
use crate::protocol::Channel;
use crate::user_code::drop_user;

/// One session: a client id that the service gave us, and what goes with it.
pub(crate) struct SessionContext {
    pub(crate) api: Arc<dyn TunnelApi>,
    pub(crate) tunnel_id: Arc<str>,
    pub(crate) client_id: Arc<str>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) pool: Pool,
    pub(crate) io: IoPool,
    pub(crate) budget: MemoryBudget,
    /// None: any number of channels may be at work.
    pub(crate) quota: Option<Quota>,
    pub(crate) lease: Lease,
    pub(crate) status: Arc<WorkerStatus>,
    pub(crate) events: Queue<Event>,
}

impl SessionContext {
    /// What everything of the session goes by.
    pub(crate) fn clock(&self) -> &Clock {
        &self.settings.clock
    }

    /// Tells the session's loop; a loop that is gone needs not know.
    pub(crate) fn send(&self, event: Event) {
        if let Err(event) = self.events.push(event) {
            // Its error may be the program's.
            drop_user(event);
        }
    }

    /// Tells the observer now, on this thread. Not for the session's loop, nor
    /// while anything is held that others wait for.
    pub(crate) fn observe(&self, kind: WorkerEventKind<'_>) {
        if let Some(observer) = &self.settings.observer {
            observer.send(&self.tunnel_id, &self.client_id, kind);
        }
    }

    /// A request of a channel has failed and will be sent again after `pause`: logs it
    /// and has the observer told. Never waits.
    pub(crate) fn request_failed(
        &self,
        asked: Asked,
        channel_id: &Arc<str>,
        error: &TunnelError,
        reaction: Reaction,
        pause: Duration,
    ) {
        let outages = &self.status.outages;
        outages.failed(asked, Some(channel_id), error, reaction, pause);
        if self.settings.observer.is_some() {
            self.notify(OwnedEvent::RequestFailed {
                channel_id: channel_id.clone(),
                path: asked.path(),
                delay: pause,
                error: error.copy(),
            });
        }
    }

    /// Has the observer told; never waits.
    pub(crate) fn notify(&self, notice: OwnedEvent) {
        if let Some(observer) = &self.settings.observer
            && let Err(missed) = observer.notify(&self.tunnel_id, &self.client_id, notice)
        {
            self.io.drop_later(missed);
        }
    }
}

/// What the loop of a session hears of.
#[derive(Debug)]
pub(crate) enum Event {
    /// The connect request has come back, with the client id.
    Connected(Result<String, TunnelError>),
    /// A heartbeat has come back, with the channels that we own now.
    Heartbeat(Result<Vec<Channel>, TunnelError>),
    /// The thread that sends the requests has ended.
    RequestThreadEnded,
    /// The lease is in doubt: a heartbeat is to go out immediately.
    LeaseInDoubt,
    /// The last report and the shutdown request have been sent.
    Left,
    /// A connection is to close that has not begun to read, and never will.
    Unread(Arc<str>, ConnectionId),
    /// A connection has closed: nothing of it runs any more.
    Ended(Box<Ended>),
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
    /// It ended by itself, because of a failure of this class.
    pub(crate) failed: Option<ErrorClass>,
    /// For how long it was open.
    pub(crate) open_for: Duration,
    /// What it had done.
    pub(crate) totals: Totals,
    /// What became of it, if it had been opened.
    pub(crate) report: Option<ChannelReport>,
    /// Why the whole session has to end with it, if it does.
    pub(crate) fatal: Option<TunnelError>,
    pub(crate) channel_id: Arc<str>,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Give the batch that failed to the callback again.
    Resume(ConnectionId),
    /// Save what has been processed since the last checkpoint.
    Save(ConnectionId),
    /// Open the channel.
    Open(ConnectionId),
}

#[cfg(test)]
impl SessionContext {
    /// A session of an hour with a service that nobody can reach.
    pub(crate) fn for_tests() -> Arc<SessionContext> {
        let factory = crate::SimpleProcessFactory::new(|_, _| Ok(()));
        SessionContext::with_factory(factory)
    }

    /// The same, with this factory.
    pub(crate) fn with_factory(
        factory: impl crate::ChannelProcessorFactory + 'static,
    ) -> Arc<SessionContext> {
        let client = crate::TunnelClient::new("http://127.0.0.1:1", "instance", "id", "secret");
        let config = crate::TunnelWorkerConfig::builder(factory).pool_threads(1);
        let config = config.build().expect("config");
        let clock = &config.settings.clock;
        let hour = Duration::from_secs(3600);
        Arc::new(SessionContext {
            api: client.expect("client").api().clone(),
            tunnel_id: "tunnel".into(),
            client_id: "client".into(),
            settings: config.settings.clone(),
            pool: config.pool.clone(),
            io: config.io.clone(),
            budget: config.budget.clone(),
            quota: None,
            lease: Lease::new(clock, clock.now(), clock.utc(), hour, || ()),
            status: WorkerStatus::for_worker("tunnel", &config.settings),
            events: Queue::new(clock),
        })
    }
}
