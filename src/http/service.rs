//! [`HttpApi`]: the service over HTTP.
//!
//! One attempt, from credentials to answer. Decides neither what a failure means nor
//! whether there is another attempt.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use ureq::http::Request;

use super::message::required_fields::Complete;
use super::request::endpoint::Endpoint;
use super::request::headers;
use super::request::sign::header;
use super::transport::body::Bodies;
use super::transport::exchange::{Exchange, Outgoing};
use super::transport::wire;
use super::{ANY_SIZE, Answer, Answered, Attempt, MakeRoom, TunnelApi, failure};
use crate::config::TunnelConfig;
use crate::credentials::{Credentials, CredentialsError, CredentialsProvider};
use crate::error::{ErrorClass, TunnelError};
use crate::record::RawBatch;
use crate::{clock, protocol as p, user_code};

const USER_AGENT: &str = concat!("tablestore-tunnel-rust/", env!("CARGO_PKG_VERSION"));

/// The largest limit of an answer's size. Memory for an answer is allocated by its
/// announced length, up to that limit.
const MAX_RESPONSE_SIZE: usize = 1 << 30;

/// The service over HTTP. Shared by all threads; holds no lock of its own.
pub(crate) struct HttpApi {
    endpoint: Endpoint,
    /// Asked before every attempt.
    credentials: Arc<dyn CredentialsProvider>,
    /// Headers that the user adds, checked, names in lower case.
    added: Vec<(String, String)>,
    exchange: Exchange,
    bodies: Bodies,
    request_timeout: Duration,
    max_response_size: usize,
}

/// A 2xx answer, not yet decoded.
struct Reply {
    body: Bytes,
    request_id: String,
}

impl HttpApi {
    /// Checks all that is configured; sends nothing.
    pub(crate) fn new(
        endpoint: Endpoint,
        credentials: Arc<dyn CredentialsProvider>,
        config: TunnelConfig,
    ) -> Result<HttpApi, TunnelError> {
        let exchange = match config.agent.clone() {
            Some(agent) => Exchange::Foreign(agent),
            None => Exchange::Own(wire::agent(&endpoint, &config)),
        };
        HttpApi::over(exchange, endpoint, credentials, config)
    }

    /// As [`new`](Self::new), with what carries the requests.
    pub(crate) fn over(
        exchange: Exchange,
        endpoint: Endpoint,
        credentials: Arc<dyn CredentialsProvider>,
        config: TunnelConfig,
    ) -> Result<HttpApi, TunnelError> {
        check_limits(&config)?;
        Ok(HttpApi {
            exchange,
            bodies: Bodies::new(),
            credentials,
            request_timeout: clock::at_most_a_century(config.request_timeout),
            max_response_size: config.max_response_size,
            added: headers::check_added(config.headers)?,
            endpoint,
        })
    }

    fn call<M>(&self, uri: &'static str, request: &impl Message) -> Answer<M>
    where
        M: Message + Default + Complete,
    {
        answered(uri, self.attempt(uri, &request.encode_to_vec())?)
    }

    /// As [`call`](Self::call), with limits of this attempt's own.
    fn call_within<M>(
        &self,
        uri: &'static str,
        request: &impl Message,
        attempt: Attempt,
    ) -> Answer<M>
    where
        M: Message + Default + Complete,
    {
        let attempt = Attempt {
            timeout: attempt.timeout.min(self.request_timeout),
            ..attempt
        };
        let body = request.encode_to_vec();
        answered(uri, self.send(uri, &body, Some(attempt), ANY_SIZE)?)
    }

    /// One attempt: signed afresh, sent, answered.
    fn attempt(&self, uri: &str, body: &[u8]) -> Result<Reply, TunnelError> {
        self.send(uri, body, None, ANY_SIZE)
    }

    /// `attempt` has limits that differ from the configured ones.
    fn send(
        &self,
        uri: &str,
        body: &[u8],
        attempt: Option<Attempt>,
        room: MakeRoom<'_>,
    ) -> Result<Reply, TunnelError> {
        let timeout = attempt.map_or(self.request_timeout, |attempt| attempt.timeout);
        let outgoing = Outgoing {
            request: self.request(uri, body)?,
            timeout,
            on_new_connection: attempt.is_some_and(|attempt| attempt.on_new_connection),
            is_limited: attempt.is_some(),
        };
        let due = clock::after(clock::now(), timeout);
        let due = self.exchange.is_own().then_some(due);
        let failed = |error| failure::of_transport(error, self.endpoint.url());
        let incoming = self.exchange.send(outgoing).map_err(failed)?;
        let status = incoming.status();
        let request_id = incoming.header(header::REQUEST_ID);
        if let Some(length) = incoming.announced() {
            room(usize::try_from(length).unwrap_or(usize::MAX))?;
        }
        let body = self
            .bodies
            .read(incoming, self.max_response_size, due)
            .map_err(|error| failed(error).with_request_id(&request_id))?;
        log::debug!(
            "{uri}: {status}, {} bytes, request {request_id}",
            body.len()
        );
        if (200..300).contains(&status) {
            Ok(Reply { body, request_id })
        } else {
            Err(failure::of_status(status, &body).with_request_id(request_id))
        }
    }

    fn request<'a>(&self, uri: &str, body: &'a [u8]) -> Result<Request<&'a [u8]>, TunnelError> {
        let credentials = self.credentials()?;
        let instance = self.endpoint.instance();
        let now = clock::utc();
        // A provider may give keys that no request can be signed with.
        let headers = headers::signed(uri, body, now, instance, &credentials, &self.added)
            .map_err(|error| error.with_class(ErrorClass::Setup).unsent())?;
        let mut request = Request::post(format!("{}{uri}", self.endpoint.url()));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.header("user-agent", USER_AGENT).body(body);
        request.map_err(|error| failure::of_transport(error.into(), self.endpoint.url()))
    }

    /// The provider is the user's code: it may fail or panic, and may close the worker
    /// that asks it.
    fn credentials(&self) -> Result<Credentials, TunnelError> {
        let credentials = user_code::call_user(|| self.credentials.credentials());
        let error = match credentials {
            Ok(Ok(credentials)) => return Ok(credentials),
            Ok(Err(error)) => error,
            Err(panic) => format!("it panicked: {panic}").into(),
        };
        let class = match error.downcast_ref::<CredentialsError>() {
            Some(_) => ErrorClass::Setup,
            None => ErrorClass::Passing,
        };
        let failed = TunnelError::client("the credentials provider gave no credentials");
        Err(failed.with_source(error).with_class(class).unsent())
    }
}

impl TunnelApi for HttpApi {
    fn create(&self, request: &p::CreateTunnelRequest) -> Answer<p::CreateTunnelResponse> {
        self.call("/tunnel/create", request)
    }

    fn delete(&self, request: &p::DeleteTunnelRequest) -> Answer<p::DeleteTunnelResponse> {
        self.call("/tunnel/delete", request)
    }

    fn list(&self, request: &p::ListTunnelRequest) -> Answer<p::ListTunnelResponse> {
        self.call("/tunnel/list", request)
    }

    fn describe(&self, request: &p::DescribeTunnelRequest) -> Answer<p::DescribeTunnelResponse> {
        self.call("/tunnel/describe", request)
    }

    fn get_rpo(&self, request: &p::GetRpoRequest) -> Answer<p::GetRpoResponse> {
        self.call("/tunnel/getrpo", request)
    }

    fn get_rpo_by_offset(&self, request: &p::GetRpoRequest) -> Answer<p::GetRpoResponse> {
        self.call("/tunnel/getrpobyoffset", request)
    }

    fn schedule(&self, request: &p::ScheduleRequest) -> Answer<p::ScheduleResponse> {
        self.call("/tunnel/schedule", request)
    }

    fn connect(&self, request: &p::ConnectRequest) -> Answer<p::ConnectResponse> {
        self.call("/tunnel/connect", request)
    }

    fn get_checkpoint(
        &self,
        request: &p::GetCheckpointRequest,
    ) -> Answer<p::GetCheckpointResponse> {
        self.call("/tunnel/getcheckpoint", request)
    }

    fn checkpoint(&self, request: &p::CheckpointRequest) -> Answer<p::CheckpointResponse> {
        self.call("/tunnel/checkpoint", request)
    }

    fn heartbeat(
        &self,
        request: &p::HeartbeatRequest,
        attempt: Attempt,
    ) -> Answer<p::HeartbeatResponse> {
        self.call_within("/tunnel/heartbeat", request, attempt)
    }

    fn shutdown(
        &self,
        request: &p::ShutdownRequest,
        attempt: Attempt,
    ) -> Answer<p::ShutdownResponse> {
        self.call_within("/tunnel/shutdown", request, attempt)
    }

    fn read_records(
        &self,
        request: &p::ReadRecordsRequest,
        room: MakeRoom<'_>,
    ) -> Result<RawBatch, TunnelError> {
        let body = request.encode_to_vec();
        let uri = "/tunnel/readrecords";
        let reply = self.send(uri, &body, None, room)?;
        RawBatch::parse(reply.body, reply.request_id)
    }
}

impl fmt::Debug for HttpApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpApi")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

fn check_limits(config: &TunnelConfig) -> Result<(), TunnelError> {
    if config.max_response_size > MAX_RESPONSE_SIZE {
        return Err(TunnelError::client(format!(
            "TunnelConfig::max_response_size is {}; give at most {MAX_RESPONSE_SIZE} (1 GiB), the \
             service answers with about 4 MiB",
            config.max_response_size
        )));
    }
    let zero = [
        ("request_timeout", config.request_timeout.is_zero()),
        ("connect_timeout", config.connect_timeout.is_zero()),
        ("max_response_size", config.max_response_size == 0),
    ]
    .into_iter()
    .find(|(_, is_zero)| *is_zero);
    let Some((name, _)) = zero else {
        return Ok(());
    };
    let message = format!(
        "TunnelConfig::{name} is 0, with which no request can succeed; give more, or leave it out \
         for the default"
    );
    Err(TunnelError::client(message))
}

fn answered<M: Message + Default + Complete>(uri: &str, reply: Reply) -> Answer<M> {
    match decode(uri, reply.body) {
        Ok(message) => Ok(Answered {
            message,
            request_id: reply.request_id,
        }),
        Err(error) => Err(error.with_request_id(reply.request_id)),
    }
}

fn decode<M: Message + Default + Complete>(uri: &str, body: Bytes) -> Result<M, TunnelError> {
    let message = M::decode(body)
        .map_err(|error| failure::malformed(uri, "it is no such message").with_source(error))?;
    match message.missing() {
        None => Ok(message),
        Some(field) => Err(failure::malformed(uri, format_args!("{field} is missing"))),
    }
}

#[cfg(test)]
#[path = "large_tests.rs"]
mod large_tests;
#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
