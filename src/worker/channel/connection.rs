//! One open channel, as its reader, the pool and the session's loop share it.
//!
//! The reader owns where reading goes on, the [`Runner`] in the seat owns the
//! processor and the batch it is at, the [`turn`](crate::worker::turn) says who may
//! take the runner. Between them are queues and signals only.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use log::{debug, error, info, warn};

use super::batch::ReadBatch;
use super::closing;
use super::runner::{Runner, Step};
use super::saver::Saver;
use crate::clock::{self, Clock};
use crate::error::{ErrorClass, TunnelError};
use crate::http::retry::Schedule;
use crate::limits::parallel::{ChannelQuota, Entry};
use crate::observer::{CloseReason, WorkerEventKind};
use crate::policy::{Reaction, Request, reaction};
use crate::pool;
use crate::processor::{CheckpointMode, ProcessError};
use crate::sync::catch_panic::catch_panic;
use crate::sync::latest::Latest;
use crate::sync::lease::{LEASE_PAUSE, Ownership};
use crate::sync::stop::Stop;
use crate::sync::threads;
use crate::user_code::drop_user;
use crate::worker::connection_id::ConnectionId;
use crate::worker::context::{Ended, Event, SessionContext, Timer};
use crate::worker::report::{ChannelReport, Progress};
use crate::worker::status::channel::{ChannelStats, ReaderStage};
use crate::worker::status::failures::full_text;
use crate::worker::status::outages::Asked;
use crate::worker::turn::{Turn, TurnAction, TurnEvent, TurnStage};

/// The least pause after a save that failed: an interval of zero would ask a
/// service that refuses again and again without any.
const SAVE_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What the reader hands to the runner.
pub(crate) enum Item {
    Batch(ReadBatch),
    /// Reading has failed; everything before it is still to be processed.
    Failed(TunnelError),
}

/// How far the channel has come, for the report.
#[derive(Debug)]
pub(crate) struct ChannelProgress {
    pub(crate) delivered: Latest<Progress>,
    pub(crate) finished: Latest<Progress>,
}

/// One open channel. Go: `channelConn`.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) channel_id: Arc<str>,
    pub(crate) session: Arc<SessionContext>,
    /// No further read, no further batch.
    pub(crate) closing: Stop,
    /// The channel is no longer ours: no callback, no save. Never without `closing`.
    pub(crate) lost: Stop,
    /// Nothing of this connection runs any more.
    pub(crate) ended: Stop,
    pub(crate) progress: ChannelProgress,
    /// What others see of it.
    pub(crate) stats: Arc<ChannelStats>,
    /// What has been processed since the last save.
    unsaved: Latest<Progress>,
    /// Whether a timer for the next save runs.
    save_is_due: AtomicBool,
    turn: Arc<Turn>,
    seat: Latest<Box<Runner>>,
    /// Never full: who sends holds a credit.
    queue: (Sender<Item>, Receiver<Item>),
    /// One for each batch that may be read ahead, in the callback included.
    credits: (Sender<()>, Receiver<()>),
    pub(crate) quota: ChannelQuota,
    saver: OnceLock<Arc<Saver>>,
    finished: AtomicBool,
    failure: Latest<TunnelError>,
    /// When it was opened, by [`Clock::micros`].
    opened_at: OnceLock<u64>,
    /// The class of its first failure, if it ends by itself.
    failed: OnceLock<ErrorClass>,
    /// A request has failed and none has succeeded since.
    is_failing: AtomicBool,
}

fn is_retry(reaction: Reaction) -> bool {
    matches!(reaction, Reaction::Retry | Reaction::RetryAndLogError)
}

impl pool::Turn for Connection {
    fn run(self: Arc<Self>) {
        // The last handle to a channel drops values of the program.
        let connection = self.clone();
        if let Err(error) = catch_panic(|| self.take_turn()) {
            connection.fail(error);
            connection.after(Step::End);
        }
        drop_user(connection);
    }

    fn clock(&self) -> &Clock {
        self.session.clock()
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Connection {
            session,
            channel_id,
            ..
        } = self;
        write!(f, "tunnel {}, channel {channel_id}", session.tunnel_id)
    }
}

impl Connection {
    pub(crate) fn new(
        session: Arc<SessionContext>,
        id: ConnectionId,
        channel_id: Arc<str>,
    ) -> Arc<Connection> {
        let batches = session.settings.batches_per_channel();
        let reading = &session.settings.reading;
        let quota = ChannelQuota::new(session.quota.clone(), reading.need_manual_release);
        let credits = bounded(batches);
        for _ in 0..batches {
            let _ = credits.0.send(());
        }
        let clock = session.clock().clone();
        let (turn, closing) = (Arc::new(Turn::new(&clock)), Stop::on(&clock));
        let stats = session
            .status
            .opens(id, &channel_id, turn.clone(), closing.clone());
        Arc::new(Connection {
            id,
            channel_id,
            session,
            closing,
            lost: Stop::on(&clock),
            ended: Stop::on(&clock),
            progress: ChannelProgress {
                delivered: Latest::new(),
                finished: Latest::new(),
            },
            stats,
            unsaved: Latest::new(),
            save_is_due: AtomicBool::new(false),
            turn,
            seat: Latest::new(),
            // And one for the failure that ends reading.
            queue: bounded(batches + 1),
            credits,
            quota,
            saver: OnceLock::new(),
            finished: AtomicBool::new(false),
            failure: Latest::new(),
            opened_at: OnceLock::new(),
            failed: OnceLock::new(),
            is_failing: AtomicBool::new(false),
        })
    }

    // The session's loop.

    /// Closes: the batch in the callback is finished and saved, unless the
    /// channel is lost at the same time or later.
    pub(crate) fn close_gracefully(self: &Arc<Self>) {
        self.closing.trigger();
        self.discard_queue();
        self.act(self.turn.on(TurnEvent::Close));
    }

    /// Closes a channel that is no longer ours: no callback begins and nothing
    /// is saved from now on.
    pub(crate) fn drop_lost(self: &Arc<Self>) {
        self.lost.trigger();
        self.close_gracefully();
    }

    /// Gives the batch that failed to the callback again.
    pub(crate) fn resume(self: &Arc<Self>) {
        self.act(self.turn.on(TurnEvent::Resume));
    }

    /// It is not opened yet, because it failed the last time.
    pub(crate) fn waits_to_reopen(&self) {
        self.stats.reader_is(ReaderStage::WaitingToReopen);
    }

    /// Saves what has been processed, on a thread of its own: neither the loop nor the
    /// pool waits for a request. There is one such thread at a time, because no timer is
    /// set again before the thread is done.
    pub(crate) fn save_soon(self: &Arc<Self>) {
        let connection = self.clone();
        let clock = self.session.clock();
        let spawned = threads::spawn(clock, "tunnel-checkpoint", move || {
            connection.save();
            drop_user(connection);
        });
        if let Err(error) = spawned {
            warn!("{self}: no thread to save a checkpoint: {error}");
            self.save_again(SAVE_RETRY_PAUSE);
        }
    }

    fn save(&self) {
        let saved = catch_panic(|| self.save_now()).and_then(|saved| saved);
        let pause = match saved {
            Ok(()) => Duration::ZERO,
            // Closed meanwhile, which saves by itself what may be saved.
            Err(error) if error.class() == ErrorClass::Gone => {
                return drop_user(error);
            }
            Err(error) => {
                let pause = SAVE_RETRY_PAUSE;
                self.request_failed(Asked::Checkpoint, &error, Reaction::Retry, pause);
                drop_user(error);
                pause
            }
        };
        self.save_again(pause);
    }

    /// The save is over. Progress that was made meanwhile saw that a save was due and
    /// set no timer, so it is looked for after the flag is cleared.
    fn save_again(&self, pause: Duration) {
        self.save_is_due.swap(false, Ordering::AcqRel);
        if !self.unsaved.is_empty() && !self.lost.is_triggered() {
            self.ask_for_save(pause);
        }
    }

    // Requests that are tried again.

    /// Repeats a request of this channel until it succeeds or fails for a reason that
    /// does not pass. Ends with the last error when `stop` is triggered or the schedule
    /// gives up. The channel stays ours meanwhile, and shows what fails.
    pub(crate) fn persist<T>(
        &self,
        asked: Asked,
        schedule: Schedule,
        stop: &Stop,
        mut attempt: impl FnMut() -> Result<T, TunnelError>,
    ) -> Result<T, TunnelError> {
        let began = stop.clock().now();
        let mut retries = 0;
        loop {
            let error = match attempt() {
                Ok(answer) => {
                    self.request_succeeded(asked);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let reaction = reaction(error.class(), Request::Channel);
            let elapsed = stop.clock().now().saturating_duration_since(began);
            let pause = schedule.pause(retries, elapsed, fastrand::f64());
            let Some(pause) = pause.filter(|_| is_retry(reaction)) else {
                return Err(error);
            };
            self.request_failed(asked, &error, reaction, pause);
            if stop.wait_for(pause) || !self.waits_for_lease(stop) {
                return Err(error);
            }
            drop_user(error);
            retries += 1;
        }
    }

    /// Waits while the lease is in doubt or over; false if `stop` is triggered first.
    pub(crate) fn waits_for_lease(&self, stop: &Stop) -> bool {
        while !self.is_ours() {
            if stop.wait_for(LEASE_PAUSE) {
                return false;
            }
        }
        true
    }

    /// A request has failed and will be tried again after `pause`.
    pub(crate) fn request_failed(
        &self,
        asked: Asked,
        error: &TunnelError,
        reaction: Reaction,
        pause: Duration,
    ) {
        self.stats.request_failed(asked == Asked::Checkpoint, error);
        let session = &self.session;
        session.request_failed(asked, &self.channel_id, error, reaction, pause);
        self.is_failing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn request_succeeded(&self, asked: Asked) {
        if self.is_failing.swap(false, Ordering::Relaxed) {
            let outages = &self.session.status.outages;
            outages.succeeded(asked, Some(&self.channel_id));
        }
        if asked != Asked::Checkpoint {
            self.stats.history.requests.succeeded();
        }
    }

    /// A save has failed for good: carries out what the failure policy says.
    pub(crate) fn save_failed(self: &Arc<Self>, error: &TunnelError) {
        match reaction(error.class(), Request::Channel) {
            // Somebody else has written, or the service does not know us any more.
            Reaction::LoseChannel | Reaction::CompareCheckpoint => self.lose(full_text(error)),
            Reaction::EndDaemon => self.give_back(error),
            // Refused by the service, not by the program's own checkpointer.
            Reaction::ReleaseChannel if error.class() != ErrorClass::Local => {
                self.give_back(error);
            }
            _ => {}
        }
    }

    /// Closes the channel because the service has said that it is not ours.
    pub(crate) fn lose(self: &Arc<Self>, text: String) {
        if !self.lost.is_triggered() {
            warn!("{self}: lost, it goes on from its last checkpoint: {text}");
            self.stats.history.work.failed(text);
            self.stats.closes_for(CloseReason::Lost);
            self.has_failed_as(ErrorClass::Gone);
            self.drop_lost();
        }
    }

    /// Closes the channel in order because of a failure that was met elsewhere.
    fn give_back(self: &Arc<Self>, error: &TunnelError) {
        if !self.closing.is_triggered() {
            self.fail(error.copy());
            self.close_gracefully();
        }
    }

    /// The reader has ended because of a mistake of ours.
    pub(crate) fn reader_died(self: &Arc<Self>, error: TunnelError) {
        match self.begin_making() {
            true => self.not_opened(Some(error)),
            false => {
                self.fail(error);
                self.close_gracefully();
            }
        }
    }

    // The reader.

    /// Waits until there is room for one more batch; false when closing.
    pub(crate) fn acquire_credit(&self) -> bool {
        self.closing.or_recv(&self.credits.1).is_some()
    }

    pub(crate) fn release_credit(&self) {
        let _ = self.credits.0.try_send(());
    }

    /// Waits until the channel may read; false when closing. For who has a
    /// credit.
    pub(crate) fn acquire_parallel_permit(&self) -> bool {
        if self.quota.enter() == Entry::Free {
            return true;
        }
        // Told from the queue only: what is said to wait is never passed over.
        let queued = || self.stats.reader_is(ReaderStage::WaitingForPermit);
        let has_place = self.wait_until_processed() && self.quota.queue_up(&self.closing, queued);
        self.stats.reader_is(ReaderStage::Waiting);
        has_place
    }

    /// Waits until everything that was read is processed; false when closing.
    fn wait_until_processed(&self) -> bool {
        // All credits are at home then, but the one that the reader has.
        let others = self.credits.0.capacity().unwrap_or(1) - 1;
        let all = (0..others).all(|_| self.acquire_credit());
        (0..others).for_each(|_| self.release_credit());
        all
    }

    /// Hands something to the runner and sees to it that it gets a turn.
    pub(crate) fn enqueue(self: &Arc<Self>, item: Item) {
        let _ = self.queue.0.try_send(item);
        self.notify();
    }

    /// Whether no callback runs or waits.
    pub(crate) fn turn_is_idle(&self) -> bool {
        self.turn.stage().0 == TurnStage::Idle
    }

    /// The runner has something to look at.
    pub(crate) fn notify(self: &Arc<Self>) {
        self.act(self.turn.on(TurnEvent::Arrived));
    }

    /// Whether the user's code may make the processor now; otherwise the
    /// channel has been closed meanwhile, and its end is reported elsewhere.
    pub(crate) fn begin_making(&self) -> bool {
        self.turn.on(TurnEvent::Make) == TurnAction::Run
    }

    /// Whether there is, or was, a processor.
    pub(crate) fn was_opened(&self) -> bool {
        self.saver.get().is_some()
    }

    /// The channel is open: from now on the turn decides. Returns whether to
    /// read it; otherwise it has been closed meanwhile.
    pub(crate) fn opened(self: &Arc<Self>, runner: Box<Runner>, saver: Arc<Saver>) -> bool {
        let _ = self.saver.set(saver);
        let _ = self.opened_at.set(self.session.clock().micros());
        self.seat.set(runner);
        if self.turn.on(TurnEvent::Opened) == TurnAction::Close {
            closing::run(self);
            return false;
        }
        true
    }

    /// The channel ends without having been open.
    pub(crate) fn not_opened(&self, error: Option<TunnelError>) {
        if let Some(error) = error {
            self.fail(error);
        }
        self.end(None);
    }

    // The pool.

    /// One turn of the channel: one batch to the callback, at most.
    fn take_turn(self: Arc<Self>) {
        if self.turn.on(TurnEvent::Start) != TurnAction::Run {
            return;
        }
        let Some(mut runner) = self.seat.take() else {
            error!("{self}: its processor is missing");
            return;
        };
        let step = catch_panic(|| runner.step(&self)).unwrap_or_else(|error| {
            error!("{self}: {error}");
            self.fail(error);
            Step::End
        });
        self.seat.set(runner);
        self.after(step);
    }

    fn after(self: &Arc<Self>, step: Step) {
        match step {
            Step::Done => {
                let more = !self.queue.1.is_empty();
                self.act(self.turn.on(TurnEvent::Finish { more }));
            }
            Step::Pause(delay) => {
                let action = self.turn.on(TurnEvent::Pause);
                // Only now: a timer that fires before the pause is lost.
                self.later(delay, Timer::Resume(self.id));
                self.act(action);
            }
            Step::End => {
                // Nothing more needs to be read.
                self.closing.trigger();
                self.act(self.turn.on(TurnEvent::End));
            }
        }
    }

    fn act(self: &Arc<Self>, action: TurnAction) {
        match action {
            TurnAction::Schedule => self.session.pool.schedule(self.clone()),
            TurnAction::Close => closing::spawn(self.clone()),
            TurnAction::TellUnread => {
                let event = Event::Unread(self.channel_id.clone(), self.id);
                self.session.send(event);
            }
            TurnAction::Nothing | TurnAction::Run => {}
        }
    }

    // The runner.

    pub(crate) fn next_item(&self) -> Option<Item> {
        self.queue.1.try_recv().ok()
    }

    /// Whether a callback may begin.
    pub(crate) fn may_call(&self) -> bool {
        !self.closing.is_triggered() && self.is_ours()
    }

    /// A batch is done: its token may be saved from now on.
    pub(crate) fn progressed(&self, progress: Progress) {
        self.progress.finished.set(progress.clone());
        if let CheckpointMode::Every(_) = self.session.settings.options.checkpoint {
            self.unsaved.set(progress);
            self.ask_for_save(Duration::ZERO);
        }
    }

    /// A batch will be delivered, after which its token may be committed.
    pub(crate) fn delivers(&self, progress: &Progress) {
        if let Some(saver) = self.saver.get() {
            saver.delivers(progress);
        }
    }

    /// Nothing of the channel is left.
    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::Release);
    }

    /// Whether the user's code has saved `finished`.
    pub(crate) fn is_finish_committed(&self) -> bool {
        let saver = self.saver.get();
        saver.is_some_and(|saver| saver.is_finish_committed())
    }

    /// The callback has failed, the channel goes on.
    pub(crate) fn failed(&self, error: &ProcessError) {
        let text = full_text(error.get_ref());
        self.stats.history.work.failed(text);
    }

    /// The channel has to be given back because of `error`.
    pub(crate) fn fail(&self, error: TunnelError) {
        self.stats.history.work.failed(full_text(&error));
        self.has_failed_as(error.class());
        self.failure.set(error);
    }

    /// The first failure decides when the channel is opened again.
    fn has_failed_as(&self, class: ErrorClass) {
        let _ = self.failed.set(class);
    }

    /// Saves after the configured interval, and not before `pause` has passed.
    fn ask_for_save(&self, pause: Duration) {
        if let CheckpointMode::Every(interval) = self.session.settings.options.checkpoint
            && !self.save_is_due.swap(true, Ordering::AcqRel)
        {
            self.later(interval.max(pause), Timer::Save(self.id));
        }
    }

    fn later(&self, delay: Duration, timer: Timer) {
        let at = clock::after(self.session.clock().now(), delay);
        self.session.send(Event::Later(at, timer));
    }

    // The end.

    /// The processor, for who has the turn for good.
    pub(crate) fn take_runner(&self) -> Option<Box<Runner>> {
        self.seat.take()
    }

    /// Saves everything that is processed; whether the service now knows it.
    pub(crate) fn save_now(&self) -> Result<(), TunnelError> {
        let Some(saver) = self.saver.get() else {
            return Ok(());
        };
        while saver.save_newest(&self.unsaved)? {
            debug!("{self}: checkpoint saved");
        }
        Ok(())
    }

    /// Saves what is left when the channel closes: for as long as failures pass and the
    /// channel is ours, because its records would come again.
    pub(crate) fn save_last(&self) -> Result<(), TunnelError> {
        loop {
            let error = match catch_panic(|| self.save_now()).and_then(|saved| saved) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let again = is_retry(reaction(error.class(), Request::Channel));
            if !again || self.lost.wait_for(SAVE_RETRY_PAUSE) || !self.is_ours() {
                return Err(error);
            }
            drop_user(error);
        }
    }

    /// Tells everyone that nothing of this connection runs any more.
    pub(crate) fn end(&self, report: Option<ChannelReport>) {
        self.closing.trigger();
        // Whoever still holds a handle must not save any more.
        self.lost.trigger();
        self.quota.end();
        self.discard_queue();
        self.wait_for_save();
        let finished = self.finished.load(Ordering::Acquire);
        if finished {
            info!("{self}: finished");
        }
        let error = self.failure.take();
        // Before a connection that follows can report anything.
        self.observe_end(finished, error.as_ref(), report.is_some());
        let fatal = error.and_then(|error| self.drop_later(error));
        info!("{self}: closed");
        self.ended.trigger();
        self.session.send(Event::Ended(Ended {
            connection: self.id,
            channel_id: self.channel_id.clone(),
            finished,
            failed: self.failed.get().copied(),
            open_for: self.open_for(),
            fatal,
            report,
        }));
    }

    /// Waits for a save of the program's checkpointer that hangs, so that the next
    /// connection to this channel does not add another one. Requests of our own end by
    /// themselves.
    fn wait_for_save(&self) {
        if self.session.settings.checkpointer.is_some()
            && let Some(saver) = self.saver.get()
        {
            saver.wait_until_idle();
        }
    }

    fn open_for(&self) -> Duration {
        let opened_at = self.opened_at.get();
        opened_at.map_or(Duration::ZERO, |at| self.session.clock().age(*at))
    }

    /// Reports a failure and drops it here: its causes are the program's, and the
    /// session's loop must not wait for their drop. What ends the daemon goes on to the
    /// session.
    fn drop_later(&self, error: TunnelError) -> Option<TunnelError> {
        if reaction(error.class(), Request::Channel) == Reaction::EndDaemon {
            return Some(error);
        }
        let text = full_text(&error);
        warn!("{self}: released, it comes back from its last checkpoint: {text}");
        drop_user(error);
        None
    }

    /// Lets go of what was read ahead and of its memory, since no callback will
    /// get it; once when closing, before a callback that may take long has
    /// returned, and once at the end, for what the reader still handed on.
    fn discard_queue(&self) {
        self.queue.1.try_iter().for_each(drop);
    }

    fn observe_end(&self, finished: bool, error: Option<&TunnelError>, was_open: bool) {
        match (finished, error) {
            (true, _) => self.stats.closes_for(CloseReason::Finished),
            (false, Some(_)) => self.stats.closes_for(CloseReason::Failed),
            (false, None) => {}
        }
        let reason = self.stats.close_reason();
        let channel_id = &*self.channel_id;
        self.session.observe(match was_open {
            true => WorkerEventKind::ChannelClosed {
                channel_id,
                reason,
                error,
            },
            false => WorkerEventKind::ChannelNotOpened {
                channel_id,
                reason,
                error,
            },
        });
    }

    /// The end could not be told to the service: the channel is not finished.
    pub(crate) fn not_finished(&self) {
        self.finished.store(false, Ordering::Release);
    }

    /// How far the channel has come. May be asked for more than once.
    pub(crate) fn report(&self, is_abandoned: bool) -> ChannelReport {
        // In this order, since what goes on meanwhile may only make the number of
        // records too high: a callback may be under way to its next progress.
        let saved = self.saver.get().map(|saver| saver.last_saved());
        let saved = saved.unwrap_or_default();
        let finished = self.progress.finished.get();
        let delivered = self.progress.delivered.get();
        let records = delivered.as_ref().map_or(0, |progress| progress.records);
        let token =
            |progress: Option<Progress>| progress.map(|progress| progress.token.to_string());
        ChannelReport {
            channel_id: self.channel_id.to_string(),
            last_delivered: token(delivered),
            last_finished: token(finished),
            last_saved: saved.token.map(|token| token.to_string()),
            records_to_redeliver: saved.records.map(|saved| records.saturating_sub(saved)),
            is_abandoned,
        }
    }

    /// The current stage in a word, for logs.
    pub(crate) fn describe(&self) -> &'static str {
        self.turn.describe()
    }

    pub(crate) fn is_ours(&self) -> bool {
        !self.lost.is_triggered() && self.session.lease.holds()
    }

    /// The same for who outlives this connection.
    pub(crate) fn ownership(&self) -> Ownership {
        self.session
            .ownership(self.channel_id.clone(), self.lost.clone())
    }
}
