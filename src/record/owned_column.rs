//! [`OwnedColumn`]: the action on one column, as parts that can be changed.

use super::kind::ColumnKind;
use super::value::Value;

/// The change of one column, in parts that can be changed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OwnedColumn {
    /// Name of the column.
    pub name: String,
    /// The action on the column.
    pub kind: ColumnKind,
    /// The value; `None` for a deletion.
    pub value: Option<Value>,
    /// The version, in milliseconds since 1970; `None` for a deletion of all versions.
    pub timestamp: Option<i64>,
}

impl OwnedColumn {
    /// Creates a written version; `timestamp` is in milliseconds since 1970.
    pub fn put(name: impl Into<String>, value: impl Into<Value>, timestamp: i64) -> OwnedColumn {
        OwnedColumn {
            name: name.into(),
            kind: ColumnKind::Put,
            value: Some(value.into()),
            timestamp: Some(timestamp),
        }
    }

    /// Creates the deletion of one version; `timestamp` is in milliseconds since 1970.
    pub fn delete_one_version(name: impl Into<String>, timestamp: i64) -> OwnedColumn {
        OwnedColumn {
            name: name.into(),
            kind: ColumnKind::DeleteOneVersion,
            value: None,
            timestamp: Some(timestamp),
        }
    }

    /// Creates the deletion of all versions of a column.
    pub fn delete_all_versions(name: impl Into<String>) -> OwnedColumn {
        OwnedColumn {
            name: name.into(),
            kind: ColumnKind::DeleteAllVersions,
            value: None,
            timestamp: None,
        }
    }
}
