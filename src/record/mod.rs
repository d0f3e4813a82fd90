//! Bytes become records.
//!
//! In reading order:
//!
//! - [`batch`]: the answer to a read, whole.
//! - [`record`]: a record of it, as a view of the answer.
//! - [`display`]: how records print.
//! - [`kind`], [`value`], [`sequence`]: what a record is made of.
//! - [`owned`]: records in parts, for those who build some.
//! - [`token`]: where to read on.
//! - [`binary`]: batches kept as bytes.
//! - [`protobuf`]: the framing of protobuf.
//! - [`plainbuffer`]: one row, checked.

#![deny(clippy::indexing_slicing)]

mod batch;
mod binary;
mod display;
mod kind;
mod owned;
pub(crate) mod plainbuffer;
mod protobuf;
#[expect(clippy::module_inception, reason = "the record of the service")]
mod record;
mod sequence;
#[cfg(test)]
mod tests;
mod token;
mod value;

pub(crate) use self::batch::RawBatch;
pub(crate) use self::binary::binary_records;
pub use self::binary::parse_binary_records;
pub use self::kind::{ActionType, ColumnKind};
pub use self::owned::{OwnedColumn, OwnedRecord};
pub use self::plainbuffer::encode::encode_row;
pub(crate) use self::record::Checked;
pub use self::record::{PrimaryKeyColumn, PrimaryKeyColumns, Record, RecordColumn, RecordColumns};
pub use self::sequence::SequenceInfo;
pub(crate) use self::token::is_stream;
pub use self::token::{FINISH_TAG, Token};
pub use self::value::{Value, ValueRef};
