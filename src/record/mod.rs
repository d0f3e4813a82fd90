//! Decodes the records of a response.
//!
//! In reading order:
//!
//! - [`batch`]: one ReadRecords response.
//! - [`record`]: a record, which borrows the bytes of its response.
//! - [`display`]: prints records.
//! - [`kind`], [`value`], [`sequence`]: the parts of a record.
//! - [`owned`], [`owned_column`]: records whose parts can be changed.
//! - [`token`]: read positions in a channel.
//! - [`binary`]: batches stored as bytes.
//! - [`protobuf`]: finds the fields of a protobuf message.
//! - [`plainbuffer`]: the format of one row.

#![deny(clippy::indexing_slicing)]

mod batch;
mod binary;
mod display;
mod kind;
mod owned;
mod owned_column;
pub(crate) mod plainbuffer;
mod protobuf;
#[expect(clippy::module_inception, reason = "the file of the type `Record`")]
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
pub use self::owned::OwnedRecord;
pub use self::owned_column::OwnedColumn;
pub use self::plainbuffer::encode::encode_row;
pub use self::record::{PrimaryKeyColumn, PrimaryKeyColumns, Record, RecordColumn, RecordColumns};
pub use self::sequence::SequenceInfo;
pub(crate) use self::token::is_stream;
pub use self::token::{FINISH_TAG, Token};
pub use self::value::{Value, ValueRef};
