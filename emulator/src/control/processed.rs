//! The call to report processed records, for the verdict.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value as Json;

use super::{Answer, Call, Refusal, partitions};
use crate::service::Service;
use crate::state::RecordId;
use tablestore_tunnel::SequenceInfo;

/// Records that a consumer has processed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProcessedJson {
    client: String,
    channel: String,
    records: Vec<RecordJson>,
}

/// A record in the format of the example programs. Only its id matters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordJson {
    key: Option<Vec<Json>>,
    /// Timestamp and row index identify a record of a stream.
    timestamp: Option<i64>,
    row_index: Option<i32>,
    #[serde(default)]
    epoch: i32,
    #[serde(default, rename = "action")]
    _action: IgnoredAny,
    #[serde(default, rename = "channel")]
    _channel: IgnoredAny,
    #[serde(default, rename = "columns")]
    _columns: IgnoredAny,
}

impl RecordJson {
    fn id(&self) -> Result<RecordId, Refusal> {
        match (self.timestamp, self.row_index, &self.key) {
            (Some(timestamp), Some(row_index), _) => Ok(RecordId::Sequence(SequenceInfo {
                epoch: self.epoch,
                timestamp,
                row_index,
            })),
            (None, None, Some(key)) => Ok(RecordId::Key(partitions::values(key)?)),
            _ => Err(Refusal::bad(
                "a record needs timestamp and row_index (of a stream) or key (of base data)",
            )),
        }
    }
}

pub(super) fn note(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let tunnel = call.argument(0);
    let processed: ProcessedJson = call.json()?;
    let ids = processed.records.iter().map(RecordJson::id);
    let ids: Vec<RecordId> = ids.collect::<Result<_, _>>()?;
    service.command(|state, now| {
        let view = state.tunnel(tunnel, now)?;
        view.tunnel.channel_index(&processed.channel)
    })?;
    service.record_processed(tunnel, &processed.client, &processed.channel, ids);
    Answer::done()
}
