//! `TunnelClient`: the meta API.
use crate::api::TunnelApi;
use std::sync::Arc;
/// stub
#[derive(Clone, Debug)]
pub struct TunnelClient {
    api: Arc<dyn TunnelApi>,
}
impl TunnelClient {
    pub(crate) fn api(&self) -> &Arc<dyn TunnelApi> {
        &self.api
    }
}
