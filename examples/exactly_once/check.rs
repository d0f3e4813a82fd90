//! Whether a record is in its row's state already.

use tablestore_tunnel::{SequenceInfo, TunnelError};

use crate::store::{Condition, Row};

/// What to do with a record. Go: the two results of `checkRecordCurrentState`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// It is in the state already.
    Duplicated,
    /// It goes into the state, if the row is still as it was read.
    New(Condition),
}

/// Compares a record with the last one that its row's state includes.
///
/// Sequence numbers can be compared within a channel. The records of a row
/// change their channel when its partition is split; the new one is read only
/// when the old one is at its end, so that whatever still comes from the old
/// one is late: of a worker that was cut off from the service and does not know
/// it yet.
pub(crate) fn check_record(
    channel_id: &str,
    sequence_info: SequenceInfo,
    in_state: Option<&Row>,
) -> Result<Check, TunnelError> {
    let Some(row) = in_state else {
        return Ok(Check::New(Condition::ExpectNotExist));
    };
    let is_known = match row.channel_id == channel_id {
        true => row.sequence_info.parse::<SequenceInfo>()? >= sequence_info,
        false => row.former_channels.iter().any(|id| id == channel_id),
    };
    Ok(match is_known {
        true => Check::Duplicated,
        false => Check::New(Condition::ExpectSame(row.clone())),
    })
}
