//! [`ProcessError`]: the error of a callback, and how the worker reacts to it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::user_code::UserValue;

/// The result of a callback.
///
/// `Ok(())` means that every record of the batch is processed. From then on its token may
/// be saved, and the batch will not be delivered again.
pub type ProcessResult = Result<(), ProcessError>;

/// The error of a callback, with the reaction that it requests from the worker.
///
/// `?` and [`ProcessError::new`] convert any error, and request the default reaction. The
/// worker retries the batch with a growing delay, up to the configured number of attempts
/// ([`process_attempts`](crate::TunnelWorkerConfigBuilder::process_attempts)). Then it
/// releases the channel, and the service redelivers from the last checkpoint, to this worker
/// (after a pause of 5 s, doubling to 60 s while the channel keeps failing) or another one. While a retry waits, the worker keeps the channel, and no thread is
/// blocked. The other constructors request other reactions.
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
    source: UserValue<Box<dyn Error + Send + Sync>>,
}

/// The reaction that a failed callback requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Retry after the configured delay, up to the configured number of attempts.
    Retry,
    /// Retry after this delay, without a limit.
    RetryAfter(Duration),
    /// Close the channel without a retry.
    Close,
    /// Treat the batch as processed.
    Skip,
}

impl ProcessError {
    /// Requests the default: retries as configured, then the channel is released.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> ProcessError {
        ProcessError::with(Outcome::Retry, error)
    }

    /// Requests a retry after `delay`, which does not count as an attempt. A callback that
    /// waits for something can request this any number of times.
    ///
    /// With zero, the batch is retried immediately, so a callback that requests it again
    /// and again keeps a thread busy. With [`Duration::MAX`], the batch waits until the
    /// channel is closed and comes again from the last checkpoint.
    pub fn retry_after(
        delay: Duration,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> ProcessError {
        ProcessError::with(Outcome::RetryAfter(delay), error)
    }

    /// Requests that the channel is released immediately, without a retry. The service
    /// redelivers from the last checkpoint, to this worker or another one.
    pub fn close(error: impl Into<Box<dyn Error + Send + Sync>>) -> ProcessError {
        ProcessError::with(Outcome::Close, error)
    }

    /// Requests that the batch counts as processed. The channel continues, and this
    /// consumer does not receive the records of the batch again.
    pub fn skip(error: impl Into<Box<dyn Error + Send + Sync>>) -> ProcessError {
        ProcessError::with(Outcome::Skip, error)
    }

    /// The error of the callback.
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &**self.source
    }

    fn with(outcome: Outcome, error: impl Into<Box<dyn Error + Send + Sync>>) -> ProcessError {
        ProcessError {
            outcome,
            source: UserValue::new(error.into()),
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }

    pub(crate) fn into_source(self) -> Box<dyn Error + Send + Sync> {
        self.source.into_inner()
    }
}

// `ProcessError` must not implement `Error`: otherwise this implementation, which lets
// `?` convert every error, would overlap with `impl From<T> for T`.
impl<E: Error + Send + Sync + 'static> From<E> for ProcessError {
    fn from(error: E) -> ProcessError {
        ProcessError::new(error)
    }
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.source, f)
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
    fn every_constructor_requests_its_outcome() {
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
