//! The JSON formats of durations and sequence numbers in events.

/// A duration as a number of microseconds.
pub(super) mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_micros()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_micros)
    }
}

/// A sequence number as the text of its `Display`, which is also the text of
/// `Serialization()` in Go.
pub(super) mod sequence {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use tablestore_tunnel::SequenceInfo;

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<SequenceInfo>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(sequence) => to.collect_str(sequence),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<SequenceInfo>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        let parse = |text: String| text.parse().map_err(Error::custom);
        text.map(parse).transpose()
    }
}
