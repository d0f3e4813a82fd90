//! [`Row`], [`Parts`]: where the parts of a checked row, and of a record, are.

use std::num::{NonZeroU32, NonZeroU64};
use std::ops::Range;

use super::tag;
use crate::record::kind::ActionType;
use crate::record::sequence::SequenceInfo;

/// Length of the three numbers of a sequence info with their tags, in bytes.
pub(crate) const SEQUENCE_INFO: usize = (1 + 4) + (1 + 8) + (1 + 4);

/// The span of some cells, relative to the start of their record. Records are shorter
/// than 4 GiB.
///
/// Start and end share one word: two fields are written separately but copied together,
/// and such a load stalls until both stores have completed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section(NonZeroU64);

impl Section {
    /// Creates a section from a span after the header of a row.
    #[inline]
    pub(crate) fn new(span: Range<usize>) -> Section {
        // The header comes first, so the end is not 0 and the fallback is unreachable.
        let both = (span.end as u64) << 32 | u64::from(span.start as u32);
        Section(NonZeroU64::new(both).unwrap_or(NonZeroU64::MIN))
    }

    #[inline]
    pub(crate) fn span(self) -> Range<usize> {
        let both = self.0.get();
        (both as u32) as usize..(both >> 32) as usize
    }
}

/// The parts of a checked row, as offsets.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) primary_key: Section,
    pub(crate) columns: Section,
    pub(crate) delete_marker: bool,
    /// Offset of the three numbers of the sequence info, each with its tag.
    pub(crate) sequence_info: Option<NonZeroU32>,
}

/// Decodes the three numbers of a sequence info, which are always in this order.
#[inline]
pub(crate) fn parse_sequence_info(info: &[u8; SEQUENCE_INFO]) -> Option<SequenceInfo> {
    let [tag::SEQ_INFO_EPOCH, e0, e1, e2, e3, info @ ..] = *info else {
        return None;
    };
    let [tag::SEQ_INFO_TS, t0, t1, t2, t3, t4, t5, t6, t7, info @ ..] = info else {
        return None;
    };
    let [tag::SEQ_INFO_ROW_INDEX, i0, i1, i2, i3] = info else {
        return None;
    };
    Some(SequenceInfo {
        epoch: i32::from_le_bytes([e0, e1, e2, e3]),
        timestamp: i64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
        row_index: i32::from_le_bytes([i0, i1, i2, i3]),
    })
}

/// The decoded header fields of a record, and the spans of its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    pub(crate) action: ActionType,
    pub(crate) delete_marker: bool,
    /// Offset of the sequence info, which is decoded on access.
    pub(crate) sequence_info: Option<NonZeroU32>,
    pub(crate) primary_key: Section,
    pub(crate) columns: Section,
    pub(crate) origin_columns: Option<Section>,
}

impl Parts {
    /// The parts of a record with one row, that is, without an origin row.
    #[inline(always)]
    pub(crate) fn of_row(action: ActionType, row: Row) -> Parts {
        Parts {
            action,
            delete_marker: row.delete_marker,
            sequence_info: row.sequence_info,
            primary_key: row.primary_key,
            columns: row.columns,
            origin_columns: None,
        }
    }
}
