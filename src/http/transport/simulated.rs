//! The transport of a simulation: requests go to a [`Transport`] instead of a socket.
//!
//! Compiled only with `--cfg simulation`. Requests are signed, and answers judged, by the
//! same code as those of a real service.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use ureq::{Error, Timeout};

use super::exchange::Outgoing;

/// Carries the requests of a simulated client.
pub trait Transport: Send + Sync {
    /// Sends a request, and blocks until the head of its answer is there.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    fn send(&self, request: SimRequest<'_>) -> Result<SimResponse, SimFailure>;
}

/// A request as it would go over a connection.
#[derive(Debug)]
pub struct SimRequest<'a> {
    /// The method, always `POST`.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// Names and values, the signature included.
    pub headers: Vec<(String, String)>,
    /// The message.
    pub body: &'a [u8],
    /// The whole exchange may take that long, the body of the answer included.
    pub timeout: Duration,
    /// It may not use a connection that was idle before.
    pub on_new_connection: bool,
}

/// The head of an answer, and its body.
pub struct SimResponse {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The length that the head announces.
    pub announced: u64,
    /// Waits for the body, after the head was seen. A body that is shorter than announced
    /// ends with the connection, as over TCP.
    pub body: Box<dyn FnOnce() -> Result<Vec<u8>, SimFailure> + Send>,
}

/// Why a request has no answer, or no whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimFailure {
    /// Nobody listens.
    Refused,
    /// The host was not found.
    HostNotFound,
    /// The connection was reset.
    Reset,
    /// The connection was closed too early.
    Closed,
    /// No connection within the timeout.
    ConnectTimeout,
    /// No whole answer within the timeout.
    Timeout,
}

/// See [`Transport`].
pub(crate) struct Simulated(pub(crate) Arc<dyn Transport>);

/// An answer of a [`Transport`] whose body has not been read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) announced: u64,
    headers: Vec<(String, String)>,
    body: Box<dyn FnOnce() -> Result<Vec<u8>, SimFailure> + Send>,
}

impl Simulated {
    pub(crate) fn send(&self, outgoing: &Outgoing<'_>) -> Result<Answer, Error> {
        let request = &outgoing.request;
        let headers = request.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        let response = self.0.send(SimRequest {
            method: request.method().as_str(),
            path: request.uri().path(),
            headers: headers.collect(),
            body: request.body(),
            timeout: outgoing.timeout,
            on_new_connection: outgoing.on_new_connection,
        })?;
        Ok(Answer {
            status: response.status,
            announced: response.announced,
            headers: response.headers,
            body: response.body,
        })
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// The body, for the code that reads those of real answers.
    pub(crate) fn into_reader(self) -> Result<impl Read, Error> {
        Ok(io::Cursor::new((self.body)()?).take(self.announced))
    }
}

impl From<SimFailure> for Error {
    fn from(failure: SimFailure) -> Error {
        match failure {
            SimFailure::Refused => Error::Io(io::ErrorKind::ConnectionRefused.into()),
            SimFailure::HostNotFound => Error::HostNotFound,
            SimFailure::Reset => Error::Io(io::ErrorKind::ConnectionReset.into()),
            SimFailure::Closed => Error::Io(io::ErrorKind::UnexpectedEof.into()),
            SimFailure::ConnectTimeout => Error::Timeout(Timeout::Connect),
            SimFailure::Timeout => Error::Timeout(Timeout::Global),
        }
    }
}

impl fmt::Debug for SimResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimResponse")
            .field("status", &self.status)
            .field("announced", &self.announced)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for dyn Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}
