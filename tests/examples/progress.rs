//! What `progress` estimates.

use std::time::Duration;

use crate::estimate::{rows_in_all, time_left};

#[test]
fn all_channels_are_taken_to_be_like_those_that_have_ended() {
    for (finished, channels, expected) in [
        (&[][..], 0, None),
        (&[], 4, None),
        (&[100], 4, Some(400)),
        (&[100, 200], 4, Some(600)),
        (&[100, 200, 150, 150], 4, Some(600)),
    ] {
        assert_eq!(
            rows_in_all(finished, channels),
            expected,
            "{finished:?} of {channels}"
        );
    }
}

#[test]
fn the_rest_is_taken_to_come_at_the_same_rate() {
    for (rows, in_all, rate, expected) in [
        (0, 100, 10.0, Some(10.0)),
        (75, 100, 10.0, Some(2.5)),
        (120, 100, 10.0, Some(0.0)),
        (10, 100, 0.0, None),
        (100, 100, 0.0, None),
    ] {
        let expected = expected.map(Duration::from_secs_f64);
        assert_eq!(
            time_left(rows, in_all, rate),
            expected,
            "{rows} of {in_all} at {rate}"
        );
    }
}
