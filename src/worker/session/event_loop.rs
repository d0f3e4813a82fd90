//! The loop of a worker: hears everything, decides by the pure machines, and
//! never waits for anything but the next event.
//!
//! It runs on the thread that called
//! [`connect_and_working`](crate::worker::worker::TunnelWorker::connect_and_working).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use log::{debug, info, warn};

use super::assignment::{Command, TunnelStateMachine};
use super::heartbeat::Call;
use super::predecessors::Predecessors;
use super::schedule::HeartbeatSchedule;
use super::stall_detector::StallDetector;
use super::timers::Timers;
use crate::error::{ErrorCode, TunnelError, Verdict};
use crate::limits::memory::OpenChannel;
use crate::observer::{CloseReason, OwnedEvent};
use crate::protocol::Channel;
use crate::sync::catch_panic;
use crate::worker::channel::connection::Connection;
use crate::worker::channel::reader::Reader;
use crate::worker::connection_id::ConnectionId;
use crate::worker::context::{Ended, Event, SessionContext, Timer};
use crate::worker::report::ShutdownReport;

/// What is left of the time for a shutdown when the last requests must go out.
const LEAVING_TIME: Duration = Duration::from_secs(1);

/// How a session ended.
pub(crate) type End = Result<ShutdownReport, TunnelError>;

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
    events: Receiver<Event>,
    heartbeat: Sender<Call>,
    predecessors: Predecessors,
    machine: TunnelStateMachine,
    beats: HeartbeatSchedule,
    timers: Timers,
    stall_detector: StallDetector,
    /// All that have not ended yet, also those that the machine has forgotten.
    connections: HashMap<ConnectionId, Arc<Connection>>,
    phase: Phase,
    report: ShutdownReport,
}

impl Session {
    pub(crate) fn new(
        session: Arc<SessionContext>,
        events: Receiver<Event>,
        heartbeat: Sender<Call>,
        predecessors: Predecessors,
        beats: HeartbeatSchedule,
    ) -> Session {
        let stall_detector = StallDetector::new(session.settings.stuck_after, session.clock());
        Session {
            session,
            events,
            heartbeat,
            predecessors,
            machine: TunnelStateMachine::default(),
            beats,
            timers: Timers::default(),
            stall_detector,
            connections: HashMap::new(),
            phase: Phase::Working,
            report: ShutdownReport::default(),
        }
    }

    /// Works until the shutdown is done (`Ok`) or the session is over (`Err`).
    pub(crate) fn run(mut self) -> End {
        let end = self.work();
        // Whatever is left is not ours any more.
        for connection in self.connections.values() {
            self.session.status.closed(connection.id, false);
            connection.stats.closes_for(CloseReason::Lost);
            connection.drop_lost();
        }
        match (end, self.phase) {
            // Who asked for the end gets the report, whatever came between.
            (Err(error), Phase::Draining { .. } | Phase::Leaving { .. }) => {
                warn!(
                    "tunnel {}: session lost while shutting down: {error}",
                    self.session.tunnel_id
                );
                self.abandon();
                Ok(self.complete())
            }
            (Err(error), Phase::Working) => Err(error),
            (Ok(()), _) => Ok(self.complete()),
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
            self.beat(now);
            let wake = Some(self.next_wake());
            let Ok(event) = self.session.clock().recv(&self.events, wake) else {
                continue;
            };
            self.handle(event)?;
            // What came at the same time is heard before the next decision.
            for event in self.events.clone().try_iter().take(1024) {
                self.handle(event)?;
            }
        }
    }

    fn next_wake(&self) -> Instant {
        let phase = match self.phase {
            Phase::Working => None,
            Phase::Draining { until, .. } => Some(until),
            Phase::Leaving { deadline } => Some(deadline),
        };
        let beat = match self.phase {
            Phase::Leaving { .. } => None,
            _ => self.beats.next(self.machine.has_news()),
        };
        let others = [
            phase,
            beat,
            self.timers.next(),
            Some(self.stall_detector.next()),
        ];
        let lost = self.beats.lost_at();
        others.into_iter().flatten().fold(lost, Instant::min)
    }

    // What comes in.

    fn handle(&mut self, event: Event) -> Result<(), TunnelError> {
        match event {
            Event::Beat(answer) => self.answered(answer)?,
            // The service need not wait for what still opens it here.
            Event::Unread(channel_id, connection) => {
                self.machine.ended(&channel_id, connection, false);
            }
            Event::Ended(ended) => self.ended(ended)?,
            Event::Later(at, timer) => self.timers.add(at, timer),
            Event::Shutdown(deadline) => self.shut_down(deadline),
            Event::Left => {
                if let Phase::Leaving { deadline } = &mut self.phase {
                    // Nothing more to wait for.
                    *deadline = self.session.clock().now();
                }
            }
            // Heard before the session began.
            Event::Connected(_) => {}
        }
        Ok(())
    }

    fn answered(&mut self, answer: Result<Vec<Channel>, TunnelError>) -> Result<(), TunnelError> {
        self.beats.returned(answer.is_ok());
        match answer {
            Ok(channels) => {
                debug!(
                    "tunnel {}: heartbeat, {} channels",
                    self.session.tunnel_id,
                    channels.len()
                );
                self.session.lease.extend(self.beats.lost_at());
                let elapsed = self.session.status.beat_answered();
                self.session.notify(OwnedEvent::HeartbeatAnswered {
                    elapsed,
                    channels: channels.len(),
                });
                let commands = self.machine.answer(channels);
                self.carry_out(commands);
                self.give_up_stuck();
                Ok(())
            }
            Err(error) if error.verdict() == Verdict::Retry => {
                warn!(
                    "tunnel {}: heartbeat failed, tried again: {error}",
                    self.session.tunnel_id
                );
                let failures = self.session.status.beat_failed();
                self.session
                    .notify(OwnedEvent::HeartbeatFailed { failures, error });
                Ok(())
            }
            Err(error) => Err(error),
        }
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

    fn ended(&mut self, ended: Ended) -> Result<(), TunnelError> {
        let known = self.connections.remove(&ended.connection);
        let is_known = known.is_some();
        self.drop_later(known);
        self.session.status.closed(ended.connection, ended.finished);
        self.machine
            .ended(&ended.channel_id, ended.connection, ended.finished);
        self.predecessors.forget(&ended.channel_id);
        if !is_known {
            return Ok(());
        }
        let id = &ended.channel_id;
        match ended.finished {
            true => info!("channel {id}: finished"),
            false => debug!("channel {id}: ended"),
        }
        if self.phase != Phase::Working {
            self.report.channels.extend(ended.report);
        }
        ended.fatal.map_or(Ok(()), Err)
    }

    /// Has a connection dropped elsewhere: a checkpointer of the user's may go
    /// with it, whose drop this loop must not wait for.
    fn drop_later(&self, connection: Option<Arc<Connection>>) {
        self.session.pool.spawn(move || {
            let _ = catch_panic::call_user(|| drop(connection));
        });
    }

    // What goes out.

    fn beat(&mut self, now: Instant) {
        let due = self.beats.next(self.machine.has_news());
        if matches!(self.phase, Phase::Leaving { .. }) || due.is_none_or(|due| due > now) {
            return;
        }
        self.beats.sent(now);
        self.session.status.beat_sent();
        let _ = self.heartbeat.send(Call::Beat(self.machine.report()));
    }

    fn carry_out(&mut self, commands: Vec<Command>) {
        let reason = match self.phase {
            Phase::Working => CloseReason::TakenBack,
            Phase::Draining { .. } | Phase::Leaving { .. } => CloseReason::Shutdown,
        };
        // Before the first of them borrows anything.
        let dials = commands.iter().filter(|c| matches!(c, Command::Dial(..)));
        let mut rooms: Vec<_> = dials.map(|_| self.session.budget.open_channel()).collect();
        for command in commands {
            match command {
                Command::Dial(channel_id, id) => self.dial(channel_id, id, rooms.pop()),
                Command::CloseGracefully(id) => self.with(id, |c| {
                    c.stats.closes_for(reason);
                    c.close_gracefully();
                }),
                Command::Drop(id) => self.with(id, |c| {
                    info!("channel {}: lost while {}", c.channel_id, c.describe());
                    c.stats.closes_for(CloseReason::Lost);
                    c.drop_lost();
                }),
            }
        }
    }

    fn dial(&mut self, channel_id: Arc<str>, id: ConnectionId, room: Option<OpenChannel>) {
        let connection = Connection::new(self.session.clone(), id, channel_id.clone());
        let ended = connection.ended.clone();
        let predecessors = self.predecessors.add(channel_id, ended);
        self.connections.insert(id, connection.clone());
        Reader::spawn(connection, predecessors, room);
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
                Timer::Save(id) => self.with(id, |connection| connection.save_soon()),
            }
        }
    }

    // The end.

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
        if now >= self.beats.lost_at() {
            return Err(TunnelError::new(
                ErrorCode::ResourceGone,
                "no heartbeat has been answered for the heartbeat timeout",
            ));
        }
        if let Phase::Draining { until, deadline } = self.phase
            && (self.connections.is_empty() || now >= until)
        {
            self.leave(deadline);
        }
        Ok(matches!(self.phase, Phase::Leaving { deadline } if now >= deadline))
    }

    fn leave(&mut self, deadline: Instant) {
        self.abandon();
        self.phase = Phase::Leaving { deadline };
        let report = match self.machine.has_news() {
            true => self.machine.report(),
            false => Vec::new(),
        };
        let within = deadline.saturating_duration_since(self.session.clock().now());
        let _ = self.heartbeat.send(Call::Leave { report, within });
    }

    /// Gives up on what has not closed in time.
    fn abandon(&mut self) {
        for connection in std::mem::take(&mut self.connections).into_values() {
            warn!(
                "channel {}: abandoned at the deadline while {}",
                connection.channel_id,
                connection.describe()
            );
            self.session.status.closed(connection.id, false);
            connection.stats.closes_for(CloseReason::Abandoned);
            connection.drop_lost();
            self.report.channels.push(connection.report(true));
            self.drop_later(Some(connection));
        }
    }

    fn complete(&mut self) -> ShutdownReport {
        self.report.is_complete = true;
        std::mem::take(&mut self.report)
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
