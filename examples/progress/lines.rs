//! Progress without a terminal: one line at a time for all channels.

use std::time::Duration;

use crate::status::{BaseStage, Status};

pub(crate) fn show(status: &Status) {
    let base = base(&status.base);
    println!(
        "{:5.1} s  {base}; {}",
        status.age.as_secs_f64(),
        stream(status)
    );
}

/// Formats the progress of base data.
pub(crate) fn base(base: &BaseStage) -> String {
    if base.channels == 0 {
        return "base: no channels".to_owned();
    }
    let channels = format!("base: {} of {} channels", base.finished, base.channels);
    if base.finished == base.channels {
        return format!("{channels}, {} rows", base.rows);
    }
    let total = base
        .total
        .map_or_else(String::new, |total| format!(" of about {total}"));
    let left = base.left.map_or_else(String::new, |left| {
        format!(", about {} left", seconds(left))
    });
    format!(
        "{channels}, {}{total} rows, {:.0} rows/s{left}",
        base.rows, base.rate
    )
}

fn stream(status: &Status) -> String {
    let channels = || status.channels.iter().filter(|channel| channel.is_stream);
    let lag = channels().filter_map(|channel| channel.lag).max();
    format!(
        "stream: {} channels, {} rows, {:.0} rows/s, lag {}",
        channels().count(),
        channels().map(|channel| channel.rows).sum::<u64>(),
        channels().fold(0.0, |sum, channel| sum + channel.rate),
        lag.map_or_else(|| "none".to_owned(), seconds),
    )
}

/// Formats a time in seconds with one decimal place.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
