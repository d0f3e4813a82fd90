//! Parses the JSON in the responses of GetRpo and GetRpoByOffset.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::model::{ChannelRpo, TunnelRpo};

/// The progress of a channel or a tunnel. The service is written in Go, so unset fields
/// are null. A separate type, so that serde is not part of the public API.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rpo {
    /// Present for channels only.
    channel_typ: Option<String>,
    status: Option<String>,
    total_count: Option<i64>,
    access_time: Option<i64>,
    rpo_time: Option<i64>,
}

pub(crate) fn channels(
    text: Option<&[u8]>,
) -> Result<BTreeMap<String, BTreeMap<String, ChannelRpo>>, serde_json::Error> {
    let groups = map::<BTreeMap<String, Rpo>>(text)?;
    Ok(values(groups, |group| values(group, channel)))
}

pub(crate) fn tunnels(
    text: Option<&[u8]>,
) -> Result<BTreeMap<String, TunnelRpo>, serde_json::Error> {
    Ok(values(map(text)?, tunnel))
}

/// Parses a map. A missing, empty or null map is an empty map.
fn map<V: DeserializeOwned>(text: Option<&[u8]>) -> Result<BTreeMap<String, V>, serde_json::Error> {
    match text {
        None | Some([]) => Ok(BTreeMap::new()),
        Some(text) => Ok(serde_json::from_slice::<Option<_>>(text)?.unwrap_or_default()),
    }
}

fn values<V, W>(map: BTreeMap<String, V>, value: fn(V) -> W) -> BTreeMap<String, W> {
    map.into_iter().map(|(key, v)| (key, value(v))).collect()
}

fn channel(rpo: Rpo) -> ChannelRpo {
    ChannelRpo {
        channel_type: rpo.channel_typ.unwrap_or_default(),
        status: rpo.status.unwrap_or_default(),
        total_count: rpo.total_count.unwrap_or_default(),
        access_time: rpo.access_time.unwrap_or_default(),
        rpo_time: rpo.rpo_time.unwrap_or_default(),
    }
}

fn tunnel(rpo: Rpo) -> TunnelRpo {
    TunnelRpo {
        status: rpo.status.unwrap_or_default(),
        total_count: rpo.total_count.unwrap_or_default(),
        access_time: rpo.access_time.unwrap_or_default(),
        rpo_time: rpo.rpo_time.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_their_limits_are_kept_and_larger_ones_are_refused() {
        let text = |number: &str| {
            format!(
                r#"{{"Stream":{{"TotalCount":{number},"AccessTime":{number},"RpoTime":{number}}}}}"#
            )
        };
        for number in [i64::MIN, -1, 0, i64::MAX] {
            let parsed = tunnels(Some(text(&number.to_string()).as_bytes())).expect("numbers");
            let rpo = &parsed["Stream"];
            assert_eq!(
                (rpo.total_count, rpo.access_time, rpo.rpo_time),
                (number, number, number)
            );
        }
        for number in ["9223372036854775808", "-9223372036854775809", "1e30"] {
            assert!(tunnels(Some(text(number).as_bytes())).is_err(), "{number}");
        }
    }
}
