//! [`TunnelError`], and what class of failure it belongs to.
//!
//! [`TunnelError::class`] looks at code and status; what each class means for each
//! request is decided in [`policy`](crate::policy) and nowhere else.

use std::error::Error;
use std::fmt;
use std::sync::OnceLock;

use crate::user_code::UserValue;

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
    source: Option<UserValue<Box<dyn Error + Send + Sync>>>,
    /// Set where code and status do not tell the class.
    class: Option<ErrorClass>,
    /// Nothing of the request can have reached the service.
    is_unsent: bool,
    /// The text with all causes, once it is known.
    full_text: OnceLock<String>,
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
    /// A worker that has been connected retries, since keys rotate.
    AuthFailed,
    /// `OTSTunnelExist`: the table already has a tunnel of this name.
    TunnelExist,
    /// `OTSSequenceNumberNotMatch`: another sequence number was expected. The
    /// response to an earlier checkpoint was lost, or another client has saved one.
    SequenceNumberNotMatch,
    /// `OTSResourceGone`: the service no longer knows this client, and a daemon
    /// connects again. In a request of a channel: the channel is no longer ours.
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
    /// `OTSCheckpointOutOfOrder`: the token is older than one that was committed
    /// before; nothing was sent. See
    /// [`commit_token`](crate::ProcessorHandle::commit_token).
    CheckpointOutOfOrder,
    /// A code of the service that this version does not know. Unless the HTTP
    /// status says otherwise (3xx, 401, 403, 407), the failure counts as temporary.
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
            ErrorCode::CheckpointOutOfOrder => "OTSCheckpointOutOfOrder",
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

/// What class of failure an error belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    /// It passes by itself. A failure that nobody knows counts as passing, too.
    Passing,
    /// Something answers that is not the service, such as a web server behind a wrong
    /// endpoint. A worker takes it for passing, because a gateway may be in between; a
    /// call is not repeated.
    Foreign,
    /// Something is set up wrongly: a certificate, a proxy, a URL, or keys that
    /// will never be available.
    Setup,
    /// The service does not accept the access key. Keys rotate and clocks are
    /// corrected, so this may pass, too.
    Auth,
    /// The service no longer knows this client, or the channel is not ours.
    Gone,
    /// The service expected another sequence number.
    SequenceMismatch,
    /// The change log that the tunnel needs is gone for good.
    Expired,
    /// The service refuses the request for good: its arguments or permissions.
    Refused,
    /// An answer that is not accepted: too large, or a redirect.
    Unacceptable,
    /// No request failed: a bad argument, or code of the program.
    Local,
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
    /// True for failures of the network, for an overloaded or failing service
    /// (HTTP 408, 429 and 5xx), for answers that cannot be read, for a credentials
    /// provider that failed, and for codes that this version does not know. False
    /// where something has to be changed first: keys, permissions, arguments,
    /// certificates, a tunnel that has expired.
    ///
    /// Go: `Temporary()`, which is true for `OTSTunnelServerUnavailable` only.
    pub fn is_temporary(&self) -> bool {
        self.class() == ErrorClass::Passing
    }

    /// The class of the failure. Known codes count first, because a trimmed log
    /// arrives as a 503; the HTTP status decides only what is left.
    pub(crate) fn class(&self) -> ErrorClass {
        if let Some(class) = self.0.class {
            return class;
        }
        match self.0.code {
            ErrorCode::ParameterInvalid | ErrorCode::PermissionDenied | ErrorCode::TunnelExist => {
                ErrorClass::Refused
            }
            ErrorCode::TunnelExpired => ErrorClass::Expired,
            ErrorCode::AuthFailed => ErrorClass::Auth,
            ErrorCode::ResourceGone | ErrorCode::ChannelLost => ErrorClass::Gone,
            ErrorCode::SequenceNumberNotMatch => ErrorClass::SequenceMismatch,
            ErrorCode::ServerUnavailable | ErrorCode::Network | ErrorCode::Malformed => {
                ErrorClass::Passing
            }
            ErrorCode::CheckpointOutOfOrder => ErrorClass::Local,
            ErrorCode::ClientError | ErrorCode::Other(_) => self.class_by_status(),
        }
    }

    fn class_by_status(&self) -> ErrorClass {
        match (self.0.http_status, &self.0.code) {
            (Some(401 | 403), _) => ErrorClass::Auth,
            (Some(407), _) => ErrorClass::Setup,
            (Some(300..=399), _) => ErrorClass::Unacceptable,
            (Some(_), _) | (None, ErrorCode::Other(_)) => ErrorClass::Passing,
            (None, _) => ErrorClass::Local,
        }
    }

    /// Whether nothing of the request can have reached the service, or the service
    /// has said that it did not carry the request out.
    pub(crate) fn is_not_applied(&self) -> bool {
        let is_refused = match &self.0.code {
            ErrorCode::Other(code) => code == "OTSServerBusy",
            _ => false,
        };
        self.0.is_unsent || is_refused || self.0.http_status == Some(429)
    }

    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> TunnelError {
        TunnelError(Box::new(Inner {
            code,
            message: message.into(),
            request_id: None,
            tunnel_id: None,
            http_status: None,
            source: None,
            class: None,
            is_unsent: false,
            full_text: OnceLock::new(),
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

    /// The same failure without its cause, which cannot be copied.
    pub(crate) fn copy(&self) -> TunnelError {
        TunnelError(Box::new(Inner {
            code: self.0.code.clone(),
            message: self.0.message.clone(),
            request_id: self.0.request_id.clone(),
            tunnel_id: self.0.tunnel_id.clone(),
            http_status: self.0.http_status,
            source: None,
            class: self.0.class,
            is_unsent: self.0.is_unsent,
            full_text: OnceLock::new(),
        }))
    }

    /// The text with all causes, from `print` the first time: the causes may be the
    /// program's, so where the error is printed first, it may hang.
    pub(crate) fn full_text(&self, print: impl FnOnce() -> String) -> &str {
        self.0.full_text.get_or_init(print)
    }

    /// Says what class the failure belongs to, where code and status do not.
    pub(crate) fn with_class(mut self, class: ErrorClass) -> TunnelError {
        self.0.class = Some(class);
        self
    }

    /// Says that nothing of the request can have reached the service.
    pub(crate) fn unsent(mut self) -> TunnelError {
        self.0.is_unsent = true;
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
        self.0.source = Some(UserValue::new(source.into()));
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
        let source = self.0.source.as_ref()?;
        Some(&***source)
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
    fn the_code_decides_the_class_and_the_status_only_what_is_left() {
        use ErrorClass as C;
        for (status, code, class) in [
            (503, "OTSTunnelServerUnavailable", C::Passing),
            (503, "OTSServerBusy", C::Passing),
            (503, "OTSTimeout", C::Passing),
            (500, "OTSInternalServerError", C::Passing),
            (400, "OTSSomethingNew", C::Passing),
            (429, "OTSSomethingNew", C::Passing),
            (408, "OTSSomethingNew", C::Passing),
            (403, "OTSSomethingNew", C::Auth),
            (401, "OTSSomethingNew", C::Auth),
            (403, "OTSAuthFailed", C::Auth),
            (503, "OTSAuthFailed", C::Auth),
            (403, "OTSPermissionDenied", C::Refused),
            (503, "OTSParameterInvalid", C::Refused),
            (410, "OTSResourceGone", C::Gone),
            (400, "OTSSequenceNumberNotMatch", C::SequenceMismatch),
            (400, "OTSTunnelExpired", C::Expired),
            (400, "OTSTunnelExist", C::Refused),
            (400, "OTSClientError", C::Passing),
        ] {
            let error = TunnelError::service(code, "m").with_http_status(status);
            assert_eq!(error.code().as_str(), code);
            assert_eq!(error.class(), class, "{status} {code}");
            assert_eq!(error.is_temporary(), class == C::Passing);
        }
        let local = TunnelError::client("no name");
        assert_eq!(local.class(), C::Local);
        for code in [ErrorCode::Network, ErrorCode::Malformed] {
            assert!(TunnelError::new(code, "m").is_temporary());
        }
        let lost = TunnelError::new(ErrorCode::ChannelLost, "m");
        assert_eq!(lost.class(), C::Gone);
        assert_eq!(lost.with_class(C::Setup).class(), C::Setup);
    }

    #[test]
    fn only_what_was_surely_not_carried_out_is_known_as_such() {
        let service = |code| TunnelError::service(code, "m").with_http_status(503);
        assert!(service("OTSServerBusy").is_not_applied());
        assert!(!service("OTSTunnelServerUnavailable").is_not_applied());
        assert!(!service("OTSTimeout").is_not_applied());
        assert!(service("OTSOther").with_http_status(429).is_not_applied());
        let reset = TunnelError::new(ErrorCode::Network, "reset");
        assert!(!reset.is_not_applied());
        assert!(reset.unsent().is_not_applied());
    }

    #[test]
    fn a_trimmed_log_has_expired_whatever_its_code_and_status() {
        let error = TunnelError::service(
            "OTSTunnelServerUnavailable",
            "OTSTrimmedDataAccess Requested stream data is already trimmed",
        )
        .with_http_status(503);
        assert_eq!(error.code(), &ErrorCode::TunnelExpired);
        assert_eq!(error.class(), ErrorClass::Expired);
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
