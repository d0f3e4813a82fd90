//! [`TunnelClient`]: the meta API.

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

/// A client of the tunnels of one instance.
///
/// Go: `TunnelClient`.
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
/// Every method blocks the calling thread until there is an answer. A request
/// that fails for a reason that passes (see [`TunnelError::is_temporary`]) is
/// tried again with growing pauses for 35 s, each attempt for at most
/// [`TunnelConfig::request_timeout`]. So it can happen that the service did
/// what was asked and the answer got lost: the next attempt of a creation then
/// finds that the tunnel exists.
///
/// # Errors
///
/// All methods return a [`TunnelError`]. Its [`code`](TunnelError::code) is that
/// of the service, or:
///
/// - [`ClientError`](crate::ErrorCode::ClientError): refused before anything
///   was sent, for the reason in the message; or answered by something that is
///   not the service.
/// - [`Network`](crate::ErrorCode::Network): no answer, in spite of all attempts.
/// - [`Malformed`](crate::ErrorCode::Malformed): an answer that makes no sense.
///
/// # Threads and clones
///
/// A client may be used by any number of threads at once. Cloning one is cheap:
/// clones share the credentials provider and the HTTP agent with its idle
/// connections. A lock of the agent is held for a moment when a connection is
/// taken from them or put back, none while a request is on its way. The last
/// clone to go closes the connections.
#[derive(Clone, Debug)]
pub struct TunnelClient {
    api: Arc<dyn TunnelApi>,
}

impl TunnelClient {
    /// A client with an access key of an account or a RAM user.
    ///
    /// `endpoint` is the URL of the instance, as
    /// `https://instance.region.ots.aliyuncs.com`; `instance` is the name alone.
    /// Sends nothing.
    ///
    /// Go: `NewTunnelClient`.
    ///
    /// # Errors
    ///
    /// Code [`ClientError`](crate::ErrorCode::ClientError) if the endpoint is no
    /// URL with scheme and host alone, or the instance name or a part of the
    /// key cannot be one.
    pub fn new(
        endpoint: &str,
        instance: &str,
        access_key_id: &str,
        access_key_secret: &str,
    ) -> Result<TunnelClient, TunnelError> {
        let credentials = Credentials::new(access_key_id, access_key_secret);
        TunnelClient::with_credentials(endpoint, instance, credentials)
    }

    /// A client with a temporary access key and its security token.
    ///
    /// The token expires; for a consumer that runs longer, give a
    /// [`CredentialsProvider`] to [`TunnelClient::with_config`].
    ///
    /// Go: `NewTunnelClientWithToken`.
    ///
    /// # Errors
    ///
    /// As [`TunnelClient::new`].
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

    /// A client with credentials from anywhere and all that can be configured.
    ///
    /// Go: `NewTunnelClientWithConfig`.
    ///
    /// # Errors
    ///
    /// As [`TunnelClient::new`], except that the provider is not asked yet; and
    /// if a configured value cannot be used.
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

    /// Creates a tunnel on a table. Turns on the table's change log if that is
    /// off and the tunnel needs it.
    ///
    /// Go: `CreateTunnel`.
    ///
    /// # Errors
    ///
    /// Code [`TunnelExist`](crate::ErrorCode::TunnelExist) if the table has a
    /// tunnel of this name, also if an attempt before made it and its answer got
    /// lost; otherwise as told [above](TunnelClient#errors).
    pub fn create_tunnel(
        &self,
        request: &CreateTunnelRequest,
    ) -> Result<CreateTunnelResponse, TunnelError> {
        let request = convert::create_request(request)?;
        let answer = self.api.create(&request, &Stop::new())?;
        Ok(convert::create_response(answer))
    }

    /// Lists the tunnels of a table.
    ///
    /// Go: `ListTunnel`.
    pub fn list_tunnel(
        &self,
        request: &ListTunnelRequest,
    ) -> Result<ListTunnelResponse, TunnelError> {
        let request = convert::list_request(request)?;
        let answer = self.api.list(&request, &Stop::new())?;
        Ok(convert::list_response(answer))
    }

    /// Describes a tunnel and its channels.
    ///
    /// Go: `DescribeTunnel`.
    pub fn describe_tunnel(
        &self,
        request: &DescribeTunnelRequest,
    ) -> Result<DescribeTunnelResponse, TunnelError> {
        let request = convert::describe_request(request)?;
        let answer = self.api.describe(&request, &Stop::new())?;
        Ok(convert::describe_response(answer))
    }

    /// Deletes a tunnel. Its checkpoints are gone with it.
    ///
    /// Go: `DeleteTunnel`.
    pub fn delete_tunnel(
        &self,
        request: &DeleteTunnelRequest,
    ) -> Result<DeleteTunnelResponse, TunnelError> {
        let request = convert::delete_request(request)?;
        let answer = self.api.delete(&request, &Stop::new())?;
        Ok(DeleteTunnelResponse {
            request_id: answer.request_id,
        })
    }

    /// Tells how far a tunnel has been consumed.
    ///
    /// Go: `GetRpo`.
    pub fn get_rpo(&self, request: &GetRpoRequest) -> Result<GetRpoResponse, TunnelError> {
        let request = convert::rpo_request(request)?;
        let answer = self.api.get_rpo(&request, &Stop::new())?;
        convert::rpo_response("GetRpo", answer)
    }

    /// Tells how far a tunnel has been consumed, by offsets in its change log.
    ///
    /// Go: `GetRpoByOffset`.
    pub fn get_rpo_by_offset(
        &self,
        request: &GetRpoRequest,
    ) -> Result<GetRpoResponse, TunnelError> {
        let request = convert::rpo_request(request)?;
        let answer = self.api.get_rpo_by_offset(&request, &Stop::new())?;
        convert::rpo_response("GetRpoByOffset", answer)
    }

    /// Changes the status of channels by hand: suspends, resumes or ends them.
    ///
    /// [`suspend_channel`](crate::suspend_channel),
    /// [`resume_channel`](crate::resume_channel),
    /// [`open_channel`](crate::open_channel) and
    /// [`terminate_channel`](crate::terminate_channel) make what the request holds.
    ///
    /// Go: `Schedule`.
    pub fn schedule(&self, request: &ScheduleRequest) -> Result<ScheduleResponse, TunnelError> {
        let request = convert::schedule_request(request)?;
        let answer = self.api.schedule(&request, &Stop::new())?;
        Ok(ScheduleResponse {
            request_id: answer.request_id,
        })
    }

    /// The checkpoint of a channel, for consumers without a worker.
    ///
    /// Go: `GetCheckpoint` of `TunnelApi`.
    pub fn get_checkpoint(
        &self,
        request: &GetCheckpointRequest,
    ) -> Result<GetCheckpointResponse, TunnelError> {
        let request = convert::get_checkpoint_request(request)?;
        let answer = self.api.get_checkpoint(&request, &Stop::new())?;
        Ok(convert::get_checkpoint_response(answer))
    }

    /// Reads records of a channel once, for consumers without a worker.
    ///
    /// Tried again for [`TunnelConfig::max_retry_elapsed_time`] instead of 35 s.
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
        let answer = self.api.checkpoint(&request, &Stop::new())?;
        Ok(CheckpointResponse {
            request_id: answer.request_id,
        })
    }

    /// What workers make their requests with.
    pub(crate) fn api(&self) -> &Arc<dyn TunnelApi> {
        &self.api
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shared_between_threads() {
        fn shared<T: Clone + Send + Sync + 'static>() {}
        shared::<TunnelClient>();
    }

    #[test]
    fn refuses_empty_keys_at_once() {
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
