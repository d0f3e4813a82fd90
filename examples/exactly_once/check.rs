//! Detects records that are already part of their row's state.

use tablestore_tunnel::{SequenceInfo, TunnelError};

use crate::store::{Condition, Row};

/// The result of a check. Go: the two results of `checkRecordCurrentState`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// The state already includes the record.
    Duplicated,
    /// The record must be added to the state, if the row has not changed since
    /// it was read.
    New(Condition),
}

/// Compares a record with the last record that its row's state includes.
///
/// Sequence numbers are comparable only within a channel. When a partition is
/// split, the records of a row continue in a new channel, which is read only
/// after the old channel has ended. A record from the old channel that arrives
/// later is therefore a duplicate: it comes from a worker that has lost the
/// channel and does not know it yet.
pub(crate) fn check_record(
    channel_id: &str,
    sequence_info: SequenceInfo,
    row: Option<&Row>,
) -> Result<Check, TunnelError> {
    let Some(row) = row else {
        return Ok(Check::New(Condition::ExpectNotExist));
    };
    let is_duplicate = match row.channel_id == channel_id {
        true => row.sequence_info.parse::<SequenceInfo>()? >= sequence_info,
        false => row.former_channels.iter().any(|id| id == channel_id),
    };
    Ok(match is_duplicate {
        true => Check::Duplicated,
        false => Check::New(Condition::ExpectSame(row.clone())),
    })
}
