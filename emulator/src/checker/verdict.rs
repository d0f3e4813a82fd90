//! [`Verdict`]: the findings of a checker, as text or as JSON.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::Serialize;

use super::{Finding, Rule, Severity};
use crate::ledger::{Event, EventKind, Ledger};

/// How many findings the text shows, each with the events around it.
const SHOWN: usize = 20;

/// How many events of the same channel or client the text shows before and after
/// a finding.
const AROUND: usize = 3;

/// The findings of a checker.
///
/// `Display` writes a report: a line for each of the first findings, with the
/// events of its channel or client around it, and a summary. In JSON it is an
/// object with `clean`, `findings` and `summary`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    clean: bool,
    findings: Vec<Finding>,
    summary: Summary,
    /// The events around the first findings.
    #[serde(skip)]
    contexts: Vec<Vec<Event>>,
}

/// The size of what was judged, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Events of the ledger.
    pub events: usize,
    /// Whether the ledger has all events from the beginning.
    pub is_whole: bool,
    /// Clients that connected.
    pub clients: usize,
    /// Channels that were read.
    pub channels: usize,
    /// Heartbeats that were answered.
    pub heartbeats: u64,
    /// Reads that were answered.
    pub reads: u64,
    /// Records in their answers.
    pub records_read: u64,
    /// Checkpoints that were saved.
    pub saves: u64,
    /// Records that consumers reported as processed.
    pub records_processed: u64,
    /// Faults that hit.
    pub faults: u64,
    /// Violations found.
    pub violations: usize,
    /// Remarks found.
    pub remarks: usize,
    /// Findings by their rule.
    pub by_rule: BTreeMap<Rule, usize>,
}

impl Verdict {
    pub(super) fn new(ledger: &Ledger, findings: Vec<Finding>) -> Verdict {
        let shown = findings.iter().take(SHOWN);
        Verdict {
            contexts: shown.map(|finding| around(ledger, finding)).collect(),
            summary: Summary::new(ledger, &findings),
            clean: findings.iter().all(|f| f.severity < Severity::Violation),
            findings,
        }
    }

    /// Whether there is no violation. There may be remarks.
    pub fn is_clean(&self) -> bool {
        self.clean
    }

    /// All findings, in the order of the events.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The findings that are violations.
    pub fn violations(&self) -> impl Iterator<Item = &Finding> {
        let findings = self.findings.iter();
        findings.filter(|finding| finding.severity == Severity::Violation)
    }

    /// The findings of a rule, remarks included.
    pub fn by_rule(&self, rule: Rule) -> impl Iterator<Item = &Finding> {
        let findings = self.findings.iter();
        findings.filter(move |finding| finding.rule == rule)
    }

    /// The size of what was judged, in numbers.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
}

impl Summary {
    fn new(ledger: &Ledger, findings: &[Finding]) -> Summary {
        let mut summary = Summary {
            events: ledger.events().len(),
            is_whole: ledger.is_whole(),
            ..Summary::default()
        };
        let mut channels = HashSet::new();
        for event in ledger.events() {
            summary.count(&event.kind);
            if let EventKind::Read {
                tunnel, channel, ..
            } = &event.kind
            {
                channels.insert((tunnel, channel));
            }
        }
        summary.channels = channels.len();
        findings.iter().for_each(|finding| summary.add(finding));
        summary
    }

    fn count(&mut self, kind: &EventKind) {
        match kind {
            EventKind::Connected { .. } => self.clients += 1,
            EventKind::Heartbeat { .. } => self.heartbeats += 1,
            EventKind::Read { from, to, .. } => {
                self.reads += 1;
                self.records_read += to.saturating_sub(*from);
            }
            EventKind::Saved { .. } => self.saves += 1,
            EventKind::Processed { from, to, .. } => {
                self.records_processed += to.saturating_sub(*from);
            }
            EventKind::Faulted { .. } => self.faults += 1,
            _ => {}
        }
    }

    fn add(&mut self, finding: &Finding) {
        *self.by_rule.entry(finding.rule).or_default() += 1;
        match finding.severity {
            Severity::Violation => self.violations += 1,
            Severity::Remark => self.remarks += 1,
        }
    }
}

/// The event of a finding, with earlier and later events of the same channel or
/// client.
fn around(ledger: &Ledger, finding: &Finding) -> Vec<Event> {
    let events = ledger.events();
    let at = events.partition_point(|event| event.order < finding.order);
    let (before, after) = events.split_at(at);
    let about = |event: &&Event| is_about(&event.kind, finding);
    let before = before.iter().rev().filter(about).take(AROUND);
    let mut shown: Vec<Event> = before.cloned().collect();
    shown.reverse();
    let (it, after) = after.split_at(after.len().min(1));
    shown.extend(it.iter().cloned());
    shown.extend(after.iter().filter(about).take(AROUND).cloned());
    shown
}

/// Whether an event is about the finding's channel, or, if it has none, about its
/// client.
fn is_about(kind: &EventKind, finding: &Finding) -> bool {
    let (channel, client) = (finding.channel.as_deref(), finding.client.as_deref());
    match kind {
        EventKind::Received {
            channel: of,
            client: by,
            ..
        } => match channel {
            Some(_) => of.as_deref() == channel,
            None => by.as_deref() == client,
        },
        EventKind::Heartbeat {
            client: by,
            reported,
            answered,
            ..
        } => match channel {
            Some(channel) => {
                let mut states = reported.iter().chain(answered);
                states.any(|state| *state.channel == *channel)
            }
            None => Some(&**by) == client,
        },
        EventKind::ChannelAdded { channel: of, .. }
        | EventKind::ChannelChanged { channel: of, .. }
        | EventKind::CheckpointGiven { channel: of, .. }
        | EventKind::Read { channel: of, .. }
        | EventKind::Saved { channel: of, .. }
        | EventKind::Processed { channel: of, .. } => Some(&**of) == channel,
        EventKind::Connected { client: by, .. } | EventKind::Gone { client: by, .. } => {
            Some(&**by) == client
        }
        _ => false,
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (finding, context) in self.findings.iter().zip(&self.contexts) {
            writeln!(f, "{finding}")?;
            for event in context {
                let mark = if event.order == finding.order {
                    ">"
                } else {
                    " "
                };
                writeln!(f, "  {mark} {event}")?;
            }
        }
        let hidden = self.findings.len().saturating_sub(self.contexts.len());
        if hidden > 0 {
            writeln!(f, "... and {hidden} more findings")?;
        }
        self.summary.fmt(f)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.violations {
            0 => "clean",
            _ => "NOT clean",
        };
        let (violations, remarks) = (self.violations, self.remarks);
        write!(f, "{verdict}: {violations} violations, {remarks} remarks")?;
        for (rule, count) in &self.by_rule {
            write!(f, "; {rule} {count}")?;
        }
        let part = if self.is_whole {
            ""
        } else {
            " (beginning forgotten)"
        };
        write!(
            f,
            "\njudged {} events{part}: {} clients, {} channels, {} heartbeats, {} reads of {} records, \
             {} saves, {} records processed, {} faults",
            self.events,
            self.clients,
            self.channels,
            self.heartbeats,
            self.reads,
            self.records_read,
            self.saves,
            self.records_processed,
            self.faults
        )
    }
}
