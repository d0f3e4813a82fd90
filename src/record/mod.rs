//! Bytes become records.

mod batch;

pub(crate) use batch::RawBatch;
