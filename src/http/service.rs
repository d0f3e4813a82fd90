//! [`HttpApi`]: the service over HTTP.
//!
//! One attempt from credentials to answer, and which schedule each action is
//! tried again on. Decides neither what a failure means nor how long to wait.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use ureq::http::Response;
use ureq::typestate::WithBody;
use ureq::{Agent, Body, RequestBuilder};

use super::message::required_fields::Complete;
use super::request::endpoint::Endpoint;
use super::request::headers;
use super::request::sign::header;
use super::retry::{Patience, Schedule, retry};
use super::transport::body::Bodies;
use super::transport::wire;
use super::{ANY_SIZE, Answer, Answered, MakeRoom, TunnelApi, failure};
use crate::config::TunnelConfig;
use crate::credentials::CredentialsProvider;
use crate::error::TunnelError;
use crate::record::RawBatch;
use crate::sync::stop::Stop;
use crate::{clock, protocol as p};

const USER_AGENT: &str = concat!("tablestore-tunnel-rust/", env!("CARGO_PKG_VERSION"));

/// The service over HTTP. Shared by all threads; holds no lock of its own.
pub(crate) struct HttpApi {
    endpoint: Endpoint,
    /// Asked before every attempt.
    credentials: Arc<dyn CredentialsProvider>,
    /// Headers that the user adds, checked, names in lower case.
    added: Vec<(String, String)>,
    agent: Agent,
    bodies: Bodies,
    /// The agent is the user's: what a request depends on is set by request.
    is_foreign_agent: bool,
    request_timeout: Duration,
    max_response_size: usize,
    meta: Schedule,
    read: Schedule,
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
        check_limits(&config)?;
        let is_foreign_agent = config.agent.is_some();
        let own_agent = || wire::agent(&endpoint, &config);
        Ok(HttpApi {
            agent: config.agent.clone().unwrap_or_else(own_agent),
            is_foreign_agent,
            bodies: Bodies::new(),
            credentials,
            request_timeout: config.request_timeout,
            max_response_size: config.max_response_size,
            meta: Schedule::META,
            read: Schedule::read_records(config.max_retry_elapsed_time),
            added: headers::check_added(config.headers)?,
            endpoint,
        })
    }

    /// Another schedule for all actions but reads, to test what waits.
    #[cfg(test)]
    fn with_meta_schedule(mut self, schedule: Schedule) -> HttpApi {
        self.meta = schedule;
        self
    }

    fn call<M>(&self, uri: &'static str, request: &impl Message, stop: &Stop) -> Answer<M>
    where
        M: Message + Default + Complete,
    {
        let body = request.encode_to_vec();
        answered(uri, retry(&self.meta, stop, || self.attempt(uri, &body))?)
    }

    /// One attempt: signed afresh, sent, answered.
    fn attempt(&self, uri: &str, body: &[u8]) -> Result<Reply, TunnelError> {
        let request = self.request(uri, body)?;
        self.send(uri, body, request, self.request_timeout, ANY_SIZE)
    }

    fn send(
        &self,
        uri: &str,
        body: &[u8],
        request: RequestBuilder<WithBody>,
        timeout: Duration,
        room: MakeRoom<'_>,
    ) -> Result<Reply, TunnelError> {
        let due = clock::after(clock::now(), timeout);
        let due = (!self.is_foreign_agent).then_some(due);
        let response = request
            .send(body)
            .map_err(|error| failure::of_transport(error, self.endpoint.url()))?;
        let status = response.status();
        let request_id = request_id(&response);
        if let Some(length) = response.body().content_length() {
            room(usize::try_from(length).unwrap_or(usize::MAX))?;
        }
        let body = self
            .bodies
            .read(response, self.max_response_size, due)
            .map_err(|error| {
                failure::of_transport(error, self.endpoint.url()).with_request_id(&request_id)
            })?;
        log::debug!(
            "{uri}: {status}, {} bytes, request {request_id}",
            body.len()
        );
        if status.is_success() {
            Ok(Reply { body, request_id })
        } else {
            Err(failure::of_status(status.as_u16(), &body).with_request_id(request_id))
        }
    }

    fn request(&self, uri: &str, body: &[u8]) -> Result<RequestBuilder<WithBody>, TunnelError> {
        let credentials = self.credentials.credentials().map_err(|error| {
            TunnelError::client("the credentials provider gave no credentials").with_source(error)
        })?;
        let instance = self.endpoint.instance();
        let now = clock::utc();
        let headers = headers::signed(uri, body, now, instance, &credentials, &self.added)?;
        let url = format!("{}{uri}", self.endpoint.url());
        let mut request = self.configure(self.agent.post(url));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Ok(request.header("user-agent", USER_AGENT))
    }

    /// What has to hold whatever the user's agent is configured to do.
    ///
    /// Our own agent is built that way. A configuration by request would cost
    /// it the cached TLS configuration at each new connection.
    fn configure(&self, request: RequestBuilder<WithBody>) -> RequestBuilder<WithBody> {
        if !self.is_foreign_agent {
            return request;
        }
        request
            .config()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(self.request_timeout))
            .build()
    }
}

impl TunnelApi for HttpApi {
    fn create(
        &self,
        request: &p::CreateTunnelRequest,
        stop: &Stop,
    ) -> Answer<p::CreateTunnelResponse> {
        self.call("/tunnel/create", request, stop)
    }

    fn delete(
        &self,
        request: &p::DeleteTunnelRequest,
        stop: &Stop,
    ) -> Answer<p::DeleteTunnelResponse> {
        self.call("/tunnel/delete", request, stop)
    }

    fn list(&self, request: &p::ListTunnelRequest, stop: &Stop) -> Answer<p::ListTunnelResponse> {
        self.call("/tunnel/list", request, stop)
    }

    fn describe(
        &self,
        request: &p::DescribeTunnelRequest,
        stop: &Stop,
    ) -> Answer<p::DescribeTunnelResponse> {
        self.call("/tunnel/describe", request, stop)
    }

    fn get_rpo(&self, request: &p::GetRpoRequest, stop: &Stop) -> Answer<p::GetRpoResponse> {
        self.call("/tunnel/getrpo", request, stop)
    }

    fn get_rpo_by_offset(
        &self,
        request: &p::GetRpoRequest,
        stop: &Stop,
    ) -> Answer<p::GetRpoResponse> {
        self.call("/tunnel/getrpobyoffset", request, stop)
    }

    fn schedule(&self, request: &p::ScheduleRequest, stop: &Stop) -> Answer<p::ScheduleResponse> {
        self.call("/tunnel/schedule", request, stop)
    }

    fn connect(&self, request: &p::ConnectRequest, stop: &Stop) -> Answer<p::ConnectResponse> {
        self.call("/tunnel/connect", request, stop)
    }

    fn heartbeat(
        &self,
        request: &p::HeartbeatRequest,
        patience: Patience,
        stop: &Stop,
    ) -> Answer<p::HeartbeatResponse> {
        let (uri, body) = ("/tunnel/heartbeat", request.encode_to_vec());
        let timeout = patience.attempt.min(self.request_timeout);
        let schedule = Schedule {
            give_up: patience.in_all.min(self.meta.give_up),
            ..self.meta.read_again()
        };
        let mut idle_age = None;
        let attempt = || {
            let request = self.request(uri, &body)?;
            // None of the idle connections is younger than that.
            let max_idle_age = idle_age.replace(Duration::ZERO);
            let request = limited(request, timeout, max_idle_age);
            answered(uri, self.send(uri, &body, request, timeout, ANY_SIZE)?)
        };
        retry(&schedule, stop, attempt)
    }

    fn shutdown(&self, request: &p::ShutdownRequest, stop: &Stop) -> Answer<p::ShutdownResponse> {
        self.call("/tunnel/shutdown", request, stop)
    }

    fn get_checkpoint(
        &self,
        request: &p::GetCheckpointRequest,
        stop: &Stop,
    ) -> Answer<p::GetCheckpointResponse> {
        let (uri, body) = ("/tunnel/getcheckpoint", request.encode_to_vec());
        let attempt = || answered(uri, self.attempt(uri, &body)?);
        retry(&self.meta.read_again(), stop, attempt)
    }

    fn checkpoint(
        &self,
        request: &p::CheckpointRequest,
        stop: &Stop,
    ) -> Answer<p::CheckpointResponse> {
        self.call("/tunnel/checkpoint", request, stop)
    }

    fn read_records(
        &self,
        request: &p::ReadRecordsRequest,
        room: MakeRoom<'_>,
        stop: &Stop,
    ) -> Result<RawBatch, TunnelError> {
        let body = request.encode_to_vec();
        let uri = "/tunnel/readrecords";
        let attempt = || {
            let request = self.request(uri, &body)?;
            let reply = self.send(uri, &body, request, self.request_timeout, room)?;
            RawBatch::parse(reply.body, reply.request_id)
        };
        retry(&self.read, stop, attempt)
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
    let message = format!("TunnelConfig::{name} is 0, with which no request can succeed");
    Err(TunnelError::client(message))
}

/// A request with limits of its own.
fn limited(
    request: RequestBuilder<WithBody>,
    timeout: Duration,
    max_idle_age: Option<Duration>,
) -> RequestBuilder<WithBody> {
    let config = request.config().timeout_global(Some(timeout));
    match max_idle_age {
        Some(age) => config.max_idle_age(age).build(),
        None => config.build(),
    }
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

fn request_id(response: &Response<Body>) -> String {
    let value = response.headers().get(header::REQUEST_ID);
    let id = value.and_then(|value| value.to_str().ok());
    id.unwrap_or_default().to_owned()
}

#[cfg(test)]
#[path = "large_tests.rs"]
mod large_tests;
#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
