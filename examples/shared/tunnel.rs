//! A tunnel by its name, whether it is there already or not.

use tablestore_tunnel::{
    CreateTunnelRequest, DescribeTunnelRequest, ErrorCode, TunnelClient, TunnelError, TunnelType,
};

/// Returns the id of the tunnel. If the tunnel does not exist, it is created for
/// base data and changes.
pub(crate) fn get_or_create(
    tunnel_client: &TunnelClient,
    table_name: &str,
    tunnel_name: &str,
) -> Result<String, TunnelError> {
    let req = CreateTunnelRequest::new(table_name, tunnel_name, TunnelType::BaseAndStream);
    match tunnel_client.create_tunnel(&req) {
        Ok(created) => Ok(created.tunnel_id),
        Err(error) if *error.code() == ErrorCode::TunnelExist => {
            let req = DescribeTunnelRequest::new(table_name, tunnel_name);
            Ok(tunnel_client.describe_tunnel(&req)?.tunnel.tunnel_id)
        }
        Err(error) => Err(error),
    }
}
