//! [`TunnelWorker`]: one connected client of a tunnel, from connect to shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::{debug, info};
use time::OffsetDateTime;

use super::context::{Event, SessionContext};
use super::lease::Lease;
use super::predecessors::Predecessors;
use super::report::ShutdownReport;
use super::session::event_loop::{End, Parts, Session};
use super::session::requests::{Call, RequestThread, SessionRequests};
use super::session::schedule::{HeartbeatSchedule, attempt_timeout};
use super::status::outages::Asked;
use super::status::worker::WorkerStatus;
use crate::client::TunnelClient;
use crate::clock::{self, Clock, Monitor, Queue, Stop};
use crate::config::TunnelWorkerConfig;
use crate::error::{ErrorClass, TunnelError};
use crate::http::TunnelApi;
use crate::http::message::names;
use crate::limits::parallel::Quota;
use crate::observer::{Health, OwnedEvent, WorkerSnapshot};
use crate::protocol::ClientConfig;
use crate::sync::catch_panic::catch_panic;
use crate::user_code::in_user_code;

/// How long [`TunnelWorker::shutdown`] waits beyond its deadline for a loop
/// that is late itself (a machine under load).
const PATIENCE: Duration = Duration::from_millis(500);

/// One client of a tunnel: connects, keeps its session alive and serves the
/// channels that the service gives it.
///
/// Go: `TunnelWorker`. Made by
/// [`TunnelClient::new_tunnel_worker`](crate::TunnelClient::new_tunnel_worker)
/// and used once; most programs use a
/// [`TunnelWorkerDaemon`](crate::worker::daemon::TunnelWorkerDaemon), which connects again
/// when a session is lost. Clones are handles to the same worker.
#[derive(Clone)]
pub struct TunnelWorker {
    inner: Arc<Inner>,
}

struct Inner {
    api: Arc<dyn TunnelApi>,
    tunnel_id: String,
    config: TunnelWorkerConfig,
    predecessors: Predecessors,
    status: Arc<WorkerStatus>,
    /// Shared by the threads that send requests.
    at_work: Arc<()>,
    /// To the session's loop, from the beginning: a shutdown can come first.
    events: Queue<Event>,
    /// For how long a connect is tried again.
    connect_again_for: Duration,
    was_connected: AtomicBool,
    life: Monitor<Life>,
}

/// For how long a worker without a daemon tries to connect.
const CONNECT_TIME: Duration = Duration::from_secs(35);

/// The single life of a worker.
enum Life {
    Ready,
    Started,
    Ended {
        report: ShutdownReport,
        /// For whoever runs the worker.
        result: Option<Result<(), TunnelError>>,
    },
}

impl Life {
    /// The report, once there is one.
    fn report(&self) -> Option<ShutdownReport> {
        match self {
            Life::Ended { report, .. } => Some(report.clone()),
            Life::Ready | Life::Started => None,
        }
    }
}

/// The end of a worker: makes its result known when dropped.
struct Ending<'a> {
    worker: &'a TunnelWorker,
    end: End,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let unknown = TunnelError::client("the heartbeat thread has ended unexpectedly");
        let end = std::mem::replace(&mut self.end, End::failed(unknown));
        self.worker.end(end.report, Some(end.result));
    }
}

/// Here and not beside the other methods, so that the meta API knows nothing of
/// workers.
impl TunnelClient {
    /// A worker that consumes a tunnel once it is started; `config` is shared,
    /// not copied.
    ///
    /// Most programs use a [`TunnelWorkerDaemon`](crate::TunnelWorkerDaemon),
    /// which makes its workers by itself. Sends nothing.
    ///
    /// Go: `NewTunnelWorker`.
    ///
    /// # Errors
    ///
    /// Code [`ClientError`](crate::ErrorCode::ClientError) if the id cannot be one.
    pub fn new_tunnel_worker(
        &self,
        tunnel_id: &str,
        config: &TunnelWorkerConfig,
    ) -> Result<TunnelWorker, TunnelError> {
        TunnelWorker::new(
            self.api().clone(),
            tunnel_id.to_owned(),
            config.clone(),
            Predecessors::new(&config.settings.clock),
            WorkerStatus::for_worker(tunnel_id, &config.settings),
            Arc::default(),
            CONNECT_TIME,
        )
    }
}

impl TunnelWorker {
    pub(crate) fn new(
        api: Arc<dyn TunnelApi>,
        tunnel_id: String,
        config: TunnelWorkerConfig,
        predecessors: Predecessors,
        status: Arc<WorkerStatus>,
        at_work: Arc<()>,
        connect_again_for: Duration,
    ) -> Result<TunnelWorker, TunnelError> {
        names::check_id("tunnel id", &tunnel_id)?;
        let clock = config.settings.clock.clone();
        Ok(TunnelWorker {
            inner: Arc::new(Inner {
                api,
                tunnel_id,
                config,
                predecessors,
                status,
                at_work,
                events: Queue::new(&clock),
                connect_again_for,
                was_connected: AtomicBool::new(false),
                life: Monitor::new(&clock, Life::Ready),
            }),
        })
    }

    /// Connects and works until [`shutdown`](Self::shutdown) or until the
    /// session is lost. Blocks; the work is done on threads of the worker's own.
    ///
    /// Go: `ConnectAndWorking`.
    ///
    /// # Errors
    ///
    /// Why the session could not begin or was lost: no connect succeeded within 35 s,
    /// the service no longer knows us (`OTSResourceGone`), no heartbeat has been answered
    /// for the heartbeat timeout, or the service refuses for good. Failures that pass do
    /// not end a session. `Ok` after a shutdown.
    /// [`ErrorCode::ClientError`](crate::ErrorCode::ClientError) when this worker has
    /// been started or shut down before.
    pub fn connect_and_working(&self) -> Result<(), TunnelError> {
        self.start()?;
        let worker = self.clone();
        let spawned = clock::spawn(self.clock(), "tunnel-heartbeat", move || worker.live());
        if let Err(error) = spawned {
            let error = TunnelError::client("the heartbeat thread could not be started")
                .with_source(error)
                .with_class(ErrorClass::Passing);
            self.inner.status.session_over(Some(&error));
            self.end(complete(), None);
            return Err(error);
        }
        let result = self.inner.life.wait_for(None, |life| match life {
            Life::Ended { result, .. } => Some(result.take()),
            Life::Ready | Life::Started => None,
        });
        // Only this thread takes the result.
        result.flatten().unwrap_or(Ok(()))
    }

    /// The heartbeat thread.
    fn live(&self) {
        let unknown = TunnelError::client("the worker has ended unexpectedly");
        // However this thread leaves, nobody must wait for the worker's end forever.
        let mut ending = Ending {
            worker: self,
            end: End::failed(unknown),
        };
        self.inner.status.connecting();
        // Our own code only, but a consumer must not end over a mistake in it.
        ending.end = catch_panic(|| self.work()).unwrap_or_else(End::failed);
        let error = ending.end.result.as_ref().err();
        self.inner.status.session_over(error);
    }

    fn end(&self, report: ShutdownReport, result: Option<Result<(), TunnelError>>) {
        *self.inner.life.lock() = Life::Ended { report, result };
        self.inner.life.notify();
    }

    /// Shuts the worker down: takes no new batches, lets running callbacks
    /// return, saves the last checkpoints, calls the shutdown callbacks, gives
    /// the channels back. Returns when that is done or at `deadline`, when the
    /// rest is abandoned: its records come again, the report names them. Zero
    /// abandons everything that is not idle; [`Duration::MAX`] waits for as long as
    /// callbacks run and the session holds.
    ///
    /// Go: `Shutdown`. May be called from any thread and more than once; all
    /// calls get the same report, and the earliest deadline counts. Inside a
    /// callback it only asks for the shutdown and returns a report that is
    /// not complete. Before the start it makes the worker unusable.
    pub fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let deadline = clock::after(self.clock().now(), deadline);
        if let Some(report) = self.end_unstarted() {
            return report;
        }
        // A closed queue means that the end is near.
        let _ = self.inner.events.push(Event::Shutdown(deadline));
        if in_user_code() {
            return ShutdownReport::default();
        }
        let until = clock::after(deadline, PATIENCE);
        let report = self.inner.life.wait_for(Some(until), |life| life.report());
        report.unwrap_or_default()
    }

    /// What the worker is at, without stopping it. May be called from any
    /// thread at any time, also inside a callback.
    pub fn snapshot(&self) -> WorkerSnapshot {
        self.inner.status.snapshot()
    }

    /// Whether that is well: [`WorkerSnapshot::health`] of a snapshot now.
    pub fn health(&self) -> Health {
        self.snapshot().health()
    }

    /// Whether it got a session.
    pub(crate) fn was_connected(&self) -> bool {
        self.inner.was_connected.load(Ordering::Acquire)
    }

    /// How far its channels came, once it has ended.
    pub(crate) fn report(&self) -> ShutdownReport {
        self.inner.life.lock().report().unwrap_or_default()
    }

    fn clock(&self) -> &Clock {
        &self.inner.config.settings.clock
    }

    fn start(&self) -> Result<(), TunnelError> {
        let mut life = self.inner.life.lock();
        match &*life {
            Life::Ready => {
                *life = Life::Started;
                Ok(())
            }
            Life::Started => Err(used("has already been started")),
            Life::Ended { .. } => Err(used("has ended")),
        }
    }

    /// The report, if the worker is not at work.
    fn end_unstarted(&self) -> Option<ShutdownReport> {
        let mut life = self.inner.life.lock();
        match &*life {
            Life::Started => return None,
            Life::Ended { report, .. } => return Some(report.clone()),
            Life::Ready => {}
        }
        *life = Life::Ended {
            report: complete(),
            result: None,
        };
        drop(life);
        self.inner.life.notify();
        self.inner.status.session_over(None);
        Some(complete())
    }

    fn work(&self) -> End {
        let inner = &*self.inner;
        let hang_up = Stop::new(self.clock());
        let (sent, sent_utc) = (self.clock().now(), self.clock().utc());
        let requests = self.requests(hang_up.clone());
        let calls = match self.request_thread(requests.clone()).spawn() {
            Ok(calls) => calls,
            Err(error) => return End::failed(error),
        };
        let end = match self.connected() {
            Connected::As(client_id) => {
                inner.was_connected.store(true, Ordering::Release);
                inner.status.outages.succeeded(Asked::Connect, None);
                info!("tunnel {}: connected as {client_id}", inner.tunnel_id);
                let session = self.session(client_id, sent, sent_utc);
                Session::new(Parts {
                    schedule: self.schedule(sent),
                    session,
                    calls: calls.clone(),
                    requests,
                    predecessors: inner.predecessors.clone(),
                })
                .run()
            }
            Connected::Failed(error) => End::failed(error),
            Connected::ShutDown => {
                // The service never gave us anything; should the connect still succeed,
                // the thread gives the session back.
                let _ = calls.push(Call::Leave);
                End {
                    result: Ok(()),
                    report: complete(),
                }
            }
        };
        hang_up.trigger();
        calls.close();
        inner.events.close();
        while let Some(event) = inner.events.try_pop() {
            // Its error may be the program's.
            inner.config.io.drop_later(event);
        }
        end
    }

    fn requests(&self, hang_up: Stop) -> SessionRequests {
        let inner = &*self.inner;
        let settings = &inner.config.settings;
        SessionRequests {
            api: inner.api.clone(),
            tunnel_id: inner.tunnel_id.clone(),
            attempt_timeout: attempt_timeout(
                settings.heartbeat_interval,
                settings.heartbeat_timeout,
            ),
            leaving: Stop::new(self.clock()),
            hang_up,
            at_work: inner.at_work.clone(),
        }
    }

    fn request_thread(&self, requests: SessionRequests) -> RequestThread {
        let inner = &*self.inner;
        let settings = &inner.config.settings;
        RequestThread {
            requests,
            client: ClientConfig {
                timeout: Some(whole_seconds(settings.heartbeat_timeout)),
                client_tag: Some(settings.client_tag.clone()),
            },
            connect_again_for: inner.connect_again_for,
            events: inner.events.clone(),
        }
    }

    fn schedule(&self, connected: Instant) -> HeartbeatSchedule {
        let settings = &self.inner.config.settings;
        HeartbeatSchedule::new(
            settings.heartbeat_interval,
            settings.heartbeat_timeout,
            connected,
        )
    }

    fn connected(&self) -> Connected {
        while let Ok(event) = self.inner.events.pop(None) {
            match event {
                Event::Connected(Ok(client_id)) => return Connected::As(client_id),
                Event::Connected(Err(error)) => return Connected::Failed(error),
                Event::Shutdown(_) => return Connected::ShutDown,
                // There is nothing else before.
                _ => debug!("tunnel {}: an event before connect", self.inner.tunnel_id),
            }
        }
        // The queue is closed only after the session.
        Connected::ShutDown
    }

    /// The session that was connected by a request sent at that time.
    fn session(
        &self,
        client_id: String,
        sent: Instant,
        sent_utc: OffsetDateTime,
    ) -> Arc<SessionContext> {
        let inner = &*self.inner;
        let settings = inner.config.settings.clone();
        let events = inner.events.clone();
        let on_doubt = move || {
            let _ = events.push(Event::LeaseInDoubt);
        };
        let timeout = settings.heartbeat_timeout;
        let lease = Lease::new(self.clock(), sent, sent_utc, timeout, on_doubt);
        let session = Arc::new(SessionContext {
            api: inner.api.clone(),
            tunnel_id: inner.tunnel_id.as_str().into(),
            client_id: client_id.into(),
            pool: inner.config.pool.clone(),
            io: inner.config.io.clone(),
            budget: inner.config.budget.clone(),
            quota: settings.reading.max_channel_parallel.map(Quota::new),
            settings,
            lease,
            status: inner.status.clone(),
            events: inner.events.clone(),
        });
        inner.status.connected(&session.client_id);
        session.notify(OwnedEvent::Connected);
        session
    }
}

impl std::fmt::Debug for TunnelWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let life = match &*self.inner.life.lock() {
            Life::Ready => "ready",
            Life::Started => "started",
            Life::Ended { .. } => "ended",
        };
        f.debug_struct("TunnelWorker")
            .field("tunnel_id", &self.inner.tunnel_id)
            .field("life", &life)
            .finish_non_exhaustive()
    }
}

/// What the connect request has come to.
enum Connected {
    As(String),
    Failed(TunnelError),
    ShutDown,
}

/// The report of a worker that had nothing open.
fn complete() -> ShutdownReport {
    ShutdownReport {
        is_complete: true,
        ..ShutdownReport::default()
    }
}

/// The service counts in whole seconds. Rounded up: it must not give our
/// channels away while we still hold them.
fn whole_seconds(timeout: Duration) -> i64 {
    // In nanoseconds, which a service may compute, this is within an `i64`.
    let timeout = clock::at_most_a_century(timeout);
    let up = u64::from(timeout.subsec_nanos() > 0);
    i64::try_from(timeout.as_secs().saturating_add(up)).unwrap_or(i64::MAX)
}

fn used(state: &str) -> TunnelError {
    TunnelError::client(format!(
        "this worker {state}; a worker is used once, make another or use TunnelWorkerDaemon"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_waits_no_shorter_than_we_do() {
        for (timeout, seconds) in [
            (Duration::from_secs(300), 300),
            (Duration::from_millis(3001), 4),
            (Duration::from_nanos(1), 1),
            (Duration::MAX, 100 * 365 * 24 * 3600),
        ] {
            assert_eq!(whole_seconds(timeout), seconds);
        }
    }
}
