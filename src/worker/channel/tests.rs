//! Tests of a connection without a service: batches are put into its queue by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use parking_lot::Mutex;

use super::batch::ReadBatch;
use super::connection::Connection;
use super::runner::Runner;
use super::saver::ChannelHandle;
use super::state::{ChannelEvent, Phase};
use crate::error::TunnelError;
use crate::limits::memory::MemoryPermit;
use crate::limits::parallel::Quota;
use crate::observer::CloseReason;
use crate::processor::{
    ChannelContext, ChannelIdentity, ChannelProcessor, Checkpointer, ProcessError, ProcessResult,
    ProcessorHandle,
};
use crate::record::{RawBatch, Record};
use crate::user_code::UserValue;
use crate::worker::context::{Event, SessionContext, Timer};
use crate::worker::lease::LEASE_PAUSE;
use crate::worker::predecessors::Predecessors;
use crate::{FINISH_TAG, clock};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

pub(super) fn connection_of(session: &Arc<SessionContext>) -> Arc<Connection> {
    let predecessors = Predecessors::new(session.clock());
    Connection::new(session, Default::default(), "channel".into(), &predecessors)
}

pub(super) fn connection() -> Arc<Connection> {
    connection_of(&SessionContext::for_tests())
}

pub(super) fn end_lease(connection: &Connection) {
    renew_lease(connection, Duration::ZERO);
}

fn renew_lease(connection: &Connection, timeout: Duration) {
    let clock = connection.clock();
    let lease = &connection.session.lease;
    lease.renew(clock.now(), clock.utc(), timeout);
}

/// Opens the channel with this processor, and saves with this checkpointer.
fn open(
    connection: &Arc<Connection>,
    processor: impl ChannelProcessor + 'static,
    checkpointer: Arc<dyn Checkpointer>,
) {
    let handle = ProcessorHandle::new(Arc::new(ChannelHandle {
        connection: Arc::downgrade(connection),
        tunnel_id: "t".into(),
        channel_id: "channel".into(),
    }));
    let identity = ChannelIdentity {
        tunnel_id: "t".into(),
        client_id: "c".into(),
        channel_id: "channel".into(),
        is_stream: true,
        handle,
    };
    let context = ChannelContext::new(Arc::new(identity), None);
    let processor = UserValue::new(Box::new(processor) as Box<dyn ChannelProcessor>);
    assert!(connection.handle(ChannelEvent::Make));
    let now = connection.now();
    let mut data = connection.data.lock();
    data.saves.checkpointer = Some(UserValue::new(checkpointer));
    data.end.opened_at = Some(now);
    data.runner = Some(Box::new(Runner::new(processor, context)));
    drop(data);
    assert!(connection.handle(ChannelEvent::Opened));
}

/// Keeps what was saved last.
#[derive(Debug, Default)]
struct Keeps(Mutex<Option<String>>);

impl Checkpointer for Keeps {
    fn checkpoint(&self, token: &str) -> Result<(), TunnelError> {
        *self.0.lock() = Some(token.to_owned());
        Ok(())
    }
}

/// A response of that many records, up to this token.
fn response(count: usize, next_token: &str) -> RawBatch {
    let record = |key: usize| crate::OwnedRecord::put([("key", key as i64)]).to_message();
    let response = crate::protocol::ReadRecordsResponse {
        records: (1..=count).map(record).collect(),
        next_token: next_token.to_owned(),
        may_more_record: None,
    };
    let body = prost::Message::encode_to_vec(&response).into();
    RawBatch::parse(body, String::new()).expect("a batch")
}

fn memory(connection: &Connection) -> MemoryPermit {
    connection.session.budget.empty_permit()
}

fn enqueue(connection: &Arc<Connection>, count: usize, next_token: &str) {
    let batch = ReadBatch::new(response(count, next_token), memory(connection), None);
    connection.enqueue(batch, count, 0);
}

/// Waits for a condition of the connection.
fn wait(connection: &Connection, what: &str, mut is_so: impl FnMut(&Connection) -> bool) {
    let begun = clock::now();
    while !is_so(connection) {
        assert!(begun.elapsed() < LONG, "{what}");
        std::thread::yield_now();
    }
}

fn is_at(phase: Phase) -> impl Fn(&Connection) -> bool {
    move |connection| connection.data.lock().state.phase() == phase
}

fn delivered(connection: &Connection) -> Option<u64> {
    let data = connection.data.lock();
    data.progress
        .delivered
        .as_ref()
        .map(|progress| progress.records)
}

/// What a [`Tells`] says of a batch: the last key, the number of records, and the token.
type Told = (Option<i64>, usize, String);

/// Tells of each batch, and returns `Ok`.
struct Tells(Sender<Told>);

impl ChannelProcessor for Tells {
    fn process(&mut self, context: &ChannelContext, records: &[Record]) -> ProcessResult {
        let token = context.next_token().to_owned();
        let last = records.last();
        let last = last.and_then(|record| record.get("key")?.as_i64());
        self.0.send((last, records.len(), token)).expect("a test");
        Ok(())
    }
}

/// Counts its calls, and wants each batch again.
struct Again(Arc<AtomicUsize>);

impl ChannelProcessor for Again {
    fn process(&mut self, _: &ChannelContext, _: &[Record]) -> ProcessResult {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(ProcessError::retry_after(Duration::ZERO, "again"))
    }
}

/// Waits for the next timer that resumes a batch; after which time it follows.
fn next_resume(connection: &Connection) -> Duration {
    let until = clock::after(connection.now(), LONG);
    loop {
        let now = connection.now();
        match connection.session.events.pop(Some(until)) {
            Ok(Event::Later(at, Timer::Resume(_))) => return at.saturating_duration_since(now),
            Ok(_) => {}
            Err(_) => panic!("no batch is tried again"),
        }
    }
}

#[test]
fn a_batch_waits_while_the_lease_is_over_and_is_not_forgotten() {
    let connection = connection();
    let calls = Arc::new(AtomicUsize::new(0));
    open(&connection, Again(calls.clone()), Arc::<Keeps>::default());
    let called = || calls.load(Ordering::SeqCst);
    enqueue(&connection, 1, "token");
    next_resume(&connection);
    wait(&connection, "it pauses", is_at(Phase::Paused));
    assert_eq!((called(), delivered(&connection)), (1, Some(1)));

    end_lease(&connection);
    connection.resume();
    let pause = next_resume(&connection);
    assert!(pause > LEASE_PAUSE / 2, "{pause:?}");
    assert_eq!(called(), 1, "the session may be lost");

    renew_lease(&connection, LONG);
    wait(&connection, "it pauses", is_at(Phase::Paused));
    connection.resume();
    next_resume(&connection);
    assert_eq!(called(), 2, "it was not, and the batch is there");

    connection.lose(CloseReason::Lost);
    wait(&connection, "it ends", is_at(Phase::Ended));
    connection.resume();
    assert_eq!((called(), delivered(&connection)), (2, Some(1)));
}

#[test]
fn joined_reads_come_in_order() {
    let connection = connection();
    let (tell, told) = unbounded();
    open(&connection, Tells(tell), Arc::<Keeps>::default());
    let mut joined = ReadBatch::new(response(2000, "first"), memory(&connection), None);
    joined.join(response(3000, "next"), memory(&connection));
    connection.enqueue(joined, 5000, 0);
    let first = told.recv_timeout(LONG).expect("a batch");
    assert_eq!(first, (Some(3000), 5000, "next".to_owned()));
    connection.close(CloseReason::Shutdown);
}

/// The batches of [`no_record_is_skipped_however_a_channel_closes`].
const BATCHES: [(usize, &str); 6] = [
    (1, "1"),
    (0, "2"),
    (1, "3"),
    (0, "4"),
    (1, "5"),
    (0, FINISH_TAG),
];

fn check_nothing_skipped(saved: Option<String>, told: &Receiver<Told>) {
    let index = |token: &str| BATCHES.iter().position(|(_, next)| *next == token);
    let processed: Vec<String> = told.try_iter().map(|(_, _, token)| token).collect();
    let end = saved
        .and_then(|token| index(&token))
        .map_or(0, |last| last + 1);
    for (_, token) in BATCHES[..end].iter().filter(|(count, _)| *count > 0) {
        let is_processed = processed.iter().any(|done| done == token);
        assert!(is_processed, "{token} of {end}");
    }
}

/// Closes a channel while batches with and without records are queued.
#[test]
fn no_record_is_skipped_however_a_channel_closes() {
    let session = SessionContext::for_tests();
    let (close, to_close) = crossbeam_channel::bounded::<(Arc<Connection>, u32)>(1);
    let closing = std::thread::spawn(move || {
        for (connection, spins) in to_close {
            (0..spins).for_each(|_| std::hint::spin_loop());
            connection.close(CloseReason::Shutdown);
        }
    });
    for _ in 0..1000 {
        let connection = connection_of(&session);
        let (tell, told) = unbounded();
        let saved = Arc::new(Keeps::default());
        open(&connection, Tells(tell), saved.clone());
        let spins = fastrand::u32(..20_000);
        close.send((connection.clone(), spins)).expect("a thread");
        for (count, token) in BATCHES {
            if !connection.wait_until_unprocessed(2) {
                break;
            }
            enqueue(&connection, count, token);
        }
        wait(&connection, "it ends", is_at(Phase::Ended));
        let saved = saved.0.lock().take();
        check_nothing_skipped(saved, &told);
    }
    drop(close);
    closing.join().expect("no panic");
}

#[test]
fn what_is_queued_behind_a_callback_that_hangs_stays_charged() {
    /// Returns when its sender is dropped.
    struct Hangs(Receiver<()>);
    impl ChannelProcessor for Hangs {
        fn process(&mut self, _: &ChannelContext, _: &[Record]) -> ProcessResult {
            let _ = self.0.recv();
            Ok(())
        }
    }
    let connection = connection();
    let budget = &connection.session.budget;
    let (hangs, until) = crossbeam_channel::bounded(0);
    open(&connection, Hangs(until), Arc::<Keeps>::default());
    for token in ["1", "2"] {
        let mut permit = memory(&connection);
        permit.settle(1000);
        let batch = ReadBatch::new(response(1, token), permit, None);
        connection.enqueue(batch, 1, 0);
    }
    wait(&connection, "it runs", is_at(Phase::Running));
    connection.lose(CloseReason::Lost);
    assert_eq!(budget.in_use(), 2000);
    drop(hangs);
    wait(&connection, "it ends", is_at(Phase::Ended));
    wait(&connection, "it is released", |_| budget.in_use() == 0);
}

#[test]
fn a_shutdown_callback_that_hangs_holds_neither_memory_nor_permits() {
    /// Wants each batch again, and hangs at the end until its sender is dropped.
    struct Hangs(Receiver<()>, Sender<()>);
    impl ChannelProcessor for Hangs {
        fn process(&mut self, _: &ChannelContext, _: &[Record]) -> ProcessResult {
            Err(ProcessError::retry_after(LONG, "again"))
        }

        fn shutdown(&mut self, _: &ChannelContext) {
            self.1.send(()).expect("a test");
            let _ = self.0.recv();
        }
    }
    let connection = connection();
    let (budget, quota) = (&connection.session.budget, Quota::new(1));
    let (_hangs, until) = crossbeam_channel::bounded(0);
    let (tell, begun) = unbounded();
    open(&connection, Hangs(until, tell), Arc::<Keeps>::default());
    let permit = quota.acquire(&connection.wake).ok();
    for token in ["1", "2"] {
        let mut memory = memory(&connection);
        memory.settle(1000);
        let batch = ReadBatch::new(response(1, token), memory, permit.clone());
        connection.enqueue(batch, 1, 0);
    }
    drop(permit);
    wait(&connection, "it pauses", is_at(Phase::Paused));
    connection.close(CloseReason::TakenBack);
    begun.recv_timeout(LONG).expect("the shutdown callback");
    assert_eq!(budget.in_use(), 0);
    assert!(quota.acquire(&connection.wake).is_ok());
}

/// Its reader may be about to read, in code of the program that may hang.
#[test]
fn a_channel_that_has_ended_holds_no_memory() {
    let connection = connection();
    connection.lose(CloseReason::Lost);
    wait(&connection, "it ends", is_at(Phase::Ended));
    let mut permit = memory(&connection);
    permit.settle(1000);
    connection.put_memory(permit);
    assert_eq!(connection.session.budget.in_use(), 0);
}

/// From the reader's hand to the end of the callback.
#[test]
fn a_batch_costs_as_many_allocations_however_many_records_it_has() {
    struct Accepts;
    impl ChannelProcessor for Accepts {
        fn process(&mut self, _: &ChannelContext, _: &[Record]) -> ProcessResult {
            Ok(())
        }
    }
    let cost = |count| {
        let connection = connection();
        open(&connection, Accepts, Arc::<Keeps>::default());
        // The turn runs on this thread, so that its allocations are counted.
        let mut batch = Some(ReadBatch::new(
            response(count, "next"),
            memory(&connection),
            None,
        ));
        let cost = allocation_counter::measure(|| {
            let batch = batch.take().expect("once");
            connection.data.lock().reading.queue.push_back(batch);
            let now = connection.now();
            connection.data.lock().handle(ChannelEvent::Arrived, now);
            crate::pool::Turn::run(connection.clone());
        });
        assert_eq!(delivered(&connection), Some(count as u64));
        cost.count_total
    };
    // The first batch makes what later ones use again.
    let _ = cost(5000);
    let (one, many) = (cost(1), cost(5000));
    assert!(many <= one, "{one} for one record, {many} for 5000");
    assert!(one <= 12, "{one} for a batch");
}
