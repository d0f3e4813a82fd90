//! Bytes become records.

#![deny(clippy::indexing_slicing)]

mod batch;
mod crc8;
mod encode;
mod kind;
mod owned;
mod sequence;
mod tag;
mod value;

pub(crate) use batch::RawBatch;
pub(crate) use encode::encode_row;
pub use kind::{ActionType, ColumnKind};
pub use owned::{OwnedColumn, OwnedRecord};
pub use sequence::SequenceInfo;
pub use value::{Value, ValueRef};
