//! Gives the batches of one channel to its processor, one after the other.
//!
//! A runner does one thing a turn: a batch that came, or another attempt with
//! the batch that failed. It never waits.

use std::time::Duration;

use log::{error, trace, warn};

use super::backoff::Backoff;
use super::batch::ReadBatch;
use super::connection::{Connection, Item};
use crate::FINISH_TAG;
use crate::error::TunnelError;
use crate::observer::WorkerEventKind;
use crate::processor::{
    BatchContext, ChannelContext, ChannelProcessor, CheckpointMode, Outcome,
    ParallelReleaseManager, ProcessError,
};
use crate::record::Record;
use crate::sync::lease::LEASE_PAUSE;
use crate::user_code::{UserValue, call_user};
use crate::worker::context::SessionContext;
use crate::worker::report::Progress;
use crate::worker::status::failures::full_text;

/// What is to become of the turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Until something comes.
    Done,
    /// Until the batch is to be tried again.
    Pause(Duration),
    /// The channel ends.
    End,
}

/// The processor of a channel and the batch that it is at.
pub(crate) struct Runner {
    processor: UserValue<Box<dyn ChannelProcessor>>,
    context: ChannelContext,
    current: Option<Current>,
    /// The last batch that was given to the callback.
    delivered: Option<Progress>,
    /// Records handed over since the channel was opened.
    records: u64,
    /// Everything is processed; the user's code has yet to commit `finished`.
    waits_for_commit: bool,
}

/// A batch until it is done.
struct Current {
    /// What it holds on to is given back when the batch is done, or dropped.
    round: ReadBatch,
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

impl Runner {
    pub(crate) fn new(
        processor: UserValue<Box<dyn ChannelProcessor>>,
        context: ChannelContext,
    ) -> Runner {
        Runner {
            processor,
            context,
            current: None,
            delivered: None,
            records: 0,
            waits_for_commit: false,
        }
    }

    /// One turn.
    pub(crate) fn step(&mut self, connection: &Connection) -> Step {
        if !connection.may_call() {
            return not_now(connection);
        }
        if self.waits_for_commit {
            return self.step_to_commit(connection);
        }
        if let Some(current) = self.current.take() {
            return self.give(connection, current);
        }
        match connection.next_item() {
            None => Step::Done,
            // `give` asks again whether it may: the item may only be the first because
            // those before it were discarded when the channel began to close.
            Some(Item::Batch(round)) => self.begin(connection, round),
            Some(Item::Failed(error)) => {
                connection.fail(error);
                Step::End
            }
        }
    }

    /// Calls the user's last callback and lets go of everything of the user's.
    pub(crate) fn shut_down(mut self: Box<Self>) {
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

    fn step_to_commit(&self, connection: &Connection) -> Step {
        if !connection.is_finish_committed() {
            return Step::Done;
        }
        connection.finish();
        Step::End
    }

    fn begin(&mut self, connection: &Connection, round: ReadBatch) -> Step {
        match self.take_up(connection, round) {
            Ok(current) => self.give(connection, current),
            Err(error) => damaged(connection, error),
        }
    }

    fn take_up(
        &mut self,
        connection: &Connection,
        mut round: ReadBatch,
    ) -> Result<Current, TunnelError> {
        let settings = &connection.session.settings;
        let binary_records = match settings.options.need_binary_record {
            true => Some(round.binary_records()?),
            false => None,
        };
        let record_count = round.record_count();
        self.records += record_count as u64;
        let (trace_id, next_token) = round.take_names();
        let progress = Progress {
            token: next_token.clone(),
            records: self.records,
        };
        connection.delivers(&progress);
        self.context.set_batch(BatchContext {
            trace_id,
            next_token,
            record_count,
            binary_records,
            attempt: 0,
            parallel_release: match settings.reading.need_manual_release {
                true => ParallelReleaseManager::new(round.parallel_permit()),
                false => ParallelReleaseManager::default(),
            },
        });
        Ok(Current {
            round,
            progress,
            newest: None,
            elapsed: Duration::ZERO,
            failures: 0,
            delays: Backoff::for_attempts(),
        })
    }

    fn give(&mut self, connection: &Connection, mut current: Current) -> Step {
        let options = &connection.session.settings.options;
        // The last batch is given even without records to a program that
        // commits by itself: it has to commit `finished`.
        let last_to_commit = options.checkpoint == CheckpointMode::ByProcessor && current.is_last();
        // Before progress of any kind: once the channel closes, a batch before this one
        // may have been discarded, and a batch without records would pass over it.
        if !connection.may_call() {
            self.current = Some(current);
            return not_now(connection);
        }
        if self.context.record_count() == 0 && !options.always_call_back && !last_to_commit {
            return self.done(connection, current);
        }
        let records = match records(&connection.session, &current.round) {
            Ok(records) => records,
            Err(error) => return damaged(connection, error),
        };
        // Decoding took its time. Marked first: who ends the channel either
        // sees the progress, or is seen here.
        connection.progress.delivered.set(current.progress.clone());
        if !connection.may_call() {
            connection
                .progress
                .delivered
                .replace(self.delivered.clone());
            drop(records);
            self.current = Some(current);
            return not_now(connection);
        }
        self.delivered = Some(current.progress.clone());
        let clock = connection.session.clock();
        let began = clock.now();
        let result = call_user(|| self.processor.process(&self.context, &records));
        let newest = newest(&records);
        connection.session.pool.record_buffers.put(emptied(records));
        current.newest = newest;
        current.elapsed = clock.now() - began;
        match result {
            Ok(Ok(())) => self.done(connection, current),
            Ok(Err(error)) => self.failed(connection, current, error),
            Err(panic) => {
                let error = ProcessError::new(format!("the callback panicked: {panic}"));
                self.failed(connection, current, error)
            }
        }
    }

    fn done(&mut self, connection: &Connection, current: Current) -> Step {
        let is_last = current.is_last();
        self.observe_done(connection, &current);
        trace!("{connection}: {} records done", self.context.record_count());
        let Current {
            round, progress, ..
        } = current;
        round.drop_later(&connection.session.pool.checked_buffers);
        connection.progressed(progress);
        connection.release_credit();
        if !is_last {
            return Step::Done;
        }
        if connection.session.settings.options.checkpoint == CheckpointMode::ByProcessor {
            self.waits_for_commit = true;
            return self.step_to_commit(connection);
        }
        connection.finish();
        Step::End
    }

    fn observe_done(&self, connection: &Connection, current: &Current) {
        let (records, bytes) = (self.context.record_count(), current.round.bytes());
        connection.stats.batch_done(records, bytes, current.newest);
        connection.session.observe(WorkerEventKind::BatchDone {
            channel_id: &connection.channel_id,
            records,
            bytes,
            elapsed: current.elapsed,
        });
    }

    fn failed(
        &mut self,
        connection: &Connection,
        mut current: Current,
        error: ProcessError,
    ) -> Step {
        match error.outcome() {
            Outcome::Skip => {
                warn!(
                    "{connection}: {} records skipped as asked: {}",
                    self.context.record_count(),
                    full_text(error.get_ref())
                );
                connection.failed(&error);
                connection.session.observe(WorkerEventKind::BatchSkipped {
                    channel_id: &connection.channel_id,
                    records: self.context.record_count(),
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
        warn!(
            "{connection}: the callback failed, {attempt} in {} ms: {}",
            delay.as_millis(),
            full_text(error.get_ref())
        );
        connection.failed(error);
        connection.session.observe(WorkerEventKind::BatchRetried {
            channel_id: &connection.channel_id,
            delay,
            error,
        });
        self.context.next_attempt();
        self.current = Some(current);
        Step::Pause(delay)
    }
}

/// Nothing is skipped: the channel comes back to this very batch.
/// It was damaged on its way most likely, so it will be read again soon.
fn damaged(connection: &Connection, error: TunnelError) -> Step {
    connection.fail(error);
    Step::End
}

/// What a callback gets.
fn records<'a>(
    session: &SessionContext,
    round: &'a ReadBatch,
) -> Result<Vec<Record<'a>>, TunnelError> {
    match session.settings.options.need_binary_record {
        true => Ok(Vec::new()),
        false => round.records(&session.pool.record_buffers),
    }
}

/// When the newest record was written, in microseconds since 1970.
fn newest(records: &[Record<'_>]) -> Option<i64> {
    let sequence = records.last()?.sequence_info()?;
    Some(sequence.timestamp)
}

/// The memory of a batch's records, for those of any other.
fn emptied(records: Vec<Record<'_>>) -> Vec<Record<'static>> {
    // Collects into the same memory, as far as the standard library can: what is
    // left of a lifetime is none.
    records.into_iter().map_while(|_| None).collect()
}

/// No callback may begin. A channel that closes gets no other turn. Without a
/// lease the session is lost, unless a late answer renews it: nothing would
/// bring another turn then, so this asks for one.
fn not_now(connection: &Connection) -> Step {
    match connection.closing.is_triggered() {
        true => Step::Done,
        false => Step::Pause(LEASE_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::limits::memory::{MemoryPermit, SizeEstimate};
    use crate::processor::{ChannelIdentity, Checkpointer, ProcessResult, ProcessorHandle};
    use crate::record::RawBatch;
    use crate::worker::channel::batch::Claim;
    use crate::worker::channel::checkpoint::ChannelCheckpointer;
    use crate::worker::channel::saver::Saver;

    /// Counts its calls.
    struct Count(Arc<std::sync::atomic::AtomicUsize>);

    impl ChannelProcessor for Count {
        fn process(&mut self, _: &ChannelContext, _: &[Record]) -> ProcessResult {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Err(ProcessError::retry_after(Duration::ZERO, "again"))
        }
    }

    fn runner(connection: &Arc<Connection>, processor: impl ChannelProcessor + 'static) -> Runner {
        let checkpointer = Arc::new(ChannelCheckpointer::new(connection, "", 0));
        runner_that_saves(connection, processor, checkpointer).0
    }

    fn runner_that_saves(
        connection: &Arc<Connection>,
        processor: impl ChannelProcessor + 'static,
        checkpointer: Arc<dyn Checkpointer>,
    ) -> (Runner, Arc<Saver>) {
        let ownership = connection.ownership();
        let checkpointer = UserValue::new(checkpointer);
        let saver = Saver::new(connection, ownership.clone(), checkpointer, "");
        let saver = Arc::new(saver);
        let identity = ChannelIdentity {
            tunnel_id: "t".into(),
            client_id: "c".into(),
            channel_id: "channel".into(),
            is_stream: true,
            closing: connection.closing.clone(),
            handle: ProcessorHandle::new(saver.clone(), ownership),
        };
        let context = ChannelContext::new(Arc::new(identity), None);
        let processor = UserValue::new(Box::new(processor) as Box<dyn ChannelProcessor>);
        (Runner::new(processor, context), saver)
    }

    #[test]
    fn a_batch_waits_while_the_lease_is_out_and_is_not_forgotten() {
        let (session, _events) = SessionContext::for_tests();
        let session = Arc::new(session);
        let connection = Connection::new(session.clone(), Default::default(), "channel".into());
        let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let mut runner = runner(&connection, Count(calls.clone()));
        let called = || calls.load(std::sync::atomic::Ordering::SeqCst);
        runner.context.set_batch(BatchContext {
            record_count: 1,
            ..BatchContext::default()
        });
        runner.current = Some(Current {
            round: round(&session, 1),
            progress: Progress {
                token: "token".into(),
                records: 1,
            },
            newest: None,
            elapsed: Duration::ZERO,
            failures: 0,
            delays: Backoff::for_attempts(),
        });
        assert_eq!(runner.step(&connection), Step::Pause(Duration::ZERO));
        assert_eq!(called(), 1);
        let delivered = || {
            let progress = connection.progress.delivered.take()?;
            connection.progress.delivered.give_back(progress.clone());
            Some(progress.records)
        };
        assert_eq!(delivered(), Some(1));
        let renew = |timeout| {
            let clock = session.clock();
            session.lease.renew(clock.now(), clock.utc(), timeout);
        };
        renew(Duration::ZERO);
        assert_eq!(runner.step(&connection), Step::Pause(LEASE_PAUSE));
        assert_eq!(called(), 1, "the session may be lost");
        renew(Duration::from_secs(60));
        assert_eq!(runner.step(&connection), Step::Pause(Duration::ZERO));
        assert_eq!(called(), 2, "it was not, and the batch is there");
        connection.drop_lost();
        assert_eq!(runner.step(&connection), Step::Done);
        assert_eq!(called(), 2);
        // The channel is lost in the last moment before a callback: the
        // batch has not been delivered.
        let mut next = runner.current.take().expect("it waits");
        next.progress.records = 2;
        assert_eq!(runner.give(&connection, next), Step::Done);
        assert_eq!((called(), delivered()), (2, Some(1)));
    }

    /// Takes what comes.
    struct Accept;

    impl ChannelProcessor for Accept {
        fn process(&mut self, _: &ChannelContext, _: &[Record]) -> ProcessResult {
            Ok(())
        }
    }

    fn round(session: &SessionContext, count: usize) -> ReadBatch {
        round_to(session, count, "next")
    }

    /// A batch of that many records, up to this token.
    fn round_to(session: &SessionContext, count: usize, next_token: &str) -> ReadBatch {
        let (mut batch, permit) = answer(session, count);
        next_token.clone_into(&mut batch.next_token);
        ReadBatch::new(
            batch,
            Claim {
                permit,
                parallel_permit: None,
            },
        )
    }

    /// An answer of that many records, read with a permit.
    fn answer(session: &SessionContext, count: usize) -> (RawBatch, MemoryPermit) {
        let record = |key: usize| crate::OwnedRecord::put([("key", key as i64)]).to_message();
        let answer = crate::protocol::ReadRecordsResponse {
            records: (1..=count).map(record).collect(),
            next_token: "next".to_owned(),
            may_more_record: None,
        };
        let body = prost::Message::encode_to_vec(&answer).into();
        let batch = RawBatch::parse(body, String::new()).expect("a batch");
        let permit = session
            .budget
            .try_acquire(&SizeEstimate::new())
            .expect("room");
        (batch, permit)
    }

    /// Says the last key that it got, of how many records, and of which batch.
    struct Tell(crossbeam_channel::Sender<(Option<i64>, usize, String)>);

    impl ChannelProcessor for Tell {
        fn process(&mut self, context: &ChannelContext, records: &[Record]) -> ProcessResult {
            let token = context.next_token().to_owned();
            let last = records
                .last()
                .and_then(|record| record.get("key")?.as_i64());
            self.0.send((last, records.len(), token)).expect("a test");
            Ok(())
        }
    }

    #[test]
    fn what_the_reader_has_decoded_is_given_as_what_it_has_not() {
        let (session, _events) = SessionContext::for_tests();
        let session = Arc::new(session);
        let connection = Connection::new(session.clone(), Default::default(), "channel".into());
        let (tell, told) = crossbeam_channel::unbounded();
        let mut runner = runner(&connection, Tell(tell));
        let spare = &session.pool.record_buffers;
        for is_ahead in [false, true, true] {
            // Of two reads, joined.
            let mut joined = round(&session, 2000);
            let (batch, permit) = answer(&session, 3000);
            joined.join(batch, permit);
            if is_ahead {
                joined.decode_ahead(&session.pool.checked_buffers);
            }
            assert_eq!(joined.is_decoded(), is_ahead);
            connection.enqueue(Item::Batch(joined));
            assert_eq!(runner.step(&connection), Step::Done);
            assert_eq!(told.try_recv(), Ok((Some(3000), 5000, "next".to_owned())));
            assert_eq!(runner.context.record_count(), 5000);
            let index = spare.take(5000 * size_of::<Record>()).expect("it is back");
            assert!(index.is_empty());
            spare.put(index);
        }
        assert_eq!(runner.records, 15_000);
    }

    #[test]
    fn a_batch_without_records_is_no_progress_once_the_channel_closes() {
        for token in ["later", FINISH_TAG] {
            let (session, _events) = SessionContext::for_tests();
            let session = Arc::new(session);
            let connection = Connection::new(session.clone(), Default::default(), "c".into());
            let mut runner = runner(&connection, Accept);
            connection.enqueue(Item::Batch(round(&session, 1)));
            connection.enqueue(Item::Batch(round_to(&session, 0, token)));
            connection.closing.trigger();
            // The session's loop discards the queue while a turn is on its way to it.
            assert!(connection.next_item().is_some());
            let Some(Item::Batch(later)) = connection.next_item() else {
                panic!("the batch without records");
            };
            assert_eq!(runner.begin(&connection, later), Step::Done);
            assert!(connection.progress.finished.take().is_none(), "{token}");
        }
    }

    /// Keeps what was saved last.
    #[derive(Debug, Default)]
    struct Keeps(parking_lot::Mutex<Option<String>>);

    impl Checkpointer for Keeps {
        fn checkpoint(&self, token: &str) -> Result<(), TunnelError> {
            *self.0.lock() = Some(token.to_owned());
            Ok(())
        }
    }

    /// Closes a channel while batches with and without records are queued.
    #[test]
    fn no_record_is_skipped_however_a_channel_closes() {
        let (session, _events) = SessionContext::for_tests();
        let session = Arc::new(session);
        let batches = [
            (1, "1"),
            (0, "2"),
            (1, "3"),
            (0, "4"),
            (1, "5"),
            (0, FINISH_TAG),
        ];
        let index = |token: &str| batches.iter().position(|(_, next)| *next == token);
        let (close, to_close) = crossbeam_channel::bounded::<(Arc<Connection>, u32)>(1);
        let closing = std::thread::spawn(move || {
            for (connection, spins) in to_close {
                (0..spins).for_each(|_| std::hint::spin_loop());
                connection.close_gracefully();
            }
        });
        for _ in 0..5000 {
            let connection = Connection::new(session.clone(), Default::default(), "c".into());
            let (tell, told) = crossbeam_channel::unbounded();
            let saved = Arc::new(Keeps::default());
            let (runner, saver) = runner_that_saves(&connection, Tell(tell), saved.clone());
            assert!(connection.begin_making());
            assert!(connection.opened(Box::new(runner), saver));
            let spins = fastrand::u32(..20_000);
            close.send((connection.clone(), spins)).expect("a thread");
            for (count, token) in batches {
                if !connection.acquire_credit() || connection.closing.is_triggered() {
                    break;
                }
                connection.enqueue(Item::Batch(round_to(&session, count, token)));
            }
            assert!(
                connection.ended.wait_for(Duration::from_secs(30)),
                "it ends"
            );
            let processed: Vec<String> = told.try_iter().map(|(_, _, token)| token).collect();
            let saved = saved.0.lock().take();
            let end = saved
                .and_then(|token| index(&token))
                .map_or(0, |last| last + 1);
            for (_, token) in batches[..end].iter().filter(|(count, _)| *count > 0) {
                assert!(
                    processed.iter().any(|done| done == token),
                    "{token} of {end}"
                );
            }
        }
        drop(close);
        closing.join().expect("no panic");
    }

    /// From the reader's hand to the end of the callback.
    #[test]
    fn a_batch_costs_as_many_allocations_however_many_records_it_has() {
        let (session, _events) = SessionContext::for_tests();
        let session = Arc::new(session);
        let connection = Connection::new(session.clone(), Default::default(), "channel".into());
        let mut runner = runner(&connection, Accept);
        let mut cost = |count, is_ahead| {
            let mut round = Some(round(&session, count));
            let cost = allocation_counter::measure(|| {
                let mut round = round.take().expect("once");
                if is_ahead {
                    round.decode_ahead(&session.pool.checked_buffers);
                }
                connection.enqueue(Item::Batch(round));
                assert_eq!(runner.step(&connection), Step::Done);
            });
            assert_eq!(runner.context.record_count(), count);
            cost.count_total
        };
        for is_ahead in [false, true] {
            // The first batches make what later ones use again.
            let _ = (cost(1, is_ahead), cost(5000, is_ahead));
            let (one, many) = (cost(1, is_ahead), cost(5000, is_ahead));
            assert!(many <= one, "{one} for one record, {many} for 5000");
            assert!(one <= 8, "{one} for a batch");
        }
    }
}
