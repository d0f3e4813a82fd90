//! [`TunnelError`], and what to do about one.
//!
//! Whether a failure is retried, ends the session or ends the daemon is
//! decided here, in [`TunnelError::verdict`], and nowhere else.

use std::error::Error;
use std::fmt;

/// Message of a 503 that says that the change log is gone for good.
const TRIMMED: &str = "OTSTrimmedDataAccess";

/// What went wrong with a call, a record batch or a worker.
///
/// Go: `TunnelError`. `Display` tells the code, the message and the request
/// id; the cause, where there is one, is [`Error::source`]. `{:?}`, which a
/// `main` that returns the error prints, tells both, and `{:#?}` every field.
/// None of them holds a key, a token or record contents.
pub struct TunnelError(Box<Inner>);

struct Inner {
    code: ErrorCode,
    message: String,
    request_id: Option<String>,
    tunnel_id: Option<String>,
    http_status: Option<u16>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of failure a [`TunnelError`] is.
///
/// Codes of the service keep its names; [`ErrorCode::as_str`] gives the text
/// that the service and the other SDKs use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// `OTSParameterInvalid`: a bad argument, or no such table or tunnel.
    /// Check the names; retrying does not help.
    ParameterInvalid,
    /// `OTSTunnelExpired`: the change log that the tunnel still needs is gone.
    /// Only a new tunnel helps.
    TunnelExpired,
    /// `OTSPermissionDenied`: the access key may not do this.
    PermissionDenied,
    /// `OTSAuthFailed`: the signature, the key or this machine's clock is wrong.
    AuthFailed,
    /// `OTSTunnelExist`: the table already has a tunnel of this name.
    TunnelExist,
    /// `OTSSequenceNumberNotMatch`: someone else saved a checkpoint meanwhile.
    SequenceNumberNotMatch,
    /// `OTSResourceGone`: the service no longer knows this client. The daemon
    /// connects again.
    ResourceGone,
    /// `OTSTunnelServerUnavailable`: the service is overloaded or restarting.
    ServerUnavailable,
    /// `OTSClientError`: refused on this side, or an answer that makes no sense.
    ClientError,
    /// `OTSNetworkError`: no answer came (refused, reset, timed out, cut off).
    Network,
    /// `OTSMalformedData`: an answer or a record that does not parse or whose
    /// checksum is wrong.
    Malformed,
    /// `OTSChannelLost`: the channel is no longer ours, nothing was sent.
    ChannelLost,
    /// A code of the service that this version does not know.
    Other(String),
}

impl ErrorCode {
    /// The code as the service and the other SDKs write it.
    pub fn as_str(&self) -> &str {
        match self {
            ErrorCode::ParameterInvalid => "OTSParameterInvalid",
            ErrorCode::TunnelExpired => "OTSTunnelExpired",
            ErrorCode::PermissionDenied => "OTSPermissionDenied",
            ErrorCode::AuthFailed => "OTSAuthFailed",
            ErrorCode::TunnelExist => "OTSTunnelExist",
            ErrorCode::SequenceNumberNotMatch => "OTSSequenceNumberNotMatch",
            ErrorCode::ResourceGone => "OTSResourceGone",
            ErrorCode::ServerUnavailable => "OTSTunnelServerUnavailable",
            ErrorCode::ClientError => "OTSClientError",
            ErrorCode::Network => "OTSNetworkError",
            ErrorCode::Malformed => "OTSMalformedData",
            ErrorCode::ChannelLost => "OTSChannelLost",
            ErrorCode::Other(code) => code,
        }
    }

    /// The code for the text that the service sent.
    fn from_wire(code: &str) -> ErrorCode {
        match code {
            "OTSParameterInvalid" => ErrorCode::ParameterInvalid,
            "OTSTunnelExpired" => ErrorCode::TunnelExpired,
            "OTSPermissionDenied" => ErrorCode::PermissionDenied,
            "OTSAuthFailed" => ErrorCode::AuthFailed,
            "OTSTunnelExist" => ErrorCode::TunnelExist,
            "OTSSequenceNumberNotMatch" => ErrorCode::SequenceNumberNotMatch,
            "OTSResourceGone" => ErrorCode::ResourceGone,
            "OTSTunnelServerUnavailable" => ErrorCode::ServerUnavailable,
            "OTSClientError" => ErrorCode::ClientError,
            other => ErrorCode::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It passes: the same request again, after a delay.
    Retry,
    /// This session or channel is over; a new one can work.
    Rejoin,
    /// No repetition helps: the caller has to know.
    Fatal,
}

impl TunnelError {
    /// What kind of failure this is.
    pub fn code(&self) -> &ErrorCode {
        &self.0.code
    }

    /// What happened, in words; the service's own where it sent some.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The id of the request that failed, to name to the service's support.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The tunnel concerned, where the service named it.
    pub fn tunnel_id(&self) -> Option<&str> {
        self.0.tunnel_id.as_deref()
    }

    /// The HTTP status of the answer, if there was an answer.
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// Whether the same call may succeed a little later.
    ///
    /// True for an unavailable service and for network failures that pass.
    /// Go: `Temporary()`, which knows only the former.
    pub fn is_temporary(&self) -> bool {
        self.verdict() == Verdict::Retry
    }

    /// The one decision on every failure.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.0.code {
            // Overload and failures of the network pass by themselves.
            ErrorCode::ServerUnavailable | ErrorCode::Network => Verdict::Retry,
            // Waiting brings back neither a right, nor a table, nor a log.
            ErrorCode::ParameterInvalid
            | ErrorCode::TunnelExpired
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthFailed
            | ErrorCode::TunnelExist => Verdict::Fatal,
            // The session or the channel is over, or we do not understand the
            // answer: start again from the last checkpoint.
            ErrorCode::ResourceGone
            | ErrorCode::SequenceNumberNotMatch
            | ErrorCode::ClientError
            | ErrorCode::Malformed
            | ErrorCode::ChannelLost
            | ErrorCode::Other(_) => Verdict::Rejoin,
        }
    }

    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> TunnelError {
        TunnelError(Box::new(Inner {
            code,
            message: message.into(),
            request_id: None,
            tunnel_id: None,
            http_status: None,
            source: None,
        }))
    }

    /// Wraps an error of the program's own, for implementations of this
    /// crate's traits that have to return this type. Its code is
    /// [`ErrorCode::ClientError`], its [`source`](Error::source) is `error`.
    ///
    /// ```
    /// use tablestore_tunnel::TunnelError;
    ///
    /// let error = TunnelError::other("the disk is full");
    /// assert_eq!(error.to_string(), "OTSClientError: the disk is full");
    /// ```
    pub fn other(error: impl Into<Box<dyn Error + Send + Sync>>) -> TunnelError {
        let error = error.into();
        TunnelError::client(error.to_string()).with_source(error)
    }

    /// Refused on this side, before anything is sent.
    pub(crate) fn client(message: impl Into<String>) -> TunnelError {
        TunnelError::new(ErrorCode::ClientError, message)
    }

    /// What the service sent as the body of a non-2xx answer.
    pub(crate) fn service(code: &str, message: impl Into<String>) -> TunnelError {
        let message = message.into();
        let code = match ErrorCode::from_wire(code) {
            // The log is gone, which no retry brings back, whatever the code says.
            ErrorCode::ServerUnavailable if message.starts_with(TRIMMED) => {
                ErrorCode::TunnelExpired
            }
            code => code,
        };
        TunnelError::new(code, message)
    }

    pub(crate) fn with_request_id(mut self, id: impl Into<String>) -> TunnelError {
        self.0.request_id = Some(id.into()).filter(|id: &String| !id.is_empty());
        self
    }

    pub(crate) fn with_tunnel_id(mut self, id: impl Into<String>) -> TunnelError {
        self.0.tunnel_id = Some(id.into()).filter(|id: &String| !id.is_empty());
        self
    }

    pub(crate) fn with_http_status(mut self, status: u16) -> TunnelError {
        self.0.http_status = Some(status);
        self
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> TunnelError {
        self.0.source = Some(source.into());
        self
    }
}

impl TunnelError {
    fn fields(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelError")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("request_id", &self.0.request_id)
            .field("tunnel_id", &self.0.tunnel_id)
            .field("http_status", &self.0.http_status)
            .field("source", &self.0.source)
            .finish()
    }
}

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)?;
        if let Some(id) = &self.0.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

/// A `main` that returns the error, and `unwrap`, print `{:?}`: it is for
/// people, with the causes. `{:#?}` shows the fields.
impl fmt::Debug for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return self.fields(f);
        }
        write!(f, "{self}")?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for TunnelError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_word_wide_and_crosses_threads() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<TunnelError>();
        assert_eq!(size_of::<TunnelError>(), size_of::<usize>());
    }

    #[test]
    fn every_code_has_its_verdict() {
        for (code, verdict) in [
            ("OTSTunnelServerUnavailable", Verdict::Retry),
            ("OTSParameterInvalid", Verdict::Fatal),
            ("OTSTunnelExpired", Verdict::Fatal),
            ("OTSPermissionDenied", Verdict::Fatal),
            ("OTSAuthFailed", Verdict::Fatal),
            ("OTSTunnelExist", Verdict::Fatal),
            ("OTSResourceGone", Verdict::Rejoin),
            ("OTSSequenceNumberNotMatch", Verdict::Rejoin),
            ("OTSClientError", Verdict::Rejoin),
            ("OTSSomethingNew", Verdict::Rejoin),
        ] {
            let error = TunnelError::service(code, "m");
            assert_eq!(error.code().as_str(), code);
            assert_eq!(error.verdict(), verdict, "{code}");
            assert_eq!(error.is_temporary(), verdict == Verdict::Retry);
        }
        let reset = TunnelError::new(ErrorCode::Network, "reset");
        assert!(reset.is_temporary());
    }

    #[test]
    fn a_trimmed_log_is_expired_and_not_retried() {
        let error = TunnelError::service(
            "OTSTunnelServerUnavailable",
            "OTSTrimmedDataAccess Requested stream data is already trimmed",
        );
        assert_eq!(error.code(), &ErrorCode::TunnelExpired);
        assert_eq!(error.verdict(), Verdict::Fatal);
    }

    #[test]
    fn tells_its_request_and_its_cause() {
        let cause = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let error = TunnelError::new(ErrorCode::Network, "no answer")
            .with_source(cause)
            .with_request_id("r-1");
        assert_eq!(
            error.to_string(),
            "OTSNetworkError: no answer (request r-1)"
        );
        let source = error.source().expect("a cause");
        assert!(source.is::<std::io::Error>());
        assert_eq!(
            format!("{error:?}"),
            "OTSNetworkError: no answer (request r-1): connection reset"
        );
        let fields = format!("{error:#?}");
        assert!(fields.contains("http_status: None") && fields.contains("ConnectionReset"));
    }
}
