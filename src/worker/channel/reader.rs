//! The thread of one channel: opens it, then reads as long as there is room.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log::debug;

use super::backoff::{Backoff, is_full, together};
use super::batch::{ReadBatch, index_bytes};
use super::connection::Connection;
use super::opening::{self, Opened, program_failed};
use super::service_conn::ServiceConn;
use super::stage::ReaderStage;
use super::state::ChannelEvent;
use super::waits::{Until, is_retry};
use crate::FINISH_TAG;
use crate::clock;
use crate::error::{ErrorClass, TunnelError};
use crate::http::retry::Schedule;
use crate::limits::memory::{MemoryPermit, OpenChannel, SizeEstimate};
use crate::limits::parallel::ParallelPermit;
use crate::observer::{CloseReason, WorkerEventKind};
use crate::policy::{Reaction, Request, reaction};
use crate::processor::{ChannelConn, ChannelContext};
use crate::record::{self, RawBatch};
use crate::sync::catch_panic::catch_panic;
use crate::user_code::{UserValue, call_user, drop_user};
use crate::worker::status::outages::Asked;

/// The thread of one channel.
pub(crate) struct Reader {
    connection: Arc<Connection>,
}

impl Reader {
    /// Starts the thread. Its end, however it comes, is reported to the session. `room` is
    /// what the channel takes of the memory budget as long as there is the thread.
    ///
    /// # Errors
    ///
    /// If no thread can be started, which passes.
    pub(crate) fn spawn(
        connection: &Arc<Connection>,
        room: Option<OpenChannel>,
    ) -> Result<(), TunnelError> {
        let reader = Reader {
            connection: connection.clone(),
        };
        let work = move || {
            let connection = reader.connection.clone();
            if let Err(error) = catch_panic(|| reader.run()) {
                connection.reader_died(error);
            }
            drop(room);
            connection.place.reader_ended();
            // The last handle may drop values of the program.
            drop_user((reader, connection));
        };
        // Reads of our own end by themselves.
        if connection.session.settings.dialer.is_some() {
            connection.place.reader_begins();
        }
        clock::spawn(connection.clock(), "tunnel-reader", work).map_err(|error| {
            connection.place.reader_ended();
            TunnelError::client("no thread to read a channel")
                .with_source(error)
                .with_class(ErrorClass::Passing)
        })
    }

    fn run(&self) {
        let connection = &self.connection;
        match catch_panic(|| opening::open(connection)).and_then(|opened| opened) {
            Ok(Opened::At(token, context)) => self.read_on(token, &context),
            Ok(Opened::Finished) => {
                connection.data.lock().progress.is_finished = true;
                connection.handle(ChannelEvent::NotOpened);
            }
            Ok(Opened::Closed) => {}
            Err(error) => {
                // Whoever closed it knows why.
                match connection.is_closing() {
                    true => drop_user(error),
                    false => connection.fail(error),
                }
                connection.handle(ChannelEvent::NotOpened);
            }
        }
    }

    /// Reads until there is no more, and hands the reason to the runner.
    fn read_on(&self, token: String, context: &ChannelContext) {
        let connection = &self.connection;
        let read = catch_panic(|| self.read_all(token, context)).and_then(|read| read);
        connection.leave_quota();
        let Err(error) = read else {
            return;
        };
        match reaction(error.class(), Request::Channel) {
            Reaction::LoseChannel => {
                connection.lose_because(&error);
                drop_user(error);
            }
            _ => connection.reading_failed(error),
        }
    }

    /// Reads until the channel is finished or closing.
    fn read_all(&self, token: String, context: &ChannelContext) -> Result<(), TunnelError> {
        let connection = &self.connection;
        let settings = &connection.session.settings;
        let mut at = Position {
            is_stream: record::is_stream(&connection.channel_id, &token),
            estimate: SizeEstimate::new(),
            conn: self.dial(context)?,
            token,
        };
        connection.reader_is(ReaderStage::Waiting);
        let mut pause = Backoff::new(settings.backoff.max_delay);
        let mut retries = 0;
        let most_ahead = settings.batches_per_channel() - 1;
        while connection.wait_until_unprocessed(most_ahead)
            && connection.acquire_parallel_permit()
            && connection.wait_for_lease(Until::Closing)
        {
            let outcome = match self.read_batch(&mut at) {
                Ok(Some(outcome)) => outcome,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.pause_after_failure(error, retries)?;
                    retries = retries.saturating_add(1);
                    continue;
                }
            };
            retries = 0;
            connection.request_succeeded(Asked::Read);
            let (reads_on, had_records) = (outcome.reads_on, outcome.batch.record_count() > 0);
            // Before any pause.
            let calls_back = self.hand_over(outcome)?;
            connection.reader_is(ReaderStage::Waiting);
            if at.token == FINISH_TAG {
                debug!("{connection}: read to its end");
                connection.reader_is(ReaderStage::Done);
                return Ok(());
            }
            // More may follow soon: only a channel without records waits ever longer.
            if reads_on || had_records {
                pause.reset();
            }
            if !reads_on {
                connection.pause_quota(calls_back);
                self.rest(pause.next_delay(fastrand::f64()));
            }
        }
        Ok(())
    }

    /// Waits after a read that failed and may succeed later. Others use meanwhile what
    /// this channel would hold for nothing.
    ///
    /// # Errors
    ///
    /// The error, if it does not pass.
    fn pause_after_failure(&self, error: TunnelError, retries: u32) -> Result<(), TunnelError> {
        let connection = &self.connection;
        let reaction = reaction(error.class(), Request::Channel);
        if !is_retry(reaction) {
            return Err(error);
        }
        connection.reader_is(ReaderStage::Waiting);
        let schedule = Schedule::read_records(Duration::MAX);
        // An endless schedule always has a pause.
        let pause = schedule.pause(retries, Duration::ZERO, fastrand::f64());
        let pause = pause.unwrap_or(Duration::from_secs(1));
        connection.request_failed(Asked::Read, &error, reaction, pause);
        drop_user(error);
        connection.pause_quota(false);
        connection.pause(pause, Until::Closing);
        Ok(())
    }

    /// Pauses an idle channel, together with others.
    fn rest(&self, about: Duration) {
        let connection = &self.connection;
        // A simulated or manual clock must not depend on when the process began.
        let delay = match cfg!(simulation) || connection.clock().is_manual() {
            true => about,
            false => together(clock::since_start(), about),
        };
        connection.pause(delay, Until::Closing);
    }

    /// The connection to read through: the worker's own, or the program's.
    fn dial(
        &self,
        context: &ChannelContext,
    ) -> Result<UserValue<Box<dyn ChannelConn>>, TunnelError> {
        let service = Box::new(ServiceConn::new(&self.connection));
        let conn = match &self.connection.session.settings.dialer {
            Some(dialer) => call_user(|| dialer.dial(context, service))
                .map_err(|panic| program_failed("dialed no connection", panic.into()))?
                .map_err(|error| program_failed("dialed no connection", error.into_source()))?,
            None => service,
        };
        Ok(UserValue::new(conn))
    }

    /// Reads once, or more often if the configuration joins reads; `None` if the channel
    /// closes.
    fn read_batch(&self, at: &mut Position) -> Result<Option<ReadOutcome>, TunnelError> {
        let connection = &self.connection;
        let began = connection.now();
        let Some(first) = self.read_first(at)? else {
            return Ok(None);
        };
        let permit = connection.data.lock().reading.parallel_permit.clone();
        let mut outcome = ReadOutcome {
            batch: ReadBatch::new(first.batch, first.memory, permit),
            is_news: first.is_news,
            reads_on: first.reads_on,
            began,
            error: None,
        };
        while outcome.reads_on && self.joins_more(at, &outcome.batch) {
            // No wait for memory here: others may wait for what this batch holds.
            let budget = &connection.session.budget;
            let Ok(memory) = budget.acquire(at.estimate.bytes(), &connection.wake) else {
                break;
            };
            match self.read(at, memory) {
                Ok(Read::Response(response)) => outcome.join(response),
                Ok(Read::Closing) => return Ok(None),
                Ok(Read::Rejected(_)) => break,
                // What came before is good. A failure that passes is met again, if it
                // has not passed, by the next read.
                Err(error) => {
                    let passes = is_retry(reaction(error.class(), Request::Channel));
                    outcome.error = Some(error).filter(|_| !passes);
                    break;
                }
            }
        }
        Ok(Some(outcome))
    }

    /// Reads, and waits for memory if there is none for the response; `None` if the
    /// channel closes.
    fn read_first(&self, at: &mut Position) -> Result<Option<Response>, TunnelError> {
        loop {
            let Some(memory) = self.wait_for_memory(at.estimate.bytes()) else {
                return Ok(None);
            };
            match self.read(at, memory)? {
                Read::Response(response) => return Ok(Some(response)),
                Read::Closing => return Ok(None),
                // Now it is known for how much to wait.
                Read::Rejected(bytes) => at.estimate.learn(bytes),
            }
        }
    }

    fn wait_for_memory(&self, bytes: usize) -> Option<MemoryPermit> {
        let connection = &self.connection;
        let ticket = match connection.session.budget.acquire(bytes, &connection.wake) {
            Ok(permit) => return Some(permit),
            Err(ticket) => ticket,
        };
        connection.reader_is(ReaderStage::WaitingForMemory);
        let permit = connection.wait_until_woken(|| ticket.take());
        connection.reader_is(ReaderStage::Waiting);
        permit
    }

    fn joins_more(&self, at: &Position, batch: &ReadBatch) -> bool {
        let limits = &self.connection.session.settings.reading;
        at.token != FINISH_TAG
            && batch.reads() < limits.max_times_per_round
            && batch.bytes() < limits.max_bytes_per_round
    }

    /// Reads once, with so much of the memory budget at first.
    fn read(&self, at: &mut Position, memory: MemoryPermit) -> Result<Read, TunnelError> {
        let connection = &self.connection;
        connection.put_memory(memory);
        connection.reader_is(ReaderStage::Reading);
        // It may be the program's.
        let batch = call_user(|| at.conn.read(&at.token));
        let (mut memory, rejected) = connection.take_memory();
        if connection.is_closing() {
            return Ok(Read::Closing);
        }
        let batch = batch.map_err(|panic| program_failed("panicked in a read", panic.into()))?;
        if let (Err(_), Some(bytes)) = (&batch, rejected) {
            return Ok(Read::Rejected(bytes));
        }
        let batch = batch?.into_raw();
        let bytes = batch.body.len().saturating_add(self.index_bytes(&batch));
        memory.settle(bytes);
        at.estimate.learn(bytes);
        connection.data.lock().stats.has_read_all = !is_full(&batch);
        let is_news = batch.record_count > 0 || batch.next_token != at.token;
        at.token.clone_from(&batch.next_token);
        Ok(Read::Response(Response {
            is_news,
            // A base channel reads on as long as it gets on.
            reads_on: is_news && (!at.is_stream || is_full(&batch)),
            batch,
            memory,
        }))
    }

    /// What the records take beside the body while they are decoded.
    fn index_bytes(&self, batch: &RawBatch) -> usize {
        match self.connection.session.settings.options.need_binary_record {
            true => 0,
            false => index_bytes(batch),
        }
    }

    /// Gives what was read to the runner; whether there will be a callback.
    fn hand_over(&self, outcome: ReadOutcome) -> Result<bool, TunnelError> {
        let connection = &self.connection;
        let always = connection.session.settings.options.always_call_back;
        let (records, bytes) = (outcome.batch.record_count(), outcome.batch.bytes());
        if outcome.is_news || always {
            connection.observe(WorkerEventKind::BatchRead {
                channel_id: &connection.channel_id,
                records,
                bytes,
                elapsed: connection.now() - outcome.began,
            });
            connection.enqueue(outcome.batch, records, bytes);
        }
        match outcome.error {
            Some(error) => Err(error),
            None => Ok(always || records > 0),
        }
    }
}

impl Connection {
    /// Hands a batch to the runner, and sees to it that it gets a turn. A channel that
    /// closes drops it.
    pub(super) fn enqueue(self: &Arc<Self>, batch: ReadBatch, records: usize, bytes: usize) {
        let now = self.now();
        let mut data = self.data.lock();
        if data.state.is_closing() {
            return drop(data);
        }
        data.stats.batch_read(records, bytes);
        data.reading.queue.push_back(batch);
        let action = data.handle(ChannelEvent::Arrived, now);
        drop(data);
        self.act(action);
    }

    /// Reading has failed; everything before it is still to be processed.
    fn reading_failed(self: &Arc<Self>, error: TunnelError) {
        let now = self.now();
        let mut data = self.data.lock();
        if data.state.is_closing() {
            drop(data);
            return drop_user(error);
        }
        data.reading.failure = Some(error);
        let action = data.handle(ChannelEvent::Arrived, now);
        drop(data);
        self.act(action);
    }

    /// The reader has ended because of a mistake of ours.
    fn reader_died(self: &Arc<Self>, error: TunnelError) {
        self.fail(error);
        self.handle(ChannelEvent::NotOpened);
        self.close(CloseReason::Failed);
    }

    /// Waits until the channel may read; false if it closes first.
    fn acquire_parallel_permit(&self) -> bool {
        let session = &self.session;
        let Some(quota) = &session.quota else {
            return true;
        };
        let is_wanted = !session.settings.reading.need_manual_release && quota.is_wanted();
        let before = self.data.lock().reading.parallel_permit.take();
        if let Some(permit) = before
            && permit.is_held()
            && !is_wanted
        {
            return self.keep_parallel_permit(permit);
        }
        // The permit is released as soon as the batches that share it are processed. A
        // channel that waits behind others must not hold a second one until then.
        if !self.wait_until_unprocessed(0) {
            return false;
        }
        let permit = match quota.acquire(&self.wake) {
            Ok(permit) => Some(permit),
            Err(ticket) => {
                self.reader_is(ReaderStage::WaitingForPermit);
                let permit = self.wait_until_woken(|| ticket.take());
                self.reader_is(ReaderStage::Waiting);
                permit
            }
        };
        permit.is_some_and(|permit| self.keep_parallel_permit(permit))
    }

    /// Keeps the permit for the reader, unless the channel closes.
    fn keep_parallel_permit(&self, permit: Arc<ParallelPermit>) -> bool {
        let mut data = self.data.lock();
        let keeps = !data.state.is_closing();
        if keeps {
            data.reading.parallel_permit = Some(permit);
        }
        keeps
    }

    /// Drops the reader's permit during a pause. `processed` is whether a callback will
    /// receive the records that were read.
    fn pause_quota(&self, processed: bool) {
        // A permit that the callback releases has to stay acquired until then. But
        // without a callback, nothing else would release it.
        if !(self.session.settings.reading.need_manual_release && processed) {
            self.leave_quota();
        }
    }

    /// Drops the reader's permit. Its batches still hold theirs.
    fn leave_quota(&self) {
        let permit = self.data.lock().reading.parallel_permit.take();
        drop(permit);
    }
}

/// Where reading goes on.
struct Position {
    conn: UserValue<Box<dyn ChannelConn>>,
    token: String,
    is_stream: bool,
    estimate: SizeEstimate,
}

/// How a read ended.
enum Read {
    Response(Response),
    /// The response came too late.
    Closing,
    /// It is so large that there was no room for it.
    Rejected(usize),
}

/// What one read has brought.
struct Response {
    batch: RawBatch,
    memory: MemoryPermit,
    /// Records, or another token.
    is_news: bool,
    /// There is more to be had at once.
    reads_on: bool,
}

/// What one read has brought, or several joined.
struct ReadOutcome {
    batch: ReadBatch,
    is_news: bool,
    reads_on: bool,
    began: Instant,
    /// What ends reading after this batch.
    error: Option<TunnelError>,
}

impl ReadOutcome {
    fn join(&mut self, response: Response) {
        self.is_news |= response.is_news;
        self.reads_on = response.reads_on;
        self.batch.join(response.batch, response.memory);
    }
}
