//! Bytes become records.
//!
//! In reading order:
//!
//! - [`batch`]: the answer to a read, whole;
//! - [`view`]: a record of it, as a window into the answer;
//! - [`walk`]: its cells, one after the other;
//! - [`display`]: how records print;
//! - [`kind`], [`value`], [`sequence`]: what a record is made of;
//! - [`owned`]: records in parts, for those who build some;
//! - [`token`]: where to read on;
//! - [`binary`]: batches kept as bytes.
//!
//! Below them, from the outside in:
//!
//! - [`fields`]: the framing of protobuf;
//! - [`row`]: one row of PlainBuffer, checked;
//! - [`usual`], [`help`]: records of the usual form, checked faster;
//! - [`heads`], [`head`]: what cells usually begin with;
//! - [`cell`]: one cell of it;
//! - [`cursor`]: the one place that cuts bytes;
//! - [`crc8`]: the checksum;
//! - [`lanes`], [`sums`]: sixteen bytes, and sixteen sums, at once;
//! - [`long`]: long texts;
//! - [`tag`]: the numbers of PlainBuffer;
//! - [`encode`]: the way back, from values to bytes.

#![deny(clippy::indexing_slicing)]

mod batch;
mod binary;
mod cell;
pub(crate) mod crc8;
mod cursor;
mod display;
mod encode;
mod fields;
mod head;
mod heads;
mod help;
mod kind;
mod lanes;
mod long;
mod owned;
mod row;
mod sequence;
mod sums;
mod tag;
#[cfg(test)]
mod tests;
mod token;
mod usual;
mod value;
mod view;
mod walk;

pub(crate) use batch::RawBatch;
pub(crate) use binary::binary_records;
pub use binary::parse_binary_records;
pub use encode::encode_row;
pub use kind::{ActionType, ColumnKind};
pub use owned::{OwnedColumn, OwnedRecord};
pub use sequence::SequenceInfo;
pub use token::FINISH_TAG;
pub use token::Token;
pub(crate) use token::is_stream;
pub use value::{Value, ValueRef};
pub(crate) use view::Checked;
pub use view::{PrimaryKeyColumn, PrimaryKeyColumns, Record, RecordColumn, RecordColumns};
