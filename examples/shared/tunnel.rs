//! A tunnel by its name, whether it is there already or not.

use tablestore_tunnel::{
    CreateTunnelRequest, DescribeTunnelRequest, ErrorCode, TunnelClient, TunnelError, TunnelType,
};

/// The id of the tunnel, which is made (base data, then changes) if there is
/// none.
pub(crate) fn id_of(
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
