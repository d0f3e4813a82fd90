//! Estimates the amount of base data and the time left.

use std::time::Duration;

/// Estimates the total number of rows from the rows of the finished channels.
///
/// Each channel is a split of the table, and the service makes all splits about
/// the same size. `None` if no channel has finished.
pub(crate) fn total_rows(finished: &[u64], channels: usize) -> Option<u64> {
    let rows: u64 = finished.iter().sum();
    (rows * channels as u64).checked_div(finished.len() as u64)
}

/// Estimates the time left at a rate in rows per second.
///
/// `None` if the rate is zero. `rows` may exceed the estimated total.
pub(crate) fn time_left(rows: u64, total: u64, rate: f64) -> Option<Duration> {
    let left = total.saturating_sub(rows) as f64;
    Duration::try_from_secs_f64(left / rate).ok()
}
