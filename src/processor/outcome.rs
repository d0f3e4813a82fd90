//! What a callback answers: done, or what to do about the failure.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What a callback returns.
///
/// `Ok(())` says that every record of the batch is dealt with: from then on
/// its token may be saved, and the batch will not come again.
pub type ProcessResult = Result<(), ProcessError>;

/// A callback's failure, and what the worker is to do about the batch.
///
/// Made from any error by `?` or [`ProcessError::new`], it asks for the
/// default: the batch is given again, with a growing delay, up to the number
/// of attempts of the configuration
/// ([`process_attempts`](crate::TunnelWorkerConfigBuilder::process_attempts)),
/// and then the channel is closed; it comes back from its last checkpoint,
/// here or at another worker. The channel stays ours and no thread is held
/// while a retry waits. The other constructors ask for something else.
///
/// ```
/// use tablestore_tunnel::{ProcessError, ProcessResult};
///
/// fn store(text: &str) -> ProcessResult {
///     let number: u32 = text.parse()?; // the default: retry, then close
///     if number == 0 {
///         return Err(ProcessError::skip("zero is known to be unusable"));
///     }
///     Ok(())
/// }
/// assert!(store("7").is_ok());
/// assert!(store("x").is_err());
/// ```
pub struct ProcessError {
    outcome: Outcome,
    source: Box<dyn Error + Send + Sync>,
}

/// What a failed callback asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Again after the configured delay, as often as configured.
    Retry,
    /// Again after this delay, however often.
    RetryAfter(Duration),
    /// Close the channel now.
    Close,
    /// Treat the batch as done.
    Skip,
}

impl ProcessError {
    /// The default: retried as configured, then the channel is closed.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> ProcessError {
        ProcessError::with(Outcome::Retry, error)
    }

    /// The batch is given again after `delay`, and the attempt is not counted:
    /// a callback that waits for something can ask for this as long as it likes.
    pub fn retry_after(
        delay: Duration,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> ProcessError {
        ProcessError::with(Outcome::RetryAfter(delay), error)
    }

    /// The channel is closed at once, without a retry. It comes back from its
    /// last checkpoint, here or at another worker.
    pub fn close(error: impl Into<Box<dyn Error + Send + Sync>>) -> ProcessError {
        ProcessError::with(Outcome::Close, error)
    }

    /// The batch counts as done: its records are lost to this consumer, as the
    /// callback decided, and the channel goes on.
    pub fn skip(error: impl Into<Box<dyn Error + Send + Sync>>) -> ProcessError {
        ProcessError::with(Outcome::Skip, error)
    }

    /// The error that the callback gave.
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.source
    }

    fn with(outcome: Outcome, error: impl Into<Box<dyn Error + Send + Sync>>) -> ProcessError {
        ProcessError {
            outcome,
            source: error.into(),
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }

    pub(crate) fn into_source(self) -> Box<dyn Error + Send + Sync> {
        self.source
    }
}

// `ProcessError` is no `Error` itself: that is what lets `?` take every error.
impl<E: Error + Send + Sync + 'static> From<E> for ProcessError {
    fn from(error: E) -> ProcessError {
        ProcessError::new(error)
    }
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

impl fmt::Debug for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessError")
            .field("outcome", &self.outcome)
            .field("source", &self.source)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constructor_asks_for_its_outcome() {
        let second = Duration::from_secs(1);
        for (error, outcome) in [
            (ProcessError::new("a"), Outcome::Retry),
            (ProcessError::from(fmt::Error), Outcome::Retry),
            (
                ProcessError::retry_after(second, "a"),
                Outcome::RetryAfter(second),
            ),
            (ProcessError::close("a"), Outcome::Close),
            (ProcessError::skip("a"), Outcome::Skip),
        ] {
            assert_eq!(error.outcome(), outcome);
        }
        assert_eq!(ProcessError::close("why").to_string(), "why");
    }
}
