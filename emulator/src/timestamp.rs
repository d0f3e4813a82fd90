//! [`Timestamp`]: a time in microseconds since 1970, the unit of the change log.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time in microseconds since 1970, the unit of the change log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Timestamp(u64);

impl Timestamp {
    /// The latest time that nanoseconds in an `i64` can express, in the year 2262. No
    /// clock shows more.
    pub(crate) const MAX: Timestamp = Timestamp(i64::MAX.unsigned_abs() / 1_000);

    pub(crate) const fn from_micros(micros: u64) -> Timestamp {
        Timestamp(micros)
    }

    pub(crate) const fn from_nanos(nanos: u64) -> Timestamp {
        Timestamp(nanos / 1_000)
    }

    pub(crate) fn from_utc(utc: OffsetDateTime) -> Timestamp {
        let micros = u64::try_from(utc.unix_timestamp_nanos() / 1_000).unwrap_or(0);
        Timestamp(micros).min(Timestamp::MAX)
    }

    pub(crate) fn to_utc(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The same number for signed fields of messages.
    pub(crate) const fn micros_i64(self) -> i64 {
        if self.0 > i64::MAX.unsigned_abs() {
            return i64::MAX;
        }
        self.0 as i64
    }

    pub(crate) const fn millis(self) -> i64 {
        (self.0 / 1_000) as i64
    }

    pub(crate) const fn nanos(self) -> i64 {
        self.micros_i64().saturating_mul(1_000)
    }

    pub(crate) fn to_rfc3339(self) -> String {
        // This fails for years after 9999, which RFC 3339 cannot write.
        let text = self.to_utc().format(&Rfc3339);
        text.unwrap_or_else(|_| self.to_string())
    }

    /// The time from `earlier` to this time.
    pub(crate) fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    pub(crate) fn plus(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(micros(by))).min(Timestamp::MAX)
    }

    pub(crate) fn minus(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(micros(by)))
    }
}

impl fmt::Display for Timestamp {
    /// Writes sixteen digits, as in ids.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016}", self.0)
    }
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_end_where_their_nanoseconds_do() {
        let start = Timestamp::from_micros(7);
        assert_eq!(start.plus(Duration::ZERO), start);
        assert_eq!(start.plus(Duration::from_nanos(1)), start);
        assert_eq!(start.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(start.minus(Duration::MAX), Timestamp::from_micros(0));
        assert_eq!(Timestamp::MAX.to_utc().year(), 2262);
        let far = OffsetDateTime::new_utc(time::Date::MAX, time::Time::MIDNIGHT);
        assert_eq!(Timestamp::from_utc(far), Timestamp::MAX);
        for micros in [0, u64::MAX / 1_000, i64::MAX.unsigned_abs(), u64::MAX] {
            let time = Timestamp::from_micros(micros);
            assert!(time.millis() <= time.micros_i64() && time.micros_i64() <= time.nanos());
            assert!(!time.to_rfc3339().is_empty());
        }
    }
}
