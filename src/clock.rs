//! The one place that asks the machine what time it is.
//!
//! What decides takes the time as a value; what waits takes a deadline. So a
//! search for `Instant::now` finds this file and no other.

use std::time::Instant;

use time::OffsetDateTime;

/// The monotonic time, for intervals and deadlines.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The calendar time, for what is written on the wire.
pub(crate) fn utc() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
