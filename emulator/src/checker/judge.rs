//! [`Judge`]: visits the events of a ledger, and keeps what the rules need.
//!
//! It has no clock and no lock. It knows nothing but the ledger.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use time::OffsetDateTime;

use super::holding::SESSION_OVER;
use super::range_set::RangeSet;
use super::{Checker, Finding, Rule, Severity};
use crate::ledger::{ChannelStatus, Event, EventKind, Ledger};

/// Visits the events in order, after a first pass that collects some facts.
pub(super) struct Judge<'a> {
    pub(super) checker: &'a Checker,
    ledger: &'a Ledger,
    /// Whether the ledger has all events from the beginning.
    pub(super) whole: bool,
    /// Clients that report which records they have processed.
    pub(super) witnessed: HashSet<&'a str>,
    /// Requests whose answers a fault may have kept from the client, or delayed.
    pub(super) faulted: HashSet<&'a str>,
    /// Those of them that no fault has answered with the end of the session.
    pub(super) kept_back: HashSet<&'a str>,
    /// By tunnel and channel, because channels of two tunnels may have the same
    /// id.
    pub(super) tracks: HashMap<(&'a str, &'a str), Track<'a>>,
    /// By tunnel, client and channel, because readers without a session may use
    /// the same name in two tunnels.
    pub(super) tenures: HashMap<[&'a str; 3], Tenure>,
    pub(super) clients: HashMap<&'a str, Client<'a>>,
    /// Heartbeats by their requests: the client, and the time at which it came in.
    pub(super) heartbeats: HashMap<&'a str, (&'a str, OffsetDateTime)>,
    /// The end of each partition's log.
    pub(super) logs: HashMap<&'a str, u64>,
    /// The position up to which each partition's log was trimmed.
    pub(super) trims: HashMap<&'a str, u64>,
    /// How far the clock was moved by hand in total.
    pub(super) moved: Duration,
    findings: Vec<Finding>,
}

/// The history of one channel of one tunnel.
#[derive(Debug, Default)]
pub(super) struct Track<'a> {
    /// The start and end of its records, and the partition whose log it reads.
    pub(super) extent: Option<(u64, u64, Option<&'a str>)>,
    /// Whether it has left WAIT. Before that it must not be read.
    pub(super) ready: bool,
    pub(super) read: RangeSet,
    pub(super) read_to: Option<u64>,
    pub(super) end_read: bool,
    pub(super) processed: RangeSet,
    /// Records that a read skipped because they were trimmed.
    pub(super) skipped: RangeSet,
    pub(super) readers: HashSet<&'a str>,
    pub(super) saved: Option<u64>,
    pub(super) finished_saved: bool,
    /// Whether the server shows it as TERMINATED.
    pub(super) terminated: bool,
}

/// The history of one channel at one client.
#[derive(Debug, Default)]
pub(super) struct Tenure {
    /// Whether an answer to the client had the channel.
    pub(super) given: bool,
    /// Version and status in the last answer that the client received.
    pub(super) answered_status: Option<(i64, ChannelStatus)>,
    /// Version and status in the client's last report.
    pub(super) reported: Option<(i64, ChannelStatus)>,
    pub(super) lost: Option<Loss>,
    /// The position of the checkpoint that the client fetched, where it may begin
    /// to read.
    pub(super) restart: Option<u64>,
    /// After a fault, the position of the read before, which the client may
    /// repeat.
    pub(super) retry: Option<u64>,
    pub(super) next_read: Option<u64>,
    /// The position of its first read.
    pub(super) first_read: Option<u64>,
    pub(super) next_processed: Option<u64>,
    /// The position where processing may begin again, because reading did.
    pub(super) processed_restart: Option<u64>,
}

impl Tenure {
    /// Forgets the positions of a client that lost the channel and got it back. It
    /// may begin anywhere.
    pub(super) fn reset_positions(&mut self) {
        self.restart = None;
        self.retry = None;
        self.next_read = None;
        self.first_read = None;
        self.next_processed = None;
        self.processed_restart = None;
    }
}

/// The moment at which a client learned that it does not hold a channel any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    pub(super) time: OffsetDateTime,
    /// Whether the client ended its tenure itself, with CLOSE or TERMINATED.
    pub(super) by_itself: bool,
}

/// The history of one client.
#[derive(Debug)]
pub(super) struct Client<'a> {
    pub(super) tunnel: &'a str,
    pub(super) timeout: Duration,
    /// The time of its last heartbeat, on a clock that was never moved by hand.
    pub(super) last_heartbeat: Duration,
    /// The time of its last successful heartbeat, on the same clock.
    pub(super) last_lease: Duration,
    /// Whether the current gap is reported already.
    pub(super) gap_noted: bool,
    pub(super) left: Option<OffsetDateTime>,
    /// The channels that it holds by the last answer.
    pub(super) held: HashSet<&'a str>,
}

/// The tunnel, client and channel of a finding.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) tunnel: &'a str,
    pub(super) client: Option<&'a str>,
    pub(super) channel: Option<&'a str>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(checker: &'a Checker, ledger: &'a Ledger) -> Judge<'a> {
        let mut judge = Judge {
            checker,
            ledger,
            whole: ledger.is_whole(),
            witnessed: HashSet::new(),
            faulted: HashSet::new(),
            kept_back: HashSet::new(),
            tracks: HashMap::new(),
            tenures: HashMap::new(),
            clients: HashMap::new(),
            heartbeats: HashMap::new(),
            logs: HashMap::new(),
            trims: HashMap::new(),
            moved: Duration::ZERO,
            findings: Vec::new(),
        };
        let kinds = ledger.events().iter().map(|event| &event.kind);
        kinds.for_each(|kind| judge.prepare(kind));
        judge
    }

    /// Collects facts that rules need before the events in question.
    fn prepare(&mut self, kind: &'a EventKind) {
        match kind {
            EventKind::Processed { client, .. } | EventKind::ProcessedUnknown { client, .. } => {
                self.witnessed.insert(client);
            }
            EventKind::Faulted {
                request_id,
                effect,
                answer_suffers: true,
                ..
            } => {
                self.faulted.insert(request_id);
                // The fault itself may be what ends the session.
                if !effect.contains(SESSION_OVER) {
                    self.kept_back.insert(request_id);
                }
            }
            _ => {}
        }
    }

    pub(super) fn judge(mut self) -> Vec<Finding> {
        let events = self.ledger.events();
        events.iter().for_each(|event| self.visit(event));
        if let Some(last) = events.last().filter(|_| self.whole) {
            self.check_end(last);
        }
        self.findings
    }

    fn visit(&mut self, event: &'a Event) {
        match &event.kind {
            EventKind::ClockMoved { by } => self.moved += *by,
            EventKind::Written { partition, to, .. } => {
                self.logs.insert(partition, *to);
            }
            EventKind::ChannelAdded { .. }
            | EventKind::ChannelChanged { .. }
            | EventKind::TunnelDeleted { .. }
            | EventKind::TunnelExpired { .. } => self.visit_channel(&event.kind),
            EventKind::Trimmed { partition, to, .. } => {
                self.trims.insert(partition, *to);
            }
            EventKind::Received { .. }
            | EventKind::Answered { .. }
            | EventKind::Connected { .. }
            | EventKind::Gone { .. }
            | EventKind::Heartbeat { .. } => self.visit_client(event),
            EventKind::CheckpointGiven { .. }
            | EventKind::Skipped { .. }
            | EventKind::Read { .. }
            | EventKind::Saved { .. }
            | EventKind::Processed { .. }
            | EventKind::ProcessedUnknown { .. } => self.visit_access(event),
            _ => {}
        }
    }

    fn visit_channel(&mut self, kind: &'a EventKind) {
        match kind {
            EventKind::ChannelAdded {
                tunnel,
                channel,
                partition,
                start,
                end,
                ..
            } => {
                let extent = (*start, *end, partition.as_deref());
                self.track(tunnel, channel).extent = Some(extent);
            }
            EventKind::ChannelChanged {
                tunnel,
                channel,
                status,
                ..
            } => {
                let track = self.track(tunnel, channel);
                track.ready |= *status != ChannelStatus::Wait;
                track.terminated |= *status == ChannelStatus::Terminated;
            }
            // Nobody can read these channels any more.
            EventKind::TunnelDeleted { tunnel } | EventKind::TunnelExpired { tunnel } => {
                self.tracks.retain(|(of, _), _| *of != &**tunnel)
            }
            _ => {}
        }
    }

    pub(super) fn track(&mut self, tunnel: &'a str, channel: &'a str) -> &mut Track<'a> {
        self.tracks.entry((tunnel, channel)).or_default()
    }

    pub(super) fn tenure(
        &mut self,
        tunnel: &'a str,
        client: &'a str,
        channel: &'a str,
    ) -> &mut Tenure {
        self.tenures.entry([tunnel, client, channel]).or_default()
    }

    pub(super) fn is_faulted(&self, event: &Event) -> bool {
        let request = event.request.as_deref();
        request.is_some_and(|request| self.faulted.contains(request))
    }

    /// The time of an event on a clock that was never moved by hand.
    pub(super) fn unmoved_time(&self, event: &Event) -> Duration {
        let since_1970 = event.time - OffsetDateTime::UNIX_EPOCH;
        let since_1970 = Duration::try_from(since_1970).unwrap_or_default();
        since_1970.saturating_sub(self.moved)
    }

    pub(super) fn violation(
        &mut self,
        event: &Event,
        rule: Rule,
        subject: Subject<'a>,
        detail: String,
    ) {
        self.report(event, rule, Severity::Violation, subject, detail);
    }

    pub(super) fn report(
        &mut self,
        event: &Event,
        rule: Rule,
        severity: Severity,
        subject: Subject<'a>,
        detail: String,
    ) {
        self.findings.push(Finding {
            order: event.order,
            time: event.time,
            rule,
            severity,
            tunnel: subject.tunnel.into(),
            channel: subject.channel.map(Into::into),
            client: subject.client.map(Into::into),
            detail,
        });
    }
}

/// The time from something earlier to an event, for the text of a finding.
pub(super) fn since(earlier: OffsetDateTime, event: &Event) -> Duration {
    (event.time - earlier).unsigned_abs()
}
