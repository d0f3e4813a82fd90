//! Ids in the service's formats. The same seed gives the same ids.

use std::sync::Arc;

use crate::timestamp::Timestamp;

/// An id. Clones share the text.
pub(crate) type Id = Arc<str>;

/// Generates ids. Apart from faults, this is the only random part.
#[derive(Debug)]
pub(crate) struct Ids(fastrand::Rng);

impl Ids {
    pub(crate) fn new(seed: u64) -> Ids {
        Ids(fastrand::Rng::with_seed(seed))
    }

    /// A lower-case UUID, for tunnels and partitions.
    pub(crate) fn uuid(&mut self) -> String {
        let bits = self.0.u128(..);
        let bytes = bits.to_be_bytes();
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }

    /// `<tag>_<random>`.
    pub(crate) fn client(&mut self, tag: &str) -> Id {
        format!("{tag}_{:016x}", self.0.u64(..)).into()
    }

    /// `BaseData_<uuid>`, with exactly one underscore: Java splits there.
    pub(crate) fn base_channel(&mut self) -> Id {
        format!("BaseData_{}", self.uuid()).into()
    }
}

/// `<partition uuid>_<16 digits of microseconds>`.
pub(crate) fn stream_channel(partition: &str, time: Timestamp) -> Id {
    format!("{partition}_{time}").into()
}

/// `<table>_<16 digits of microseconds>`.
pub(crate) fn stream(table: &str, time: Timestamp) -> Id {
    format!("{table}_{time}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_documented_formats_and_repeat_with_the_seed() {
        let mut ids = Ids::new(7);
        let uuid = ids.uuid();
        assert_eq!(uuid, Ids::new(7).uuid());
        assert_ne!(uuid, Ids::new(8).uuid());
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid, uuid.to_lowercase());
        let time = Timestamp::from_micros(1_554_348_641_329_421);
        assert_eq!(stream_channel(&uuid, time).len(), 53);
        assert_eq!(&*stream("t", time), "t_1554348641329421");
        let base = ids.base_channel();
        assert!(base.starts_with("BaseData_") && base.split('_').count() == 2);
        assert!(ids.client("host").starts_with("host_"));
    }
}
