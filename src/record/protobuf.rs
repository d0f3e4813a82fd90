//! Finds the fields of a protobuf message without decoding their contents. A generated
//! message type would copy and allocate for every record.

use super::plainbuffer::cursor::{Cursor, DecodeError, Problem};

/// A field of a message: number and payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    payload: Payload<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Payload<'a> {
    Varint(u64),
    Bytes(Cursor<'a>),
    /// Four or eight bytes; no message here has such a field.
    Fixed,
}

/// The wire type of length-delimited fields.
const BYTES: u64 = 2;

impl<'a> Payload<'a> {
    /// Reads the payload of a field that is not length-delimited.
    #[inline(never)]
    fn other(key: u64, message: &mut Cursor<'a>) -> Result<Payload<'a>, DecodeError> {
        Ok(match key & 0x7 {
            0 => Payload::Varint(message.varint("field")?),
            1 => message.bytes(8, "field").map(|_| Payload::Fixed)?,
            5 => message.bytes(4, "field").map(|_| Payload::Fixed)?,
            _ => return Err(message.error("field key", Problem::Unexpected(key))),
        })
    }
}

impl<'a> Field<'a> {
    /// Reads the next field; `None` at the end of the message.
    #[inline(always)]
    pub(crate) fn next(message: &mut Cursor<'a>) -> Result<Option<Field<'a>>, DecodeError> {
        if message.is_empty() {
            return Ok(None);
        }
        let key = message.varint("field key")?;
        let number = key >> 3;
        if number == 0 {
            return Err(message.error("field key", Problem::Unexpected(key)));
        }
        // Nearly all fields are length-delimited, so only that case is inlined.
        let payload = if key & 0x7 == BYTES {
            let len = message.varint("field length")?;
            Payload::Bytes(message.part(len, "field")?)
        } else {
            Payload::other(key, message)?
        };
        Ok(Some(Field { number, payload }))
    }

    /// The payload; fails unless it is a number.
    #[inline]
    pub(crate) fn varint(
        &self,
        message: &Cursor<'_>,
        name: &'static str,
    ) -> Result<u64, DecodeError> {
        match self.payload {
            Payload::Varint(value) => Ok(value),
            _ => Err(message.error(name, Problem::NotAllowed)),
        }
    }

    /// The payload; fails unless it is bytes, text or a message.
    #[inline]
    pub(crate) fn bytes(
        &self,
        message: &Cursor<'_>,
        name: &'static str,
    ) -> Result<Cursor<'a>, DecodeError> {
        match self.payload {
            Payload::Bytes(bytes) => Ok(bytes),
            _ => Err(message.error(name, Problem::NotAllowed)),
        }
    }
}
