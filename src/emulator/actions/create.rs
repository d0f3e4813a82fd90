//! `/tunnel/create`.

use super::Request;
use crate::api::protocol as p;
use crate::emulator::clock::Timestamp;
use crate::emulator::core::Core;
use crate::emulator::core::tunnel::Plan;
use crate::emulator::failure::Failure;
use crate::emulator::scope::Scope;
use crate::emulator::settings::Settings;
use std::time::Duration;

/// A start offset must keep this distance from the end of the retention.
const RETENTION_MARGIN: Duration = Duration::from_secs(5 * 60);

impl Request for p::CreateTunnelRequest {
    fn scope(&self) -> Scope {
        Scope::default()
    }
}

pub(in crate::emulator) fn run(
    core: &mut Core,
    request: p::CreateTunnelRequest,
    now: Timestamp,
) -> Result<p::CreateTunnelResponse, Failure> {
    let tunnel = request.tunnel;
    check_name(&tunnel.tunnel_name)?;
    let kind = p::TunnelType::try_from(tunnel.tunnel_type)
        .map_err(|_| Failure::invalid("unknown tunnel type"))?;
    let config = match (kind, tunnel.stream_tunnel_config) {
        (p::TunnelType::BaseData, _) | (_, None) => p::StreamTunnelConfig::default(),
        (_, Some(config)) => config,
    };
    check_offsets(&config, &core.settings, now)?;
    let plan = Plan {
        name: tunnel.tunnel_name.into(),
        kind,
        config,
        split_rows: core.settings.base_split_rows,
        warm_up: core.settings.warm_up,
    };
    let id = core.create_tunnel(&tunnel.table_name, plan, now)?;
    Ok(p::CreateTunnelResponse {
        tunnel_id: id.to_string(),
    })
}

/// The service documents no rule; this is its Terraform provider's.
fn check_name(name: &str) -> Result<(), Failure> {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if first && rest && name.len() <= 255 {
        return Ok(());
    }
    Err(Failure::invalid(format!("invalid tunnel name: {name:?}")))
}

fn check_offsets(
    config: &p::StreamTunnelConfig,
    settings: &Settings,
    now: Timestamp,
) -> Result<(), Failure> {
    let start = Timestamp::from_nanos(config.start_offset());
    let end = Timestamp::from_nanos(config.end_offset());
    let (has_start, has_end) = (config.start_offset() != 0, config.end_offset() != 0);
    let oldest = now.minus(settings.retention.saturating_sub(RETENTION_MARGIN));
    if has_start && (start < oldest || start > now) {
        return Err(Failure::invalid(
            "start offset is outside the retention of the log",
        ));
    }
    let begins = if has_start { start } else { now };
    if has_end && end <= begins {
        return Err(Failure::invalid(
            "end offset must lie after the start offset",
        ));
    }
    Ok(())
}
