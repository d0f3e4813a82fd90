//! [`Row`]: the cells of one row.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bytes::Bytes;

use super::frames;
use tablestore_tunnel::{ColumnKind, OwnedColumn, Value};

/// The columns of a row, each with its versions.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// Each list has at least one version, newest first.
    columns: BTreeMap<String, Vec<Version>>,
    /// The frame of the row, encoded when it is read for the first time.
    encoded: OnceLock<Bytes>,
}

#[derive(Clone, Debug)]
struct Version {
    /// Milliseconds since 1970.
    timestamp: i64,
    value: Value,
}

impl Clone for Row {
    /// Copies are made to be changed, so they leave the encoding out.
    fn clone(&self) -> Row {
        Row {
            columns: self.columns.clone(),
            encoded: OnceLock::new(),
        }
    }
}

impl Row {
    /// Applies the columns of a put or an update, in their order.
    pub(crate) fn apply(&mut self, columns: &[OwnedColumn], max_versions: usize) {
        for column in columns {
            self.apply_one(column, max_versions);
        }
        self.columns.retain(|_, versions| !versions.is_empty());
        self.encoded = OnceLock::new();
    }

    fn apply_one(&mut self, column: &OwnedColumn, max_versions: usize) {
        let versions = self.columns.entry(column.name.clone()).or_default();
        match (column.kind, column.timestamp, &column.value) {
            (ColumnKind::Put, Some(timestamp), Some(value)) => {
                versions.retain(|version| version.timestamp != timestamp);
                let value = value.clone();
                versions.push(Version { timestamp, value });
                versions.sort_by_key(|version| std::cmp::Reverse(version.timestamp));
                versions.truncate(max_versions);
            }
            (ColumnKind::DeleteOneVersion, Some(timestamp), _) => {
                versions.retain(|version| version.timestamp != timestamp);
            }
            _ => versions.clear(),
        }
    }

    /// All cells, by column name, newest version first.
    pub(crate) fn cells(&self) -> Vec<OwnedColumn> {
        let cell = |name: &str, version: &Version| {
            OwnedColumn::put(name, version.value.clone(), version.timestamp)
        };
        self.columns
            .iter()
            .flat_map(|(name, versions)| versions.iter().map(move |version| cell(name, version)))
            .collect()
    }

    /// The row without versions below `oldest`; `None` if the row had cells and
    /// none of them is left.
    pub(crate) fn since(&self, oldest: i64) -> Option<Row> {
        let mut row = self.clone();
        for versions in row.columns.values_mut() {
            versions.retain(|version| version.timestamp >= oldest);
        }
        row.columns.retain(|_, versions| !versions.is_empty());
        (!row.columns.is_empty() || self.columns.is_empty()).then_some(row)
    }

    /// The newest versions of the named columns, without versions below `oldest`.
    pub(crate) fn newest(&self, names: &[String], oldest: Option<i64>) -> Vec<OwnedColumn> {
        names
            .iter()
            .filter_map(|name| {
                let version = self.columns.get(name)?.first()?;
                if oldest.is_some_and(|oldest| version.timestamp < oldest) {
                    return None;
                }
                Some(OwnedColumn::put(
                    name,
                    version.value.clone(),
                    version.timestamp,
                ))
            })
            .collect()
    }

    /// The row as the frame of a base record.
    pub(crate) fn base_frame(&self, key: &[(String, Value)]) -> Bytes {
        self.encoded
            .get_or_init(|| frames::base_frame(key, self.cells()))
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(row: &Row) -> Vec<(String, i64, i64)> {
        row.cells()
            .into_iter()
            .map(|cell| {
                let value = cell.value.and_then(|value| value.as_i64());
                (
                    cell.name,
                    cell.timestamp.expect("time"),
                    value.expect("integer"),
                )
            })
            .collect()
    }

    #[test]
    fn keeps_the_newest_versions() {
        let mut row = Row::default();
        let put = |value: i64, at| OwnedColumn::put("a", value, at);
        row.apply(&[put(1, 10), put(3, 30), put(2, 20)], 2);
        assert_eq!(values(&row), [("a".into(), 30, 3), ("a".into(), 20, 2)]);
        row.apply(&[OwnedColumn::delete_one_version("a", 30)], 2);
        assert_eq!(values(&row), [("a".into(), 20, 2)]);
        row.apply(&[put(9, 20)], 2);
        assert_eq!(values(&row), [("a".into(), 20, 9)]);
        row.apply(&[OwnedColumn::delete_all_versions("a")], 2);
        assert!(values(&row).is_empty());
    }
}
