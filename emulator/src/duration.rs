//! Lengths of time as people write them: `250ms`, `2s`, `7d`.

use std::time::Duration;

/// The units, longest first, in nanoseconds.
pub(crate) const UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// What [`parse`] wants, to say when it was not given that.
pub(crate) const EXPECTED: &str = "a whole number and a unit (ns, us, ms, s, m, h, d), as 250ms";

/// The time that a text stands for, if it is one.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let nanos = number.parse::<u128>().ok()?.checked_mul(*nanos)?;
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    // Less than a billion, which fits.
    Some(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

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
