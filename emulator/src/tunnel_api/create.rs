//! `/tunnel/create`.

use std::time::Duration;

use super::Request;
use crate::protocol::{Failure, Scope};
use crate::state::{Plan, State, check_tunnel_name};
use crate::timestamp::Timestamp;
use tablestore_tunnel::_wire::protocol as p;

/// The least distance of a start offset from the end of the retention.
const RETENTION_MARGIN: Duration = Duration::from_secs(5 * 60);

impl Request for p::CreateTunnelRequest {
    fn scope(&self) -> Scope {
        Scope::default()
    }
}

pub(crate) fn run(
    state: &mut State,
    request: &p::CreateTunnelRequest,
    now: Timestamp,
) -> Result<p::CreateTunnelResponse, Failure> {
    let tunnel = &request.tunnel;
    check_tunnel_name(&tunnel.tunnel_name).map_err(Failure::invalid)?;
    let kind = p::TunnelType::try_from(tunnel.tunnel_type)
        .map_err(|_| Failure::invalid("unknown tunnel type"))?;
    let config = match (kind, &tunnel.stream_tunnel_config) {
        (p::TunnelType::BaseData, _) | (_, None) => p::StreamTunnelConfig::default(),
        (_, Some(config)) => *config,
    };
    let retention = state.table(&tunnel.table_name)?.schema.retention;
    check_offsets(&config, retention, now)?;
    let plan = Plan {
        name: tunnel.tunnel_name.as_str().into(),
        kind,
        config,
    };
    let id = state.create_tunnel(&tunnel.table_name, plan, now)?;
    Ok(p::CreateTunnelResponse {
        tunnel_id: id.to_string(),
    })
}

/// Checks that a stream begins within the retention, not in the future, and
/// before its end. The end may lie in the future. A stream may begin exactly now,
/// though a newer page of the documentation demands an earlier start.
fn check_offsets(
    config: &p::StreamTunnelConfig,
    retention: Duration,
    now: Timestamp,
) -> Result<(), Failure> {
    let start = Timestamp::from_nanos(config.start_offset());
    let end = Timestamp::from_nanos(config.end_offset());
    let (has_start, has_end) = (config.start_offset() != 0, config.end_offset() != 0);
    let oldest = now.minus(retention - RETENTION_MARGIN.min(retention / 2));
    if has_start && (start < oldest || start > now) {
        return Err(Failure::invalid(format!(
            "start offset {} ({}) is outside the log: it is in nanoseconds since 1970, from {} to {}",
            config.start_offset(),
            start.to_rfc3339(),
            oldest.to_rfc3339(),
            now.to_rfc3339(),
        )));
    }
    let begins = match config.flag() {
        _ if has_start => start,
        p::StartOffsetFlag::Earliest => oldest,
        p::StartOffsetFlag::Latest => now,
    };
    if has_end && end <= begins {
        return Err(Failure::invalid(format!(
            "end offset {} ({}) must lie after the start, {}; it is in nanoseconds since 1970",
            config.end_offset(),
            end.to_rfc3339(),
            begins.to_rfc3339(),
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_in_milliseconds_is_rejected_with_both_times() {
        let now = Timestamp::from_micros(1_600_000_000_000_000);
        let config = p::StreamTunnelConfig {
            start_offset: Some(1_600_000_000_000),
            ..p::StreamTunnelConfig::default()
        };
        let refused = check_offsets(&config, Duration::from_secs(3_600), now);
        let message = refused.expect_err("too early").message;
        assert_eq!(
            message,
            "start offset 1600000000000 (1970-01-01T00:26:40Z) is outside the log: it is in \
             nanoseconds since 1970, from 2020-09-13T11:31:40Z to 2020-09-13T12:26:40Z"
        );
    }

    #[test]
    fn offsets_must_lie_in_the_retention_and_in_order() {
        let now = Timestamp::from_micros(1_000_000_000_000);
        let retention = Duration::from_secs(7 * 24 * 3_600);
        // Seconds before (-) or after now; `None` if the request has no offset.
        let nanos = |offset: Option<i64>| {
            offset.map(|seconds| (now.nanos() + seconds * 1_000_000_000).unsigned_abs())
        };
        let limit = -7 * 24 * 3_600 + 5 * 60;
        let (latest, earliest) = (p::StartOffsetFlag::Latest, p::StartOffsetFlag::Earliest);
        for (flag, start, end, fine) in [
            (latest, None, None, true),
            (latest, Some(0), None, true),
            (latest, Some(1), None, false),
            (latest, Some(limit), None, true),
            (latest, Some(limit - 1), None, false),
            (latest, Some(-10), Some(-5), true),
            (latest, Some(-10), Some(3_600), true),
            (latest, Some(-10), Some(-10), false),
            (latest, Some(-10), Some(-11), false),
            (latest, None, Some(3_600), true),
            (latest, None, Some(-5), false),
            (earliest, None, Some(-5), true),
            (earliest, None, Some(limit - 1), false),
        ] {
            let config = p::StreamTunnelConfig {
                flag: Some(flag.into()),
                start_offset: nanos(start),
                end_offset: nanos(end),
            };
            let checked = check_offsets(&config, retention, now);
            assert_eq!(checked.is_ok(), fine, "{flag:?} {start:?} {end:?}");
        }
    }
}
