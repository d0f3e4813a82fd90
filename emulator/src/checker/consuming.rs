//! Rules on reading, saving and processing: positions come in order, without
//! gaps, and without repetitions that have no reason.

use std::ops::Range;

use super::judge::{Judge, Subject, Tenure, since};
use super::{Rule, Severity};
use crate::ledger::{Event, EventKind};

impl<'a> Judge<'a> {
    pub(super) fn visit_access(&mut self, event: &'a Event) {
        match &event.kind {
            EventKind::CheckpointGiven {
                tunnel,
                client,
                channel,
                position,
                ..
            } => self.tenure_of(access(tunnel, client, channel)).restart = *position,
            EventKind::Skipped {
                tunnel,
                channel,
                from,
                count,
                ..
            } => self.visit_skipped(tunnel, channel, *from..from + count),
            EventKind::Read {
                tunnel,
                client,
                channel,
                from,
                to,
                finished,
                ..
            } => self.visit_read(
                event,
                access(tunnel, client, channel),
                *from..*to,
                *finished,
            ),
            EventKind::Saved {
                tunnel,
                client,
                channel,
                position,
                ..
            } => self.visit_save(event, access(tunnel, client, channel), *position),
            EventKind::Processed {
                tunnel,
                client,
                channel,
                from,
                to,
            } => self.visit_processed(event, access(tunnel, client, channel), *from..*to),
            EventKind::ProcessedUnknown {
                tunnel,
                client,
                channel,
                records,
            } => {
                let detail = format!("{records} records that the channel does not have");
                let subject = access(tunnel, client, channel).subject();
                self.violation(event, Rule::ProcessedUnread, subject, detail);
            }
            _ => {}
        }
    }

    fn visit_skipped(&mut self, tunnel: &'a str, channel: &'a str, range: Range<u64>) {
        let track = self.track(tunnel, channel);
        track.skipped.insert(range.clone());
        // Nobody can process them.
        track.processed.insert(range);
    }

    fn tenure_of(&mut self, access: Access<'a>) -> &mut Tenure {
        self.tenure(access.tunnel, access.client, access.channel)
    }

    fn visit_read(
        &mut self,
        event: &'a Event,
        access: Access<'a>,
        range: Range<u64>,
        finished: bool,
    ) {
        let (whole, faulted) = (self.whole, self.is_faulted(event));
        let track = self.track(access.tunnel, access.channel);
        let early = whole && !track.ready;
        let furthest = track.read_to.max(track.saved);
        let start = track.extent.map(|(start, ..)| start).filter(|_| whole);
        track.readers.insert(access.client);
        track.end_read |= finished;
        // The answer to a read at `finished` has no position.
        let at_finished = finished && range.is_empty() && range.start == 0;
        if !at_finished {
            track.read.insert(range.clone());
            track.read_to = track.read_to.max(Some(range.end));
        }
        if early {
            let detail = "its parents are not read to their ends".to_owned();
            self.violation(event, Rule::ReadBeforeParent, access.subject(), detail);
        }
        if at_finished {
            return;
        }
        let step = self.read_step(access, &range, faulted);
        self.check_step(event, access, &range, step, furthest.or(start));
    }

    /// Moves the read position of a client, and returns how the read relates to the
    /// previous position.
    fn read_step(&mut self, access: Access<'a>, range: &Range<u64>, faulted: bool) -> Step {
        let tenure = self.tenure_of(access);
        let step = tenure.step_to(range);
        if faulted && matches!(step, Step::Skips(_) | Step::Repeats(_)) {
            // A fault delayed the read until the client had stopped waiting.
            return Step::Continues;
        }
        if matches!(step, Step::Restarts | Step::Unknown) || tenure.next_read.is_none() {
            tenure.restart = None;
            tenure.first_read = Some(range.start);
            tenure.processed_restart = Some(range.start);
        }
        // If a fault hit the answer, the client may have received it or not, and
        // may read on from either end of the range.
        tenure.retry = faulted.then_some(range.start);
        tenure.next_read = Some(range.end);
        step
    }

    fn check_step(
        &mut self,
        event: &'a Event,
        access: Access<'a>,
        range: &Range<u64>,
        step: Step,
        furthest: Option<u64>,
    ) {
        let from = range.start;
        let broken = match step {
            Step::Continues | Step::Restarts => None,
            Step::Skips(at) => Some((Rule::ReadSkips, at)),
            Step::Repeats(at) => Some((Rule::ReadAgain, at)),
            Step::Unknown => furthest
                .filter(|furthest| from > *furthest)
                .map(|furthest| (Rule::ReadSkips, furthest)),
        };
        if let Some((rule, at)) = broken {
            let detail = format!("from {from}, but {at} was next");
            self.violation(event, rule, access.subject(), detail);
        }
    }

    fn visit_save(&mut self, event: &'a Event, access: Access<'a>, position: Option<u64>) {
        self.check_position(event, access, position);
        self.check_unprocessed(event, access, position);
        let track = self.track(access.tunnel, access.channel);
        track.saved = position.or(track.saved);
        track.finished_saved |= position.is_none();
    }

    fn check_position(&mut self, event: &'a Event, access: Access<'a>, position: Option<u64>) {
        let whole = self.whole;
        let given = self.tenure_of(access).restart;
        let track = self.track(access.tunnel, access.channel);
        let start = track.extent.map(|(start, ..)| start).filter(|_| whole);
        let (saved, finished) = (track.saved, track.finished_saved);
        let furthest = track.read_to.max(saved).max(given).max(start);
        let broken = match position {
            None if whole && !track.end_read => Some((Rule::SaveBeyondRead, furthest)),
            None if finished => Some((Rule::SaveUnchanged, None)),
            None => None,
            Some(_) if finished => Some((Rule::SaveBackwards, None)),
            Some(position) if furthest.is_some_and(|furthest| position > furthest) => {
                Some((Rule::SaveBeyondRead, furthest))
            }
            Some(position) if saved > Some(position) => Some((Rule::SaveBackwards, saved)),
            Some(position) if saved == Some(position) => Some((Rule::SaveUnchanged, saved)),
            Some(_) => None,
        };
        let Some((rule, other)) = broken else { return };
        let severity = match rule {
            Rule::SaveUnchanged => Severity::Remark,
            _ => Severity::Violation,
        };
        let against = match rule {
            Rule::SaveBeyondRead => "read up to",
            _ => "saved before was",
        };
        let detail = format!(
            "{}, {against} {}",
            position_text(position),
            position_text(other)
        );
        self.report(event, rule, severity, access.subject(), detail);
    }

    fn check_unprocessed(&mut self, event: &'a Event, access: Access<'a>, position: Option<u64>) {
        let first_read = self.tenure_of(access).first_read;
        let Some(first_read) = first_read.filter(|_| self.witnessed.contains(access.client)) else {
            return;
        };
        let track = self.track(access.tunnel, access.channel);
        let Some(upto) = position.or(track.read_to) else {
            return;
        };
        let unprocessed = track.processed.missing(first_read..upto.max(first_read));
        if !unprocessed.is_empty() {
            let detail = format!(
                "{}, not processed: {}",
                position_text(position),
                list(&unprocessed)
            );
            self.violation(event, Rule::SaveBeyondProcessed, access.subject(), detail);
        }
    }

    fn visit_processed(&mut self, event: &'a Event, access: Access<'a>, range: Range<u64>) {
        let whole = self.whole;
        let track = self.track(access.tunnel, access.channel);
        let unread = whole && !track.read.contains(&range);
        let twice = track.processed.overlaps(&range);
        track.processed.insert(range.clone());
        if unread {
            let detail = format!("{range:?} was never read");
            self.violation(event, Rule::ProcessedUnread, access.subject(), detail);
        }
        self.check_processed_late(event, access, &range);
        self.check_processed_order(event, access, &range, twice);
    }

    fn check_processed_late(&mut self, event: &'a Event, access: Access<'a>, range: &Range<u64>) {
        let Some(loss) = self.tenure_of(access).lost else {
            return;
        };
        let (rule, severity) = match loss.by_itself {
            true => (Rule::ProcessedAfterClose, Severity::Violation),
            false => (Rule::ProcessedAfterLoss, Severity::Remark),
        };
        let detail = format!("{range:?}, {:?} after", since(loss.time, event));
        self.report(event, rule, severity, access.subject(), detail);
    }

    fn check_processed_order(
        &mut self,
        event: &'a Event,
        access: Access<'a>,
        range: &Range<u64>,
        twice: bool,
    ) {
        let tenure = self.tenure_of(access);
        let (next, restart) = (tenure.next_processed, tenure.processed_restart);
        let skipped = &self.track(access.tunnel, access.channel).skipped;
        let follows = |next: u64| next <= range.start && skipped.contains(&(next..range.start));
        let is_next = next.is_some_and(follows);
        let begins = next.is_none() || restart.is_some_and(follows);
        let tenure = self.tenure_of(access);
        if begins && !is_next {
            tenure.processed_restart = None;
        }
        tenure.next_processed = Some(range.end);
        let broken = match next {
            _ if (is_next || begins) && twice => Some((Rule::ProcessedTwice, Severity::Remark)),
            _ if is_next || begins => None,
            Some(next) if range.start > next => Some((Rule::ProcessedSkips, Severity::Violation)),
            _ => Some((Rule::ProcessedAgain, Severity::Violation)),
        };
        if let Some((rule, severity)) = broken {
            let next = next.or(restart).unwrap_or_default();
            let detail = format!("{range:?}, but {next} was next");
            self.report(event, rule, severity, access.subject(), detail);
        }
    }
}

impl Tenure {
    fn step_to(&self, range: &Range<u64>) -> Step {
        let from = Some(range.start);
        if from == self.next_read || from == self.retry {
            return Step::Continues;
        }
        if from == self.restart {
            return Step::Restarts;
        }
        match self.next_read.max(self.restart) {
            None => Step::Unknown,
            Some(at) if range.start > at => Step::Skips(at),
            // A read without records.
            Some(_) if range.is_empty() => Step::Continues,
            Some(at) => Step::Repeats(at),
        }
    }
}

/// A client's access to a channel.
#[derive(Clone, Copy)]
struct Access<'a> {
    tunnel: &'a str,
    client: &'a str,
    channel: &'a str,
}

fn access<'a>(tunnel: &'a str, client: &'a str, channel: &'a str) -> Access<'a> {
    Access {
        tunnel,
        client,
        channel,
    }
}

impl<'a> Access<'a> {
    fn subject(self) -> Subject<'a> {
        Subject {
            tunnel: self.tunnel,
            client: Some(self.client),
            channel: Some(self.channel),
        }
    }
}

/// The relation of a read to the client's previous position.
enum Step {
    /// The read begins at the expected position.
    Continues,
    /// The read begins at the fetched checkpoint.
    Restarts,
    /// The expected position is unknown.
    Unknown,
    /// The read begins after the expected position.
    Skips(u64),
    /// The read begins before the expected position.
    Repeats(u64),
}

fn position_text(position: Option<u64>) -> String {
    position.map_or_else(|| "finished".to_owned(), |position| position.to_string())
}

/// The text of a few ranges, with the total number of records.
pub(super) fn list(ranges: &[Range<u64>]) -> String {
    let records: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    let shown: Vec<String> = ranges
        .iter()
        .take(3)
        .map(|range| format!("{range:?}"))
        .collect();
    let more = if ranges.len() > 3 { ", ..." } else { "" };
    format!("{}{more} ({records} records)", shown.join(", "))
}
