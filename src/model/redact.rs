//! [`Fingerprint`]: a token in `Debug` output. Enough to distinguish two tokens; a whole
//! token reveals the position of a consumer in a table, and must not be logged.

use std::fmt;

use md5::{Digest, Md5};

use crate::FINISH_TAG;

/// Prints the length and a hash of a token. Prints empty tokens and [`FINISH_TAG`]
/// unchanged, since they reveal nothing.
pub(crate) struct Fingerprint<'a>(pub(crate) &'a str);

impl fmt::Debug for Fingerprint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() || self.0 == FINISH_TAG {
            return write!(f, "{:?}", self.0);
        }
        let hash = Md5::digest(self.0);
        let hash = hash
            .first_chunk()
            .map_or(0, |first| u32::from_be_bytes(*first));
        write!(f, "<{} bytes, {hash:08x}>", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::consume::{
        CheckpointRequest, GetCheckpointResponse, ReadRecordsRequest, ReadRecordsResponse,
    };
    use crate::worker::ChannelReport;

    #[test]
    fn fingerprints_distinguish_tokens() {
        let text = |token| format!("{:?}", Fingerprint(token));
        assert_eq!(text(""), "\"\"");
        assert_eq!(text(FINISH_TAG), "\"finished\"");
        // The MD5 of "abc" from RFC 1321.
        assert_eq!(text("abc"), "<3 bytes, 90015098>");
        assert_ne!(text("abd"), text("abc"));
    }

    #[test]
    fn no_public_type_prints_a_token() {
        let secret = || "where-we-are".to_owned();
        let report = ChannelReport {
            last_delivered: Some(secret()),
            last_finished: Some(secret()),
            last_saved: Some(secret()),
            ..ChannelReport::default()
        };
        let texts = [
            format!("{report:?}"),
            format!("{:?}", CheckpointRequest::new("t", "c", "ch", secret(), 1)),
            format!("{:?}", ReadRecordsRequest::new("t", "c", "ch", secret())),
            format!(
                "{:?}",
                GetCheckpointResponse {
                    checkpoint: secret(),
                    sequence_number: 1,
                    request_id: String::new(),
                }
            ),
            format!(
                "{:?}",
                ReadRecordsResponse {
                    records: Vec::new(),
                    next_token: secret(),
                    may_more_record: None,
                    size: 0,
                    request_id: String::new(),
                }
            ),
        ];
        let shown = format!("{:?}", Fingerprint("where-we-are"));
        for text in texts {
            assert!(
                !text.contains("where-we-are") && text.contains(&shown),
                "{text}"
            );
        }
    }
}
