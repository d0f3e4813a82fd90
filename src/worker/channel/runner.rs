//! Gives the batches of one channel to its processor, one after the other.
//!
//! In each turn on the pool a runner does one thing: it gives a batch that came, or the
//! batch that failed again. It never waits.

use std::sync::Arc;
use std::time::Duration;

use log::{error, trace, warn};

use super::backoff::Backoff;
use super::batch::ReadBatch;
use super::connection::Connection;
use super::state::{Action, ChannelEvent};
use crate::FINISH_TAG;
use crate::clock::Clock;
use crate::error::TunnelError;
use crate::observer::WorkerEventKind;
use crate::pool;
use crate::processor::{
    BatchContext, ChannelContext, ChannelProcessor, CheckpointMode, Outcome,
    ParallelReleaseManager, ProcessError, ProcessResult,
};
use crate::sync::catch_panic::catch_panic;
use crate::user_code::{UserValue, call_user, drop_user};
use crate::worker::context::Timer;
use crate::worker::lease::LEASE_PAUSE;
use crate::worker::report::Progress;
use crate::worker::status::failures::full_text;

/// What becomes of the channel after a turn.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It goes on when something comes, or is there.
    Done,
    /// It goes on after a pause.
    Pause(Duration),
    /// It ends.
    End,
}

/// What a turn begins with.
enum Next {
    Batch(ReadBatch),
    /// There are no more batches, for this reason.
    Failed(TunnelError),
    /// The batch of the turn before, or nothing.
    Nothing,
}

/// Whether a batch may be given to the callback, or count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permission {
    Granted,
    /// The channel closes: there will be no other turn.
    Closing,
    /// The session is over, unless a late response to a heartbeat renews its lease.
    NoLease,
}

/// What became of an attempt to process a batch.
enum Attempt {
    Made(ProcessResult),
    /// The callback was not called.
    Refused(Permission),
    /// The batch cannot be decoded.
    Damaged(TunnelError),
}

/// The processor of a channel and the batch that it is at.
pub(crate) struct Runner {
    processor: UserValue<Box<dyn ChannelProcessor>>,
    context: ChannelContext,
    current: Option<Current>,
    /// Records handed over since the channel was opened.
    records: u64,
}

/// A batch until it is done.
struct Current {
    batch: ReadBatch,
    progress: Progress,
    /// When its newest record was written, in microseconds since 1970.
    newest: Option<i64>,
    /// How long its last callback took.
    elapsed: Duration,
    failures: u32,
    delays: Backoff,
}

impl Current {
    fn is_last(&self) -> bool {
        &*self.progress.token == FINISH_TAG
    }
}

impl pool::Turn for Connection {
    fn run(self: Arc<Self>) {
        self.take_turn();
        // The last handle to a channel may drop values of the program.
        drop_user(self);
    }

    fn clock(&self) -> &Clock {
        self.clock()
    }
}

impl Connection {
    fn take_turn(self: &Arc<Self>) {
        let Some((mut runner, next)) = self.start_turn() else {
            return;
        };
        let step = catch_panic(|| runner.step(self, next)).unwrap_or_else(|error| {
            error!("{self}: {error}");
            self.fail(error);
            Step::End
        });
        self.finish_turn(runner, &step);
    }

    /// Takes the runner, and what it has to do.
    fn start_turn(&self) -> Option<(Box<Runner>, Next)> {
        let now = self.now();
        let mut data = self.data.lock();
        if data.handle(ChannelEvent::Start, now) != Action::Proceed {
            return None;
        }
        let runner = data.runner.take()?;
        if data.reading.has_current {
            return Some((runner, Next::Nothing));
        }
        let next = match data.reading.queue.pop_front() {
            Some(batch) => {
                data.reading.has_current = true;
                Next::Batch(batch)
            }
            None => match data.reading.failure.take() {
                Some(error) => Next::Failed(error),
                None => Next::Nothing,
            },
        };
        Some((runner, next))
    }

    fn finish_turn(self: &Arc<Self>, runner: Box<Runner>, step: &Step) {
        let now = self.now();
        let mut data = self.data.lock();
        data.runner = Some(runner);
        let more = !data.reading.queue.is_empty() || data.reading.failure.is_some();
        let action = data.handle(
            match step {
                Step::Done => ChannelEvent::Finish { more },
                Step::Pause(_) => ChannelEvent::Pause,
                Step::End => ChannelEvent::End,
            },
            now,
        );
        let closes = data.state.is_closing();
        drop(data);
        if closes {
            self.data.notify();
        }
        if let (Step::Pause(delay), Action::Nothing) = (step, action) {
            // Only now: a timer that fires before the pause is lost.
            self.later(*delay, Timer::Resume(self.id));
        }
        self.act(action);
    }

    /// Whether the batch may be given to the callback, or count without one. Whoever
    /// closes the channel sees the progress, or this sees that it closes.
    fn may_deliver(&self, current: &Current, calls_back: bool) -> Permission {
        let (holds, now) = (self.session.lease.holds(), self.now());
        let mut data = self.data.lock();
        if data.state.is_closing() {
            return Permission::Closing;
        }
        if !holds {
            return Permission::NoLease;
        }
        if data.handle(ChannelEvent::Deliver, now) != Action::Proceed {
            return Permission::Closing;
        }
        let Progress { token, records } = &current.progress;
        data.saves.delivered.note(token, *records);
        if calls_back {
            data.progress.delivered = Some(current.progress.clone());
        }
        Permission::Granted
    }

    /// A batch is done: its token may be saved from now on.
    fn processed(self: &Arc<Self>, current: &Current) -> Step {
        let by_worker = self.session.settings.options.checkpoint != CheckpointMode::ByProcessor;
        let now = self.now();
        let mut data = self.data.lock();
        data.progress.processed = Some(current.progress.clone());
        data.reading.has_current = false;
        let mut action = Action::Nothing;
        // An idle channel that is always called back does not get on.
        let last_saved = data.saves.last.token.as_ref();
        let is_saved = last_saved == Some(&current.progress.token);
        if by_worker && !(is_saved && data.progress.unsaved.is_none()) {
            data.progress.unsaved = Some(current.progress.clone());
            action = data.handle(ChannelEvent::Processed, now);
        }
        let mut step = Step::Done;
        if current.is_last() {
            match by_worker || data.saves.is_finish_committed {
                true => {
                    data.progress.is_finished = true;
                    step = Step::End;
                }
                // Its commit closes the channel.
                false => data.progress.waits_for_commit = true,
            }
        }
        let reader_waits = data.reading.waits;
        drop(data);
        if reader_waits {
            self.data.notify();
        }
        self.act(action);
        step
    }
}

impl Runner {
    pub(super) fn new(
        processor: UserValue<Box<dyn ChannelProcessor>>,
        context: ChannelContext,
    ) -> Runner {
        Runner {
            processor,
            context,
            current: None,
            records: 0,
        }
    }

    /// The batch that it will not try again.
    pub(super) fn take_current(&mut self) -> impl Sized + use<> {
        self.current.take()
    }

    /// Calls the user's last callback and drops everything of the user's.
    pub(super) fn shut_down(mut self: Box<Self>) {
        let context = &mut self.context;
        context.set_batch(BatchContext::default());
        let (tunnel, channel) = (
            context.tunnel_id().to_owned(),
            context.channel_id().to_owned(),
        );
        if let Err(panic) = call_user(|| self.processor.shutdown(&self.context)) {
            error!("tunnel {tunnel}, channel {channel}: the shutdown callback panicked: {panic}");
        }
    }

    fn step(&mut self, connection: &Arc<Connection>, next: Next) -> Step {
        let current = match (self.current.take(), next) {
            (Some(current), _) => current,
            (None, Next::Batch(batch)) => match self.take_up(connection, batch) {
                Ok(current) => current,
                Err(error) => return damaged(connection, error),
            },
            (None, Next::Failed(error)) => {
                connection.fail(error);
                return Step::End;
            }
            (None, Next::Nothing) => return Step::Done,
        };
        self.give(connection, current)
    }

    fn take_up(
        &mut self,
        connection: &Connection,
        mut batch: ReadBatch,
    ) -> Result<Current, TunnelError> {
        let settings = &connection.session.settings;
        let binary_records = match settings.options.need_binary_record {
            true => Some(batch.binary_records()?),
            false => None,
        };
        let record_count = batch.record_count();
        self.records += record_count as u64;
        let (trace_id, next_token) = batch.take_names();
        let progress = Progress {
            token: next_token.clone(),
            records: self.records,
        };
        self.context.set_batch(BatchContext {
            trace_id,
            next_token,
            record_count,
            binary_records,
            attempt: 0,
            parallel_release: match settings.reading.need_manual_release {
                true => ParallelReleaseManager::new(batch.parallel_permit()),
                false => ParallelReleaseManager::default(),
            },
        });
        Ok(Current {
            batch,
            progress,
            newest: None,
            elapsed: Duration::ZERO,
            failures: 0,
            delays: Backoff::for_attempts(),
        })
    }

    fn give(&mut self, connection: &Arc<Connection>, mut current: Current) -> Step {
        match self.attempt(connection, &mut current) {
            Attempt::Made(Ok(())) => self.done(connection, current),
            Attempt::Made(Err(error)) => self.failed(connection, current, error),
            Attempt::Damaged(error) => damaged(connection, error),
            Attempt::Refused(permission) => {
                self.current = Some(current);
                match permission {
                    // Nothing would bring another turn, so this asks for one.
                    Permission::NoLease => Step::Pause(LEASE_PAUSE),
                    Permission::Closing | Permission::Granted => Step::Done,
                }
            }
        }
    }

    fn needs_call(&self, connection: &Connection, current: &Current) -> bool {
        let options = &connection.session.settings.options;
        // The last batch is given even without records to a program that commits by
        // itself: it has to commit `finished`.
        let last_to_commit = options.checkpoint == CheckpointMode::ByProcessor && current.is_last();
        self.context.record_count() > 0 || options.always_call_back || last_to_commit
    }

    /// Decodes the batch and calls the callback, if it has to know of the batch.
    fn attempt(&mut self, connection: &Arc<Connection>, current: &mut Current) -> Attempt {
        let calls_back = self.needs_call(connection, current);
        let records = match connection.session.settings.options.need_binary_record || !calls_back {
            true => Ok(Vec::new()),
            false => current.batch.records(),
        };
        let records = match records {
            Ok(records) => records,
            Err(error) => return Attempt::Damaged(error),
        };
        // Decoding took its time, so only now.
        match connection.may_deliver(current, calls_back) {
            Permission::Granted if calls_back => {}
            Permission::Granted => return Attempt::Made(Ok(())),
            refused => return Attempt::Refused(refused),
        }
        let began = connection.now();
        let result = call_user(|| self.processor.process(&self.context, &records));
        let newest = records.last().and_then(|record| record.sequence_info());
        current.newest = newest.map(|sequence| sequence.timestamp);
        drop(records);
        current.elapsed = connection.now() - began;
        Attempt::Made(result.unwrap_or_else(|panic| {
            Err(ProcessError::new(format!("the callback panicked: {panic}")))
        }))
    }

    fn done(&mut self, connection: &Arc<Connection>, current: Current) -> Step {
        let (records, bytes) = (self.context.record_count(), current.batch.bytes());
        let mut data = connection.data.lock();
        data.stats.batch_done(records, bytes, current.newest);
        drop(data);
        connection.observe(WorkerEventKind::BatchDone {
            channel_id: &connection.channel_id,
            records,
            bytes,
            elapsed: current.elapsed,
        });
        trace!("{connection}: {records} records done");
        connection.processed(&current)
    }

    fn failed(
        &mut self,
        connection: &Arc<Connection>,
        mut current: Current,
        error: ProcessError,
    ) -> Step {
        match error.outcome() {
            Outcome::Skip => {
                let (records, text) = (self.context.record_count(), full_text(error.get_ref()));
                warn!("{connection}: {records} records skipped as asked: {text}");
                connection.callback_failed(text);
                connection.observe(WorkerEventKind::BatchSkipped {
                    channel_id: &connection.channel_id,
                    records,
                    error: &error,
                });
                return self.done(connection, current);
            }
            Outcome::RetryAfter(delay) => {
                let attempt = format!("attempt {}", self.context.attempt() + 2);
                return self.pause(connection, current, &attempt, delay, &error);
            }
            Outcome::Close => {}
            Outcome::Retry => {
                current.failures += 1;
                let attempts = connection.session.settings.process_attempts;
                if current.failures < attempts {
                    let delay = current.delays.next_delay(fastrand::f64());
                    let attempt = format!("attempt {} of {attempts}", current.failures + 1);
                    return self.pause(connection, current, &attempt, delay, &error);
                }
            }
        }
        connection
            .fail(TunnelError::client("the callback failed").with_source(error.into_source()));
        Step::End
    }

    /// `attempt`: the one that will follow, in words.
    fn pause(
        &mut self,
        connection: &Connection,
        current: Current,
        attempt: &str,
        delay: Duration,
        error: &ProcessError,
    ) -> Step {
        let (pause, text) = (delay.as_millis(), full_text(error.get_ref()));
        warn!("{connection}: the callback failed, {attempt} in {pause} ms: {text}");
        connection.callback_failed(text);
        connection.observe(WorkerEventKind::BatchRetried {
            channel_id: &connection.channel_id,
            delay,
            error,
        });
        self.context.next_attempt();
        self.current = Some(current);
        Step::Pause(delay)
    }
}

/// Nothing is skipped: the channel comes back to this very batch. It was damaged on its
/// way most likely, so it will be read again soon.
fn damaged(connection: &Connection, error: TunnelError) -> Step {
    connection.fail(error);
    Step::End
}
