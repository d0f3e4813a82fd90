//! [`TunnelClient`]: manages tunnels, and reads single batches without a worker.

use std::sync::Arc;

use crate::config::TunnelConfig;
use crate::credentials::{Credentials, CredentialsProvider};
use crate::error::TunnelError;
use crate::http::message::convert;
use crate::http::request::endpoint::Endpoint;
use crate::http::service::HttpApi;
use crate::http::{ANY_SIZE, TunnelApi};
use crate::model::{
    CheckpointRequest, CheckpointResponse, CreateTunnelRequest, CreateTunnelResponse,
    DeleteTunnelRequest, DeleteTunnelResponse, DescribeTunnelRequest, DescribeTunnelResponse,
    GetCheckpointRequest, GetCheckpointResponse, GetRpoRequest, GetRpoResponse, ListTunnelRequest,
    ListTunnelResponse, ReadRecordsRequest, ReadRecordsResponse, ScheduleRequest, ScheduleResponse,
};
use crate::sync::stop::Stop;

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
/// Every method blocks the calling thread until the service has responded. A request that
/// fails with a temporary error (see [`TunnelError::is_temporary`]) is retried with
/// growing delays for 35 s. Each attempt takes at most [`TunnelConfig::request_timeout`].
///
/// The service may have executed a request whose response was lost. A retried
/// [`create_tunnel`](TunnelClient::create_tunnel), for example, then fails because the
/// tunnel exists.
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
        let endpoint = Endpoint::new(endpoint, instance)?;
        let api = HttpApi::new(endpoint, Arc::new(credentials), config)?;
        Ok(TunnelClient { api: Arc::new(api) })
    }

    fn with_credentials(
        endpoint: &str,
        instance: &str,
        credentials: Credentials,
    ) -> Result<TunnelClient, TunnelError> {
        credentials.check()?;
        TunnelClient::with_config(endpoint, instance, credentials, TunnelConfig::new())
    }

    /// Creates a tunnel on a table. If the tunnel needs the table's change log and that is
    /// off, the service turns it on.
    ///
    /// Go: `CreateTunnel`.
    ///
    /// # Errors
    ///
    /// [`TunnelExist`](crate::ErrorCode::TunnelExist) if the table has a tunnel with this
    /// name. An earlier attempt of the same call may have created it, if the response was
    /// lost. Other errors are listed [above](TunnelClient#errors).
    pub fn create_tunnel(
        &self,
        request: &CreateTunnelRequest,
    ) -> Result<CreateTunnelResponse, TunnelError> {
        let request = convert::create_request(request)?;
        let response = self.api.create(&request, &Stop::new())?;
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
        let response = self.api.list(&request, &Stop::new())?;
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
        let response = self.api.describe(&request, &Stop::new())?;
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
        let response = self.api.delete(&request, &Stop::new())?;
        Ok(DeleteTunnelResponse {
            request_id: response.request_id,
        })
    }

    /// Returns the consumption progress of a tunnel.
    ///
    /// Go: `GetRpo`.
    pub fn get_rpo(&self, request: &GetRpoRequest) -> Result<GetRpoResponse, TunnelError> {
        let request = convert::rpo_request(request)?;
        let response = self.api.get_rpo(&request, &Stop::new())?;
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
        let response = self.api.get_rpo_by_offset(&request, &Stop::new())?;
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
        let response = self.api.schedule(&request, &Stop::new())?;
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
        let response = self.api.get_checkpoint(&request, &Stop::new())?;
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
        let batch = self.api.read_records(&request, ANY_SIZE, &Stop::new())?;
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
        let response = self.api.checkpoint(&request, &Stop::new())?;
        Ok(CheckpointResponse {
            request_id: response.request_id,
        })
    }

    /// The API through which workers send their requests.
    pub(crate) fn api(&self) -> &Arc<dyn TunnelApi> {
        &self.api
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
