//! [`Judge`]: goes through the events and remembers what the rules need.
//!
//! Pure: no clock, no lock; all it knows is the ledger.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use time::OffsetDateTime;

use super::spans::Spans;
use super::{Checker, Finding, Rule, Severity};
use crate::ledger::{ChannelStatus, Event, EventKind, Ledger};

/// Goes through the events once, after a look at all of them.
pub(super) struct Judge<'a> {
    pub(super) checker: &'a Checker,
    ledger: &'a Ledger,
    /// The ledger is there from its beginning.
    pub(super) whole: bool,
    /// Clients that say what they have dealt with.
    pub(super) witnessed: HashSet<&'a str>,
    /// Requests whose answer a fault may have kept from the client, or held up.
    pub(super) faulted: HashSet<&'a str>,
    /// By tunnel and channel: channels of two tunnels may have one id.
    pub(super) tracks: HashMap<(&'a str, &'a str), Track<'a>>,
    /// By tunnel, client and channel: who reads by hand may have one name in
    /// two tunnels.
    pub(super) tenures: HashMap<[&'a str; 3], Tenure>,
    pub(super) clients: HashMap<&'a str, Client<'a>>,
    /// When heartbeats came in that are not answered yet, by request.
    pub(super) beats: HashMap<&'a str, (&'a str, OffsetDateTime)>,
    /// How far each partition's log has come.
    pub(super) logs: HashMap<&'a str, u64>,
    /// How far each partition's log has been trimmed.
    pub(super) trims: HashMap<&'a str, u64>,
    /// How far the clock was moved by hand in all.
    pub(super) moved: Duration,
    findings: Vec<Finding>,
}

/// What is known of one channel of one tunnel.
#[derive(Debug, Default)]
pub(super) struct Track<'a> {
    /// Where its records begin and end, and the partition whose log it gives.
    pub(super) extent: Option<(u64, u64, Option<&'a str>)>,
    /// Left WAIT; only then it may be read.
    pub(super) ready: bool,
    pub(super) read: Spans,
    pub(super) read_to: Option<u64>,
    pub(super) end_read: bool,
    pub(super) processed: Spans,
    /// Passed over in a read because they were trimmed.
    pub(super) skipped: Spans,
    pub(super) readers: HashSet<&'a str>,
    pub(super) saved: Option<u64>,
    pub(super) finished_saved: bool,
    /// TERMINATED as the server has it.
    pub(super) terminated: bool,
}

/// What is known of one client and one channel.
#[derive(Debug, Default)]
pub(super) struct Tenure {
    /// The channel was in an answer.
    pub(super) given: bool,
    /// What the server said of it last, as far as the client heard it.
    pub(super) told: Option<(i64, ChannelStatus)>,
    /// What the client said of it last.
    pub(super) reported: Option<(i64, ChannelStatus)>,
    pub(super) lost: Option<Loss>,
    /// Where the client may begin to read: the checkpoint that it was given.
    pub(super) restart: Option<u64>,
    /// Where else it may go on, after a fault: where it stood before.
    pub(super) retry: Option<u64>,
    pub(super) next_read: Option<u64>,
    /// Where it began to read.
    pub(super) began: Option<u64>,
    pub(super) next_processed: Option<u64>,
    /// Where callbacks begin anew, because reading did.
    pub(super) processed_restart: Option<u64>,
}

impl Tenure {
    /// The channel was lost and is back: nothing binds the client to where it
    /// stood.
    pub(super) fn begin_anew(&mut self) {
        self.restart = None;
        self.retry = None;
        self.next_read = None;
        self.began = None;
        self.next_processed = None;
        self.processed_restart = None;
    }
}

/// When and how a client learned that a channel is not its own any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    pub(super) time: OffsetDateTime,
    /// It said so itself, by CLOSE or TERMINATED.
    pub(super) by_itself: bool,
}

/// What is known of one client.
#[derive(Debug)]
pub(super) struct Client<'a> {
    pub(super) tunnel: &'a str,
    pub(super) timeout: Duration,
    /// When its last heartbeat came in, on a clock that was never moved.
    pub(super) last_beat: Duration,
    /// The same of the last one that was answered well.
    pub(super) last_lease: Duration,
    /// The gap that lasts is noted.
    pub(super) gap_noted: bool,
    pub(super) left: Option<OffsetDateTime>,
    /// The channels that it was told it has.
    pub(super) held: HashSet<&'a str>,
}

/// Whom a finding is about.
#[derive(Clone, Copy)]
pub(super) struct Whom<'a> {
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
            tracks: HashMap::new(),
            tenures: HashMap::new(),
            clients: HashMap::new(),
            beats: HashMap::new(),
            logs: HashMap::new(),
            trims: HashMap::new(),
            moved: Duration::ZERO,
            findings: Vec::new(),
        };
        let kinds = ledger.events().iter().map(|event| &event.kind);
        kinds.for_each(|kind| judge.foresee(kind));
        judge
    }

    /// What has to be known before.
    fn foresee(&mut self, kind: &'a EventKind) {
        match kind {
            EventKind::Processed { client, .. } | EventKind::ProcessedUnknown { client, .. } => {
                self.witnessed.insert(client);
            }
            EventKind::Faulted {
                request_id,
                answer_suffers: true,
                ..
            } => {
                self.faulted.insert(request_id);
            }
            _ => {}
        }
    }

    pub(super) fn judge(mut self) -> Vec<Finding> {
        let events = self.ledger.events();
        events.iter().for_each(|event| self.see(event));
        if let Some(last) = events.last().filter(|_| self.whole) {
            self.see_end(last);
        }
        self.findings
    }

    fn see(&mut self, event: &'a Event) {
        match &event.kind {
            EventKind::ClockMoved { by } => self.moved += *by,
            EventKind::Written { partition, to, .. } => {
                self.logs.insert(partition, *to);
            }
            EventKind::ChannelAdded { .. }
            | EventKind::ChannelChanged { .. }
            | EventKind::TunnelDeleted { .. }
            | EventKind::TunnelExpired { .. } => self.see_channel(&event.kind),
            EventKind::Trimmed { partition, to, .. } => {
                self.trims.insert(partition, *to);
            }
            EventKind::Received { .. }
            | EventKind::Answered { .. }
            | EventKind::Connected { .. }
            | EventKind::Gone { .. }
            | EventKind::Heartbeat { .. } => self.see_holding(event),
            EventKind::CheckpointGiven { .. }
            | EventKind::Skipped { .. }
            | EventKind::Read { .. }
            | EventKind::Saved { .. }
            | EventKind::Processed { .. }
            | EventKind::ProcessedUnknown { .. } => self.see_consuming(event),
            _ => {}
        }
    }

    fn see_channel(&mut self, kind: &'a EventKind) {
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
            // Nobody can read on.
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
    pub(super) fn steady(&self, event: &Event) -> Duration {
        let since_1970 = event.time - OffsetDateTime::UNIX_EPOCH;
        let since_1970 = Duration::try_from(since_1970).unwrap_or_default();
        since_1970.saturating_sub(self.moved)
    }

    pub(super) fn violation(&mut self, event: &Event, rule: Rule, whom: Whom<'a>, detail: String) {
        self.find(event, rule, Severity::Violation, whom, detail);
    }

    pub(super) fn find(
        &mut self,
        event: &Event,
        rule: Rule,
        severity: Severity,
        whom: Whom<'a>,
        detail: String,
    ) {
        self.findings.push(Finding {
            order: event.order,
            time: event.time,
            rule,
            severity,
            tunnel: whom.tunnel.into(),
            channel: whom.channel.map(Into::into),
            client: whom.client.map(Into::into),
            detail,
        });
    }
}

/// How long after something an event came, as findings tell it.
pub(super) fn since(earlier: OffsetDateTime, event: &Event) -> Duration {
    (event.time - earlier).unsigned_abs()
}
