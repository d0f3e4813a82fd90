//! The loop of a worker, on its heartbeat thread: handles every event, decides by the pure
//! machines, and never waits for anything but the next event.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{debug, info, warn};
use time::OffsetDateTime;

use super::assignment::{Command, TunnelStateMachine};
use super::reopening::Reopening;
use super::requests::{Call, LEAVE_TIME, SessionRequests};
use super::schedule::HeartbeatSchedule;
use super::stall_detector::StallDetector;
use super::timers::Timers;
use crate::clock::{self, Queue};
use crate::error::{ErrorClass, ErrorCode, TunnelError};
use crate::limits::memory::OpenChannel;
use crate::observer::{CloseReason, OwnedEvent};
use crate::policy::{Reaction, Request, reaction};
use crate::protocol::Channel;
use crate::worker::channel::connection::Connection;
use crate::worker::channel::reader::Reader;
use crate::worker::connection_id::ConnectionId;
use crate::worker::context::{Ended, Event, SessionContext, Timer};
use crate::worker::predecessors::Predecessors;
use crate::worker::report::ShutdownReport;
use crate::worker::status::failures::full_text;
use crate::worker::status::outages::Asked;

/// What is left of the time for a shutdown when the last requests must go out.
const LEAVING_TIME: Duration = Duration::from_secs(1);

/// How long the last requests wait for a heartbeat in flight: its report is older than
/// theirs, and must not arrive after it.
const IN_FLIGHT_TIME: Duration = Duration::from_secs(1);

/// How many events are handled before timers and heartbeats are looked at again.
const MAX_AT_ONCE: usize = 1024;

/// Until a channel is opened for which no thread could be started.
const NO_THREAD_PAUSE: Duration = Duration::from_secs(1);

/// How a session ended.
#[derive(Debug)]
pub(crate) struct End {
    /// `Ok` after a shutdown that was asked for, otherwise why the session is over.
    pub(crate) result: Result<(), TunnelError>,
    /// How far its channels came.
    pub(crate) report: ShutdownReport,
}

impl End {
    /// Nothing was ever open.
    pub(crate) fn failed(error: TunnelError) -> End {
        End {
            result: Err(error),
            report: ShutdownReport {
                is_complete: true,
                ..ShutdownReport::default()
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Working,
    /// Channels are closing; what has not by `until` is abandoned.
    Draining {
        until: Instant,
        deadline: Instant,
    },
    /// The last requests are on their way.
    Leaving {
        deadline: Instant,
    },
}

/// One session with the service.
pub(crate) struct Session {
    session: Arc<SessionContext>,
    calls: Queue<Call>,
    requests: SessionRequests,
    predecessors: Predecessors,
    machine: TunnelStateMachine,
    schedule: HeartbeatSchedule,
    /// The calendar time at which the last heartbeat was sent.
    sent_utc: OffsetDateTime,
    timers: Timers,
    reopening: Reopening,
    stall_detector: StallDetector,
    /// All that have not ended yet, also those that the machine has forgotten.
    connections: BTreeMap<ConnectionId, Arc<Connection>>,
    /// What a channel takes of the memory budget, until its reader starts.
    rooms: BTreeMap<ConnectionId, OpenChannel>,
    phase: Phase,
    /// When the last connection ended in a shutdown.
    drained_at: Option<Instant>,
    /// Why we end the session ourselves, unless a shutdown was asked for.
    failure: Option<TunnelError>,
    report: ShutdownReport,
}

/// What a session is made of.
pub(crate) struct Parts {
    pub(crate) session: Arc<SessionContext>,
    pub(crate) calls: Queue<Call>,
    pub(crate) requests: SessionRequests,
    pub(crate) predecessors: Predecessors,
    pub(crate) schedule: HeartbeatSchedule,
}

impl Session {
    pub(crate) fn new(parts: Parts) -> Session {
        let session = parts.session;
        let settings = &session.settings;
        let clock = session.clock();
        Session {
            stall_detector: StallDetector::new(settings.stuck_after, clock.now()),
            reopening: Reopening::new(settings.heartbeat_interval),
            sent_utc: clock.utc(),
            calls: parts.calls,
            requests: parts.requests,
            predecessors: parts.predecessors,
            machine: TunnelStateMachine::default(),
            schedule: parts.schedule,
            timers: Timers::default(),
            connections: BTreeMap::new(),
            rooms: BTreeMap::new(),
            phase: Phase::Working,
            drained_at: None,
            failure: None,
            report: ShutdownReport::default(),
            session,
        }
    }

    /// Works until the shutdown is done or the session is over.
    pub(crate) fn run(mut self) -> End {
        let end = self.work();
        if let Err(error) = &end
            && self.phase != Phase::Working
            && self.failure.is_none()
        {
            warn!(
                "tunnel {}: session lost while shutting down: {error}",
                self.session.tunnel_id
            );
        }
        // Whatever is left is not ours any more.
        self.give_up_connections(CloseReason::Lost, false);
        self.session.status.outages.forget(None);
        self.report.is_complete = true;
        let result = match (end, self.failure.take(), self.phase) {
            (_, Some(failure), _) => Err(failure),
            (Err(error), None, Phase::Working) => Err(error),
            // Whoever asked for the end gets the report, whatever came between.
            (_, None, _) => Ok(()),
        };
        End {
            result,
            report: std::mem::take(&mut self.report),
        }
    }

    fn work(&mut self) -> Result<(), TunnelError> {
        loop {
            let now = self.session.clock().now();
            self.run_timers(now);
            self.stall_detector.check(now, &self.connections);
            if self.advance(now)? {
                return Ok(());
            }
            self.send_heartbeat(now);
            let wake = Some(self.next_wake());
            let Ok(event) = self.session.events.pop(wake) else {
                continue;
            };
            self.handle(event)?;
            // What came at the same time is handled before the next decision.
            for _ in 0..MAX_AT_ONCE {
                match self.session.events.try_pop() {
                    Some(event) => self.handle(event)?,
                    None => break,
                }
            }
        }
    }

    fn next_wake(&self) -> Instant {
        let phase = match self.phase {
            Phase::Working => None,
            Phase::Draining { until, .. } => {
                let grace = self.drained_at.map(|at| at + IN_FLIGHT_TIME);
                Some(grace.map_or(until, |grace| grace.min(until)))
            }
            Phase::Leaving { deadline } => Some(deadline),
        };
        let beat = match self.phase {
            Phase::Leaving { .. } => None,
            _ => self.schedule.next(self.machine.has_news()),
        };
        let others = [
            phase,
            beat,
            self.timers.next(),
            Some(self.stall_detector.next()),
        ];
        let over = match self.phase {
            Phase::Working => self.schedule.gives_up_at(),
            _ => self.schedule.lost_at(),
        };
        others.into_iter().flatten().fold(over, Instant::min)
    }

    // What comes in.

    fn handle(&mut self, event: Event) -> Result<(), TunnelError> {
        match event {
            Event::Heartbeat(Ok(channels)) => self.answered(channels),
            Event::Heartbeat(Err(error)) => self.heartbeat_failed(error)?,
            // It was to give the session back.
            Event::RequestThreadEnded if self.is_leaving() => self.left(),
            Event::RequestThreadEnded => self.fail(
                TunnelError::client("the thread of the session's requests has ended unexpectedly")
                    .with_class(ErrorClass::Passing),
            ),
            Event::LeaseInDoubt => self.lease_in_doubt(),
            // The service need not wait for what still opens it here.
            Event::Unread(channel_id, connection) => {
                self.machine.ended(&channel_id, connection, false);
            }
            Event::Ended(ended) => self.ended(*ended),
            Event::Later(at, timer) => self.timers.add(at, timer),
            Event::Shutdown(deadline) => self.shut_down(deadline),
            Event::Left => self.left(),
            // Handled before the session began.
            Event::Connected(_) => {}
        }
        Ok(())
    }

    fn lease_in_doubt(&mut self) {
        warn!(
            "tunnel {}: the calendar clock is past the session's lease (a suspended machine, or \
             a clock that was set): callbacks and checkpoints pause until a heartbeat is answered",
            self.session.tunnel_id
        );
        self.schedule.hurry();
    }

    fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Leaving { .. })
    }

    /// The last requests have been sent.
    fn left(&mut self) {
        let now = self.session.clock().now();
        // A session whose heartbeats fail lives until its lease ends.
        let lives_on = self.failure.is_some() && now >= self.schedule.gives_up_at();
        if let Phase::Leaving { deadline } = &mut self.phase
            && !lives_on
        {
            // Nothing more to wait for.
            *deadline = now;
        }
    }

    fn answered(&mut self, channels: Vec<Channel>) {
        let (session, now) = (&self.session, self.session.clock().now());
        debug!(
            "tunnel {}: heartbeat, {} channels",
            session.tunnel_id,
            channels.len()
        );
        if self.schedule.failures() > 0 {
            session.status.outages.succeeded(Asked::Heartbeat, None);
        }
        self.schedule.answered();
        let timeout = session.settings.heartbeat_timeout;
        let sent = self.schedule.last_sent();
        session.lease.renew(sent, self.sent_utc, timeout);
        let elapsed = session.status.beat_answered();
        session.notify(OwnedEvent::HeartbeatAnswered {
            elapsed,
            channels: channels.len(),
        });
        if self.machine.is_new_list(&channels) {
            self.schedule.list_changed(now);
        }
        let commands = self.machine.answer(channels);
        self.session
            .status
            .has_channels(self.machine.has_channels());
        self.carry_out(commands);
        self.give_up_stuck();
    }

    fn heartbeat_failed(&mut self, error: TunnelError) -> Result<(), TunnelError> {
        self.schedule.failed(self.session.clock().now());
        self.machine.not_reported();
        let reaction = reaction(error.class(), Request::Heartbeat);
        match reaction {
            Reaction::EndSession => return Err(error),
            Reaction::EndDaemon => self.fail(error),
            _ => {
                let status = &self.session.status;
                let pause = self.schedule.retry_pause();
                status
                    .outages
                    .failed(Asked::Heartbeat, None, &error, reaction, pause);
                let failures = status.beat_failed();
                match self.session.settings.observer {
                    Some(_) => self
                        .session
                        .notify(OwnedEvent::HeartbeatFailed { failures, error }),
                    None => self.drop_error(error),
                }
            }
        }
        Ok(())
    }

    fn give_up_stuck(&mut self) {
        let settings = &self.session.settings;
        if settings.closing_channel_detect {
            let interval = settings.heartbeat_interval;
            let commands = self
                .machine
                .give_up_stuck(interval, self.session.clock().now());
            self.carry_out(commands);
        }
    }

    fn ended(&mut self, ended: Ended) {
        let is_known = self.connections.remove(&ended.connection).is_some();
        self.rooms.remove(&ended.connection);
        let status = &self.session.status;
        status.closed(
            ended.connection,
            &ended.channel_id,
            ended.totals,
            ended.finished,
        );
        status.outages.forget(Some(&ended.channel_id));
        self.machine
            .ended(&ended.channel_id, ended.connection, ended.finished);
        if !is_known {
            return;
        }
        if ended.finished {
            status.channel_finished();
        }
        let now = self.session.clock().now();
        match ended.failed {
            Some(class) => {
                self.reopening
                    .failed(&ended.channel_id, class, ended.open_for, now);
            }
            None => self.reopening.forget(&ended.channel_id),
        }
        if self.phase != Phase::Working {
            self.report.channels.extend(ended.report);
        }
        if let Some(error) = ended.fatal {
            self.fail(error);
        }
    }

    // What goes out.

    fn send_heartbeat(&mut self, now: Instant) {
        let due = self.schedule.next(self.machine.has_news());
        if self.is_leaving() || due.is_none_or(|due| due > now) {
            return;
        }
        let is_retry = self.schedule.failures() > 0;
        self.schedule.sent(now);
        self.sent_utc = self.session.clock().utc();
        self.session.status.beat_sent();
        let channels = self.machine.report();
        // A thread that is gone has sent its event, which ends the session.
        let _ = self.calls.push(Call::Heartbeat { channels, is_retry });
    }

    fn carry_out(&mut self, commands: Vec<Command>) {
        let reason = match self.phase {
            Phase::Working => CloseReason::TakenBack,
            Phase::Draining { .. } | Phase::Leaving { .. } => CloseReason::Shutdown,
        };
        // Before the first of them acquires anything.
        let dials = commands.iter().filter(|c| matches!(c, Command::Dial(..)));
        let mut rooms: Vec<_> = dials.map(|_| self.session.budget.open_channel()).collect();
        for command in commands {
            match command {
                Command::Dial(channel_id, id) => self.dial(channel_id, id, rooms.pop()),
                Command::CloseGracefully(id) => self.with(id, |c| c.close(reason)),
                Command::Drop(id) => self.with(id, |c| {
                    info!("{c}: lost while {}", c.stage().stage);
                    c.lose(CloseReason::Lost);
                }),
            }
        }
    }

    fn dial(&mut self, channel_id: Arc<str>, id: ConnectionId, room: Option<OpenChannel>) {
        let now = self.session.clock().now();
        let connection = Connection::new(&self.session, id, channel_id.clone(), &self.predecessors);
        self.rooms.extend(room.map(|room| (id, room)));
        self.connections.insert(id, connection.clone());
        match self.reopening.ready_at(&channel_id) {
            Some(at) if at > now => {
                info!(
                    "{connection}: will be opened again in {:?}",
                    clock::rounded(at - now)
                );
                connection.waits_to_reopen();
                self.timers.add(at, Timer::Open(id));
            }
            _ => self.open(id),
        }
    }

    /// Starts the reader of a connection. Without a thread for it the channel stays ours
    /// and is opened a little later.
    fn open(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id).cloned() else {
            return;
        };
        let room = self.rooms.remove(&id);
        if let Err(error) = Reader::spawn(&connection, room) {
            self.rooms.insert(id, self.session.budget.open_channel());
            connection.request_failed(
                Asked::GetCheckpoint,
                &error,
                Reaction::Retry,
                NO_THREAD_PAUSE,
            );
            let at = clock::after(self.session.clock().now(), NO_THREAD_PAUSE);
            self.timers.add(at, Timer::Open(id));
        }
    }

    fn with(&self, id: ConnectionId, act: impl FnOnce(&Arc<Connection>)) {
        if let Some(connection) = self.connections.get(&id) {
            act(connection);
        }
    }

    fn run_timers(&mut self, now: Instant) {
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Resume(id) => self.with(id, |connection| connection.resume()),
                Timer::Save(id) => self.with(id, |connection| connection.save_due()),
                Timer::Open(id) => self.open(id),
            }
        }
    }

    // The end.

    /// Ends the session ourselves, because of `error`: it is given back in order.
    fn fail(&mut self, error: TunnelError) {
        let timeout = self.session.settings.shutdown_timeout;
        let deadline = clock::after(self.session.clock().now(), timeout);
        self.give_back(error, deadline);
    }

    fn give_back(&mut self, error: TunnelError, deadline: Instant) {
        if self.phase != Phase::Working {
            warn!(
                "tunnel {}: failed while shutting down: {}",
                self.session.tunnel_id,
                full_text(&error)
            );
            return self.drop_error(error);
        }
        warn!(
            "tunnel {}: the session will be given back: {}",
            self.session.tunnel_id,
            full_text(&error)
        );
        self.failure = Some(error);
        self.shut_down(deadline);
    }

    /// Its causes may be the program's, and this loop must not wait for their drop.
    fn drop_error(&self, error: TunnelError) {
        self.session.io.drop_later(error);
    }

    fn shut_down(&mut self, deadline: Instant) {
        match &mut self.phase {
            Phase::Working => {
                info!("tunnel {}: shutting down", self.session.tunnel_id);
                self.session.status.draining();
                self.phase = draining(deadline, self.session.clock().now());
                let commands = self.machine.drain();
                self.carry_out(commands);
            }
            // Asked again: the earlier deadline counts.
            Phase::Draining {
                deadline: first, ..
            } if deadline < *first => {
                self.phase = draining(deadline, self.session.clock().now());
            }
            Phase::Leaving { deadline: first } => *first = deadline.min(*first),
            Phase::Draining { .. } => {}
        }
    }

    /// Goes on to the next phase where it is time; true when all is done.
    fn advance(&mut self, now: Instant) -> Result<bool, TunnelError> {
        let unanswered = || {
            let message = "no heartbeat has been answered for the heartbeat timeout";
            TunnelError::new(ErrorCode::ResourceGone, message)
        };
        if now >= self.schedule.lost_at() {
            return Err(unanswered());
        }
        if self.phase == Phase::Working && now >= self.schedule.gives_up_at() {
            self.give_back(unanswered(), self.schedule.lost_at());
        }
        if let Phase::Draining { until, deadline } = self.phase
            && (self.is_drained(now) || now >= until)
        {
            self.leave(deadline);
        }
        Ok(matches!(self.phase, Phase::Leaving { deadline } if now >= deadline))
    }

    /// Whether every connection has ended and no heartbeat is in flight; one that hangs
    /// is not waited for.
    fn is_drained(&mut self, now: Instant) -> bool {
        if !self.connections.is_empty() {
            return false;
        }
        let drained_at = *self.drained_at.get_or_insert(now);
        !self.schedule.is_in_flight() || now >= drained_at + IN_FLIGHT_TIME
    }

    /// Sends the last requests, on a thread of its own: a heartbeat that hangs must not
    /// hold them up.
    fn leave(&mut self, deadline: Instant) {
        self.give_up_connections(CloseReason::Abandoned, true);
        self.phase = Phase::Leaving { deadline };
        // An older report that is still in flight might arrive after this one.
        let report = match self.machine.has_news() && !self.schedule.is_in_flight() {
            true => self.machine.report(),
            false => Vec::new(),
        };
        let now = self.session.clock().now();
        let left = deadline.saturating_duration_since(now);
        // For a heartbeat in flight.
        let waited = now.saturating_duration_since(self.drained_at.unwrap_or(now));
        let within = match self
            .report
            .channels
            .iter()
            .all(|channel| channel.is_clean())
        {
            true => left.min(LEAVE_TIME.saturating_sub(waited)),
            // Later the service takes the channels back without being told.
            false => left.min(self.session.settings.heartbeat_timeout),
        };
        let (requests, session) = (self.requests.clone(), self.session.clone());
        let leave = move || {
            requests.leave(&session.client_id, report, within);
            session.send(Event::Left);
        };
        if let Err(error) = clock::spawn(self.session.clock(), "tunnel-leave", leave) {
            warn!(
                "tunnel {}: no thread for the last requests, they wait for a heartbeat in flight: \
                 {error}",
                self.session.tunnel_id
            );
            let _ = self.calls.push(Call::Leave);
        }
    }

    /// Gives up on the connections that have not ended. Values of the program that they
    /// own are dropped by their I/O tasks.
    fn give_up_connections(&mut self, reason: CloseReason, is_abandoned: bool) {
        for connection in std::mem::take(&mut self.connections).into_values() {
            if is_abandoned {
                warn!(
                    "{connection}: abandoned at the deadline while {}",
                    connection.stage().stage
                );
            }
            connection.lose(reason);
            let totals = connection.totals();
            let status = &self.session.status;
            status.closed(connection.id, &connection.channel_id, totals, false);
            if connection.was_opened() || is_abandoned {
                self.report.channels.push(connection.report(is_abandoned));
            }
        }
        self.rooms.clear();
    }
}

/// The drain for a shutdown by `deadline`, which leaves time for the last requests.
fn draining(deadline: Instant, now: Instant) -> Phase {
    let left = deadline.saturating_duration_since(now);
    Phase::Draining {
        until: deadline - LEAVING_TIME.min(left / 10),
        deadline,
    }
}
