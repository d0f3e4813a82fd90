//! Primary keys, and their order among the partitions.

use tablestore_tunnel::Value;

/// The type of a primary key column.
///
/// The list is complete: the service has no other types of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// Signed 64-bit integers.
    Integer,
    /// UTF-8 text.
    String,
    /// Bytes.
    Binary,
}

/// One value of a primary key. The order is the service's order of keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum KeyPart {
    Integer(i64),
    String(String),
    Binary(Vec<u8>),
}

impl KeyPart {
    /// The value as a key part of a type; `None` if it has another type.
    fn new(value: Value, kind: KeyType) -> Option<KeyPart> {
        match (kind, value) {
            (KeyType::Integer, Value::Integer(value)) => Some(KeyPart::Integer(value)),
            (KeyType::String, Value::String(value)) => Some(KeyPart::String(value)),
            (KeyType::Binary, Value::Binary(value)) => Some(KeyPart::Binary(value)),
            _ => None,
        }
    }

    fn to_value(&self) -> Value {
        match self {
            KeyPart::Integer(value) => Value::Integer(*value),
            KeyPart::String(value) => Value::String(value.clone()),
            KeyPart::Binary(value) => Value::Binary(value.clone()),
        }
    }

    fn hash(&self) -> u64 {
        match self {
            KeyPart::Integer(value) => fnv1a(&value.to_le_bytes()),
            KeyPart::String(value) => fnv1a(value.as_bytes()),
            KeyPart::Binary(value) => fnv1a(value),
        }
    }
}

/// A complete primary key.
pub(crate) type Key = Vec<KeyPart>;

/// Makes a key from values that fit the columns of the primary key.
pub(crate) fn parse(values: Vec<Value>, columns: &[(String, KeyType)]) -> Result<Key, String> {
    if values.len() != columns.len() {
        let (got, want) = (values.len(), columns.len());
        return Err(format!(
            "the primary key has {want} columns, got {got} values"
        ));
    }
    values
        .into_iter()
        .zip(columns)
        .map(|(value, (name, kind))| {
            KeyPart::new(value, *kind)
                .ok_or_else(|| format!("primary key column {name} must be of type {kind:?}"))
        })
        .collect()
}

/// The values of a key.
pub(crate) fn values(key: &[KeyPart]) -> Vec<Value> {
    key.iter().map(KeyPart::to_value).collect()
}

/// The key as names and values, as in records.
pub(crate) fn named(key: &[KeyPart], columns: &[(String, KeyType)]) -> Vec<(String, Value)> {
    let values = key.iter().map(KeyPart::to_value);
    columns
        .iter()
        .map(|(name, _)| name.clone())
        .zip(values)
        .collect()
}

/// The place of a row in the table's order: a bucket by the hash of the partition
/// key, then the key.
///
/// The service partitions tables by ranges of the plain key. A table of the
/// emulator starts with a given number of partitions before its keys are known,
/// and the buckets spread any keys evenly over them. Within a bucket rows are in
/// the order of their keys. A partition is a range of routes, so it can be split
/// anywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Route {
    pub(crate) bucket: u64,
    pub(crate) key: Key,
}

impl Route {
    /// The smallest route of a bucket.
    pub(crate) fn start_of(bucket: u64) -> Route {
        Route {
            bucket,
            key: Vec::new(),
        }
    }

    pub(crate) fn of(key: Key, buckets: u64) -> Route {
        let hash = key.first().map_or(0, KeyPart::hash);
        Route {
            bucket: hash % buckets,
            key,
        }
    }
}

/// FNV-1a with a final mix. It is the same on every machine and in every run,
/// which the standard library does not promise for its hasher.
fn fnv1a(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_by_their_parts_and_spread_by_the_first_part() {
        let key = |n, text: &str| vec![KeyPart::Integer(n), KeyPart::String(text.into())];
        assert!(key(-1, "b") < key(0, "a"));
        assert!(key(0, "a") < key(0, "b"));
        assert_eq!(
            Route::of(key(7, "a"), 4).bucket,
            Route::of(key(7, "b"), 4).bucket
        );
        let mut seen = [0; 4];
        for n in 0..1_000 {
            seen[Route::of(key(n, ""), 4).bucket as usize] += 1;
        }
        assert!(seen.iter().all(|n| (150..350).contains(n)), "{seen:?}");
    }

    #[test]
    fn values_that_do_not_fit_the_columns_are_rejected() {
        let columns = [("id".to_owned(), KeyType::Integer)];
        assert!(parse(vec![], &columns).is_err());
        assert!(parse(vec![Value::from("x")], &columns).is_err());
        assert!(parse(vec![Value::Integer(1)], &columns).is_ok());
    }
}
