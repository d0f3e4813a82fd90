//! How much base data there is, and how long the rest of it will take.

use std::time::Duration;

/// How many rows there are in all, from the rows of the channels that have come
/// to their end: each channel is a split of the table, and the service makes
/// them of about the same size. None before the first is at its end.
pub(crate) fn rows_in_all(finished: &[u64], channels: usize) -> Option<u64> {
    let ended = finished.len() as u64;
    let rows: u64 = finished.iter().sum();
    (rows * channels as u64).checked_div(ended)
}

/// How long the rest will take at this rate (rows in a second); none where
/// nothing moves. A table may have more rows than was thought.
pub(crate) fn time_left(rows: u64, in_all: u64, rate: f64) -> Option<Duration> {
    let left = in_all.saturating_sub(rows) as f64;
    Duration::try_from_secs_f64(left / rate).ok()
}
