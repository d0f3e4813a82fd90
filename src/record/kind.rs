//! The action of a record on its row, and of a cell on its column.

use std::fmt;

use crate::protocol;

/// The action on the row. Go: `ActionType`.
///
/// `Display` prints Go's names: `PutRow`, `UpdateRow`, `DeleteRow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActionType {
    /// The whole row was written, and its earlier columns are gone. Rows of base data
    /// have this action. Go: `AT_Put`.
    PutRow,
    /// Some columns of the row were written or deleted. Go: `AT_Update`.
    UpdateRow,
    /// The row was deleted. Go: `AT_Delete`.
    DeleteRow,
}

impl ActionType {
    /// The action with this number in the protocol; `None` if there is none.
    pub(crate) fn from_wire(number: i32) -> Option<ActionType> {
        Some(match protocol::ActionType::try_from(number).ok()? {
            protocol::ActionType::PutRow => ActionType::PutRow,
            protocol::ActionType::UpdateRow => ActionType::UpdateRow,
            protocol::ActionType::DeleteRow => ActionType::DeleteRow,
        })
    }

    pub(crate) fn to_wire(self) -> protocol::ActionType {
        match self {
            ActionType::PutRow => protocol::ActionType::PutRow,
            ActionType::UpdateRow => protocol::ActionType::UpdateRow,
            ActionType::DeleteRow => protocol::ActionType::DeleteRow,
        }
    }
}

impl fmt::Display for ActionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ActionType::PutRow => "PutRow",
            ActionType::UpdateRow => "UpdateRow",
            ActionType::DeleteRow => "DeleteRow",
        })
    }
}

/// The action on the column. Go: `RecordColumnType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnKind {
    /// A version was written; the column has a value. Go: `RCT_Put`.
    Put,
    /// The version with the column's timestamp was deleted. Go: `RCT_DeleteOneVersion`.
    DeleteOneVersion,
    /// All versions were deleted. Go: `RCT_DeleteAllVersions`.
    DeleteAllVersions,
    /// An atomic counter was incremented. The value is the increment, not the new value
    /// of the counter.
    ///
    /// The service is not known to log counters this way: it logs the new value as a
    /// put. Go would treat the increment as the new value.
    Increment,
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ColumnKind::Put => "Put",
            ColumnKind::DeleteOneVersion => "DeleteOneVersion",
            ColumnKind::DeleteAllVersions => "DeleteAllVersions",
            ColumnKind::Increment => "Increment",
        })
    }
}
