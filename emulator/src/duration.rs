//! Durations as text, such as `250ms`, `2s` or `7d`.

use std::time::Duration;

/// The units, longest first, in nanoseconds.
const UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// What [`parse`] expects, for error messages.
pub(crate) const EXPECTED: &str = "a whole number and a unit (ns, us, ms, s, m, h, d), as 250ms";

/// Parses a duration.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let nanos = number.parse::<u128>().ok()?.checked_mul(*nanos)?;
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    // Less than a billion, which fits.
    Some(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
}

/// The text of a duration, in the longest unit that is exact.
pub(crate) fn format(time: Duration) -> String {
    let nanos = time.as_nanos();
    let exact = |(_, unit): &&(&str, u128)| nanos.is_multiple_of(*unit);
    match UNITS.iter().find(exact) {
        Some((name, unit)) if nanos > 0 => format!("{}{name}", nanos / unit),
        _ => "0s".to_owned(),
    }
}

/// Durations as text in JSON, for `#[serde(with)]`.
pub(crate) mod text {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{EXPECTED, format, parse};

    pub(crate) fn serialize<S: Serializer>(
        time: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not {EXPECTED}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_longest_unit_that_is_exact() {
        for (text, wanted) in [
            ("0ms", "0s"),
            ("250ms", "250ms"),
            ("1000ms", "1s"),
            ("48h", "2d"),
            ("90s", "90s"),
            ("120s", "2m"),
            ("1001us", "1001us"),
            (
                "18446744073709551615999999999ns",
                "18446744073709551615999999999ns",
            ),
        ] {
            let parsed = parse(text).expect(text);
            assert_eq!(format(parsed), wanted);
            assert_eq!(parse(wanted), Some(parsed));
        }
    }

    #[test]
    fn texts_stand_for_times() {
        for (text, time) in [
            ("0s", Duration::ZERO),
            ("250ms", Duration::from_millis(250)),
            ("7d", Duration::from_secs(7 * 86_400)),
            ("18446744073709551615999999999ns", Duration::MAX),
        ] {
            assert_eq!(parse(text), Some(time), "{text}");
        }
        for text in [
            "",
            "5",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "1w",
            "999999999999999999d",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
