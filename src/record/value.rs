//! The values of cells: [`ValueRef`] borrows from a record, [`Value`] is owned.

use std::fmt;

/// The value of a cell, borrowed from its record.
///
/// `Display` prints strings in quotes, binaries as hex after `0x`, and the special
/// values as `-inf`, `+inf` and `auto-incr`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
// The tag is a whole word. With a tag of one byte, a copy would load words that were
// written in parts, and such a load stalls until the stores have completed.
#[repr(u64)]
pub enum ValueRef<'a> {
    /// A signed 64-bit integer.
    Integer(i64),
    /// A double, with exactly the bits that were written.
    Double(f64),
    /// A boolean.
    Boolean(bool),
    /// UTF-8 text.
    String(&'a str),
    /// Arbitrary bytes.
    Binary(&'a [u8]),
    /// Less than every key. A bound of a range; rows do not contain it.
    InfMin,
    /// Greater than every key. A bound of a range; rows do not contain it.
    InfMax,
    /// Placeholder for a key that the service has not generated yet.
    AutoIncrement,
}

impl<'a> ValueRef<'a> {
    /// The integer; `None` for other types.
    pub fn as_i64(self) -> Option<i64> {
        match self {
            ValueRef::Integer(value) => Some(value),
            _ => None,
        }
    }

    /// The double; `None` for other types. Does not convert integers.
    pub fn as_f64(self) -> Option<f64> {
        match self {
            ValueRef::Double(value) => Some(value),
            _ => None,
        }
    }

    /// The boolean; `None` for other types.
    pub fn as_bool(self) -> Option<bool> {
        match self {
            ValueRef::Boolean(value) => Some(value),
            _ => None,
        }
    }

    /// The text of a string; `None` for other types.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            ValueRef::String(value) => Some(value),
            _ => None,
        }
    }

    /// The bytes of a binary; `None` for other types. Does not convert strings.
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        match self {
            ValueRef::Binary(value) => Some(value),
            _ => None,
        }
    }

    /// Copies the value to an owned one.
    pub fn to_value(self) -> Value {
        self.into()
    }
}

impl fmt::Display for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueRef::Integer(value) => write!(f, "{value}"),
            ValueRef::Double(value) => write!(f, "{value}"),
            ValueRef::Boolean(value) => write!(f, "{value}"),
            ValueRef::String(value) => write!(f, "{value:?}"),
            ValueRef::Binary(value) => write_hex(f, value),
            ValueRef::InfMin => f.write_str("-inf"),
            ValueRef::InfMax => f.write_str("+inf"),
            ValueRef::AutoIncrement => f.write_str("auto-incr"),
        }
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str("0x")?;
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// An owned value of a cell: to build records, or to keep values.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A signed 64-bit integer.
    Integer(i64),
    /// A double, with exactly the bits that were written.
    Double(f64),
    /// A boolean.
    Boolean(bool),
    /// UTF-8 text.
    String(String),
    /// Arbitrary bytes.
    Binary(Vec<u8>),
    /// Less than every key. A bound of a range; rows do not contain it.
    InfMin,
    /// Greater than every key. A bound of a range; rows do not contain it.
    InfMax,
    /// Placeholder for a key that the service has not generated yet.
    AutoIncrement,
}

impl Value {
    /// Borrows the value.
    pub fn as_value_ref(&self) -> ValueRef<'_> {
        self.into()
    }

    /// The integer; `None` for other types.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_value_ref().as_i64()
    }

    /// The double; `None` for other types. Does not convert integers.
    pub fn as_f64(&self) -> Option<f64> {
        self.as_value_ref().as_f64()
    }

    /// The boolean; `None` for other types.
    pub fn as_bool(&self) -> Option<bool> {
        self.as_value_ref().as_bool()
    }

    /// The text of a string; `None` for other types.
    pub fn as_str(&self) -> Option<&str> {
        self.as_value_ref().as_str()
    }

    /// The bytes of a binary; `None` for other types. Does not convert strings.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        self.as_value_ref().as_bytes()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_value_ref().fmt(f)
    }
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    fn from(value: &'a Value) -> ValueRef<'a> {
        match value {
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Double(value) => ValueRef::Double(*value),
            Value::Boolean(value) => ValueRef::Boolean(*value),
            Value::String(value) => ValueRef::String(value),
            Value::Binary(value) => ValueRef::Binary(value),
            Value::InfMin => ValueRef::InfMin,
            Value::InfMax => ValueRef::InfMax,
            Value::AutoIncrement => ValueRef::AutoIncrement,
        }
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Value {
        match value {
            ValueRef::Integer(value) => Value::Integer(value),
            ValueRef::Double(value) => Value::Double(value),
            ValueRef::Boolean(value) => Value::Boolean(value),
            ValueRef::String(value) => Value::String(value.to_owned()),
            ValueRef::Binary(value) => Value::Binary(value.to_owned()),
            ValueRef::InfMin => Value::InfMin,
            ValueRef::InfMax => Value::InfMax,
            ValueRef::AutoIncrement => Value::AutoIncrement,
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Integer(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Double(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Boolean(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::String(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::String(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Value {
        Value::Binary(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Value {
        Value::Binary(value.to_owned())
    }
}
