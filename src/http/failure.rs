//! What went wrong with an attempt, as a [`TunnelError`].
//!
//! Chooses the code; what follows from the code is
//! [`TunnelError::verdict`]'s to say.

use std::io;

use prost::Message;

use crate::error::{ErrorCode, TunnelError};
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
        500..=599 => TunnelError::new(ErrorCode::ServerUnavailable, message),
        300..=399 => TunnelError::client(format!(
            "HTTP status {status}: a redirect, which is not followed; set the endpoint to the \
             address of the service itself: {message}"
        )),
        _ => TunnelError::client(message),
    }
}

/// For a 2xx answer that does not parse or lacks what must be there.
pub(crate) fn malformed(action: &str, what: impl std::fmt::Display) -> TunnelError {
    let message = format!("the answer to {action} makes no sense: {what}");
    TunnelError::new(ErrorCode::Malformed, message)
}

/// For an attempt that got no whole answer.
pub(crate) fn of_transport(error: ureq::Error, endpoint: &str) -> TunnelError {
    let (code, what) = classify(&error);
    TunnelError::new(code, format!("{what} ({endpoint})")).with_source(source(error))
}

/// The cause itself, without the layers that only name it.
fn source(error: ureq::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        ureq::Error::Io(error) => Box::new(error),
        other => Box::new(other),
    }
}

fn classify(error: &ureq::Error) -> (ErrorCode, &'static str) {
    use ureq::Error as E;
    match error {
        E::Io(error) => classify_io(error),
        E::Timeout(_) => (
            ErrorCode::Network,
            "no whole answer came within the timeout",
        ),
        // A name server that is down says the same as one that does not know
        // the name, and a consumer has to survive the former.
        E::HostNotFound => (
            ErrorCode::Network,
            "the host of the endpoint was not found; check its spelling and the name server",
        ),
        E::ConnectionFailed | E::BodyStalled => (ErrorCode::Network, "the connection failed"),
        E::ConnectProxyFailed(_) => (
            ErrorCode::Network,
            "the proxy did not connect to the endpoint; check the proxy settings",
        ),
        E::Tls(_) | E::Rustls(_) | E::Pem(_) | E::TlsRequired => TLS,
        E::Protocol(_) | E::LargeResponseHeader(..) => (
            ErrorCode::Malformed,
            "the answer is not HTTP as the service speaks it; check the endpoint and the proxy",
        ),
        E::BodyExceedsLimit(_) => (
            ErrorCode::ClientError,
            "the answer is larger than accepted; check the endpoint, or raise \
             TunnelConfig::max_response_size",
        ),
        E::Http(_) => (
            ErrorCode::ClientError,
            "a header holds a character that headers may not hold; look for line ends and \
             non-ASCII in the access key, the token and added headers",
        ),
        E::InvalidProxyUrl => (ErrorCode::ClientError, "the proxy's address makes no sense"),
        _ => (ErrorCode::ClientError, "the request could not be made"),
    }
}

const TLS: (ErrorCode, &str) = (
    ErrorCode::ClientError,
    "TLS failed; check the endpoint's certificate, the TLS roots and this machine's clock",
);

fn classify_io(error: &io::Error) -> (ErrorCode, &'static str) {
    use io::ErrorKind as K;
    match error.kind() {
        // rustls reports a failed verification as invalid data.
        K::InvalidData => TLS,
        K::InvalidInput | K::Unsupported | K::PermissionDenied => (
            ErrorCode::ClientError,
            "the system refuses to make the connection",
        ),
        K::ConnectionRefused => (
            ErrorCode::Network,
            "the connection was refused; check host and port of the endpoint",
        ),
        K::UnexpectedEof | K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => (
            ErrorCode::Network,
            "the connection was closed before the whole answer came",
        ),
        // Unreachable nets, name servers and the like; kinds are many and most
        // of them have no name of their own.
        _ => (
            ErrorCode::Network,
            "the endpoint could not be reached; check its host name and the network",
        ),
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
    fn what_passes_is_temporary_and_the_rest_is_not() {
        use io::ErrorKind as K;
        let io = |kind: K| ureq::Error::Io(kind.into());
        let passing = [
            io(K::ConnectionRefused),
            io(K::ConnectionReset),
            io(K::ConnectionAborted),
            io(K::BrokenPipe),
            io(K::UnexpectedEof),
            io(K::TimedOut),
            io(K::HostUnreachable),
            io(K::NetworkUnreachable),
            ureq::Error::Timeout(ureq::Timeout::Global),
            ureq::Error::HostNotFound,
            ureq::Error::ConnectionFailed,
        ];
        for error in passing {
            let error = of_transport(error, "http://e");
            assert_eq!(error.code(), &ErrorCode::Network, "{error:?}");
            assert!(error.is_temporary() && error.source().is_some());
        }
        let lasting = [
            io(K::InvalidData),
            io(K::InvalidInput),
            ureq::Error::Tls("verification"),
            ureq::Error::BodyExceedsLimit(1),
            ureq::Error::BadUri("x".into()),
            ureq::Error::LargeResponseHeader(1, 1),
        ];
        for error in lasting {
            let error = of_transport(error, "http://e");
            assert!(!error.is_temporary(), "{error:?}");
            assert!(error.source().is_some());
        }
    }
}
