//! [`SequenceInfo`]: the position of a record in the log of its channel.

use std::fmt;
use std::str::FromStr;

use crate::error::TunnelError;

/// The position of a record in the log of its channel. Go: `SequenceInfo`.
///
/// Positions compare by their fields in order, which is the order of the records in
/// the channel (Go: `StreamRecordSequenceLess`).
///
/// `Display` prints Go's `Serialization()`: three hex numbers of fixed width. As long as
/// no number is negative, the texts sort like the positions. `FromStr` is Go's
/// `ParseSerializedSeqInfo`. Unlike Go, this crate keeps the epoch that the service
/// sends.
///
/// The fields are exhaustive, because the text form has exactly these three parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceInfo {
    /// Epoch of the log's partition.
    pub epoch: i32,
    /// Time of the log entry, in microseconds since 1970.
    pub timestamp: i64,
    /// Index of the row among the rows with the same timestamp.
    pub row_index: i32,
}

impl fmt::Display for SequenceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.epoch.into(), 8)?;
        f.write_str(":")?;
        write_hex(f, self.timestamp, 16)?;
        f.write_str(":")?;
        write_hex(f, self.row_index.into(), 8)
    }
}

/// Prints a number like Go's `%0*x`, where the width includes the minus sign.
fn write_hex(f: &mut fmt::Formatter<'_>, number: i64, width: usize) -> fmt::Result {
    let magnitude = number.unsigned_abs();
    if number < 0 {
        write!(f, "-{magnitude:0width$x}", width = width - 1)
    } else {
        write!(f, "{magnitude:0width$x}")
    }
}

impl FromStr for SequenceInfo {
    type Err = TunnelError;

    /// Parses the output of `Display`.
    ///
    /// # Errors
    ///
    /// `OTSClientError` unless the text is three hex numbers of 32, 64 and 32 bits,
    /// separated by colons.
    fn from_str(text: &str) -> Result<SequenceInfo, TunnelError> {
        let invalid = || {
            TunnelError::client(
                "not a sequence info: expected epoch:timestamp:row_index, three hex numbers",
            )
        };
        let mut parts = text.split(':');
        let mut part = || parts.next().ok_or_else(invalid);
        let (epoch, timestamp, row_index) = (part()?, part()?, part()?);
        if parts.next().is_some() {
            return Err(invalid());
        }
        Ok(SequenceInfo {
            epoch: i32::from_str_radix(epoch, 16).map_err(|e| invalid().with_source(e))?,
            timestamp: i64::from_str_radix(timestamp, 16).map_err(|e| invalid().with_source(e))?,
            row_index: i32::from_str_radix(row_index, 16).map_err(|e| invalid().with_source(e))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_sequence() -> impl Strategy<Value = SequenceInfo> {
        any::<(i32, i64, i32)>().prop_map(|(epoch, timestamp, row_index)| SequenceInfo {
            epoch,
            timestamp,
            row_index,
        })
    }

    #[test]
    fn prints_as_go_does() {
        let sequence = SequenceInfo {
            epoch: 7,
            timestamp: 1_700_000_000_123_456,
            row_index: 2,
        };
        assert_eq!(sequence.to_string(), "00000007:00060a2418202240:00000002");
        let negative = SequenceInfo {
            epoch: -1,
            timestamp: -255,
            row_index: i32::MIN,
        };
        assert_eq!(negative.to_string(), "-0000001:-0000000000000ff:-80000000");
    }

    #[test]
    fn malformed_sequence_infos_are_rejected() {
        for text in [
            "",
            "000004d2",
            "fff:xxx:sss",
            "a&b:bbb:ccc",
            "1:2:3:4",
            "1:2:",
            "100000000:1:1",
            "1:10000000000000000:1",
        ] {
            let error = text.parse::<SequenceInfo>().expect_err(text);
            assert_eq!(error.code().as_str(), "OTSClientError", "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trip(sequence in any_sequence()) {
            prop_assert_eq!(sequence.to_string().parse::<SequenceInfo>().ok(), Some(sequence));
        }

        #[test]
        fn text_sorts_like_the_tuple(
            a in (0..=i32::MAX, 0..=i64::MAX, 0..=i32::MAX),
            b in (0..=i32::MAX, 0..=i64::MAX, 0..=i32::MAX),
            shared in 0..3_u8,
        ) {
            let sequence = |(epoch, timestamp, row_index)| SequenceInfo { epoch, timestamp, row_index };
            // Random numbers alone would hardly ever share a prefix.
            let b = (
                if shared > 0 { a.0 } else { b.0 },
                if shared > 1 { a.1 } else { b.1 },
                b.2,
            );
            let (text_a, text_b) = (sequence(a).to_string(), sequence(b).to_string());
            prop_assert_eq!(sequence(a).cmp(&sequence(b)), a.cmp(&b));
            prop_assert_eq!(text_a.cmp(&text_b), a.cmp(&b));
        }
    }
}
