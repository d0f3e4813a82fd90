//! Who decodes what a reader has brought, with a pool of one thread.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::*;
use crate::OwnedRecord;
use crate::observer::CloseReason;
use crate::processor::{ChannelBatch, ProcessResult};
use crate::record::Record;
use crate::user_code::UserValue;
use crate::worker::context::{Ended, Event, SessionContext};

/// How long a condition may take on a machine under load.
const PATIENCE: Duration = Duration::from_secs(30);

/// The keys of a batch, told before its callback waits to go on.
struct Gated {
    began: Sender<Vec<i64>>,
    gate: Receiver<()>,
}

impl ChannelProcessor for Gated {
    fn process(&mut self, _: &ChannelContext, records: &[Record]) -> ProcessResult {
        let key = |record: &Record| record.primary_key().next()?.value().as_i64();
        let keys = records.iter().filter_map(key).collect();
        self.began.send(keys).expect("a test");
        // Opened for good when the test drops the other end.
        let _ = self.gate.recv();
        Ok(())
    }
}

/// Has nothing to ask for.
#[derive(Debug)]
struct Saves;

impl Checkpointer for Saves {
    fn checkpoint(&self, _: &str) -> Result<(), TunnelError> {
        Ok(())
    }
}

/// Answers that were made before.
struct Answers(VecDeque<RawBatch>);

impl ChannelConn for Answers {
    fn read(&mut self, _: &str) -> Result<ChannelBatch, TunnelError> {
        let batch = self.0.pop_front().expect("not read past its end");
        Ok(ChannelBatch::from_service(batch))
    }
}

/// An open channel, whose callbacks wait.
struct Stage {
    reader: Reader,
    began: Receiver<Vec<i64>>,
    gate: Sender<()>,
}

impl Stage {
    fn open(session: &Arc<SessionContext>) -> Stage {
        let connection = Connection::new(session.clone(), Default::default(), "channel".into());
        let ownership = connection.ownership();
        let saver = Arc::new(Saver::new(
            &connection,
            ownership,
            UserValue::new(Arc::new(Saves)),
            "",
        ));
        let reader = Reader {
            connection: connection.clone(),
            predecessors: Vec::new(),
            readers: Default::default(),
            _room: None,
        };
        let context = reader.context(false, saver.clone()).expect("a context");
        let ((told, began), (gate, wait)) = (unbounded(), bounded(0));
        let processor = Gated {
            began: told,
            gate: wait,
        };
        assert!(connection.begin_making());
        let runner = Box::new(Runner::new(UserValue::new(Box::new(processor)), context));
        assert!(connection.opened(runner, saver));
        Stage {
            reader,
            began,
            gate,
        }
    }

    /// Reads all of these, as a thread of the channel does.
    fn read(&self, answers: impl IntoIterator<Item = RawBatch>) -> Result<(), TunnelError> {
        self.read_through(Box::new(Answers(answers.into_iter().collect())))
    }

    fn read_through(&self, conn: Box<dyn ChannelConn>) -> Result<(), TunnelError> {
        self.reader.read_from(PlaceToRead {
            conn: UserValue::new(conn),
            token: "token".to_owned(),
            is_stream: false,
            estimate: SizeEstimate::new(),
            room: Arc::new(Room::new()),
        })
    }

    /// The keys of the next batch, whose callback waits at the gate.
    fn callback(&self) -> Vec<i64> {
        self.began.recv_timeout(PATIENCE).expect("a callback")
    }

    /// What the reader hands on next, in place of the runner.
    fn next_round(&self) -> ReadBatch {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.reader.connection.next_item() {
                Some(Item::Batch(round)) => return round,
                Some(Item::Failed(error)) => panic!("{error}"),
                None => std::thread::yield_now(),
            }
            assert!(Instant::now() < end, "nothing is handed on");
        }
    }

    fn enqueue(&self, round: ReadBatch) {
        self.reader.connection.enqueue(Item::Batch(round));
    }
}

fn session() -> (Arc<SessionContext>, Receiver<Event>) {
    let (session, events) = SessionContext::for_tests();
    (Arc::new(session), events)
}

/// An answer of one record with this key; `harm` is done to its row.
fn answer(key: i64, next_token: &str, harm: impl FnOnce(&mut Vec<u8>)) -> RawBatch {
    let mut message = OwnedRecord::put([("key", key)]).to_message();
    let mut row = Vec::from(std::mem::take(&mut message.record));
    harm(&mut row);
    message.record = row.into();
    let answer = crate::protocol::ReadRecordsResponse {
        records: vec![message],
        next_token: next_token.to_owned(),
        may_more_record: None,
    };
    let body = prost::Message::encode_to_vec(&answer).into();
    RawBatch::parse(body, String::new()).expect("a batch")
}

fn good(key: i64, next_token: &str) -> RawBatch {
    answer(key, next_token, |_| ())
}

fn damaged(key: i64, next_token: &str) -> RawBatch {
    let flip = |row: &mut Vec<u8>| *row.last_mut().expect("a checksum") ^= 1;
    answer(key, next_token, flip)
}

/// As it comes from a read, with a permit of 4 MiB.
fn round(session: &SessionContext) -> ReadBatch {
    let permit = session
        .budget
        .try_acquire(&SizeEstimate::new())
        .expect("room");
    ReadBatch::new(
        good(1, "next"),
        Claim {
            permit,
            parallel_permit: None,
        },
    )
}

fn end(events: &Receiver<Event>) -> Ended {
    loop {
        match events.recv_timeout(PATIENCE).expect("the end") {
            Event::Ended(ended) => return ended,
            _ => continue,
        }
    }
}

#[test]
fn a_batch_is_decoded_while_the_callback_before_it_runs() {
    let (session, events) = session();
    let stage = Stage::open(&session);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| stage.read([good(1, "next"), good(2, FINISH_TAG)]));
        assert_eq!(stage.callback(), [1]);
        let next = stage.next_round();
        assert!(next.is_decoded(), "its callback has yet to begin");
        stage.enqueue(next);
        stage.gate.send(()).expect("a callback waits");
        assert_eq!(stage.callback(), [2]);
        stage.gate.send(()).expect("a callback waits");
        reading.join().expect("a reader").expect("no error");
    });
    assert!(end(&events).finished);
}

#[test]
fn a_damaged_batch_behind_a_running_callback_fails_in_its_turn() {
    let (session, events) = session();
    let stage = Stage::open(&session);
    std::thread::scope(|scope| {
        let answers = [good(1, "one"), damaged(2, "two"), good(3, FINISH_TAG)];
        let reading = scope.spawn(|| stage.read(answers));
        assert_eq!(stage.callback(), [1]);
        let (second, third) = (stage.next_round(), stage.next_round());
        assert!(!second.is_decoded(), "as it came");
        assert!(third.is_decoded());
        stage.enqueue(second);
        stage.enqueue(third);
        reading.join().expect("a reader").expect("read to its end");
        stage.gate.send(()).expect("a callback waits");
    });
    let ended = end(&events);
    assert!(!ended.finished && ended.fatal.is_none());
    let report = ended.report.expect("it was open");
    assert_eq!(report.last_finished.as_deref(), Some("one"));
    assert_eq!(
        stage.began.try_recv().ok(),
        None,
        "nothing of it, nor after"
    );
    let stats = &stage.reader.connection.stats;
    assert_eq!(stats.close_reason(), CloseReason::Failed);
}

#[test]
fn the_pool_decodes_what_it_takes_at_once() {
    let (session, _events) = session();
    let (first, second) = (Stage::open(&session), Stage::open(&session));
    let is_decoded = || {
        let mut round = round(&session);
        second.reader.decode_ahead(&mut round);
        round.is_decoded()
    };
    assert!(!is_decoded(), "nobody has the pool");
    first.enqueue(round(&session));
    first.callback();
    assert!(is_decoded(), "another channel has its only thread");
    first.gate.send(()).expect("a callback waits");
    let end = Instant::now() + PATIENCE;
    while is_decoded() {
        assert!(Instant::now() < end, "the turn is over");
        std::thread::yield_now();
    }
}

#[test]
fn the_readers_decode_where_all_cores_read() {
    let (session, _events) = session();
    let stage = Stage::open(&session);
    let is_decoded = || {
        let mut round = round(&session);
        stage.reader.decode_ahead(&mut round);
        round.is_decoded()
    };
    let _first = session.pool.count_reader();
    assert!(!is_decoded(), "one reads, though there is one thread");
    let _second = session.pool.count_reader();
    assert!(is_decoded());
}

/// Tells before each read how many channels read without a pause.
struct Counts {
    session: Arc<SessionContext>,
    counts: Sender<usize>,
    answers: Answers,
}

impl ChannelConn for Counts {
    fn read(&mut self, token: &str) -> Result<ChannelBatch, TunnelError> {
        let count = self.session.pool.reader_count();
        self.counts.send(count).expect("a test");
        self.answers.read(token)
    }
}

#[test]
fn a_reader_counts_while_it_reads_without_a_pause() {
    let (session, _events) = session();
    let stage = Stage::open(&session);
    let (counts, told) = unbounded();
    let nothing = RawBatch {
        record_count: 0,
        ..good(0, "next")
    };
    let answers = [good(1, "next"), nothing, good(2, FINISH_TAG)];
    let conn = Counts {
        session: session.clone(),
        counts,
        answers: Answers(answers.into()),
    };
    stage.read_through(Box::new(conn)).expect("read to its end");
    assert_eq!(told.iter().collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(session.pool.reader_count(), 0);
}

#[test]
fn nothing_is_decoded_ahead_without_room_in_the_budget() {
    let (session, _events) = session();
    let stage = Stage::open(&session);
    stage.enqueue(round(&session));
    stage.callback();
    for (has_room, expected) in [(true, true), (false, false)] {
        let batch = good(2, "next");
        let mut permit = session
            .budget
            .try_acquire(&SizeEstimate::new())
            .expect("room");
        let index = if has_room {
            stage.reader.index_bytes(&batch)
        } else {
            0
        };
        permit.settle_with(index, batch.body.len());
        let mut round = ReadBatch::new(
            batch,
            Claim {
                permit,
                parallel_permit: None,
            },
        );
        stage.reader.decode_ahead(&mut round);
        assert_eq!(round.is_decoded(), expected);
    }
}

#[test]
fn what_is_decoded_while_the_channel_closes_is_dropped() {
    let (session, _events) = session();
    let stage = Stage::open(&session);
    stage.reader.connection.closing.trigger();
    let brought = ReadOutcome {
        round: round(&session),
        is_news: true,
        read_on: true,
        began: session.clock().now(),
        error: None,
    };
    stage.reader.enqueue(brought);
    assert!(stage.reader.connection.next_item().is_none());
}
