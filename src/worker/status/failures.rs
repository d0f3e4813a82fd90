//! Failures of one kind on one channel, over all its connections (pure).

use std::error::Error;
use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::error::TunnelError;
use crate::observer::FailureSnapshot;
use crate::user_code::call_user;

/// Counts failures until something succeeds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failures {
    count: u64,
    /// When the row of failures began that goes on.
    since: Option<Instant>,
    last: Option<(Instant, String)>,
}

impl Failures {
    pub(crate) fn failed(&mut self, text: String, now: Instant) {
        self.count += 1;
        self.since.get_or_insert(now);
        self.last = Some((now, text));
    }

    pub(crate) fn succeeded(&mut self) {
        self.since = None;
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.since.is_some()
    }

    /// How long ago the last failure was.
    fn last_age(&self, now: Instant) -> Option<Duration> {
        let (at, _) = self.last.as_ref()?;
        Some(now.saturating_duration_since(*at))
    }

    pub(crate) fn snapshot(&self, now: Instant) -> FailureSnapshot {
        FailureSnapshot {
            count: self.count,
            failing_for: self.since.map(|since| now.saturating_duration_since(since)),
            last_age: self.last_age(now),
            last_error: self.last.as_ref().map(|(_, text)| text.clone()),
        }
    }
}

/// All failures of one channel, kept while it comes and goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// To open, to read, and of callbacks.
    pub(crate) work: Failures,
    /// Of requests that are tried again while the channel stays ours.
    pub(crate) requests: Failures,
    pub(crate) saves: Failures,
}

impl History {
    fn all(&self) -> [&Failures; 3] {
        [&self.work, &self.requests, &self.saves]
    }

    /// Whether it is worth keeping when the channel is gone.
    pub(crate) fn is_failing(&self) -> bool {
        self.all().iter().any(|failures| failures.is_failing())
    }

    /// How long ago the last failure was.
    pub(crate) fn last_age(&self, now: Instant) -> Duration {
        let ages = self
            .all()
            .into_iter()
            .filter_map(|failures| failures.last_age(now));
        ages.min().unwrap_or(Duration::MAX)
    }

    /// The failures of everything but saves.
    pub(crate) fn snapshot(&self, now: Instant) -> FailureSnapshot {
        let (work, requests) = (self.work.snapshot(now), self.requests.snapshot(now));
        let is_newer = |a: &FailureSnapshot, b: &FailureSnapshot| match (a.last_age, b.last_age) {
            (Some(a), Some(b)) => a <= b,
            (a, _) => a.is_some(),
        };
        let newest = match is_newer(&work, &requests) {
            true => &work,
            false => &requests,
        };
        FailureSnapshot {
            count: work.count.saturating_add(requests.count),
            failing_for: work.failing_for.max(requests.failing_for),
            last_age: newest.last_age,
            last_error: newest.last_error.clone(),
        }
    }
}

/// An error with all its causes, which `Display` alone leaves out.
pub(crate) fn full_text(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<TunnelError>() {
        Some(known) => known.full_text(|| print(error)).to_owned(),
        None => print(error),
    }
}

fn print(error: &dyn Error) -> String {
    // The error or its causes may be the program's.
    let text = call_user(|| {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        text
    });
    text.unwrap_or_else(|panic| format!("an error whose text panicked: {panic}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_success_ends_a_row_and_keeps_the_count() {
        let (mut failures, now) = (Failures::default(), clock::now());
        assert_eq!(failures.snapshot(now), FailureSnapshot::default());
        failures.succeeded();
        failures.failed("one".to_owned(), now);
        failures.failed("two".to_owned(), now + 20 * SECOND);
        let failing = failures.snapshot(now + 21 * SECOND);
        assert_eq!((failing.count, failing.last_age), (2, Some(SECOND)));
        assert_eq!(failing.failing_for, Some(21 * SECOND));
        assert_eq!(failing.last_error.as_deref(), Some("two"));
        failures.succeeded();
        let over = failures.snapshot(now + 22 * SECOND);
        assert_eq!((over.count, over.failing_for), (2, None));
        assert_eq!(over.last_error.as_deref(), Some("two"));
        assert!(over.last_age.is_some());
    }

    #[test]
    fn a_snapshot_shows_the_newest_failure_and_the_longest_row() {
        let (mut history, now) = (History::default(), clock::now());
        assert_eq!(history.snapshot(now), FailureSnapshot::default());
        history.requests.failed("busy".to_owned(), now);
        history.work.failed("no".to_owned(), now + 20 * SECOND);
        let snapshot = history.snapshot(now + 21 * SECOND);
        assert_eq!(
            (snapshot.count, snapshot.last_error.as_deref()),
            (2, Some("no"))
        );
        assert_eq!(snapshot.failing_for, Some(21 * SECOND));
        history.work.succeeded();
        assert!(history.is_failing());
        history.requests.succeeded();
        assert!(!history.is_failing());
        assert_eq!(history.snapshot(now).failing_for, None);
    }

    #[test]
    fn causes_are_told() {
        let error = TunnelError::client("outer").with_source("inner");
        assert_eq!(full_text(&error), "OTSClientError: outer: inner");
    }
}
