//! The constants of PlainBuffer: header, tags, value types, cell types.

/// The header of every PlainBuffer, as a little-endian `u32`.
pub(crate) const HEADER: u32 = 0x75;

pub(crate) const ROW_PK: u8 = 0x01;
pub(crate) const ROW_DATA: u8 = 0x02;
pub(crate) const CELL: u8 = 0x03;
pub(crate) const CELL_NAME: u8 = 0x04;
pub(crate) const CELL_VALUE: u8 = 0x05;
pub(crate) const CELL_TYPE: u8 = 0x06;
pub(crate) const CELL_TIMESTAMP: u8 = 0x07;
pub(crate) const DELETE_ROW_MARKER: u8 = 0x08;
pub(crate) const ROW_CHECKSUM: u8 = 0x09;
pub(crate) const CELL_CHECKSUM: u8 = 0x0A;
pub(crate) const EXTENSION: u8 = 0x0B;
pub(crate) const SEQ_INFO: u8 = 0x0C;
pub(crate) const SEQ_INFO_EPOCH: u8 = 0x0D;
pub(crate) const SEQ_INFO_TS: u8 = 0x0E;
pub(crate) const SEQ_INFO_ROW_INDEX: u8 = 0x0F;

pub(crate) const VT_INTEGER: u8 = 0x00;
pub(crate) const VT_DOUBLE: u8 = 0x01;
pub(crate) const VT_BOOLEAN: u8 = 0x02;
pub(crate) const VT_STRING: u8 = 0x03;
pub(crate) const VT_BLOB: u8 = 0x07;
pub(crate) const VT_INF_MIN: u8 = 0x09;
pub(crate) const VT_INF_MAX: u8 = 0x0A;
pub(crate) const VT_AUTO_INCREMENT: u8 = 0x0B;

pub(crate) const DELETE_ALL_VERSION: u8 = 0x01;
pub(crate) const DELETE_ONE_VERSION: u8 = 0x03;
pub(crate) const INCREMENT: u8 = 0x04;
