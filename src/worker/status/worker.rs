//! Where a worker, and a daemon over all its workers, shows what it is at.
//!
//! Its one lock is held to copy a few values, by the session's loop a few
//! times in each heartbeat interval and when a channel comes or goes, and by
//! who takes a snapshot; nothing on the batch way takes it.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::channel::{self, Totals};
use super::failures::{History, full_text};
use super::outages::Outages;
use crate::clock::Clock;
use crate::config::Settings;
use crate::error::TunnelError;
use crate::observer::{
    BatchCounts, ChannelSnapshot, HeartbeatSnapshot, WorkerSnapshot, WorkerState,
};
use crate::sync::Mutex;
use crate::worker::connection_id::ConnectionId;

/// An open channel, as a snapshot shows it.
pub(crate) trait ShowChannel: Send + Sync {
    fn snapshot(&self) -> ChannelSnapshot;
}

/// What is shown of a worker or daemon.
#[derive(Debug)]
pub(crate) struct WorkerStatus {
    tunnel_id: String,
    /// After a session another one begins.
    is_daemon: bool,
    interval: Duration,
    timeout: Duration,
    stuck_after: Duration,
    clock: Clock,
    pub(crate) outages: Outages,
    shown: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    state: WorkerState,
    since: Instant,
    client_id: Option<Arc<str>>,
    sent: Option<Instant>,
    answered: Option<Instant>,
    failures: u32,
    reconnects: u64,
    last_error: Option<String>,
    /// Since when the session has no channels, although none of them is finished.
    without_channels: Option<Instant>,
    has_finished_channels: bool,
    open: BTreeMap<ConnectionId, Weak<dyn ShowChannel>>,
    /// Channels that failed and have not come back.
    released: BTreeMap<Arc<str>, History>,
    /// What closed connections had read and done.
    read: BatchCounts,
    done: BatchCounts,
}

impl Shown {
    fn is(&mut self, state: WorkerState, clock: &Clock) {
        if self.state != state {
            (self.state, self.since) = (state, clock.now());
        }
    }
}

impl WorkerStatus {
    /// For one worker.
    pub(crate) fn for_worker(tunnel_id: &str, settings: &Settings) -> Arc<WorkerStatus> {
        Arc::new(WorkerStatus::new(tunnel_id, settings, false))
    }

    /// For all workers of one daemon.
    pub(crate) fn for_daemon(tunnel_id: &str, settings: &Settings) -> Arc<WorkerStatus> {
        Arc::new(WorkerStatus::new(tunnel_id, settings, true))
    }

    fn new(tunnel_id: &str, settings: &Settings, is_daemon: bool) -> WorkerStatus {
        let shown = Shown {
            state: WorkerState::Ready,
            since: settings.clock.now(),
            client_id: None,
            sent: None,
            answered: None,
            failures: 0,
            reconnects: 0,
            last_error: None,
            without_channels: None,
            has_finished_channels: false,
            open: BTreeMap::new(),
            released: BTreeMap::new(),
            read: BatchCounts::default(),
            done: BatchCounts::default(),
        };
        WorkerStatus {
            tunnel_id: tunnel_id.to_owned(),
            is_daemon,
            interval: settings.heartbeat_interval,
            timeout: settings.heartbeat_timeout,
            stuck_after: settings.stuck_after,
            clock: settings.clock.clone(),
            outages: Outages::new(tunnel_id, &settings.clock),
            shown: Mutex::new(shown),
        }
    }

    // The life of the worker.

    pub(crate) fn connecting(&self) {
        self.shown.lock().is(WorkerState::Connecting, &self.clock);
    }

    pub(crate) fn connected(&self, client_id: &Arc<str>) {
        let mut shown = self.shown.lock();
        shown.is(WorkerState::Working, &self.clock);
        shown.client_id = Some(client_id.clone());
        (shown.sent, shown.answered, shown.failures) = (None, None, 0);
        shown.without_channels = Some(self.clock.now());
        shown.has_finished_channels = false;
    }

    pub(crate) fn draining(&self) {
        self.shown.lock().is(WorkerState::Draining, &self.clock);
    }

    /// One worker has ended.
    pub(crate) fn session_over(&self, error: Option<&TunnelError>) {
        let error = error.map(|error| full_text(error));
        let mut shown = self.shown.lock();
        shown.last_error = error.or(shown.last_error.take());
        // A worker that was made and never started may end after its daemon.
        let goes_on = self.is_daemon && shown.state != WorkerState::Ended;
        let state = match goes_on {
            true => WorkerState::Connecting,
            false => WorkerState::Ended,
        };
        shown.is(state, &self.clock);
    }

    pub(crate) fn reconnecting(&self) {
        self.shown.lock().reconnects += 1;
    }

    /// No other worker comes.
    pub(crate) fn ended(&self) {
        self.shown.lock().is(WorkerState::Ended, &self.clock);
    }

    // Heartbeats.

    pub(crate) fn beat_sent(&self) {
        let mut shown = self.shown.lock();
        shown.sent = Some(self.clock.now());
        shown.released.retain(|_, failed| self.is_recent(failed));
    }

    /// How long the answer took.
    pub(crate) fn beat_answered(&self) -> Duration {
        let mut shown = self.shown.lock();
        shown.answered = Some(self.clock.now());
        shown.failures = 0;
        shown.sent.map_or(Duration::ZERO, |sent| self.age(sent))
    }

    /// How many have failed in a row.
    pub(crate) fn beat_failed(&self) -> u32 {
        let mut shown = self.shown.lock();
        shown.failures += 1;
        shown.failures
    }

    /// Whether any heartbeat of this session has been answered.
    pub(crate) fn was_answered(&self) -> bool {
        self.shown.lock().answered.is_some()
    }

    /// A connect has failed and will be tried again.
    pub(crate) fn connect_failed(&self, error: &TunnelError) {
        let text = full_text(error);
        self.shown.lock().last_error = Some(text);
    }

    // Channels.

    /// Whether the service has given us channels, by its last answer.
    pub(crate) fn has_channels(&self, has_some: bool) {
        let mut shown = self.shown.lock();
        match has_some {
            true => shown.without_channels = None,
            false => {
                let now = self.clock.now();
                shown.without_channels.get_or_insert(now);
            }
        }
    }

    /// A channel has been consumed to its end.
    pub(crate) fn channel_finished(&self) {
        self.shown.lock().has_finished_channels = true;
    }

    /// The failures of the earlier connections to a channel that is opened again.
    pub(crate) fn take_history(&self, channel_id: &str) -> History {
        let history = self.shown.lock().released.remove(channel_id);
        history.unwrap_or_default()
    }

    /// There is a new connection.
    pub(crate) fn opens(&self, id: ConnectionId, connection: Weak<dyn ShowChannel>) {
        self.shown.lock().open.insert(id, connection);
    }

    /// A connection is gone; what it did counts from now on without it.
    pub(crate) fn closed(
        &self,
        id: ConnectionId,
        channel_id: &Arc<str>,
        totals: Totals,
        finished: bool,
    ) {
        let mut shown = self.shown.lock();
        if shown.open.remove(&id).is_none() {
            return;
        }
        shown.read += totals.read;
        shown.done += totals.done;
        if totals.history.is_failing() && !finished {
            shown.released.insert(channel_id.clone(), totals.history);
        }
    }

    /// A failure of a channel that is gone is shown for as long as it may come back.
    fn is_recent(&self, history: &History) -> bool {
        history.last_age(self.clock.now()) < self.timeout
    }

    fn age(&self, then: Instant) -> Duration {
        self.clock.now().saturating_duration_since(then)
    }

    /// What the worker is at now.
    pub(crate) fn snapshot(&self) -> WorkerSnapshot {
        let (mut snapshot, open, released) = self.copy();
        for connection in open.iter().filter_map(Weak::upgrade) {
            snapshot.channels.push(connection.snapshot());
        }
        // A connection that was lost may end after the next one has begun.
        let listed = snapshot.channels.iter().map(|channel| &*channel.channel_id);
        let listed: HashSet<String> = listed.map(str::to_owned).collect();
        for (channel_id, history) in &released {
            if self.is_recent(history) && !listed.contains(&**channel_id) {
                let channel = channel::without_connection(channel_id, history, self.clock.now());
                snapshot.channels.push(channel);
            }
        }
        for channel in &snapshot.channels {
            snapshot.read += channel.read;
            snapshot.done += channel.done;
        }
        snapshot
    }

    /// What has to be seen at the same time.
    fn copy(&self) -> (WorkerSnapshot, Vec<Weak<dyn ShowChannel>>, Released) {
        let shown = self.shown.lock();
        let open: Vec<_> = shown.open.values().cloned().collect();
        let snapshot = WorkerSnapshot {
            tunnel_id: self.tunnel_id.clone(),
            state: shown.state,
            state_age: self.age(shown.since),
            client_id: shown.client_id.as_deref().map(str::to_owned),
            heartbeat: HeartbeatSnapshot {
                sent_age: shown.sent.map(|at| self.age(at)),
                answered_age: shown.answered.map(|at| self.age(at)),
                failures: shown.failures,
                interval: self.interval,
                timeout: self.timeout,
            },
            reconnects: shown.reconnects,
            last_error: shown.last_error.clone(),
            read: shown.read,
            done: shown.done,
            channels: Vec::with_capacity(open.len()),
            without_channels_for: shown
                .without_channels
                .filter(|_| shown.state == WorkerState::Working && !shown.has_finished_channels)
                .map(|since| self.age(since)),
            stuck_after: self.stuck_after,
        };
        (snapshot, open, shown.released.clone())
    }
}

type Released = BTreeMap<Arc<str>, History>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::ChannelStage;
    use crate::worker::context::SessionContext;

    fn status(is_daemon: bool) -> WorkerStatus {
        let session = SessionContext::for_tests();
        WorkerStatus::new("tunnel", &session.settings, is_daemon)
    }

    /// A connection that shows what it is told to.
    struct Shows(ChannelSnapshot);

    impl ShowChannel for Shows {
        fn snapshot(&self) -> ChannelSnapshot {
            self.0.clone()
        }
    }

    fn opens(status: &WorkerStatus, number: u64, channel_id: &str) -> Arc<Shows> {
        let history = status.take_history(channel_id);
        let now = crate::clock::now();
        let connection = Arc::new(Shows(ChannelSnapshot {
            stage: ChannelStage::Opening,
            ..channel::without_connection(channel_id, &history, now)
        }));
        let weak: Weak<Shows> = Arc::downgrade(&connection);
        status.opens(ConnectionId::for_tests(number), weak);
        connection
    }

    #[test]
    fn a_worker_ends_with_its_session_and_a_daemon_does_not() {
        let error = TunnelError::client("gone").with_source("why");
        for (is_daemon, state) in [(false, WorkerState::Ended), (true, WorkerState::Connecting)] {
            let status = status(is_daemon);
            assert_eq!(status.snapshot().state, WorkerState::Ready);
            status.connecting();
            status.connected(&"client".into());
            assert_eq!(status.snapshot().state, WorkerState::Working);
            assert_eq!(status.snapshot().client_id.as_deref(), Some("client"));
            status.session_over(Some(&error));
            assert_eq!(status.snapshot().state, state);
            status.ended();
            status.session_over(None);
            assert_eq!(status.snapshot().state, WorkerState::Ended);
            let last = status.snapshot().last_error;
            assert_eq!(last.as_deref(), Some("OTSClientError: gone: why"));
        }
    }

    #[test]
    fn heartbeats_are_counted_for_one_session() {
        let status = status(true);
        status.connected(&"one".into());
        assert_eq!(status.snapshot().heartbeat.sent_age, None);
        status.beat_sent();
        assert_eq!((status.beat_failed(), status.beat_failed()), (1, 2));
        assert_eq!(status.snapshot().heartbeat.failures, 2);
        assert_eq!(status.snapshot().heartbeat.answered_age, None);
        status.beat_answered();
        let heartbeat = status.snapshot().heartbeat;
        assert_eq!(heartbeat.failures, 0);
        assert!(heartbeat.answered_age.is_some());
        status.connected(&"two".into());
        assert_eq!(status.snapshot().heartbeat.sent_age, None);
    }

    #[test]
    fn a_channel_that_failed_stays_until_it_comes_back_well() {
        let status = status(false);
        let close = |number, totals, finished| {
            let id = ConnectionId::for_tests(number);
            status.closed(id, &"x".into(), totals, finished);
        };
        let failed = || {
            let mut totals = Totals::default();
            totals
                .history
                .work
                .failed("no".to_owned(), status.clock.now());
            totals
        };
        let _first = opens(&status, 1, "x");
        close(1, failed(), false);
        let channels = status.snapshot().channels;
        assert_eq!(channels[0].stage, ChannelStage::Released);
        assert_eq!(channels[0].failures.last_error.as_deref(), Some("no"));
        let _second = opens(&status, 2, "x");
        let channels = status.snapshot().channels;
        assert_eq!(channels.len(), 1, "not twice");
        assert_eq!(channels[0].stage, ChannelStage::Opening);
        assert_eq!(channels[0].failures.count, 1, "the row goes on");
        let mut totals = Totals::default();
        totals.done.records = 2;
        close(2, totals, false);
        assert_eq!(status.snapshot().channels, []);
        assert_eq!(status.snapshot().done.records, 2, "it still counts");
        let _third = opens(&status, 3, "x");
        close(3, failed(), true);
        assert_eq!(status.snapshot().channels, [], "finished");
    }
}
