//! Prints records on one line, with the contents of Go's `String()`.

use std::fmt::{self, Display};

use super::record::{PrimaryKeyColumn, Record, RecordColumn};

impl Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\"Type\":{}, \"PrimaryKey\":", self.action())?;
        write_list(f, self.primary_key())?;
        f.write_str(", \"Columns\":")?;
        write_list(f, self.columns())?;
        f.write_str(", \"OriginColumns\":")?;
        write_list(f, self.origin_columns())?;
        f.write_str("}")
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl Display for PrimaryKeyColumn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{\"Name\":{:?}, \"Value\":{}}}",
            self.name(),
            self.value()
        )
    }
}

impl Display for RecordColumn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{\"Name\":{:?}, \"Type\":\"{}\"",
            self.name(),
            self.kind()
        )?;
        if let Some(timestamp) = self.timestamp() {
            write!(f, ", \"Timestamp\":{timestamp}")?;
        }
        if let Some(value) = self.value() {
            write!(f, ", \"Value\":{value}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for RecordColumn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

fn write_list<T: Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = T>,
) -> fmt::Result {
    f.write_str("[")?;
    for (index, item) in items.enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(f, "{separator}{item}")?;
    }
    f.write_str("]")
}
