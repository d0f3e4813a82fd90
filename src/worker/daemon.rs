//! [`TunnelWorkerDaemon`]: makes a worker, and another one when it is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::{error, warn};

use super::predecessors::Predecessors;
use super::reconnects::{LastSession, Reconnects};
use super::report::{ChannelReport, ShutdownReport};
use super::running::RunningDaemon;
use super::status::failures::full_text;
use super::status::outages::Asked;
use super::status::worker::WorkerStatus;
use super::worker::TunnelWorker;
use crate::client::TunnelClient;
use crate::clock::{self, Clock, Stop};
use crate::config::TunnelWorkerConfig;
use crate::error::TunnelError;
use crate::observer::{Health, OwnedEvent, WorkerSnapshot};
use crate::policy::Reaction;
use crate::sync::Mutex;
use crate::user_code::in_user_code;

/// Consumes a tunnel until it is closed. When the session is lost it connects again,
/// with a new worker: the first time after a random pause of up to 1 s, then with
/// backoff and jitter after up to 10 s.
///
/// Failures that pass never end it: an overloaded or failing service, a broken network,
/// a credentials provider that fails, answers that cannot be read, error codes that this
/// version does not know. What ends it is listed at [`run`](Self::run).
///
/// Go: `TunnelWorkerDaemon`. Clones are handles to the same daemon, so
/// [`close`](Self::close) can be called from anywhere.
///
/// ```no_run
/// # use tablestore_tunnel::{SimpleProcessFactory, TunnelClient, TunnelError, TunnelWorkerConfig, TunnelWorkerDaemon};
/// # fn main() -> Result<(), TunnelError> {
/// # let client = TunnelClient::new("https://i.cn-hangzhou.ots.aliyuncs.com", "i", "id", "secret")?;
/// # let config = TunnelWorkerConfig::builder(SimpleProcessFactory::new(|_, _| Ok(()))).build()?;
/// let daemon = TunnelWorkerDaemon::new(client, "tunnel id", config);
/// let handle = daemon.clone();
/// std::thread::spawn(move || {
///     // ... when the program is to end:
///     handle.close();
/// });
/// daemon.run()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TunnelWorkerDaemon {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: TunnelClient,
    tunnel_id: String,
    config: TunnelWorkerConfig,
    predecessors: Predecessors,
    status: Arc<WorkerStatus>,
    /// No further worker is made.
    closed: Stop,
    /// Whether a thread is in `run`.
    running: AtomicBool,
    /// The worker at work, or the last one.
    worker: Mutex<Option<TunnelWorker>>,
    /// How far the channels of the last session came, if it was lost.
    lost: Mutex<ShutdownReport>,
    /// Shared by the threads that send requests of a session, to count them.
    at_work: Arc<()>,
}

/// With more threads that still send requests of earlier sessions, a daemon does not
/// connect: they hang in the program's credentials provider, and each session would add
/// two.
const MAX_EARLIER_REQUESTS: usize = 2;

/// How often it looks whether they have ended.
const EARLIER_REQUESTS_PAUSE: Duration = Duration::from_secs(1);

impl TunnelWorkerDaemon {
    /// A daemon for the tunnel with this id. Nothing happens until
    /// [`run`](Self::run).
    ///
    /// Go: `NewTunnelDaemon`.
    pub fn new(
        client: TunnelClient,
        tunnel_id: impl Into<String>,
        config: TunnelWorkerConfig,
    ) -> TunnelWorkerDaemon {
        let tunnel_id = tunnel_id.into();
        TunnelWorkerDaemon {
            inner: Arc::new(Inner {
                client,
                status: WorkerStatus::for_daemon(&tunnel_id, &config.settings),
                tunnel_id,
                predecessors: Predecessors::new(&config.settings.clock),
                closed: Stop::new(&config.settings.clock),
                config,
                running: AtomicBool::new(false),
                worker: Mutex::new(None),
                lost: Mutex::default(),
                at_work: Arc::default(),
            }),
        }
    }

    /// Consumes the tunnel until [`close`](Self::close). Blocks; the work is done on
    /// threads of the worker's own. Dropping other handles does not end it;
    /// [`spawn`](Self::spawn) gives one that does.
    ///
    /// Go: `Run`.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ClientError`](crate::ErrorCode::ClientError) while another
    /// thread is in `run`: each daemon is one client of the tunnel. Otherwise what no new
    /// connection can help:
    ///
    /// - `OTSParameterInvalid` (no such tunnel, say), `OTSPermissionDenied` and
    ///   `OTSTunnelExpired`, whenever the service answers so to a connect or a heartbeat,
    ///   the last also to any request of a channel;
    /// - `OTSAuthFailed` (and any other 401 or 403) on the first connect, or if connects
    ///   have been answered so for the heartbeat timeout;
    /// - on the first connect, what is set up wrongly: a certificate that is refused, a
    ///   proxy that answers 403 or 407, an address or a header that cannot be used, and a
    ///   [`CredentialsError`](crate::CredentialsError) of the provider.
    ///
    /// Before it returns, the session is given back: callbacks that run may finish within
    /// the [`shutdown_timeout`](crate::TunnelWorkerConfigBuilder::shutdown_timeout) and
    /// processed tokens are saved. Everything else is logged and tried again.
    pub fn run(&self) -> Result<(), TunnelError> {
        self.run_as(AtWork::begin(&self.inner)?)
    }

    /// [`run`](Self::run) on a thread of its own, which ends when the
    /// [`RunningDaemon`] is dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ClientError`](crate::ErrorCode::ClientError) while another
    /// thread is in `run`, or if no thread could be started.
    pub fn spawn(&self) -> Result<RunningDaemon, TunnelError> {
        let at_work = AtWork::begin(&self.inner)?;
        let daemon = self.clone();
        RunningDaemon::start(self.clone(), move || daemon.run_as(at_work))
    }

    /// What the daemon's worker is at, without stopping it; counts go on over
    /// all its workers. May be called from any thread at any time, also inside
    /// a callback.
    pub fn snapshot(&self) -> WorkerSnapshot {
        self.inner.status.snapshot()
    }

    /// Whether that is well: [`WorkerSnapshot::health`] of a snapshot now.
    pub fn health(&self) -> Health {
        self.snapshot().health()
    }

    fn run_as(&self, _at_work: AtWork) -> Result<(), TunnelError> {
        // However this thread leaves, health must show that the daemon is gone.
        let _ended = ShowEnd(&self.inner.status);
        self.clock().task().run(|| self.work())
    }

    fn work(&self) -> Result<(), TunnelError> {
        let inner = &*self.inner;
        let mut reconnects = Reconnects::new(inner.config.settings.heartbeat_timeout);
        while let Some(worker) = self.next_worker()? {
            let Err(error) = worker.connect_and_working() else {
                return Ok(());
            };
            if inner.closed.is_triggered() {
                self.drop_later(error);
                return Ok(());
            }
            let session = match (worker.was_connected(), inner.status.was_answered()) {
                (false, _) => LastSession::NotConnected,
                (true, false) => LastSession::NotAnswered,
                (true, true) => LastSession::Worked,
            };
            let now = self.clock().now();
            let (reaction, pause) = reconnects.next(&error, session, now, fastrand::f64());
            if reaction == Reaction::EndDaemon {
                error!(
                    "tunnel {}: cannot go on: {}",
                    inner.tunnel_id,
                    full_text(&error)
                );
                return Err(error);
            }
            if session != LastSession::NotConnected {
                *inner.lost.lock() = worker.report();
            }
            self.report_reconnect(session, reaction, pause, error);
            inner.closed.wait_for(pause);
            self.wait_for_earlier_requests();
        }
        Ok(())
    }

    fn wait_for_earlier_requests(&self) {
        let inner = &*self.inner;
        // The daemon and its last worker share it, too.
        let has_many = || Arc::strong_count(&inner.at_work) > 2 + MAX_EARLIER_REQUESTS;
        if has_many() {
            warn!(
                "tunnel {}: requests of earlier sessions hang, waiting for them",
                inner.tunnel_id
            );
        }
        while has_many() && !inner.closed.wait_for(EARLIER_REQUESTS_PAUSE) {}
    }

    /// Its causes may be the program's, and `run` must not wait for their drop.
    fn drop_later(&self, error: impl Send + 'static) {
        self.inner.config.io.drop_later(error);
    }

    fn report_reconnect(
        &self,
        session: LastSession,
        reaction: Reaction,
        pause: Duration,
        error: TunnelError,
    ) {
        let inner = &*self.inner;
        match session {
            LastSession::NotConnected => {
                let outages = &inner.status.outages;
                outages.failed(Asked::Connect, None, &error, reaction, pause);
                inner.status.connect_failed(&error);
            }
            LastSession::NotAnswered | LastSession::Worked => warn!(
                "tunnel {}: session over, connecting again in {:?}: {}",
                inner.tunnel_id,
                clock::rounded(pause),
                full_text(&error)
            ),
        }
        inner.status.reconnecting();
        let Some(observer) = &inner.config.settings.observer else {
            return self.drop_later(error);
        };
        let reconnecting = OwnedEvent::Reconnecting { pause, error };
        if let Err(missed) = observer.notify(&inner.tunnel_id, "", reconnecting) {
            self.drop_later(missed);
        }
    }

    /// Ends [`run`](Self::run), for good, and waits until it is done or the
    /// configured [`shutdown_timeout`](crate::TunnelWorkerConfigBuilder::shutdown_timeout)
    /// has passed; see [`TunnelWorker::shutdown`] for what happens.
    ///
    /// Go: `Close`. May be called from any thread, also inside a callback
    /// (where it only asks and returns), more than once, and before `run`,
    /// which then returns at once. Also waits for callbacks of channels that
    /// were lost earlier.
    pub fn close(&self) -> ShutdownReport {
        self.close_within(self.inner.config.settings.shutdown_timeout)
    }

    /// [`close`](Self::close) with another deadline; zero and [`Duration::MAX`] mean
    /// what they mean for [`TunnelWorker::shutdown`].
    pub fn close_within(&self, deadline: Duration) -> ShutdownReport {
        self.inner.closed.trigger();
        let until = clock::after(self.clock().now(), deadline);
        let worker = self.inner.worker.lock().clone();
        let mut report = match worker {
            Some(worker) => {
                let mut report = worker.shutdown(deadline);
                // Nothing has been consumed since the session that was lost.
                if !worker.was_connected() {
                    report
                        .channels
                        .extend(self.inner.lost.lock().channels.clone());
                }
                report
            }
            None => {
                self.inner.status.ended();
                ShutdownReport {
                    is_complete: true,
                    ..ShutdownReport::default()
                }
            }
        };
        if report.is_complete {
            self.wait_for_lost(until, &mut report);
        }
        report
    }

    /// Waits for the callbacks of channels that were lost while they ran:
    /// nothing of them is saved, but the program may be about to end.
    fn wait_for_lost(&self, until: Instant, report: &mut ShutdownReport) {
        if in_user_code() {
            return;
        }
        for channel_id in self.inner.predecessors.wait_until_ended(until) {
            let is_known = |channel: &ChannelReport| channel.channel_id == *channel_id;
            if !report.abandoned().any(is_known) {
                report.channels.push(ChannelReport {
                    channel_id: channel_id.to_string(),
                    is_abandoned: true,
                    ..ChannelReport::default()
                });
            }
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.inner.closed.clock()
    }

    /// The next worker, unless the daemon has been closed.
    fn next_worker(&self) -> Result<Option<TunnelWorker>, TunnelError> {
        let inner = &*self.inner;
        let worker = TunnelWorker::new(
            inner.client.api().clone(),
            inner.tunnel_id.clone(),
            inner.config.clone(),
            inner.predecessors.clone(),
            inner.status.clone(),
            inner.at_work.clone(),
            // The daemon tries again itself.
            Duration::ZERO,
        )?;
        let previous = inner.worker.lock().replace(worker.clone());
        drop(previous);
        // Looked at only now: a close that missed this worker has fired before.
        Ok((!inner.closed.is_triggered()).then_some(worker))
    }
}

/// Shows that the daemon has ended, when dropped.
struct ShowEnd<'a>(&'a WorkerStatus);

impl Drop for ShowEnd<'_> {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// The right to be in `run`; given back when dropped.
struct AtWork(Arc<Inner>);

impl AtWork {
    fn begin(inner: &Arc<Inner>) -> Result<AtWork, TunnelError> {
        if inner.running.swap(true, Ordering::AcqRel) {
            return Err(TunnelError::client(
                "this daemon is running already; make another for a second worker, it can share the configuration",
            ));
        }
        Ok(AtWork(inner.clone()))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Release);
    }
}
