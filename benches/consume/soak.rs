//! Runs one client for a long time, to see whether its memory or threads grow.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::client::Kind;
use super::options::Options;
use super::run::{Case, Pair};
use super::shape::SHAPES;

const INTERVAL: Duration = Duration::from_secs(60);

/// Consumes with a callback that reads every cell, and prints a line per minute.
pub(crate) fn run(options: &Options, time: Duration) -> io::Result<()> {
    let case = Case {
        shape: *options.shapes.first().unwrap_or(&SHAPES[0]),
        channels: options.channels.last().copied().unwrap_or(8),
        kind: Kind::Cells,
        pinned: false,
    };
    println!("{}, {} channels", case.shape.title(), case.channels);
    println!("minute   RSS MiB   peak MiB   threads   krec/s   CPU s/M");
    let mut pair = Pair::start(&case, true, None)?;
    let start = Instant::now();
    let mut last = (pair.client.usage()?.cpu, 0, Duration::ZERO);
    while start.elapsed() < time {
        thread::sleep(INTERVAL.min(time - start.elapsed()));
        let (usage, records, at) = (pair.client.usage()?, pair.client.count()?, start.elapsed());
        let new = (records - last.1).max(1) as f64;
        println!(
            "{:>6.1} {:>9.1} {:>10.1} {:>9} {:>8.0} {:>9.3}",
            at.as_secs_f64() / 60.0,
            usage.rss_mib,
            usage.peak_mib,
            usage.threads,
            new / (at - last.2).as_secs_f64() / 1e3,
            (usage.cpu - last.0).as_secs_f64() / new * 1e6,
        );
        last = (usage.cpu, records, at);
    }
    Ok(())
}
