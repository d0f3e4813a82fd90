//! [`TunnelClient`]: manages tunnels, and reads single batches without a worker.

use std::sync::Arc;

use crate::config::TunnelConfig;
use crate::credentials::{Credentials, CredentialsProvider};
use crate::error::TunnelError;
use crate::http::message::convert;
use crate::http::request::endpoint::Endpoint;
use crate::http::retry::{Repeat, Schedule, retry};
use crate::http::service::HttpApi;
#[cfg(simulation)]
use crate::http::transport::exchange::Exchange;
#[cfg(simulation)]
use crate::http::transport::simulated::{Simulated, Transport};
use crate::http::{ANY_SIZE, TunnelApi};
use crate::model::{
    CheckpointRequest, CheckpointResponse, CreateTunnelRequest, CreateTunnelResponse,
    DeleteTunnelRequest, DeleteTunnelResponse, DescribeTunnelRequest, DescribeTunnelResponse,
    GetCheckpointRequest, GetCheckpointResponse, GetRpoRequest, GetRpoResponse, ListTunnelRequest,
    ListTunnelResponse, ReadRecordsRequest, ReadRecordsResponse, ScheduleRequest, ScheduleResponse,
};

/// A client for the tunnels of one instance. Go: `TunnelClient`.
///
/// ```no_run
/// use tablestore_tunnel::{CreateTunnelRequest, TunnelClient, TunnelType};
///
/// # fn main() -> Result<(), tablestore_tunnel::TunnelError> {
/// let endpoint = "https://inst.cn-hangzhou.ots.aliyuncs.com";
/// let client = TunnelClient::new(endpoint, "inst", "access key id", "access key secret")?;
/// let request = CreateTunnelRequest::new("testTable", "testTunnel", TunnelType::BaseAndStream);
/// let tunnel = client.create_tunnel(&request)?;
/// println!("created {}", tunnel.tunnel_id);
/// # Ok(())
/// # }
/// ```
///
/// # Calls
///
/// Every method blocks the calling thread until there is an answer. A request that
/// fails for a reason that passes (see [`TunnelError::is_temporary`]) is retried
/// with growing delays for 35 s (reads of records: for
/// [`TunnelConfig::max_retry_elapsed_time`]), each attempt for at most
/// [`TunnelConfig::request_timeout`]. Creating and deleting a tunnel and changing the
/// schedule of channels are repeated only if the service has surely not carried the
/// request out: no connection was made, or it answered `OTSServerBusy` or HTTP 429.
///
/// # Errors
///
/// All methods return a [`TunnelError`]. Its [`code`](TunnelError::code) is the code of
/// the service, or one of these:
///
/// - [`ClientError`](crate::ErrorCode::ClientError): the request was rejected before it was
///   sent, and the message states the reason; or the response did not come from the
///   service.
/// - [`Network`](crate::ErrorCode::Network): all attempts failed without a response.
/// - [`Malformed`](crate::ErrorCode::Malformed): the response is invalid.
///
/// # Threads and clones
///
/// Any number of threads can use a client at the same time. Cloning is cheap: clones share
/// the credentials provider, and the HTTP agent with its idle connections. The agent's lock
/// is held briefly when a connection is taken or returned, never during a request. Dropping
/// the last clone closes the connections.
#[derive(Clone, Debug)]
pub struct TunnelClient {
    api: Arc<dyn TunnelApi>,
    /// For reads of records.
    reads: Schedule,
}

impl TunnelClient {
    /// Creates a client with an access key of an account or a RAM user. Sends no request.
    ///
    /// `endpoint` is the URL of the instance, such as
    /// `https://instance.region.ots.aliyuncs.com`; `instance` is only its name.
    ///
    /// Go: `NewTunnelClient`.
    ///
    /// # Errors
    ///
    /// [`ClientError`](crate::ErrorCode::ClientError) if the endpoint is not a URL of
    /// scheme, host and optional port, or if the instance name or the access key is
    /// invalid.
    pub fn new(
        endpoint: &str,
        instance: &str,
        access_key_id: &str,
        access_key_secret: &str,
    ) -> Result<TunnelClient, TunnelError> {
        let credentials = Credentials::new(access_key_id, access_key_secret);
        TunnelClient::with_credentials(endpoint, instance, credentials)
    }

    /// Creates a client with a temporary access key and its security token.
    ///
    /// The token expires. For a consumer that runs longer, pass a [`CredentialsProvider`]
    /// to [`TunnelClient::with_config`].
    ///
    /// Go: `NewTunnelClientWithToken`.
    ///
    /// # Errors
    ///
    /// Like [`TunnelClient::new`].
    pub fn with_token(
        endpoint: &str,
        instance: &str,
        access_key_id: &str,
        access_key_secret: &str,
        security_token: &str,
    ) -> Result<TunnelClient, TunnelError> {
        let credentials = Credentials::new(access_key_id, access_key_secret);
        let credentials = credentials.security_token(security_token);
        TunnelClient::with_credentials(endpoint, instance, credentials)
    }

    /// Creates a client with a credentials provider and a configuration.
    ///
    /// Go: `NewTunnelClientWithConfig`.
    ///
    /// # Errors
    ///
    /// Like [`TunnelClient::new`], and if a setting is invalid. The provider is not called
    /// yet, so credentials are not checked.
    pub fn with_config(
        endpoint: &str,
        instance: &str,
        credentials: impl CredentialsProvider + 'static,
        config: TunnelConfig,
    ) -> Result<TunnelClient, TunnelError> {
        credentials.check()?;
        let endpoint = Endpoint::new(endpoint, instance)?;
        let reads = Schedule::read_records(config.max_retry_elapsed_time);
        let api = HttpApi::new(endpoint, Arc::new(credentials), config)?;
        Ok(TunnelClient {
            api: Arc::new(api),
            reads,
        })
    }

    /// A client whose requests go to a transport of a simulation.
    #[cfg(simulation)]
    pub(crate) fn with_transport(
        endpoint: &str,
        instance: &str,
        credentials: impl CredentialsProvider + 'static,
        config: TunnelConfig,
        transport: Arc<dyn Transport>,
    ) -> Result<TunnelClient, TunnelError> {
        let endpoint = Endpoint::new(endpoint, instance)?;
        let reads = Schedule::read_records(config.max_retry_elapsed_time);
        let exchange = Exchange::Simulated(Simulated(transport));
        let api = HttpApi::over(exchange, endpoint, Arc::new(credentials), config)?;
        Ok(TunnelClient {
            api: Arc::new(api),
            reads,
        })
    }

    fn with_credentials(
        endpoint: &str,
        instance: &str,
        credentials: Credentials,
    ) -> Result<TunnelClient, TunnelError> {
        TunnelClient::with_config(endpoint, instance, credentials, TunnelConfig::new())
    }

    /// Creates a tunnel on a table. If the tunnel needs the table's change log and that is
    /// off, the service turns it on.
    ///
    /// Go: `CreateTunnel`.
    ///
    /// # Errors
    ///
    /// Code [`TunnelExist`](crate::ErrorCode::TunnelExist) if the table has a
    /// tunnel of this name; otherwise as listed [above](TunnelClient#errors). After a
    /// failure of the network the tunnel may exist: describe it to find out.
    pub fn create_tunnel(
        &self,
        request: &CreateTunnelRequest,
    ) -> Result<CreateTunnelResponse, TunnelError> {
        let request = convert::create_request(request)?;
        let response = self.change(|| self.api.create(&request))?;
        Ok(convert::create_response(response))
    }

    /// Lists the tunnels of a table.
    ///
    /// Go: `ListTunnel`.
    pub fn list_tunnel(
        &self,
        request: &ListTunnelRequest,
    ) -> Result<ListTunnelResponse, TunnelError> {
        let request = convert::list_request(request)?;
        let response = self.ask(|| self.api.list(&request))?;
        Ok(convert::list_response(response))
    }

    /// Describes a tunnel and its channels.
    ///
    /// Go: `DescribeTunnel`.
    pub fn describe_tunnel(
        &self,
        request: &DescribeTunnelRequest,
    ) -> Result<DescribeTunnelResponse, TunnelError> {
        let request = convert::describe_request(request)?;
        let response = self.ask(|| self.api.describe(&request))?;
        Ok(convert::describe_response(response))
    }

    /// Deletes a tunnel and its checkpoints.
    ///
    /// Go: `DeleteTunnel`.
    pub fn delete_tunnel(
        &self,
        request: &DeleteTunnelRequest,
    ) -> Result<DeleteTunnelResponse, TunnelError> {
        let request = convert::delete_request(request)?;
        let response = self.change(|| self.api.delete(&request))?;
        Ok(DeleteTunnelResponse {
            request_id: response.request_id,
        })
    }

    /// Returns the consumption progress of a tunnel.
    ///
    /// Go: `GetRpo`.
    pub fn get_rpo(&self, request: &GetRpoRequest) -> Result<GetRpoResponse, TunnelError> {
        let request = convert::rpo_request(request)?;
        let response = self.ask(|| self.api.get_rpo(&request))?;
        convert::rpo_response("GetRpo", response)
    }

    /// Returns the consumption progress of a tunnel as offsets in its change log.
    ///
    /// Go: `GetRpoByOffset`.
    pub fn get_rpo_by_offset(
        &self,
        request: &GetRpoRequest,
    ) -> Result<GetRpoResponse, TunnelError> {
        let request = convert::rpo_request(request)?;
        let response = self.ask(|| self.api.get_rpo_by_offset(&request))?;
        convert::rpo_response("GetRpoByOffset", response)
    }

    /// Changes the status of channels: suspends, resumes, opens or terminates them.
    ///
    /// Create the entries of the request with
    /// [`suspend_channel`](crate::suspend_channel),
    /// [`resume_channel`](crate::resume_channel),
    /// [`open_channel`](crate::open_channel) and
    /// [`terminate_channel`](crate::terminate_channel).
    ///
    /// Go: `Schedule`.
    pub fn schedule(&self, request: &ScheduleRequest) -> Result<ScheduleResponse, TunnelError> {
        let request = convert::schedule_request(request)?;
        let response = self.change(|| self.api.schedule(&request))?;
        Ok(ScheduleResponse {
            request_id: response.request_id,
        })
    }

    /// Returns the checkpoint of a channel, for consumers without a worker.
    ///
    /// Go: `GetCheckpoint` of `TunnelApi`.
    pub fn get_checkpoint(
        &self,
        request: &GetCheckpointRequest,
    ) -> Result<GetCheckpointResponse, TunnelError> {
        let request = convert::get_checkpoint_request(request)?;
        let response = self.ask(|| self.api.get_checkpoint(&request))?;
        Ok(convert::get_checkpoint_response(response))
    }

    /// Reads records of a channel once, for consumers without a worker.
    ///
    /// Retries for [`TunnelConfig::max_retry_elapsed_time`] instead of 35 s.
    ///
    /// Go: `ReadRecords` of `TunnelApi`.
    pub fn read_records(
        &self,
        request: &ReadRecordsRequest,
    ) -> Result<ReadRecordsResponse, TunnelError> {
        let request = convert::read_records_request(request)?;
        let batch = retry(&self.reads, Repeat::Always, || {
            self.api.read_records(&request, ANY_SIZE)
        })?;
        convert::read_records_response(batch)
    }

    /// Saves a checkpoint of a channel, for consumers without a worker.
    ///
    /// Go: `Checkpoint` of `TunnelApi`.
    pub fn checkpoint(
        &self,
        request: &CheckpointRequest,
    ) -> Result<CheckpointResponse, TunnelError> {
        let request = convert::checkpoint_request(request)?;
        let response = self.ask(|| self.api.checkpoint(&request))?;
        Ok(CheckpointResponse {
            request_id: response.request_id,
        })
    }

    /// A call that changes nothing, or changes the same thing again.
    fn ask<T>(&self, attempt: impl FnMut() -> Result<T, TunnelError>) -> Result<T, TunnelError> {
        retry(&Schedule::META, Repeat::Always, attempt)
    }

    /// A call that would do something else the second time.
    fn change<T>(&self, attempt: impl FnMut() -> Result<T, TunnelError>) -> Result<T, TunnelError> {
        retry(&Schedule::META, Repeat::IfNotApplied, attempt)
    }

    /// The API through which workers send their requests.
    pub(crate) fn api(&self) -> &Arc<dyn TunnelApi> {
        &self.api
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use crate::http::test_server::{Step, TestServer};
    use crate::protocol as p;
    use prost::Message;

    fn client(server: &TestServer) -> TunnelClient {
        TunnelClient::new(&server.url(), "inst", "id", "secret").expect("a client")
    }

    fn ok(message: impl Message) -> Step {
        Step::Answer(200, "", message.encode_to_vec())
    }

    fn error(status: u16, code: &str) -> Step {
        let error = p::Error {
            code: code.to_owned(),
            message: None,
            tunnel_id: None,
        };
        Step::Answer(status, "", error.encode_to_vec())
    }

    fn passing() -> [Step; 12] {
        [
            error(503, "OTSTunnelServerUnavailable"),
            error(503, "OTSServerBusy"),
            error(503, "OTSTimeout"),
            error(500, "OTSInternalServerError"),
            error(503, "OTSSomethingNew"),
            error(400, "OTSSomethingNew"),
            error(429, "OTSSomethingNew"),
            Step::Answer(502, "", b"<html>".to_vec()),
            Step::Answer(200, "", vec![0xff; 3]),
            Step::Close,
            Step::Reset,
            Step::Cut(100, vec![10]),
        ]
    }

    #[test]
    fn a_question_is_asked_again_after_every_failure_that_passes() {
        for (number, failure) in passing().into_iter().enumerate() {
            let server = TestServer::start([failure, ok(p::ListTunnelResponse::default())]);
            let answer = client(&server).list_tunnel(&ListTunnelRequest::new("table"));
            answer.unwrap_or_else(|error| panic!("{number}: {error}"));
            assert!(!server.requests().is_empty());
        }
    }

    #[test]
    fn a_change_is_made_again_only_if_it_was_surely_not_made() {
        let request = CreateTunnelRequest::new("table", "tunnel", crate::TunnelType::Stream);
        let created = || {
            let tunnel_id = "id".to_owned();
            ok(p::CreateTunnelResponse { tunnel_id })
        };
        for (number, failure) in passing().into_iter().enumerate() {
            let server = TestServer::start([failure, created()]);
            let answer = client(&server).create_tunnel(&request);
            // OTSServerBusy and 429.
            let is_repeated = [1, 6].contains(&number);
            assert_eq!(answer.is_ok(), is_repeated, "{number}: {answer:?}");
            // A reset leaves its request unread.
            let made = server.requests().len();
            assert!(
                made == 1 + usize::from(is_repeated) || made == 0,
                "{number}: {made}"
            );
        }
    }

    #[test]
    fn what_does_not_pass_is_reported_at_the_first_attempt() {
        for (failure, code) in [
            (error(400, "OTSParameterInvalid"), "OTSParameterInvalid"),
            (error(403, "OTSAuthFailed"), "OTSAuthFailed"),
            (error(403, "OTSSomethingNew"), "OTSSomethingNew"),
            (error(410, "OTSResourceGone"), "OTSResourceGone"),
            (error(400, "OTSTunnelExpired"), "OTSTunnelExpired"),
            (
                Step::Answer(404, "", b"not here".to_vec()),
                "OTSClientError",
            ),
            (Step::Answer(302, "", Vec::new()), "OTSClientError"),
        ] {
            let server = TestServer::start([failure, ok(p::ListTunnelResponse::default())]);
            let answer = client(&server).list_tunnel(&ListTunnelRequest::new("table"));
            let error = answer.expect_err(code);
            assert_eq!(error.code().as_str(), code);
            assert_eq!(server.requests().len(), 1, "{code}");
        }
    }

    #[test]
    fn reads_are_repeated_for_the_time_that_is_configured() {
        let config = TunnelConfig::new().max_retry_elapsed_time(std::time::Duration::ZERO);
        let server = TestServer::start([error(503, "OTSServerBusy")]);
        let credentials = Credentials::new("id", "secret");
        let client = TunnelClient::with_config(&server.url(), "inst", credentials, config);
        let request = ReadRecordsRequest::new("tunnel", "client", "channel", "token");
        let answer = client.expect("a client").read_records(&request);
        let expected = ErrorCode::Other("OTSServerBusy".to_owned());
        assert_eq!(answer.expect_err("busy").code(), &expected);
        assert_eq!(server.requests().len(), 1);
    }

    #[test]
    fn the_client_can_be_shared_between_threads() {
        fn shared<T: Clone + Send + Sync + 'static>() {}
        shared::<TunnelClient>();
    }

    #[test]
    fn empty_keys_are_rejected_on_creation() {
        let client = |id, secret| TunnelClient::new("http://127.0.0.1:1", "inst", id, secret);
        let error = client("", "s").expect_err("no id");
        assert!(error.message().contains("access key id"));
        let error = client("i", "").expect_err("no secret");
        assert!(error.message().contains("access key secret"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let client = TunnelClient::with_token("http://127.0.0.1:1", "i", "id", "hide1", "hide2");
        let text = format!("{:?}", client.expect("a client"));
        assert!(
            text.contains("127.0.0.1") && !text.contains("hide"),
            "{text}"
        );
    }
}
