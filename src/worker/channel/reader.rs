//! The thread of one channel: opens it, then reads as long as there is room.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{debug, info, warn};

use super::backoff::{Backoff, is_full};
use super::batch::{self, Claim, ReadBatch};
use super::checkpoint::ChannelCheckpointer;
use super::connection::{Connection, Item};
use super::runner::Runner;
use super::saver::Saver;
use super::service_conn::ServiceConn;
use crate::FINISH_TAG;
use crate::clock::Source;
use crate::error::{ErrorClass, ErrorCode, TunnelError};
use crate::http::retry::Schedule;
use crate::limits::memory::{MemoryPermit, OpenChannel, Room, SizeEstimate};
use crate::limits::parallel::ParallelPermit;
use crate::observer::WorkerEventKind;
use crate::policy::{Reaction, Request, reaction};
use crate::processor::{
    ChannelConn, ChannelContext, ChannelIdentity, ChannelProcessor, Checkpointer, ProcessorHandle,
};
use crate::protocol::{GetCheckpointRequest, GetCheckpointResponse};
use crate::record::{self, RawBatch};
use crate::sync::catch_panic::catch_panic;
use crate::sync::stop::Stop;
use crate::sync::threads;
use crate::user_code::{UserValue, call_user, drop_user};
use crate::worker::predecessors::{Predecessors, RunningReader};
use crate::worker::status::channel::ReaderStage;
use crate::worker::status::failures::full_text;
use crate::worker::status::outages::Asked;

/// The thread of one channel.
pub(crate) struct Reader {
    connection: Arc<Connection>,
    /// Fired when an earlier connection to the same channel has ended: until
    /// then its last callback may still run, and ours must come after it.
    predecessors: Vec<Stop>,
    /// Counts the readers of the channel.
    readers: Predecessors,
    /// What the channel takes of the budget as long as there is this thread.
    _room: Option<OpenChannel>,
}

/// What opening a channel has come to.
enum Opened {
    /// Read on from this token.
    At(String, ChannelContext),
    /// Everything has been consumed before.
    Finished,
    /// To be closed before it was open.
    Closed,
}

impl Reader {
    /// Starts the thread. Its end, however it comes, is reported to the session.
    ///
    /// # Errors
    ///
    /// If no thread can be started, which passes.
    pub(crate) fn spawn(
        connection: Arc<Connection>,
        predecessors: Vec<Stop>,
        readers: Predecessors,
        room: Option<OpenChannel>,
    ) -> Result<(), TunnelError> {
        let reader = Reader {
            connection: connection.clone(),
            predecessors,
            readers,
            _room: room,
        };
        let clock = connection.session.clock().clone();
        let work = move || {
            if let Err(error) = catch_panic(|| reader.run()) {
                connection.reader_died(error);
            }
            drop_user(connection);
        };
        threads::spawn(&clock, "tunnel-reader", work).map_err(|error| {
            TunnelError::client("no thread to read a channel")
                .with_source(error)
                .with_class(ErrorClass::Passing)
        })
    }

    fn run(self) {
        let _running = self.wait_for_readers();
        match catch_panic(|| self.open()).and_then(|opened| opened) {
            Ok(Opened::At(token, context)) => self.read_on(token, &context),
            Ok(Opened::Finished) => {
                self.connection.finish();
                self.connection.not_opened(None);
            }
            Ok(Opened::Closed) => {}
            // Whoever closed it knows why.
            Err(_) if self.connection.closing.is_triggered() => self.connection.not_opened(None),
            Err(error) => self.connection.not_opened(Some(error)),
        }
    }

    fn read_on(&self, token: String, context: &ChannelContext) {
        let connection = &self.connection;
        let read = catch_panic(|| self.read_all(token, context)).and_then(|read| read);
        connection.quota.leave();
        let Err(error) = read else {
            return;
        };
        if connection.closing.is_triggered() {
            return drop_user(error);
        }
        match reaction(error.class(), Request::Channel) {
            Reaction::LoseChannel => {
                connection.lose(full_text(&error));
                drop_user(error);
            }
            _ => connection.enqueue(Item::Failed(error)),
        }
    }

    // Opening.

    fn open(&self) -> Result<Opened, TunnelError> {
        let connection = &self.connection;
        let stored = catch_panic(|| self.stored()).and_then(|stored| stored);
        if !connection.begin_making() {
            return Ok(Opened::Closed);
        }
        let stored = stored?;
        if stored.checkpoint() == FINISH_TAG {
            return Ok(Opened::Finished);
        }
        let is_stream = record::is_stream(&connection.channel_id, stored.checkpoint());
        let saver = Arc::new(self.saver(&stored)?);
        connection.stats.set_stream(is_stream);
        let context = self.context(is_stream, saver.clone())?;
        let processor = self.open_processor(&context)?;
        let place = Opened::At(stored.checkpoint().to_owned(), context.same_channel());
        let runner = Box::new(Runner::new(processor, context));
        info!("{connection}: open");
        connection.session.observe(WorkerEventKind::ChannelOpened {
            channel_id: &connection.channel_id,
            is_stream,
        });
        match connection.opened(runner, saver) {
            true => Ok(place),
            false => Ok(Opened::Closed),
        }
    }

    /// Where the channel goes on; nothing of the user's runs meanwhile, so that
    /// the channel can close at any time without waiting for the answer.
    fn stored(&self) -> Result<GetCheckpointResponse, TunnelError> {
        self.wait_for_predecessors();
        self.check_wanted()?;
        self.get_checkpoint()
    }

    fn wait_for_predecessors(&self) {
        let connection = &self.connection;
        for predecessor in self.predecessors.iter().filter(|stop| !stop.is_triggered()) {
            connection
                .stats
                .reader_is(ReaderStage::WaitingForPredecessor);
            info!("{connection}: waits for its last callback from before");
            let clock = connection.session.clock();
            clock.wait(&[predecessor, &connection.closing], None);
            if connection.closing.is_triggered() {
                return;
            }
        }
        connection.stats.reader_is(ReaderStage::Opening);
    }

    /// Waits while two earlier readers hang in the program's connections; reads of our
    /// own end by themselves. Nothing when the channel closes meanwhile.
    fn wait_for_readers(&self) -> Option<RunningReader> {
        let connection = &self.connection;
        connection.session.settings.dialer.as_ref()?;
        let clock = connection.session.clock();
        let ended = Stop::on(clock);
        while !connection.closing.is_triggered() {
            let channel_id = &connection.channel_id;
            let hanging = match self.readers.begin_reader(channel_id, ended.clone()) {
                Ok(running) => return Some(running),
                Err(hanging) => hanging,
            };
            connection
                .stats
                .reader_is(ReaderStage::WaitingForPredecessor);
            warn!("{connection}: waits, two earlier reads hang in the dialed connections");
            let mut any: Vec<&dyn Source> = vec![&connection.closing];
            any.extend(hanging.iter().map(|stop| stop as &dyn Source));
            clock.wait(&any, None);
        }
        None
    }

    fn get_checkpoint(&self) -> Result<GetCheckpointResponse, TunnelError> {
        let connection = &self.connection;
        let request = GetCheckpointRequest {
            tunnel_id: connection.session.tunnel_id.to_string(),
            client_id: connection.session.client_id.to_string(),
            channel_id: connection.channel_id.to_string(),
        };
        let api = &connection.session.api;
        let (schedule, closing) = (Schedule::META.endless(), &connection.closing);
        let stored = connection.persist(Asked::GetCheckpoint, schedule, closing, || {
            api.get_checkpoint(&request)
        })?;
        Ok(stored.message)
    }

    /// Saves at the service, or by the user's checkpointer around that.
    fn saver(&self, stored: &GetCheckpointResponse) -> Result<Saver, TunnelError> {
        let connection = &self.connection;
        let session = &connection.session;
        let id = &connection.channel_id;
        let ownership = connection.ownership();
        let (token, number) = (stored.checkpoint(), stored.sequence_number());
        let service = ChannelCheckpointer::new(connection, token, number);
        let service: Arc<dyn Checkpointer> = Arc::new(service);
        let checkpointer = UserValue::new(match &session.settings.checkpointer {
            Some(wrap) => call_user(|| wrap(id, service))
                .map_err(|panic| user_failed("made no checkpointer", panic.into()))?,
            None => service,
        });
        Ok(Saver::new(connection, ownership, checkpointer, token))
    }

    fn context(&self, is_stream: bool, saver: Arc<Saver>) -> Result<ChannelContext, TunnelError> {
        let connection = &self.connection;
        let session = &connection.session;
        let custom_value = call_user(|| session.settings.factory.custom_value())
            .map_err(|panic| factory_failed(panic.into()))?
            .map(UserValue::new);
        let identity = Arc::new(ChannelIdentity {
            tunnel_id: session.tunnel_id.clone(),
            client_id: session.client_id.clone(),
            channel_id: connection.channel_id.clone(),
            is_stream,
            closing: connection.closing.clone(),
            handle: ProcessorHandle::new(saver, connection.ownership()),
        });
        Ok(ChannelContext::new(identity, custom_value))
    }

    fn open_processor(
        &self,
        context: &ChannelContext,
    ) -> Result<UserValue<Box<dyn ChannelProcessor>>, TunnelError> {
        let factory = &self.connection.session.settings.factory;
        self.check_wanted()?;
        let processor = call_user(|| factory.new_processor(context))
            .map_err(|panic| factory_failed(panic.into()))?
            .map_err(|error| factory_failed(error.into_source()))?;
        let mut processor = UserValue::new(processor);
        self.check_wanted()?;
        call_user(|| processor.open(context))
            .map_err(|panic| open_failed(panic.into()))?
            .map_err(|error| open_failed(error.into_source()))?;
        Ok(processor)
    }

    fn check_wanted(&self) -> Result<(), TunnelError> {
        if self.wait_for_lease() && self.connection.may_call() {
            return Ok(());
        }
        Err(TunnelError::new(
            ErrorCode::ChannelLost,
            "the channel was taken back before it was open",
        ))
    }

    // Reading.

    /// Reads until the channel is finished or closing.
    fn read_all(&self, token: String, context: &ChannelContext) -> Result<(), TunnelError> {
        self.read_from(self.place_to_read(token, context)?)
    }

    fn read_from(&self, mut at: PlaceToRead) -> Result<(), TunnelError> {
        let connection = &self.connection;
        let mut pause = Backoff::new(connection.session.settings.backoff.max_delay);
        let mut without_pause = None;
        let mut retries = 0;
        while connection.acquire_credit()
            && connection.acquire_parallel_permit()
            && self.wait_for_lease()
        {
            let mut brought = match self.read_round(&mut at)? {
                Round::Closing => return Ok(()),
                Round::Failed(error, reaction) => {
                    without_pause = None;
                    self.wait_to_read_again(error, reaction, retries);
                    retries = retries.saturating_add(1);
                    continue;
                }
                Round::Read(brought) => brought,
            };
            retries = 0;
            connection.request_succeeded(Asked::Read);
            // Before any pause.
            let (read_on, error) = (brought.read_on, brought.error.take());
            let had_records = brought.round.record_count() > 0;
            let calls_back = self.enqueue(brought);
            if let Some(error) = error {
                return Err(error);
            }
            if at.token == FINISH_TAG {
                debug!("{connection}: read to its end");
                connection.stats.reader_is(ReaderStage::Done);
                return Ok(());
            }
            if read_on {
                pause.reset();
                without_pause.get_or_insert_with(|| connection.session.pool.count_reader());
                continue;
            }
            without_pause = None;
            connection.quota.pause(calls_back);
            // More may follow soon: only what finds nothing waits ever longer.
            if had_records {
                pause.reset();
            }
            if connection
                .closing
                .rest_for(pause.next_delay(fastrand::f64()))
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits after a read that failed and may succeed later. Others use meanwhile what
    /// this channel would hold for nothing.
    fn wait_to_read_again(&self, error: TunnelError, reaction: Reaction, retries: u32) {
        let connection = &self.connection;
        let schedule = Schedule::read_records(Duration::MAX);
        // An endless schedule always has a pause.
        let pause = schedule.pause(retries, Duration::ZERO, fastrand::f64());
        let pause = pause.unwrap_or(Duration::from_secs(1));
        connection.request_failed(Asked::Read, &error, reaction, pause);
        drop_user(error);
        connection.release_credit();
        connection.quota.pause(false);
        connection.closing.wait_for(pause);
    }

    /// Whether to read: past the lease the session is lost, unless a late answer
    /// renews it. A machine that was suspended wakes here before the loop has noticed.
    fn wait_for_lease(&self) -> bool {
        self.connection.waits_for_lease(&self.connection.closing)
    }

    fn place_to_read(
        &self,
        token: String,
        context: &ChannelContext,
    ) -> Result<PlaceToRead, TunnelError> {
        let is_stream = record::is_stream(&self.connection.channel_id, &token);
        let room = Arc::new(Room::new());
        Ok(PlaceToRead {
            is_stream,
            estimate: SizeEstimate::new(),
            conn: self.dial(context, room.clone())?,
            room,
            token,
        })
    }

    /// The connection to read through: the worker's own, or the user's.
    fn dial(
        &self,
        context: &ChannelContext,
        room: Arc<Room>,
    ) -> Result<UserValue<Box<dyn ChannelConn>>, TunnelError> {
        let service = Box::new(ServiceConn::new(&self.connection, room));
        let conn = match &self.connection.session.settings.dialer {
            Some(dialer) => call_user(|| dialer.dial(context, service))
                .map_err(|panic| user_failed("dialed no connection", panic.into()))?
                .map_err(|error| user_failed("dialed no connection", error.into_source()))?,
            None => service,
        };
        Ok(UserValue::new(conn))
    }

    /// Reads once, or more often if the configuration joins reads.
    fn read_round(&self, at: &mut PlaceToRead) -> Result<Round, TunnelError> {
        let connection = &self.connection;
        let (first, began) = match self.read_first(at) {
            Ok(Some(first)) => first,
            Ok(None) => return Ok(Round::Closing),
            Err(error) => return retried(error),
        };
        let mut brought = first.begin_round(connection.quota.permit(), began);
        while brought.read_on && self.goes_on(at, &brought.round) {
            // No wait here: others may wait for what this round holds.
            let Some(permit) = connection.session.budget.try_acquire(&at.estimate) else {
                break;
            };
            match self.read(at, permit) {
                Ok(Read::Answer(answer)) => brought.join(answer),
                Ok(Read::Closing) => return Ok(Round::Closing),
                Ok(Read::NoRoom) => break,
                // What came before is good. A failure that passes is met again, if it
                // has not passed, by the next round.
                Err(error) => {
                    brought.error = retried(error).err();
                    break;
                }
            }
        }
        Ok(Round::Read(brought))
    }

    /// Waits for memory and reads; none when closing. Also when the read began.
    fn read_first(&self, at: &mut PlaceToRead) -> Result<Option<(Answer, Instant)>, TunnelError> {
        let connection = &self.connection;
        loop {
            connection.stats.reader_is(ReaderStage::WaitingForMemory);
            let permit = connection
                .session
                .budget
                .acquire(&at.estimate, &connection.closing);
            connection.stats.reader_is(ReaderStage::Waiting);
            let Some(permit) = permit else {
                return Ok(None);
            };
            let began = connection.session.clock().now();
            match self.read(at, permit)? {
                Read::Answer(answer) => return Ok(Some((answer, began))),
                Read::Closing => return Ok(None),
                // Now it is known for how much to wait.
                Read::NoRoom => {}
            }
        }
    }

    fn goes_on(&self, at: &PlaceToRead, round: &ReadBatch) -> bool {
        let limits = &self.connection.session.settings.reading;
        at.token != FINISH_TAG
            && round.reads() < limits.max_times_per_round
            && round.bytes() < limits.max_bytes_per_round
    }

    /// Reads once.
    fn read(&self, at: &mut PlaceToRead, permit: MemoryPermit) -> Result<Read, TunnelError> {
        let connection = &self.connection;
        at.room.enter(permit);
        connection.stats.reader_is(ReaderStage::Reading);
        // It may be the user's.
        let batch = call_user(|| at.conn.read(&at.token));
        connection.stats.reader_is(ReaderStage::Waiting);
        let permit = at.room.leave();
        let batch = batch.map_err(|panic| user_failed("panicked in a read", panic.into()))?;
        if connection.closing.is_triggered() {
            return Ok(Read::Closing);
        }
        if batch.is_err()
            && let Some(bytes) = at.room.refused()
        {
            at.estimate.learn(bytes);
            return Ok(Read::NoRoom);
        }
        let mut permit = permit.ok_or_else(|| {
            // Nobody else takes what was put into the room.
            TunnelError::client("the permit of a read is missing")
        })?;
        let batch = batch?.into_raw();
        let (body, index) = (batch.body.len(), self.index_bytes(&batch));
        permit.settle_with(index, body);
        at.estimate.learn(body.saturating_add(index));
        connection.stats.has_read_all(!is_full(&batch));
        let is_news = batch.record_count > 0 || batch.next_token != at.token;
        at.token.clone_from(&batch.next_token);
        Ok(Read::Answer(Answer {
            is_news,
            // A base channel reads on as long as it gets on.
            read_on: is_news && (!at.is_stream || is_full(&batch)),
            batch,
            permit,
        }))
    }

    /// What the records take beside the body, once they are decoded.
    fn index_bytes(&self, batch: &RawBatch) -> usize {
        match self.connection.session.settings.options.need_binary_record {
            true => 0,
            false => batch::index_bytes(batch),
        }
    }

    /// Gives what was read to the runner; whether there will be a callback.
    fn enqueue(&self, mut brought: ReadOutcome) -> bool {
        let always = self.connection.session.settings.options.always_call_back;
        let calls_back = always || brought.round.record_count() > 0;
        if brought.is_news || always {
            self.observe_read(&brought);
            self.decode_ahead(&mut brought.round);
            // Nobody takes what was decoded while the channel closed.
            if !self.connection.closing.is_triggered() {
                self.connection.enqueue(Item::Batch(brought.round));
            }
        } else {
            self.connection.release_credit();
        }
        calls_back
    }

    /// Decodes what the pool would not take at once, while it is in the cache.
    /// Batches kept as bytes are only copied, which is left to the pool.
    fn decode_ahead(&self, round: &mut ReadBatch) {
        let connection = &self.connection;
        let session = &connection.session;
        if !session.settings.options.need_binary_record
            && session.pool.leaves_to_reader(connection.turn_is_idle())
        {
            connection.stats.reader_is(ReaderStage::Reading);
            round.decode_ahead(&session.pool.checked_buffers);
            connection.stats.reader_is(ReaderStage::Waiting);
        }
    }

    fn observe_read(&self, brought: &ReadOutcome) {
        let (records, bytes) = (brought.round.record_count(), brought.round.bytes());
        self.connection.stats.batch_read(records, bytes);
        self.connection.session.observe(WorkerEventKind::BatchRead {
            channel_id: &self.connection.channel_id,
            records,
            bytes,
            elapsed: self.connection.session.clock().now() - brought.began,
        });
    }
}

/// Where reading goes on.
struct PlaceToRead {
    conn: UserValue<Box<dyn ChannelConn>>,
    token: String,
    is_stream: bool,
    estimate: SizeEstimate,
    room: Arc<Room>,
}

/// How a round of reads ended.
enum Round {
    Read(ReadOutcome),
    Closing,
    /// It will be tried again.
    Failed(TunnelError, Reaction),
}

/// A failure that is met by reading again; others end reading.
fn retried(error: TunnelError) -> Result<Round, TunnelError> {
    match reaction(error.class(), Request::Channel) {
        reaction @ (Reaction::Retry | Reaction::RetryAndLogError) => {
            Ok(Round::Failed(error, reaction))
        }
        _ => Err(error),
    }
}

/// How a read ended.
enum Read {
    Answer(Answer),
    /// The answer came too late, it will be asked for again.
    Closing,
    /// It is larger than what can be had of the budget without a wait.
    NoRoom,
}

/// What one read has brought.
struct Answer {
    batch: RawBatch,
    permit: MemoryPermit,
    /// Records, or another token.
    is_news: bool,
    /// There is more to be had at once.
    read_on: bool,
}

impl Answer {
    fn begin_round(
        self,
        parallel_permit: Option<Arc<ParallelPermit>>,
        began: Instant,
    ) -> ReadOutcome {
        let claim = Claim {
            permit: self.permit,
            parallel_permit,
        };
        ReadOutcome {
            round: ReadBatch::new(self.batch, claim),
            is_news: self.is_news,
            read_on: self.read_on,
            began,
            error: None,
        }
    }
}

/// What a round of reads has brought.
struct ReadOutcome {
    round: ReadBatch,
    is_news: bool,
    read_on: bool,
    began: Instant,
    /// What ends reading after this round.
    error: Option<TunnelError>,
}

impl ReadOutcome {
    fn join(&mut self, answer: Answer) {
        self.is_news |= answer.is_news;
        self.read_on = answer.read_on;
        self.round.join(answer.batch, answer.permit);
    }
}

fn factory_failed(error: Box<dyn Error + Send + Sync>) -> TunnelError {
    user_failed("made no processor", error)
}

fn open_failed(error: Box<dyn Error + Send + Sync>) -> TunnelError {
    TunnelError::client("the channel_open callback failed").with_source(error)
}

fn user_failed(what: &str, error: Box<dyn Error + Send + Sync>) -> TunnelError {
    TunnelError::client(format!("the program {what}")).with_source(error)
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod ahead_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OwnedRecord;
    use crate::processor::ChannelBatch;
    use crate::sync::lease::LEASE_PAUSE;
    use crate::worker::context::SessionContext;
    use crossbeam_channel::{Sender, bounded};
    use std::time::Duration;

    /// Answers of 2 MiB, it says; tells of every read whether there was room.
    struct Large {
        room: Arc<Room>,
        reads: Sender<bool>,
    }

    impl ChannelConn for Large {
        fn read(&mut self, _: &str) -> Result<ChannelBatch, TunnelError> {
            let room = self.room.make(2 << 20);
            self.reads.send(room.is_ok()).expect("a test");
            room?;
            ChannelBatch::new(&[OwnedRecord::put([("key", 1)])], "next")
        }
    }

    fn renew(session: &SessionContext, timeout: Duration) {
        let clock = session.clock();
        session.lease.renew(clock.now(), clock.utc(), timeout);
    }

    #[test]
    fn nothing_is_read_past_the_lease_until_it_is_renewed_or_the_channel_closes() {
        let (session, _events) = SessionContext::for_tests();
        let session = Arc::new(session);
        let reader = Reader {
            connection: Connection::new(session.clone(), Default::default(), "channel".into()),
            predecessors: Vec::new(),
            readers: Predecessors::default(),
            _room: None,
        };
        let (told, answers) = bounded(2);
        std::thread::scope(|scope| {
            renew(&session, Duration::ZERO);
            scope.spawn(|| told.send(reader.wait_for_lease()));
            assert!(answers.recv_timeout(LEASE_PAUSE * 2).is_err(), "it waits");
            renew(&session, Duration::MAX);
            assert_eq!(answers.recv(), Ok(true));

            renew(&session, Duration::ZERO);
            scope.spawn(|| told.send(reader.wait_for_lease()));
            reader.connection.closing.trigger();
            assert_eq!(answers.recv(), Ok(false));
        });
    }

    #[test]
    fn an_answer_that_there_is_no_room_for_is_read_again() {
        let (session, _events) = SessionContext::for_tests();
        let session = Arc::new(session);
        let mut most = SizeEstimate::new();
        most.learn(255 << 20);
        let others = session.budget.try_acquire(&most).expect("all but 1 MiB");
        let reader = Reader {
            connection: Connection::new(session, Default::default(), "channel".into()),
            predecessors: Vec::new(),
            readers: Predecessors::default(),
            _room: None,
        };
        let (room, (reads, seen)) = (Arc::new(Room::new()), bounded(2));
        let mut idle = SizeEstimate::new();
        idle.learn(0);
        let mut at = PlaceToRead {
            conn: UserValue::new(Box::new(Large {
                room: room.clone(),
                reads,
            })),
            token: "token".to_owned(),
            is_stream: true,
            estimate: idle,
            room,
        };
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| reader.read_first(&mut at));
            assert_eq!(seen.recv(), Ok(false));
            drop(others);
            assert_eq!(seen.recv(), Ok(true));
            let (answer, _) = reading
                .join()
                .expect("a reader")
                .expect("no error")
                .expect("an answer");
            assert_eq!(answer.batch.record_count, 1);
        });
        assert_eq!(at.token, "next");
    }
}
