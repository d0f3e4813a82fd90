//! PlainBuffer, the binary format of one row: checked decoding, and encoding.
//!
//! In reading order:
//!
//! - [`cursor`]: the only code that slices untrusted bytes.
//! - [`tag`]: the constants of the format.
//! - [`cell`]: one cell.
//! - [`layout`]: where the parts of a checked row are.
//! - [`row`]: one row.
//! - [`cells`]: iterates over the cells of a checked row.
//! - [`encode`]: values to bytes.
//! - [`crc8`]: the checksum.
//! - [`fast`]: the fast path for records of the common form.

pub(crate) mod cell;
pub(crate) mod cells;
pub(crate) mod crc8;
pub(crate) mod cursor;
pub(crate) mod encode;
pub(crate) mod fast;
pub(crate) mod layout;
pub(crate) mod row;
pub(crate) mod tag;
