//! [`Consumers`]: the daemons and workers of a world, from their start to their end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tablestore_emulator::_core::Engine;
use tablestore_tunnel::_simulation as simulation;
use tablestore_tunnel::{
    RunningDaemon, ShutdownReport, TunnelClient, TunnelError, TunnelWorker, TunnelWorkerConfig,
    TunnelWorkerDaemon, WorkerSnapshot, WorkerState,
};

use crate::logging::note;
use crate::notes::{ConsumerId, Notes};
use crate::plan::{Ending, Kind};

/// How long a drop of a running daemon waits.
const DROP_DEADLINE: Duration = Duration::from_secs(5);

/// What is made of one consumer of the plan.
enum Handle {
    Daemon(TunnelWorkerDaemon),
    Running(TunnelWorkerDaemon, Option<RunningDaemon>),
    Worker(TunnelWorker),
}

/// What ends a consumer.
#[derive(Clone)]
enum Closer {
    Daemon(TunnelWorkerDaemon),
    Worker(TunnelWorker),
}

/// All consumers that were started.
#[derive(Default)]
pub(crate) struct Consumers(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    handles: BTreeMap<ConsumerId, Handle>,
    /// Whose next callback ends them.
    in_callback: BTreeSet<ConsumerId>,
    /// Whose `run` has returned.
    ended: BTreeSet<ConsumerId>,
    /// Threads that are in a call that ends a consumer.
    closing: usize,
}

/// What is needed to judge the end of a consumer.
#[derive(Clone)]
pub(crate) struct Judging {
    pub(crate) notes: Arc<Notes>,
    pub(crate) engine: Arc<Engine>,
    /// Whether reports must be exact.
    pub(crate) is_exact: bool,
    /// How much later than its deadline a shutdown may end.
    pub(crate) slack: Duration,
}

impl Consumers {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn start(
        self: &Arc<Consumers>,
        id: ConsumerId,
        kind: Kind,
        client: TunnelClient,
        tunnel: &str,
        config: &TunnelWorkerConfig,
    ) -> Result<(), TunnelError> {
        note(|| format!("consumer {id} starts: {kind:?}"));
        let daemon = |client| TunnelWorkerDaemon::new(client, tunnel, config.clone());
        let handle = match kind {
            Kind::Worker => {
                let worker = client.new_tunnel_worker(tunnel, config)?;
                let working = worker.clone();
                self.run(id, move || working.connect_and_working());
                Handle::Worker(worker)
            }
            Kind::Run => {
                let daemon = daemon(client);
                let running = daemon.clone();
                self.run(id, move || running.run());
                Handle::Daemon(daemon)
            }
            Kind::Spawn => {
                let daemon = daemon(client);
                let running = daemon.spawn()?;
                Handle::Running(daemon, Some(running))
            }
        };
        self.lock().handles.insert(id, handle);
        Ok(())
    }

    fn run(
        self: &Arc<Consumers>,
        id: ConsumerId,
        run: impl FnOnce() -> Result<(), TunnelError> + Send + 'static,
    ) {
        let consumers = Arc::clone(self);
        simulation::spawn(&format!("world-run-{id}"), move || {
            let result = run();
            note(|| format!("consumer {id} has ended: {result:?}"));
            consumers.lock().ended.insert(id);
        });
    }

    /// Ends a consumer on a thread of its own.
    pub(crate) fn end(self: &Arc<Consumers>, id: ConsumerId, how: Ending, judging: &Judging) {
        note(|| format!("consumer {id} is ended: {how:?}"));
        match how {
            Ending::InCallback => {
                self.lock().in_callback.insert(id);
            }
            Ending::Drop => self.drop_running(id, judging),
            Ending::Close => self.close(id, None, judging),
            Ending::Within(deadline) => self.close(id, Some(deadline), judging),
            Ending::Twice(deadline) => {
                self.close(id, None, judging);
                self.close(id, Some(deadline), judging);
            }
        }
    }

    fn close(self: &Arc<Consumers>, id: ConsumerId, within: Option<Duration>, judging: &Judging) {
        let closer = self.lock().handles.get(&id).map(Handle::closer);
        let Some(closer) = closer else { return };
        let deadline = within.unwrap_or(Duration::from_secs(25));
        let judging = judging.clone();
        self.in_a_thread(id, move || {
            let began = simulation::now();
            let report = closer.close(within);
            let took = simulation::now() - began;
            note(|| format!("consumer {id}: after {took:?}: {report:?}"));
            judging.closed(id, deadline, took, Some(&report));
        });
    }

    fn drop_running(self: &Arc<Consumers>, id: ConsumerId, judging: &Judging) {
        let running = self.take_running(id);
        let judging = judging.clone();
        self.in_a_thread(id, move || {
            let began = simulation::now();
            drop(running);
            judging.closed(id, DROP_DEADLINE, simulation::now() - began, None);
        });
    }

    fn take_running(&self, id: ConsumerId) -> Option<RunningDaemon> {
        match self.lock().handles.get_mut(&id) {
            Some(Handle::Running(_, running)) => running.take(),
            _ => None,
        }
    }

    fn in_a_thread(self: &Arc<Consumers>, id: ConsumerId, end: impl FnOnce() + Send + 'static) {
        self.lock().closing += 1;
        let consumers = Arc::clone(self);
        simulation::spawn(&format!("world-close-{id}"), move || {
            end();
            consumers.lock().closing -= 1;
        });
    }

    /// For a callback: ends the consumer that it runs for, if that was asked for.
    pub(crate) fn close_in_callback(&self, notes: &Notes, client: &str) {
        let id = notes.consumer(client);
        if !self.lock().in_callback.remove(&id) {
            return;
        }
        note(|| format!("consumer {id} ends itself"));
        // A drop inside a callback only asks for the end, like a close.
        drop(self.take_running(id));
        let closer = self.lock().handles.get(&id).map(Handle::closer);
        if let Some(closer) = closer {
            closer.close(None);
        }
    }

    /// Looks at everything that can be looked at.
    pub(crate) fn ask(&self) {
        let closers: Vec<Closer> = self.lock().handles.values().map(Handle::closer).collect();
        for closer in closers {
            let health = match &closer {
                Closer::Daemon(daemon) => daemon.health(),
                Closer::Worker(worker) => worker.health(),
            };
            let snapshot = closer.snapshot();
            let text = format!("{health:?}; {snapshot:?}");
            note(|| text);
        }
    }

    /// Whether a consumer still runs, or will when it has been ended by its callback.
    pub(crate) fn runs(&self, id: ConsumerId) -> bool {
        let inner = self.lock();
        let is_asked = inner.in_callback.contains(&id);
        let closer = inner.handles.get(&id).map(Handle::closer);
        let has_returned = inner.ended.contains(&id);
        drop(inner);
        let ends = [WorkerState::Draining, WorkerState::Ended];
        closer.is_some_and(|closer| {
            !has_returned && !is_asked && !ends.contains(&closer.snapshot().state)
        })
    }

    pub(crate) fn all(&self) -> Vec<ConsumerId> {
        self.lock().handles.keys().copied().collect()
    }

    /// How many threads are in a call that ends a consumer.
    pub(crate) fn closing(&self) -> usize {
        self.lock().closing
    }

    /// Forgets all handles.
    pub(crate) fn clear(&self) {
        let handles = std::mem::take(&mut self.lock().handles);
        drop(handles);
    }
}

impl Judging {
    fn closed(
        &self,
        id: ConsumerId,
        deadline: Duration,
        took: Duration,
        report: Option<&ShutdownReport>,
    ) {
        if took > deadline + self.slack {
            let text = format!("consumer {id} ended after {took:?}, not {deadline:?}");
            self.notes.fail(text);
        }
        let Some(report) = report else { return };
        if report.is_complete {
            self.notes.closed(id);
        }
        let ledger = self.engine.ledger();
        self.notes.reported(id, report, &ledger, self.is_exact);
    }
}

impl Handle {
    fn closer(&self) -> Closer {
        match self {
            Handle::Daemon(daemon) | Handle::Running(daemon, _) => Closer::Daemon(daemon.clone()),
            Handle::Worker(worker) => Closer::Worker(worker.clone()),
        }
    }
}

impl Closer {
    fn snapshot(&self) -> WorkerSnapshot {
        match self {
            Closer::Daemon(daemon) => daemon.snapshot(),
            Closer::Worker(worker) => worker.snapshot(),
        }
    }

    fn close(&self, within: Option<Duration>) -> ShutdownReport {
        match (self, within) {
            (Closer::Daemon(daemon), None) => daemon.close(),
            (Closer::Daemon(daemon), Some(within)) => daemon.close_within(within),
            (Closer::Worker(worker), within) => {
                worker.shutdown(within.unwrap_or(Duration::from_secs(25)))
            }
        }
    }
}
