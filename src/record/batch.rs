//! The answer to a read, looked through but not yet decoded.

use bytes::Bytes;

/// One answer to ReadRecords: what reading on needs, and the body for the rest.
#[derive(Clone, Debug)]
pub(crate) struct RawBatch {
    /// The whole body of the answer.
    pub(crate) body: Bytes,
    pub(crate) request_id: String,
    pub(crate) next_token: String,
    pub(crate) may_more_record: Option<bool>,
    pub(crate) record_count: usize,
}
