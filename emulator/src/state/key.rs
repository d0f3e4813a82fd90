//! Primary keys, and where a key lies among the partitions.

use tablestore_tunnel::Value;

/// The type of a primary key column.
///
/// Complete: keys are of these types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// Signed 64-bit integers.
    Integer,
    /// UTF-8 text.
    String,
    /// Bytes.
    Binary,
}

/// One value of a primary key; ordered as the service orders keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum KeyPart {
    Integer(i64),
    String(String),
    Binary(Vec<u8>),
}

impl KeyPart {
    /// The value as a key of that type, if it is one.
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

/// A whole primary key.
pub(crate) type Key = Vec<KeyPart>;

/// The key of those values, if they fit the key's columns.
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

/// The key as names and values, as records carry it.
pub(crate) fn named(key: &[KeyPart], columns: &[(String, KeyType)]) -> Vec<(String, Value)> {
    let values = key.iter().map(KeyPart::to_value);
    columns
        .iter()
        .map(|(name, _)| name.clone())
        .zip(values)
        .collect()
}

/// Where a row lies: a bucket by the hash of the partition key, then the key.
///
/// The service cuts tables by ranges of the plain key. The emulator's tables
/// begin with as many partitions as they are told, before it is known which
/// keys will come; the bucket spreads whatever keys come evenly. Within a
/// bucket the order is the key's, and a partition is a range of routes, so
/// that it can be split anywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Route {
    pub(crate) bucket: u64,
    pub(crate) key: Key,
}

impl Route {
    /// The least route of a bucket.
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

/// FNV-1a with a final mix: the same spread on every run and every machine,
/// which the standard library's hasher does not promise.
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
    fn keys_order_by_their_parts_and_spread_by_the_first() {
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
    fn refuses_what_is_no_key() {
        let columns = [("id".to_owned(), KeyType::Integer)];
        assert!(parse(vec![], &columns).is_err());
        assert!(parse(vec![Value::from("x")], &columns).is_err());
        assert!(parse(vec![Value::Integer(1)], &columns).is_ok());
    }
}
