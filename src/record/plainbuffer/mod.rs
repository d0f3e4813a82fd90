//! PlainBuffer: one row as bytes, checked.
//!
//! In reading order:
//!
//! - [`cursor`]: the one place that slices bytes.
//! - [`tag`]: the numbers of PlainBuffer.
//! - [`cell`]: one cell.
//! - [`row`]: one row.
//! - [`cells`]: the cells of a row that was checked, one after the other.
//! - [`encode`]: from values to bytes.
//! - [`crc8`]: the checksum.
//! - [`fast`]: records of the usual form, checked faster.

pub(crate) mod cell;
pub(crate) mod cells;
pub(crate) mod crc8;
pub(crate) mod cursor;
pub(crate) mod encode;
pub(crate) mod fast;
pub(crate) mod row;
pub(crate) mod tag;
