//! The scenarios. Each is a function that measures one figure.
//!
//! Files, in reading order:
//!
//! - `closing`: a consumer is stopped;
//! - `failures`: one failure while records are delivered;
//! - `sessions`: channels are opened, moved and lost;
//! - `reading`: correctness, delay and cost of reads;
//! - `usage`: files left behind, and invalid settings.

mod closing;
mod failures;
mod reading;
mod sessions;
mod usage;

use std::error::Error;
use std::time::Duration;

use crate::client::{Client, Programs};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A scenario.
pub(crate) struct Probe {
    pub(crate) name: &'static str,
    /// The first column of the table.
    pub(crate) what: &'static str,
    /// The settings that differ from the defaults.
    pub(crate) settings: &'static str,
    /// The limit for this crate's client, on a machine under load.
    pub(crate) promise: Option<f64>,
    /// Whether every run of the interop tests includes the probe.
    pub(crate) quick: bool,
    pub(crate) run: fn(Client, &Programs) -> Result<Figure>,
}

/// The result of a probe.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) text: String,
    /// The value that is compared with the limit.
    pub(crate) worst: f64,
    /// Whether the probe itself failed.
    pub(crate) failed: bool,
}

impl Figure {
    fn new(text: impl Into<String>, worst: f64) -> Figure {
        Figure {
            text: text.into(),
            worst,
            failed: false,
        }
    }

    fn count(number: usize) -> Figure {
        Figure::new(number.to_string(), number as f64)
    }

    fn seconds(time: Duration) -> Figure {
        Figure::new(seconds(time), time.as_secs_f64())
    }

    pub(crate) fn failed(error: &dyn Error) -> Figure {
        Figure {
            text: format!("not measured: {error}"),
            worst: f64::INFINITY,
            failed: true,
        }
    }
}

/// Formats a time for the table.
fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        short if short < 10.0 => format!("{short:.1} s"),
        long => format!("{long:.0} s"),
    }
}

/// All probes, in the order of the table.
pub(crate) const ALL: &[Probe] = &[
    closing::CLEAN,
    closing::CLEAN_IN_BACKGROUND,
    closing::CLEAN_STRICT,
    closing::IN_OUTAGE,
    closing::READS_AFTERWARDS,
    closing::CALLBACK,
    closing::UNAVAILABLE,
    failures::RESET,
    failures::UNAVAILABLE,
    failures::CUT,
    failures::GARBAGE,
    failures::EMPTY,
    failures::REFUSED,
    failures::CALLBACK_ERROR,
    failures::PANIC,
    sessions::JOIN,
    sessions::MOVE,
    sessions::GONE,
    sessions::SLOW_OPEN,
    sessions::FINISHED,
    reading::CORRUPTED,
    reading::EPOCH,
    reading::DELAY,
    reading::IDLE_CHECKPOINTS,
    reading::CONNECTIONS,
    usage::FILES,
    usage::TIMEOUT,
];
