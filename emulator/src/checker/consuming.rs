//! Reading, saving and processing: places in their order, none left out, none
//! twice without a reason.

use std::ops::Range;

use super::judge::{Judge, Tenure, Whom, since};
use super::{Rule, Severity};
use crate::ledger::{Event, EventKind};

impl<'a> Judge<'a> {
    pub(super) fn see_consuming(&mut self, event: &'a Event) {
        match &event.kind {
            EventKind::CheckpointGiven {
                tunnel,
                client,
                channel,
                position,
                ..
            } => self.tenure_of(of(tunnel, client, channel)).restart = *position,
            EventKind::Skipped {
                tunnel,
                channel,
                from,
                count,
                ..
            } => {
                let track = self.track(tunnel, channel);
                track.skipped.insert(*from..from + count);
                // There is nothing that could be done with them.
                track.processed.insert(*from..from + count);
            }
            EventKind::Read {
                tunnel,
                client,
                channel,
                from,
                to,
                finished,
                ..
            } => self.see_read(event, of(tunnel, client, channel), *from..*to, *finished),
            EventKind::Saved {
                tunnel,
                client,
                channel,
                position,
                ..
            } => self.see_save(event, of(tunnel, client, channel), *position),
            EventKind::Processed {
                tunnel,
                client,
                channel,
                from,
                to,
            } => self.see_processed(event, of(tunnel, client, channel), *from..*to),
            EventKind::ProcessedUnknown {
                tunnel,
                client,
                channel,
                records,
            } => {
                let detail = format!("{records} records that the channel does not have");
                let whom = of(tunnel, client, channel).whom();
                self.violation(event, Rule::ProcessedUnread, whom, detail);
            }
            _ => {}
        }
    }

    fn tenure_of(&mut self, of: Of<'a>) -> &mut Tenure {
        self.tenure(of.tunnel, of.client, of.channel)
    }

    fn see_read(&mut self, event: &'a Event, of: Of<'a>, span: Range<u64>, finished: bool) {
        let (whole, faulted) = (self.whole, self.is_faulted(event));
        let track = self.track(of.tunnel, of.channel);
        let early = whole && !track.ready;
        let far = track.read_to.max(track.saved);
        let start = track.extent.map(|(start, ..)| start).filter(|_| whole);
        track.readers.insert(of.client);
        track.end_read |= finished;
        // The answer to a read at `finished` has no place.
        let nowhere = finished && span.is_empty() && span.start == 0;
        if !nowhere {
            track.read.insert(span.clone());
            track.read_to = track.read_to.max(Some(span.end));
        }
        if early {
            let detail = "its parents are not read to their end".to_owned();
            self.violation(event, Rule::ReadBeforeParent, of.whom(), detail);
        }
        if nowhere {
            return;
        }
        let step = self.read_step(of, &span, faulted);
        self.judge_step(event, of, &span, step, far.or(start));
    }

    /// Moves on where a client reads; how that fits to where it stood.
    fn read_step(&mut self, of: Of<'a>, span: &Range<u64>, faulted: bool) -> Step {
        let tenure = self.tenure_of(of);
        let step = tenure.step_to(span);
        if faulted && matches!(step, Step::Skips(_) | Step::Again(_)) {
            // It was held up until the client had stopped waiting for it.
            return Step::On;
        }
        if matches!(step, Step::Anew | Step::Unknown) || tenure.next_read.is_none() {
            tenure.restart = None;
            tenure.began = Some(span.start);
            tenure.processed_restart = Some(span.start);
        }
        // Whether the client got the answer is not known: it may be at either
        // end of what it was given.
        tenure.retry = faulted.then_some(span.start);
        tenure.next_read = Some(span.end);
        step
    }

    fn judge_step(
        &mut self,
        event: &'a Event,
        of: Of<'a>,
        span: &Range<u64>,
        step: Step,
        far: Option<u64>,
    ) {
        let from = span.start;
        let broken = match step {
            Step::On | Step::Anew => None,
            Step::Skips(at) => Some((Rule::ReadSkips, at)),
            Step::Again(at) => Some((Rule::ReadAgain, at)),
            Step::Unknown => far
                .filter(|far| from > *far)
                .map(|far| (Rule::ReadSkips, far)),
        };
        if let Some((rule, at)) = broken {
            let detail = format!("from {from}, where {at} was next");
            self.violation(event, rule, of.whom(), detail);
        }
    }

    fn see_save(&mut self, event: &'a Event, of: Of<'a>, position: Option<u64>) {
        self.judge_place(event, of, position);
        self.judge_unprocessed(event, of, position);
        let track = self.track(of.tunnel, of.channel);
        track.saved = position.or(track.saved);
        track.finished_saved |= position.is_none();
    }

    fn judge_place(&mut self, event: &'a Event, of: Of<'a>, position: Option<u64>) {
        let whole = self.whole;
        let given = self.tenure_of(of).restart;
        let track = self.track(of.tunnel, of.channel);
        let start = track.extent.map(|(start, ..)| start).filter(|_| whole);
        let (saved, finished) = (track.saved, track.finished_saved);
        let far = track.read_to.max(saved).max(given).max(start);
        let broken = match position {
            None if whole && !track.end_read => Some((Rule::SaveBeyondRead, far)),
            None if finished => Some((Rule::SaveUnchanged, None)),
            None => None,
            Some(_) if finished => Some((Rule::SaveBackwards, None)),
            Some(place) if far.is_some_and(|far| place > far) => Some((Rule::SaveBeyondRead, far)),
            Some(place) if saved > Some(place) => Some((Rule::SaveBackwards, saved)),
            Some(place) if saved == Some(place) => Some((Rule::SaveUnchanged, saved)),
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
        let detail = format!("{}, {against} {}", place(position), place(other));
        self.find(event, rule, severity, of.whom(), detail);
    }

    fn judge_unprocessed(&mut self, event: &'a Event, of: Of<'a>, position: Option<u64>) {
        let began = self.tenure_of(of).began;
        let Some(began) = began.filter(|_| self.witnessed.contains(of.client)) else {
            return;
        };
        let track = self.track(of.tunnel, of.channel);
        let Some(upto) = position.or(track.read_to) else {
            return;
        };
        let undone = track.processed.missing(began..upto.max(began));
        if !undone.is_empty() {
            let detail = format!("{}, not done {}", place(position), list(&undone));
            self.violation(event, Rule::SaveBeyondProcessed, of.whom(), detail);
        }
    }

    fn see_processed(&mut self, event: &'a Event, of: Of<'a>, span: Range<u64>) {
        let whole = self.whole;
        let track = self.track(of.tunnel, of.channel);
        let unread = whole && !track.read.contains(&span);
        let twice = track.processed.overlaps(&span);
        track.processed.insert(span.clone());
        if unread {
            let detail = format!("{span:?} was given to nobody");
            self.violation(event, Rule::ProcessedUnread, of.whom(), detail);
        }
        self.judge_processed_late(event, of, &span);
        self.judge_processed_order(event, of, &span, twice);
    }

    fn judge_processed_late(&mut self, event: &'a Event, of: Of<'a>, span: &Range<u64>) {
        let Some(loss) = self.tenure_of(of).lost else {
            return;
        };
        let (rule, severity) = match loss.by_itself {
            true => (Rule::ProcessedAfterClose, Severity::Violation),
            false => (Rule::ProcessedAfterLoss, Severity::Remark),
        };
        let detail = format!("{span:?}, {:?} after", since(loss.time, event));
        self.find(event, rule, severity, of.whom(), detail);
    }

    fn judge_processed_order(
        &mut self,
        event: &'a Event,
        of: Of<'a>,
        span: &Range<u64>,
        twice: bool,
    ) {
        let tenure = self.tenure_of(of);
        let (next, anew) = (tenure.next_processed, tenure.processed_restart);
        let skipped = &self.track(of.tunnel, of.channel).skipped;
        let follows = |place| place <= span.start && skipped.contains(&(place..span.start));
        let is_next = next.is_some_and(follows);
        let begins = next.is_none() || anew.is_some_and(follows);
        let tenure = self.tenure_of(of);
        if begins && !is_next {
            tenure.processed_restart = None;
        }
        tenure.next_processed = Some(span.end);
        let broken = match next {
            _ if (is_next || begins) && twice => Some((Rule::ProcessedTwice, Severity::Remark)),
            _ if is_next || begins => None,
            Some(next) if span.start > next => Some((Rule::ProcessedSkips, Severity::Violation)),
            _ => Some((Rule::ProcessedAgain, Severity::Violation)),
        };
        if let Some((rule, severity)) = broken {
            let next = next.or(anew).unwrap_or_default();
            let detail = format!("{span:?}, where {next} was next");
            self.find(event, rule, severity, of.whom(), detail);
        }
    }
}

impl Tenure {
    fn step_to(&self, span: &Range<u64>) -> Step {
        let from = Some(span.start);
        if from == self.next_read || from == self.retry {
            return Step::On;
        }
        if from == self.restart {
            return Step::Anew;
        }
        match self.next_read.max(self.restart) {
            None => Step::Unknown,
            Some(at) if span.start > at => Step::Skips(at),
            // A look without an answer in it.
            Some(_) if span.is_empty() => Step::On,
            Some(at) => Step::Again(at),
        }
    }
}

/// Which channel, and who.
#[derive(Clone, Copy)]
struct Of<'a> {
    tunnel: &'a str,
    client: &'a str,
    channel: &'a str,
}

fn of<'a>(tunnel: &'a str, client: &'a str, channel: &'a str) -> Of<'a> {
    Of {
        tunnel,
        client,
        channel,
    }
}

impl<'a> Of<'a> {
    fn whom(self) -> Whom<'a> {
        Whom {
            tunnel: self.tunnel,
            client: Some(self.client),
            channel: Some(self.channel),
        }
    }
}

/// How a read fits to where the client stood.
enum Step {
    On,
    /// From the checkpoint that it was given.
    Anew,
    /// Nothing is known of where it should begin.
    Unknown,
    /// Beyond that place.
    Skips(u64),
    /// Before that place.
    Again(u64),
}

fn place(position: Option<u64>) -> String {
    position.map_or_else(|| "finished".to_owned(), |place| place.to_string())
}

/// The first few ranges, and how many records there are in all.
pub(super) fn list(spans: &[Range<u64>]) -> String {
    let records: u64 = spans.iter().map(|span| span.end - span.start).sum();
    let shown: Vec<String> = spans
        .iter()
        .take(3)
        .map(|span| format!("{span:?}"))
        .collect();
    let more = if spans.len() > 3 { ", ..." } else { "" };
    format!("{}{more} ({records} records)", shown.join(", "))
}
