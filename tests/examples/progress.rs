//! Tests the estimates of the example `progress`.

use std::time::Duration;

use crate::estimate::{time_left, total_rows};

#[test]
fn total_rows_are_estimated_from_finished_channels() {
    for (finished, channels, expected) in [
        (&[][..], 0, None),
        (&[], 4, None),
        (&[100], 4, Some(400)),
        (&[100, 200], 4, Some(600)),
        (&[100, 200, 150, 150], 4, Some(600)),
    ] {
        assert_eq!(
            total_rows(finished, channels),
            expected,
            "{finished:?} of {channels}"
        );
    }
}

#[test]
fn time_left_is_estimated_from_the_rate() {
    for (rows, total, rate, expected) in [
        (0, 100, 10.0, Some(10.0)),
        (75, 100, 10.0, Some(2.5)),
        (120, 100, 10.0, Some(0.0)),
        (10, 100, 0.0, None),
        (100, 100, 0.0, None),
    ] {
        let expected = expected.map(Duration::from_secs_f64);
        assert_eq!(
            time_left(rows, total, rate),
            expected,
            "{rows} of {total} at {rate}"
        );
    }
}
