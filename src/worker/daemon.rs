//! [`TunnelWorkerDaemon`]: makes a worker, and another one when it is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::{error, warn};
use parking_lot::Mutex;

use super::report::{ChannelReport, ShutdownReport};
use super::running::RunningDaemon;
use super::session::predecessors::Predecessors;
use super::status::failures::full_text;
use super::status::worker::WorkerStatus;
use super::worker::TunnelWorker;
use crate::client::TunnelClient;
use crate::clock::{self, Clock};
use crate::config::TunnelWorkerConfig;
use crate::error::{TunnelError, Verdict};
use crate::observer::{Health, OwnedEvent, WorkerSnapshot};
use crate::sync::catch_panic;
use crate::sync::stop::Stop;

/// The longest random pause before connecting again.
const MAX_RECONNECT_PAUSE_MS: u64 = 10_000;

/// Consumes a tunnel until told to stop: connects again when the session is
/// lost, with a new worker after a random pause of 1 ms to 10 s.
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
}

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
                predecessors: Predecessors::default(),
                closed: Stop::on(&config.settings.clock),
                config,
                running: AtomicBool::new(false),
                worker: Mutex::new(None),
            }),
        }
    }

    /// Consumes the tunnel until [`close`](Self::close). Blocks; the calling
    /// thread runs the worker's loop. Dropping other handles does not end it;
    /// [`spawn`](Self::spawn) gives one that does.
    ///
    /// Go: `Run`.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ClientError`](crate::ErrorCode::ClientError) while another
    /// thread is in `run`: each daemon is one client of the tunnel. Otherwise
    /// what no new connection can help: `OTSParameterInvalid` (no such tunnel,
    /// say), `OTSTunnelExpired`, `OTSPermissionDenied`, `OTSAuthFailed`.
    /// Everything else is logged and tried again.
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
        // From now on: a manual clock must not move before the thread begins.
        let task = self.clock().task();
        RunningDaemon::start(self.clone(), move || task.run(|| daemon.run_as(at_work)))
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
        let end = self.clock().task().run(|| self.work());
        self.inner.status.ended();
        end
    }

    fn work(&self) -> Result<(), TunnelError> {
        while let Some(worker) = self.next_worker()? {
            let Err(error) = worker.connect_and_working() else {
                return Ok(());
            };
            if self.inner.closed.is_triggered() {
                return Ok(());
            }
            if error.verdict() == Verdict::Fatal {
                error!("tunnel {}: cannot go on: {error}", self.inner.tunnel_id);
                return Err(error);
            }
            let pause = Duration::from_millis(fastrand::u64(1..=MAX_RECONNECT_PAUSE_MS));
            warn!(
                "tunnel {}: connecting again in {pause:?}: {}",
                self.inner.tunnel_id,
                full_text(&error)
            );
            self.tell_reconnect(pause, error);
            self.inner.closed.wait_for(pause);
        }
        Ok(())
    }

    fn tell_reconnect(&self, pause: Duration, error: TunnelError) {
        let inner = &*self.inner;
        inner.status.reconnecting();
        if let Some(observer) = &inner.config.settings.observer {
            observer.notify(
                &inner.tunnel_id,
                "",
                OwnedEvent::Reconnecting { pause, error },
            );
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

    /// [`close`](Self::close) with another deadline.
    pub fn close_within(&self, deadline: Duration) -> ShutdownReport {
        self.inner.closed.trigger();
        let until = clock::after(self.clock().now(), deadline);
        let worker = self.inner.worker.lock().clone();
        let mut report = match worker {
            Some(worker) => worker.shutdown(deadline),
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
        if catch_panic::in_user_code() {
            return;
        }
        for (channel_id, ended) in self.inner.predecessors.running() {
            let is_known = |channel: &ChannelReport| channel.channel_id == *channel_id;
            if !ended.wait_until(until) && !report.abandoned().any(is_known) {
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
        )?;
        let previous = inner.worker.lock().replace(worker.clone());
        drop(previous);
        // Looked at only now: a close that missed this worker has fired before.
        Ok((!inner.closed.is_triggered()).then_some(worker))
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
