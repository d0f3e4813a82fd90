//! One open channel, as its reader, the pool and the session's loop share it.
//!
//! The reader owns where reading goes on, the [`Runner`] in the seat owns the
//! processor and the batch it is at, the [`turn`](super::turn) says who may
//! take the runner. Between them are queues and signals only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use log::{debug, error, warn};

use super::closing;
use super::latest::Latest;
use super::lease::Ownership;
use super::link::{Ended, Event, Link};
use super::meter::{ChannelMeter, ReaderStage};
use super::quota::{ChannelQuota, Entry};
use super::receipt::{ChannelReceipt, Mark};
use super::round::Round;
use super::runner::{Runner, Step};
use super::saver::Saver;
use super::state::ConnectionId;
use super::timers::Timer;
use super::trouble::full_text;
use super::turn::{Turn, TurnAction, TurnEvent, TurnStage};
use super::unwind;
use crate::clock;
use crate::error::{ErrorCode, TunnelError};
use crate::observer::{CloseReason, WorkerEventKind};
use crate::processor::{CheckpointMode, ProcessError};
use crate::stop::Stop;
use crate::threads;

/// The least pause after a save that failed: an interval of zero would ask a
/// service that refuses again and again without any.
const SAVE_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What the reader hands to the runner.
pub(crate) enum Item {
    Batch(Round),
    /// Reading has failed; everything before it is still to be processed.
    Failed(TunnelError),
}

/// How far the channel has come, for the receipt.
#[derive(Debug)]
pub(crate) struct Marks {
    pub(crate) delivered: Latest<Mark>,
    pub(crate) finished: Latest<Mark>,
    pub(crate) saved: Latest<Mark>,
}

/// One open channel. Go: `channelConn`.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) channel_id: Arc<str>,
    pub(crate) link: Arc<Link>,
    /// No further read, no further batch.
    pub(crate) closing: Stop,
    /// The channel is no longer ours: no callback, no save. Never without `closing`.
    pub(crate) lost: Stop,
    /// Nothing of this connection runs any more.
    pub(crate) ended: Stop,
    pub(crate) marks: Marks,
    /// What others see of it.
    pub(crate) meter: Arc<ChannelMeter>,
    /// What has been processed since the last save.
    unsaved: Latest<Mark>,
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
}

impl Connection {
    pub(crate) fn new(link: Arc<Link>, id: ConnectionId, channel_id: Arc<str>) -> Arc<Connection> {
        let batches = link.settings.batches_per_channel();
        let reading = &link.settings.reading;
        let quota = ChannelQuota::new(link.quota.clone(), reading.need_manual_release);
        let credits = bounded(batches);
        for _ in 0..batches {
            let _ = credits.0.send(());
        }
        let clock = link.clock().clone();
        let (turn, closing) = (Arc::new(Turn::new(&clock)), Stop::on(&clock));
        let meter = link
            .board
            .opens(id, &channel_id, turn.clone(), closing.clone());
        Arc::new(Connection {
            id,
            channel_id,
            link,
            closing,
            lost: Stop::on(&clock),
            ended: Stop::on(&clock),
            marks: Marks {
                delivered: Latest::new(),
                finished: Latest::new(),
                saved: Latest::new(),
            },
            meter,
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
        })
    }

    // The session's loop.

    /// Closes: the batch in the callback is finished and saved, unless the
    /// channel is lost at the same time or later.
    pub(crate) fn close_gracefully(self: &Arc<Self>) {
        self.closing.fire();
        self.discard_queue();
        self.act(self.turn.on(TurnEvent::Close));
    }

    /// Closes a channel that is no longer ours: no callback begins and nothing
    /// is saved from now on.
    pub(crate) fn drop_lost(self: &Arc<Self>) {
        self.lost.fire();
        self.close_gracefully();
    }

    /// Gives the batch that failed to the callback again.
    pub(crate) fn resume(self: &Arc<Self>) {
        self.act(self.turn.on(TurnEvent::Resume));
    }

    /// Saves what has been processed, on a thread of its own: neither the
    /// loop nor the pool waits for a request.
    pub(crate) fn save_soon(self: &Arc<Self>) {
        // Progress from here on asks for the next save.
        self.save_is_due.store(false, Ordering::Release);
        let connection = self.clone();
        let clock = self.link.clock();
        let spawned = threads::spawn(clock, "tunnel-checkpoint", move || connection.save());
        if let Err(error) = spawned {
            warn!(
                "channel {}: no thread to save a checkpoint: {error}",
                self.channel_id
            );
            self.ask_for_save(SAVE_RETRY_PAUSE);
        }
    }

    fn save(&self) {
        if let Err(error) = unwind::contain(|| self.save_now()).and_then(|saved| saved)
            // Closed meanwhile, which saves by itself what may be saved.
            && *error.code() != ErrorCode::ChannelLost
        {
            warn!(
                "channel {}: checkpoint not saved, tried again later: {error}",
                self.channel_id
            );
            if !self.lost.is_fired() {
                self.ask_for_save(SAVE_RETRY_PAUSE);
            }
        }
    }

    // The reader.

    /// Waits until there is room for one more batch; false when closing.
    pub(crate) fn take_credit(&self) -> bool {
        self.closing.or_recv(&self.credits.1).is_some()
    }

    pub(crate) fn give_credit(&self) {
        let _ = self.credits.0.try_send(());
    }

    /// Waits until the channel may read; false when closing. For who has a
    /// credit.
    pub(crate) fn take_place(&self) -> bool {
        if self.quota.enter() == Entry::Free {
            return true;
        }
        // Told from the queue only: what is said to wait is never passed over.
        let queued = || self.meter.reader_is(ReaderStage::WaitingForPlace);
        let has_place = self.wait_until_processed() && self.quota.queue_up(&self.closing, queued);
        self.meter.reader_is(ReaderStage::Waiting);
        has_place
    }

    /// Waits until everything that was read is processed; false when closing.
    fn wait_until_processed(&self) -> bool {
        // All credits are at home then, but the one that the reader has.
        let others = self.credits.0.capacity().unwrap_or(1) - 1;
        let all = (0..others).all(|_| self.take_credit());
        (0..others).for_each(|_| self.give_credit());
        all
    }

    /// Hands something to the runner and sees to it that it gets a turn.
    pub(crate) fn hand_on(self: &Arc<Self>, item: Item) {
        let _ = self.queue.0.try_send(item);
        self.look();
    }

    /// Whether no callback runs or waits.
    pub(crate) fn turn_is_idle(&self) -> bool {
        self.turn.stage().0 == TurnStage::Idle
    }

    /// The runner has something to look at.
    pub(crate) fn look(self: &Arc<Self>) {
        self.act(self.turn.on(TurnEvent::Arrived));
    }

    /// Whether the user's code may make the processor now; otherwise the
    /// channel has been closed meanwhile, and its end is told elsewhere.
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
    pub(crate) fn take_turn(self: Arc<Self>) {
        if self.turn.on(TurnEvent::Start) != TurnAction::Run {
            return;
        }
        let Some(mut runner) = self.seat.take() else {
            error!("channel {}: nobody in the seat", self.channel_id);
            return;
        };
        let step = unwind::contain(|| runner.step(&self)).unwrap_or_else(|error| {
            error!("channel {}: {error}", self.channel_id);
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
                self.closing.fire();
                self.act(self.turn.on(TurnEvent::End));
            }
        }
    }

    fn act(self: &Arc<Self>, action: TurnAction) {
        match action {
            TurnAction::Schedule => self.link.pool.schedule(self.clone()),
            TurnAction::Close => closing::spawn(self.clone()),
            TurnAction::TellUnread => {
                let event = Event::Unread(self.channel_id.clone(), self.id);
                self.link.tell(event);
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
        !self.closing.is_fired() && self.is_ours()
    }

    /// A batch is done: its token may be saved from now on.
    pub(crate) fn progressed(&self, mark: Mark) {
        self.marks.finished.set(mark.clone());
        if let CheckpointMode::Every(_) = self.link.settings.options.checkpoint {
            self.unsaved.set(mark);
            self.ask_for_save(Duration::ZERO);
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
        self.meter.history.work.failed(text);
    }

    /// The channel has to be given back because of `error`.
    pub(crate) fn fail(&self, error: TunnelError) {
        self.meter.history.work.failed(full_text(&error));
        self.failure.set(error);
    }

    /// Saves after the configured interval, and not before `pause` has passed.
    fn ask_for_save(&self, pause: Duration) {
        if let CheckpointMode::Every(interval) = self.link.settings.options.checkpoint
            && !self.save_is_due.swap(true, Ordering::AcqRel)
        {
            self.later(interval.max(pause), Timer::Save(self.id));
        }
    }

    fn later(&self, delay: Duration, timer: Timer) {
        let at = clock::after(self.link.clock().now(), delay);
        self.link.tell(Event::Later(at, timer));
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
        while saver.save_newest(&self.unsaved, &self.marks.saved)? {
            debug!("channel {}: checkpoint saved", self.channel_id);
        }
        Ok(())
    }

    /// Tells everyone that nothing of this connection runs any more.
    pub(crate) fn end(&self, receipt: Option<ChannelReceipt>) {
        self.closing.fire();
        // Whoever still holds a handle must not save any more.
        self.lost.fire();
        self.quota.end();
        self.discard_queue();
        let finished = self.finished.load(Ordering::Acquire);
        let error = self.failure.take();
        // Before a connection that follows can tell anything.
        self.observe_end(finished, error.as_ref(), receipt.is_some());
        let fatal = error.and_then(|error| self.let_go(error));
        self.ended.fire();
        self.link.tell(Event::Ended(Ended {
            connection: self.id,
            channel_id: self.channel_id.clone(),
            finished,
            fatal,
            receipt,
        }));
    }

    /// Tells of a failure and lets go of it here: its causes are the user's,
    /// and the session's loop must not wait for their drop. What no other
    /// worker and no later try can pass goes on to the session.
    fn let_go(&self, error: TunnelError) -> Option<TunnelError> {
        if *error.code() == ErrorCode::TunnelExpired {
            return Some(error);
        }
        let id = &self.channel_id;
        let dropped = unwind::user_code(|| {
            let text = full_text(&error);
            warn!("channel {id}: given back, it comes back from its last checkpoint: {text}");
            drop(error);
        });
        if let Err(panic) = dropped {
            error!("channel {id}: dropping what it failed with panicked: {panic}");
        }
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
            (true, _) => self.meter.closes_for(CloseReason::Finished),
            (false, Some(_)) => self.meter.closes_for(CloseReason::Failed),
            (false, None) => {}
        }
        let reason = self.meter.close_reason();
        let channel_id = &*self.channel_id;
        self.link.observe(match was_open {
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

    /// How far the channel has come.
    pub(crate) fn receipt(&self, is_abandoned: bool) -> ChannelReceipt {
        // In this order, since what goes on meanwhile may only make the
        // answer too high: a callback may be under way to its next mark.
        let saved = self.marks.saved.take();
        let finished = self.marks.finished.take();
        let delivered = self.marks.delivered.take();
        let records = |mark: &Option<Mark>| mark.as_ref().map_or(0, |mark| mark.records);
        let again = records(&delivered).saturating_sub(records(&saved));
        let by_worker = matches!(
            self.link.settings.options.checkpoint,
            CheckpointMode::Every(_)
        );
        let token = |mark: Option<Mark>| mark.map(|mark| mark.token.to_string());
        let committed = || Some(self.saver.get()?.last_saved()?.to_string());
        ChannelReceipt {
            channel_id: self.channel_id.to_string(),
            last_delivered: token(delivered),
            last_finished: token(finished),
            last_saved: if by_worker { token(saved) } else { committed() },
            records_to_come_again: by_worker.then_some(again),
            is_abandoned,
        }
    }

    /// What it is at, in a word, for logs.
    pub(crate) fn describe(&self) -> &'static str {
        self.turn.describe()
    }

    pub(crate) fn is_ours(&self) -> bool {
        !self.lost.is_fired() && self.link.lease.holds()
    }

    /// The same for who outlives this connection.
    pub(crate) fn ownership(&self) -> Ownership {
        self.link
            .ownership(self.channel_id.clone(), self.lost.clone())
    }
}
