//! What went wrong with an attempt, as a [`TunnelError`].
//!
//! Chooses the code, and the class where the code does not tell it. What follows
//! from the class is decided in [`policy`](crate::policy).

use std::io;

use prost::Message;

use crate::error::{ErrorClass, ErrorCode, TunnelError};
use crate::protocol as p;

/// How much of a body that makes no sense goes into an error's message.
const SHOWN: usize = 512;

/// For an answer that is not 2xx.
pub(crate) fn of_status(status: u16, body: &[u8]) -> TunnelError {
    let error = match p::Error::decode(body) {
        Ok(error) if !error.code.is_empty() => {
            let tunnel_id = error.tunnel_id.unwrap_or_default();
            TunnelError::service(&error.code, error.message.unwrap_or_default())
                .with_tunnel_id(tunnel_id)
        }
        // Not from the service itself: a gateway in between, or a wrong endpoint.
        _ => of_foreign_body(status, body),
    };
    error.with_http_status(status)
}

fn of_foreign_body(status: u16, body: &[u8]) -> TunnelError {
    let shown = body.get(..SHOWN).unwrap_or(body);
    let mut message = String::from_utf8_lossy(shown).trim().to_owned();
    if message.is_empty() {
        message = format!("HTTP status {status} without a message");
    }
    match status {
        408 | 429 | 500..=599 => TunnelError::new(ErrorCode::ServerUnavailable, message),
        300..=399 => TunnelError::client(format!(
            "HTTP status {status}: a redirect, which is not followed; set the endpoint to the \
             address of the service itself: {message}"
        )),
        401 | 403 | 407 => TunnelError::client(message),
        _ => TunnelError::client(message).with_class(ErrorClass::Foreign),
    }
}

/// For a 2xx answer that does not parse or lacks what must be there.
pub(crate) fn malformed(action: &str, what: impl std::fmt::Display) -> TunnelError {
    let message = format!("the answer to {action} makes no sense: {what}");
    TunnelError::new(ErrorCode::Malformed, message)
}

/// For an attempt that got no whole answer.
pub(crate) fn of_transport(error: ureq::Error, endpoint: &str) -> TunnelError {
    let Failure { code, class, what } = classify(&error);
    let is_unsent = is_unsent(&error);
    let failure = TunnelError::new(code, format!("{what} ({endpoint})"))
        .with_class(class)
        .with_source(source(error));
    match is_unsent {
        true => failure.unsent(),
        false => failure,
    }
}

/// The cause itself, without the layers that only name it.
fn source(error: ureq::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        ureq::Error::Io(error) => Box::new(error),
        other => Box::new(other),
    }
}

/// Whether there was no connection yet that the request could have been sent on.
fn is_unsent(error: &ureq::Error) -> bool {
    use io::ErrorKind as K;
    use ureq::Error as E;
    match error {
        E::HostNotFound | E::ConnectionFailed | E::ConnectProxyFailed(_) => true,
        E::Timeout(timeout) => matches!(timeout, ureq::Timeout::Resolve | ureq::Timeout::Connect),
        E::Tls(_) | E::Rustls(_) | E::Pem(_) | E::TlsRequired => true,
        E::Http(_) | E::BadUri(_) | E::InvalidProxyUrl => true,
        E::Io(error) => matches!(
            error.kind(),
            K::ConnectionRefused
                | K::HostUnreachable
                | K::NetworkUnreachable
                | K::NetworkDown
                | K::AddrNotAvailable
        ),
        _ => false,
    }
}

struct Failure {
    code: ErrorCode,
    class: ErrorClass,
    what: &'static str,
}

/// A failure that passes.
fn network(what: &'static str) -> Failure {
    Failure {
        code: ErrorCode::Network,
        class: ErrorClass::Passing,
        what,
    }
}

/// A failure that somebody has to put right.
fn setup(what: &'static str) -> Failure {
    Failure {
        code: ErrorCode::ClientError,
        class: ErrorClass::Setup,
        what,
    }
}

fn classify(error: &ureq::Error) -> Failure {
    use ureq::Error as E;
    match error {
        E::Io(error) => classify_io(error),
        E::Timeout(_) => network("no whole answer came within the timeout"),
        // A name server that is down says the same as one that does not know
        // the name, and a consumer has to survive the former.
        E::HostNotFound => network(
            "the host of the endpoint was not found; check its spelling and the name server",
        ),
        E::ConnectionFailed | E::BodyStalled => network("the connection failed"),
        E::ConnectProxyFailed(reason) if is_refused_by_proxy(reason) => {
            setup("the proxy refuses to connect; check its address, its user and its rules")
        }
        E::ConnectProxyFailed(_) => {
            network("the proxy did not connect to the endpoint; check the proxy settings")
        }
        E::Tls(_) | E::Rustls(_) | E::Pem(_) | E::TlsRequired => classify_tls(&error.to_string()),
        E::Protocol(_) | E::LargeResponseHeader(..) => Failure {
            code: ErrorCode::Malformed,
            class: ErrorClass::Passing,
            what: "the answer is not HTTP as the service speaks it; check the endpoint and the proxy",
        },
        E::BodyExceedsLimit(_) => Failure {
            code: ErrorCode::ClientError,
            class: ErrorClass::Unacceptable,
            what: "the answer is larger than accepted; check the endpoint, or raise \
                   TunnelConfig::max_response_size",
        },
        E::Http(_) => setup(
            "a header holds a character that headers may not hold; look for line ends and \
             non-ASCII in the access key, the token and added headers",
        ),
        E::BadUri(_) => setup("the endpoint is not a URL that a request can be sent to"),
        E::InvalidProxyUrl => setup("the proxy's address makes no sense"),
        _ => Failure {
            code: ErrorCode::ClientError,
            class: ErrorClass::Passing,
            what: "the request could not be made",
        },
    }
}

/// Whether a proxy answered the CONNECT with 403 or 407.
fn is_refused_by_proxy(reason: &str) -> bool {
    reason.contains("403") || reason.contains("407")
}

/// A certificate that is refused stays refused; any other failure of a handshake (a
/// connection that is cut, a peer that restarts) passes.
fn classify_tls(text: &str) -> Failure {
    match text.contains("certificate") {
        true => setup(
            "TLS failed; check the endpoint's certificate, the TLS roots and this machine's clock",
        ),
        false => network("the TLS handshake failed"),
    }
}

fn classify_io(error: &io::Error) -> Failure {
    use io::ErrorKind as K;
    match error.kind() {
        // rustls reports a failed verification as invalid data.
        K::InvalidData => classify_tls(&error.to_string()),
        K::InvalidInput | K::Unsupported => setup("the system refuses to make the connection"),
        K::ConnectionRefused => {
            network("the connection was refused; check host and port of the endpoint")
        }
        K::UnexpectedEof | K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => {
            network("the connection was closed before the whole answer came")
        }
        // Unreachable nets, name servers and the like; kinds are many and most
        // of them have no name of their own.
        _ => network("the endpoint could not be reached; check its host name and the network"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;
    use std::error::Error as _;

    #[test]
    fn reads_every_error_that_the_go_sdk_read() {
        let exchanges = vectors::exchanges();
        let failed: Vec<_> = exchanges.iter().filter(|e| e.status() >= 300).collect();
        assert!(failed.len() >= 6, "{} failed exchanges", failed.len());
        for exchange in failed {
            let error = of_status(exchange.status(), &exchange.response_body());
            let go = exchange.error().expect("what the Go SDK made of it");
            assert_eq!(Some(error.code().as_str()), go["code"].as_str());
            assert_eq!(Some(error.message()), go["message"].as_str());
            assert_eq!(error.http_status(), Some(exchange.status()));
        }
    }

    #[test]
    fn the_tunnel_id_is_kept() {
        let body = p::Error {
            code: "OTSTunnelExpired".into(),
            message: None,
            tunnel_id: Some("t-1".into()),
        };
        let error = of_status(400, &body.encode_to_vec());
        assert_eq!(error.code(), &ErrorCode::TunnelExpired);
        assert_eq!(error.tunnel_id(), Some("t-1"));
    }

    #[test]
    fn a_body_of_something_else_goes_by_its_status() {
        for (status, code) in [
            (500, ErrorCode::ServerUnavailable),
            (502, ErrorCode::ServerUnavailable),
            (404, ErrorCode::ClientError),
            (301, ErrorCode::ClientError),
        ] {
            let error = of_status(status, b"<html>\xff no</html>");
            assert_eq!(error.code(), &code, "{status}");
            assert!(error.message().contains("<html>\u{fffd} no</html>"));
            let empty = of_status(status, b"");
            assert_eq!(empty.code(), &code, "{status}");
            assert!(empty.message().contains(&status.to_string()));
        }
    }

    #[test]
    fn a_long_body_is_cut() {
        let error = of_status(404, &b"x".repeat(100_000));
        assert!(error.message().len() <= SHOWN);
    }

    #[test]
    fn every_failure_of_the_transport_has_its_class() {
        use ErrorClass as C;
        use io::ErrorKind as K;
        use ureq::Error as E;
        let io = |kind: K| E::Io(kind.into());
        let proxy = |status: u16| {
            E::ConnectProxyFailed(format!("proxy server responded {status}/{status}"))
        };
        let refused = io::Error::new(K::InvalidData, "invalid peer certificate: UnknownIssuer");
        for (error, class, is_unsent) in [
            (io(K::ConnectionRefused), C::Passing, true),
            (io(K::ConnectionReset), C::Passing, false),
            (io(K::ConnectionAborted), C::Passing, false),
            (io(K::BrokenPipe), C::Passing, false),
            (io(K::UnexpectedEof), C::Passing, false),
            (io(K::TimedOut), C::Passing, false),
            (io(K::HostUnreachable), C::Passing, true),
            (io(K::NetworkUnreachable), C::Passing, true),
            (io(K::PermissionDenied), C::Passing, false),
            (io(K::InvalidData), C::Passing, false),
            (io(K::InvalidInput), C::Setup, false),
            (E::Io(refused), C::Setup, false),
            (E::Timeout(ureq::Timeout::Global), C::Passing, false),
            (E::Timeout(ureq::Timeout::Connect), C::Passing, true),
            (E::HostNotFound, C::Passing, true),
            (E::ConnectionFailed, C::Passing, true),
            (E::Tls("handshake cut"), C::Passing, true),
            (E::Tls("bad certificate"), C::Setup, true),
            (E::LargeResponseHeader(1, 1), C::Passing, false),
            (E::BodyExceedsLimit(1), C::Unacceptable, false),
            (E::BadUri("x".into()), C::Setup, true),
            (E::InvalidProxyUrl, C::Setup, true),
            (proxy(407), C::Setup, true),
            (proxy(403), C::Setup, true),
            (proxy(502), C::Passing, true),
        ] {
            let text = format!("{error:?}");
            let error = of_transport(error, "http://e");
            assert_eq!(error.class(), class, "{text}");
            assert_eq!(error.is_not_applied(), is_unsent, "{text}");
            assert!(error.source().is_some());
        }
    }

    #[test]
    fn an_answer_of_something_else_has_the_class_of_its_status() {
        use ErrorClass as C;
        for (status, class) in [
            (302, C::Unacceptable),
            (400, C::Foreign),
            (401, C::Auth),
            (403, C::Auth),
            (404, C::Foreign),
            (407, C::Setup),
            (408, C::Passing),
            (429, C::Passing),
            (500, C::Passing),
            (504, C::Passing),
        ] {
            assert_eq!(of_status(status, b"<html>").class(), class, "{status}");
        }
    }
}
