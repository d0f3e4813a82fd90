//! [`Connection`]: one open channel, as its reader, the pool, the I/O task and the
//! session's loop share it.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use log::warn;

use super::closing;
use super::data::ChannelData;
use super::stage::ReaderStage;
use super::state::{Action, ChannelEvent};
use crate::clock::{self, Clock, Monitor};
use crate::error::{ErrorClass, TunnelError};
use crate::limits::semaphore::Wake;
use crate::observer::{ChannelSnapshot, CloseReason, WorkerEventKind};
use crate::policy::{Reaction, Request, reaction};
use crate::pool::Turn;
use crate::processor::CheckpointMode;
use crate::user_code::drop_user;
use crate::worker::connection_id::ConnectionId;
use crate::worker::context::{Event, SessionContext, Timer};
use crate::worker::predecessors::{Place, Predecessors};
use crate::worker::report::{ChannelReport, Progress};
use crate::worker::status::channel::{StageSince, Totals};
use crate::worker::status::failures::full_text;
use crate::worker::status::worker::ShowChannel;

/// The pause before another save after one that failed.
pub(super) const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// One open channel. Go: `channelConn`.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) channel_id: Arc<str>,
    pub(crate) session: Arc<SessionContext>,
    pub(super) place: Place,
    /// Wakes the reader.
    pub(super) wake: Arc<dyn Wake>,
    /// Everything that changes. The lock is held for a few instructions, and never while
    /// code of the program, a request or the destructor of a program's value runs.
    pub(super) data: Monitor<ChannelData>,
}

/// Wakes the reader of a connection, without keeping the connection.
struct WakeReader(Weak<Connection>);

impl Wake for WakeReader {
    fn wake(&self) {
        if let Some(connection) = self.0.upgrade() {
            connection.data.lock().reading.is_woken = true;
            connection.data.notify();
        }
    }
}

/// The I/O task of a connection.
struct IoTask(Arc<Connection>);

impl Turn for IoTask {
    fn run(self: Arc<Self>) {
        closing::run_io_task(&self.0);
        // The last handle may drop values of the program.
        drop_user(self);
    }

    fn clock(&self) -> &Clock {
        self.0.clock()
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tunnel_id = &self.session.tunnel_id;
        write!(f, "tunnel {tunnel_id}, channel {}", self.channel_id)
    }
}

impl ShowChannel for Connection {
    fn snapshot(&self) -> ChannelSnapshot {
        let (now, utc) = (self.now(), self.clock().utc());
        let data = self.data.lock();
        let snapshot = data
            .stats
            .snapshot(&self.channel_id, data.stage(), now, utc);
        ChannelSnapshot {
            is_closing: data.state.is_closing(),
            ..snapshot
        }
    }
}

impl Connection {
    pub(crate) fn new(
        session: &Arc<SessionContext>,
        id: ConnectionId,
        channel_id: Arc<str>,
        predecessors: &Predecessors,
    ) -> Arc<Connection> {
        let clock = session.clock();
        let history = session.status.take_history(&channel_id);
        let data = ChannelData::new(history, clock.now());
        let connection = Arc::new_cyclic(|weak: &Weak<Connection>| {
            let wake: Arc<dyn Wake> = Arc::new(WakeReader(weak.clone()));
            Connection {
                id,
                place: predecessors.add(&channel_id, wake.clone()),
                channel_id,
                session: session.clone(),
                wake,
                data: Monitor::new(clock, data),
            }
        });
        let weak: Weak<Connection> = Arc::downgrade(&connection);
        session.status.opens(id, weak);
        connection
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.session.clock()
    }

    pub(super) fn now(&self) -> Instant {
        self.clock().now()
    }

    // Changes of the state.

    /// Changes the state by an event, and does what has to be done; whether the event is
    /// permitted.
    pub(super) fn handle(self: &Arc<Self>, event: ChannelEvent) -> bool {
        let action = self.data.lock().handle(event, self.now());
        self.act(action);
        action == Action::Proceed
    }

    /// Does what a change of the state asks for.
    pub(super) fn act(self: &Arc<Self>, action: Action) {
        match action {
            Action::Schedule => self.session.pool.schedule(self.clone()),
            Action::StartIo => self.start_io(),
            Action::StartSaveTimer => self.start_save_timer(Duration::ZERO),
            Action::ReportUnread => {
                let unread = Event::Unread(self.channel_id.clone(), self.id);
                self.session.send(unread);
            }
            // Those are for whoever has reported the event.
            Action::Nothing | Action::Proceed | Action::Save | Action::Close => {}
        }
    }

    fn start_io(self: &Arc<Self>) {
        let task = Arc::new(IoTask(self.clone()));
        let turn = task.clone();
        if let Err(error) = self.session.io.spawn(move || task.run()) {
            warn!("{self}: no thread to save or close, a thread of the pool does it: {error}");
            self.session.pool.schedule(turn);
        }
    }

    /// The next save follows after the checkpoint interval, and not before `pause`.
    pub(super) fn start_save_timer(&self, pause: Duration) {
        if let CheckpointMode::Every(interval) = self.session.settings.options.checkpoint {
            self.later(interval.max(pause), Timer::Save(self.id));
        }
    }

    pub(super) fn later(&self, delay: Duration, timer: Timer) {
        let at = clock::after(self.now(), delay);
        self.session.send(Event::Later(at, timer));
    }

    // The session's loop.

    /// Closes in order: a batch in the callback is finished and saved, unless the channel
    /// is lost at the same time or later.
    pub(crate) fn close(self: &Arc<Self>, reason: CloseReason) {
        self.close_by(ChannelEvent::Close, reason);
    }

    /// Closes a channel that is no longer ours: no callback begins and nothing is saved
    /// from now on.
    pub(crate) fn lose(self: &Arc<Self>, reason: CloseReason) {
        self.close_by(ChannelEvent::Lose, reason);
    }

    fn close_by(self: &Arc<Self>, event: ChannelEvent, reason: CloseReason) {
        let now = self.now();
        let mut data = self.data.lock();
        data.stats.closes_for(reason);
        let action = data.handle(event, now);
        drop(data);
        self.data.notify();
        self.act(action);
    }

    /// Gives the batch that failed to the callback again.
    pub(crate) fn resume(self: &Arc<Self>) {
        self.handle(ChannelEvent::Resume);
    }

    /// Saves what has been processed.
    pub(crate) fn save_due(self: &Arc<Self>) {
        self.handle(ChannelEvent::SaveDue);
    }

    /// It is not opened yet, because it failed the last time.
    pub(crate) fn waits_to_reopen(&self) {
        self.reader_is(ReaderStage::WaitingToReopen);
    }

    /// What it is at, and since when.
    pub(crate) fn stage(&self) -> StageSince {
        self.data.lock().stage()
    }

    /// What it has done.
    pub(crate) fn totals(&self) -> Totals {
        self.data.lock().stats.totals()
    }

    /// Whether the channel has been open.
    pub(crate) fn was_opened(&self) -> bool {
        self.data.lock().was_opened()
    }

    /// How far the channel has come. May be asked for more than once.
    pub(crate) fn report(&self, is_abandoned: bool) -> ChannelReport {
        let data = self.data.lock();
        let (progress, saved) = (&data.progress, &data.saves.last);
        let delivered = progress.delivered.as_ref();
        let records = delivered.map_or(0, |progress| progress.records);
        let token =
            |progress: Option<&Progress>| progress.map(|progress| progress.token.to_string());
        ChannelReport {
            channel_id: self.channel_id.to_string(),
            last_delivered: token(delivered),
            last_finished: token(progress.processed.as_ref()),
            last_saved: saved.token.as_ref().map(|token| token.to_string()),
            records_to_redeliver: saved.records.map(|saved| records.saturating_sub(saved)),
            is_abandoned,
        }
    }

    // Ownership and closing.

    pub(crate) fn is_closing(&self) -> bool {
        self.data.lock().state.is_closing()
    }

    pub(super) fn is_lost(&self) -> bool {
        self.data.lock().state.is_lost()
    }

    /// Whether callbacks and saves may begin.
    pub(super) fn is_ours(&self) -> bool {
        self.session.lease.holds() && !self.is_lost()
    }

    /// Notes what the reader is at.
    pub(super) fn reader_is(&self, stage: ReaderStage) {
        let now = self.now();
        self.data.lock().reader_is(stage, now);
    }

    /// Tells the observer now, on this thread.
    pub(super) fn observe(&self, kind: WorkerEventKind<'_>) {
        self.session.observe(kind);
    }

    // Failures.

    /// The channel has to be released because of `error`.
    pub(super) fn fail(&self, error: TunnelError) {
        let (text, now) = (full_text(&error), self.now());
        let before = self.data.lock().fail(error, text, now);
        drop_user(before);
    }

    /// The callback has failed, the channel goes on.
    pub(super) fn callback_failed(&self, text: String) {
        let now = self.now();
        self.data.lock().stats.history.work.failed(text, now);
    }

    /// Closes the channel because the service has said that it is not ours.
    pub(super) fn lose_because(self: &Arc<Self>, error: &TunnelError) {
        let (text, now) = (full_text(error), self.now());
        let mut data = self.data.lock();
        if data.state.is_lost() {
            return;
        }
        data.stats.history.work.failed(text.clone(), now);
        data.end.failed_as.get_or_insert(ErrorClass::Gone);
        drop(data);
        warn!("{self}: lost, it goes on from its last checkpoint: {text}");
        self.lose(CloseReason::Lost);
    }

    /// Closes the channel in order because of a failure.
    pub(super) fn release_because(self: &Arc<Self>, error: TunnelError) {
        if self.is_closing() {
            return drop_user(error);
        }
        self.fail(error);
        self.close(CloseReason::Failed);
    }

    /// A save has failed for good: carries out what the failure policy says.
    pub(super) fn save_failed(self: &Arc<Self>, error: &TunnelError) {
        match reaction(error.class(), Request::Channel) {
            // Somebody else has written, or the service does not know us any more.
            Reaction::LoseChannel | Reaction::CompareCheckpoint => self.lose_because(error),
            Reaction::EndDaemon => self.release_because(error.copy()),
            // Refused by the service, not by the program's own checkpointer.
            Reaction::ReleaseChannel if error.class() != ErrorClass::Local => {
                self.release_because(error.copy());
            }
            _ => {}
        }
    }
}
