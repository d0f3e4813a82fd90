//! Failures of one kind on one channel, over all its connections.

use std::error::Error;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::observer::FailureSnapshot;
use crate::user_code::call_user;

/// Counts failures until something succeeds. Any thread may report; a success
/// costs one load unless there was a failure before.
#[derive(Debug)]
pub(crate) struct Failures {
    clock: Clock,
    count: AtomicU64,
    /// When the row of failures began; 0 when there is none.
    since: AtomicU64,
    last: Mutex<Option<Last>>,
}

#[derive(Clone, Debug)]
struct Last {
    text: String,
    at: u64,
}

impl Failures {
    pub(crate) fn new(clock: &Clock) -> Failures {
        Failures {
            clock: clock.clone(),
            count: AtomicU64::new(0),
            since: AtomicU64::new(0),
            last: Mutex::new(None),
        }
    }

    pub(crate) fn failed(&self, text: String) {
        let at = self.clock.micros();
        self.count.fetch_add(1, Ordering::Relaxed);
        // A row that has begun goes on.
        let _ = self
            .since
            .compare_exchange(0, at, Ordering::Relaxed, Ordering::Relaxed);
        *self.last.lock() = Some(Last { text, at });
    }

    pub(crate) fn succeeded(&self) {
        if self.is_failing() {
            self.since.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.since.load(Ordering::Relaxed) != 0
    }

    /// How long ago the last failure was.
    pub(crate) fn last_age(&self) -> Option<Duration> {
        let last = self.last.lock();
        last.as_ref().map(|last| self.clock.age(last.at))
    }

    pub(crate) fn snapshot(&self) -> FailureSnapshot {
        let since = self.since.load(Ordering::Relaxed);
        let last = self.last.lock().clone();
        FailureSnapshot {
            count: self.count.load(Ordering::Relaxed),
            failing_for: (since != 0).then(|| self.clock.age(since)),
            last_age: last.as_ref().map(|last| self.clock.age(last.at)),
            last_error: last.map(|last| last.text),
        }
    }
}

/// All failures of one channel, kept while it comes and goes.
#[derive(Debug)]
pub(crate) struct History {
    /// To open, to read, and of callbacks.
    pub(crate) work: Failures,
    /// Of requests that are tried again while the channel stays ours.
    pub(crate) requests: Failures,
    pub(crate) saves: Failures,
}

impl History {
    pub(crate) fn new(clock: &Clock) -> History {
        History {
            work: Failures::new(clock),
            requests: Failures::new(clock),
            saves: Failures::new(clock),
        }
    }

    fn all(&self) -> [&Failures; 3] {
        [&self.work, &self.requests, &self.saves]
    }

    /// Whether it is worth keeping when the channel is gone.
    pub(crate) fn is_failing(&self) -> bool {
        self.all().iter().any(|failures| failures.is_failing())
    }

    /// How long ago the last failure was.
    pub(crate) fn last_age(&self) -> Duration {
        let ages = self.all().into_iter().filter_map(Failures::last_age);
        ages.min().unwrap_or(Duration::MAX)
    }

    /// The failures of everything but saves.
    pub(crate) fn snapshot(&self) -> FailureSnapshot {
        let (work, requests) = (self.work.snapshot(), self.requests.snapshot());
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
pub(crate) fn full_text(error: &dyn Error) -> String {
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
    use crate::error::TunnelError;

    #[test]
    fn a_success_ends_a_row_and_keeps_the_count() {
        let trouble = Failures::new(&Clock::system());
        assert_eq!(trouble.snapshot(), FailureSnapshot::default());
        trouble.succeeded();
        trouble.failed("one".to_owned());
        trouble.failed("two".to_owned());
        let failing = trouble.snapshot();
        assert_eq!(failing.count, 2);
        assert!(failing.failing_for.is_some());
        assert_eq!(failing.last_error.as_deref(), Some("two"));
        trouble.succeeded();
        let over = trouble.snapshot();
        assert_eq!((over.count, over.failing_for), (2, None));
        assert_eq!(over.last_error.as_deref(), Some("two"));
        assert!(over.last_age.is_some());
    }

    #[test]
    fn a_row_begins_with_its_first_failure() {
        let clock = Clock::manual(time::OffsetDateTime::UNIX_EPOCH);
        let trouble = Failures::new(&clock);
        trouble.failed("one".to_owned());
        clock.jump(Duration::from_secs(20));
        trouble.failed("two".to_owned());
        let failing = trouble.snapshot();
        assert!(failing.failing_for > failing.last_age, "{failing:?}");
    }

    #[test]
    fn a_snapshot_shows_the_newest_failure_and_the_longest_row() {
        let clock = Clock::manual(time::OffsetDateTime::UNIX_EPOCH);
        let history = History::new(&clock);
        assert_eq!(history.snapshot(), FailureSnapshot::default());
        history.requests.failed("busy".to_owned());
        clock.jump(Duration::from_secs(20));
        history.work.failed("no".to_owned());
        clock.jump(Duration::from_secs(1));
        let snapshot = history.snapshot();
        assert_eq!(
            (snapshot.count, snapshot.last_error.as_deref()),
            (2, Some("no"))
        );
        assert!(snapshot.failing_for > Some(Duration::from_secs(20)));
        history.work.succeeded();
        assert!(history.is_failing());
        history.requests.succeeded();
        assert!(!history.is_failing());
        assert_eq!(history.snapshot().failing_for, None);
    }

    #[test]
    fn causes_are_told() {
        let error = TunnelError::client("outer").with_source("inner");
        assert_eq!(full_text(&error), "OTSClientError: outer: inner");
    }
}
