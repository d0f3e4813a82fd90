//! Where a worker, and a daemon over all its workers, shows what it is at.
//!
//! Its one lock is held to copy a few values, by the session's loop a few
//! times in each heartbeat interval and when a channel comes or goes, and by
//! who takes a snapshot; nothing on the batch way takes it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::meter::{self, ChannelMeter};
use super::state::ConnectionId;
use super::trouble::{History, full_text};
use super::turn::Turn;
use crate::clock::Clock;
use crate::config::Settings;
use crate::error::TunnelError;
use crate::observer::{BatchCounts, HeartbeatSnapshot, WorkerSnapshot, WorkerState};
use crate::stop::Stop;

/// What is shown of a worker or daemon.
#[derive(Debug)]
pub(crate) struct Board {
    tunnel_id: String,
    /// After a session another one begins.
    is_daemon: bool,
    interval: Duration,
    timeout: Duration,
    stuck_after: Duration,
    clock: Clock,
    shown: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    state: WorkerState,
    /// Times are those of [`Clock::micros`].
    since: u64,
    client_id: Option<Arc<str>>,
    sent: Option<u64>,
    answered: Option<u64>,
    failures: u32,
    reconnects: u64,
    last_error: Option<String>,
    open: BTreeMap<ConnectionId, Arc<ChannelMeter>>,
    /// Channels that failed and have not come back.
    given_back: HashMap<Arc<str>, Arc<History>>,
    /// What closed connections had read and done.
    read: BatchCounts,
    done: BatchCounts,
}

impl Shown {
    fn is(&mut self, state: WorkerState, clock: &Clock) {
        if self.state != state {
            (self.state, self.since) = (state, clock.micros());
        }
    }
}

impl Board {
    /// For one worker.
    pub(crate) fn for_worker(tunnel_id: &str, settings: &Settings) -> Arc<Board> {
        Arc::new(Board::new(tunnel_id, settings, false))
    }

    /// For all workers of one daemon.
    pub(crate) fn for_daemon(tunnel_id: &str, settings: &Settings) -> Arc<Board> {
        Arc::new(Board::new(tunnel_id, settings, true))
    }

    fn new(tunnel_id: &str, settings: &Settings, is_daemon: bool) -> Board {
        let shown = Shown {
            state: WorkerState::Ready,
            since: settings.clock.micros(),
            client_id: None,
            sent: None,
            answered: None,
            failures: 0,
            reconnects: 0,
            last_error: None,
            open: BTreeMap::new(),
            given_back: HashMap::new(),
            read: BatchCounts::default(),
            done: BatchCounts::default(),
        };
        Board {
            tunnel_id: tunnel_id.to_owned(),
            is_daemon,
            interval: settings.heartbeat_interval,
            timeout: settings.heartbeat_timeout,
            stuck_after: settings.stuck_after,
            clock: settings.clock.clone(),
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
        shown.sent = Some(self.clock.micros());
        shown.given_back.retain(|_, failed| self.is_recent(failed));
    }

    /// How long the answer took.
    pub(crate) fn beat_answered(&self) -> Duration {
        let mut shown = self.shown.lock();
        shown.answered = Some(self.clock.micros());
        shown.failures = 0;
        shown
            .sent
            .map_or(Duration::ZERO, |sent| self.clock.age(sent))
    }

    /// How many have failed in a row.
    pub(crate) fn beat_failed(&self) -> u32 {
        let mut shown = self.shown.lock();
        shown.failures += 1;
        shown.failures
    }

    // Channels.

    /// A new connection to a channel, with the failures of the one before.
    pub(crate) fn opens(
        &self,
        id: ConnectionId,
        channel_id: &Arc<str>,
        turn: Arc<Turn>,
        closing: Stop,
    ) -> Arc<ChannelMeter> {
        let mut shown = self.shown.lock();
        let history = shown.given_back.remove(channel_id);
        let history = history.unwrap_or_else(|| Arc::new(History::new(&self.clock)));
        let meter = ChannelMeter::new(channel_id.clone(), turn, closing, history);
        let meter = Arc::new(meter);
        shown.open.insert(id, meter.clone());
        meter
    }

    /// A connection is gone; what it did counts from now on without it.
    pub(crate) fn closed(&self, id: ConnectionId, finished: bool) {
        let mut shown = self.shown.lock();
        let Some(meter) = shown.open.remove(&id) else {
            return;
        };
        shown.read += meter.read.get();
        shown.done += meter.done.get();
        if meter.history.is_failing() && !finished {
            let history = meter.history.clone();
            shown.given_back.insert(meter.channel_id.clone(), history);
        }
    }

    fn is_recent(&self, failed: &History) -> bool {
        failed.last_age() < self.timeout
    }

    // Who looks.

    pub(crate) fn snapshot(&self) -> WorkerSnapshot {
        let (mut snapshot, open, given_back) = self.copy();
        for meter in &open {
            snapshot.channels.push(meter.snapshot());
        }
        // A connection that was lost may end after the next one has begun.
        let listed: HashSet<&str> = open.iter().map(|meter| &*meter.channel_id).collect();
        for (channel_id, history) in &given_back {
            if self.is_recent(history) && !listed.contains(&**channel_id) {
                let channel = meter::given_back(channel_id, history);
                snapshot.channels.push(channel);
            }
        }
        for channel in &snapshot.channels {
            snapshot.read += channel.read;
            snapshot.done += channel.done;
        }
        snapshot
    }

    /// What has to be seen at once.
    fn copy(&self) -> (WorkerSnapshot, Vec<Arc<ChannelMeter>>, GivenBack) {
        let shown = self.shown.lock();
        let open: Vec<_> = shown.open.values().cloned().collect();
        let given_back = shown.given_back.clone().into_iter().collect();
        let snapshot = WorkerSnapshot {
            tunnel_id: self.tunnel_id.clone(),
            state: shown.state,
            state_age: self.clock.age(shown.since),
            client_id: shown.client_id.as_deref().map(str::to_owned),
            heartbeat: HeartbeatSnapshot {
                sent_age: shown.sent.map(|at| self.clock.age(at)),
                answered_age: shown.answered.map(|at| self.clock.age(at)),
                failures: shown.failures,
                interval: self.interval,
                timeout: self.timeout,
            },
            reconnects: shown.reconnects,
            last_error: shown.last_error.clone(),
            read: shown.read,
            done: shown.done,
            channels: Vec::with_capacity(open.len()),
            stuck_after: self.stuck_after,
        };
        (snapshot, open, given_back)
    }
}

type GivenBack = Vec<(Arc<str>, Arc<History>)>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::ChannelStage;
    use crate::worker::link::Link;

    fn board(is_daemon: bool) -> Board {
        let (link, _events) = Link::for_tests();
        Board::new("tunnel", &link.settings, is_daemon)
    }

    fn opens(board: &Board, number: u64, channel_id: &str) -> Arc<ChannelMeter> {
        let id = ConnectionId::for_tests(number);
        let turn = Arc::new(Turn::new(&Clock::system()));
        board.opens(id, &channel_id.into(), turn, Stop::new())
    }

    #[test]
    fn a_worker_ends_with_its_session_and_a_daemon_does_not() {
        let error = TunnelError::client("gone").with_source("why");
        for (is_daemon, state) in [(false, WorkerState::Ended), (true, WorkerState::Connecting)] {
            let board = board(is_daemon);
            assert_eq!(board.snapshot().state, WorkerState::Ready);
            board.connecting();
            board.connected(&"client".into());
            assert_eq!(board.snapshot().state, WorkerState::Working);
            assert_eq!(board.snapshot().client_id.as_deref(), Some("client"));
            board.session_over(Some(&error));
            assert_eq!(board.snapshot().state, state);
            board.ended();
            board.session_over(None);
            assert_eq!(board.snapshot().state, WorkerState::Ended);
            let last = board.snapshot().last_error;
            assert_eq!(last.as_deref(), Some("OTSClientError: gone: why"));
        }
    }

    #[test]
    fn heartbeats_are_counted_for_one_session() {
        let board = board(true);
        board.connected(&"one".into());
        assert_eq!(board.snapshot().heartbeat.sent_age, None);
        board.beat_sent();
        assert_eq!((board.beat_failed(), board.beat_failed()), (1, 2));
        assert_eq!(board.snapshot().heartbeat.failures, 2);
        assert_eq!(board.snapshot().heartbeat.answered_age, None);
        board.beat_answered();
        let heartbeat = board.snapshot().heartbeat;
        assert_eq!(heartbeat.failures, 0);
        assert!(heartbeat.answered_age.is_some());
        board.connected(&"two".into());
        assert_eq!(board.snapshot().heartbeat.sent_age, None);
    }

    #[test]
    fn a_channel_that_failed_stays_until_it_comes_back_well() {
        let board = board(false);
        let close = |number, finished| board.closed(ConnectionId::for_tests(number), finished);
        opens(&board, 1, "x").history.work.failed("no".to_owned());
        close(1, false);
        let channels = board.snapshot().channels;
        assert_eq!(channels[0].stage, ChannelStage::GivenBack);
        assert_eq!(channels[0].failures.last_error.as_deref(), Some("no"));
        let meter = opens(&board, 2, "x");
        let channels = board.snapshot().channels;
        assert_eq!(channels.len(), 1, "not twice");
        assert_eq!(channels[0].stage, ChannelStage::Opening);
        assert_eq!(channels[0].failures.count, 1, "the row goes on");
        meter.batch_read(2, 20);
        meter.batch_done(2, 20, None);
        close(2, false);
        assert_eq!(board.snapshot().channels, []);
        assert_eq!(board.snapshot().done.records, 2, "it still counts");
        opens(&board, 3, "x").history.saves.failed("no".to_owned());
        close(3, true);
        assert_eq!(board.snapshot().channels, [], "finished");
    }
}
