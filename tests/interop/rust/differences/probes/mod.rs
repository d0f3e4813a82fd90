//! The scenarios: one function each, and what its figure means.
//!
//! Files, in reading order:
//!
//! - `closing`: a consumer is asked to end;
//! - `trouble`: one thing goes wrong while records flow;
//! - `sessions`: channels open, move and are lost;
//! - `reading`: what is delivered, how late, and at which price;
//! - `manners`: what else a program notices.

mod closing;
mod manners;
mod reading;
mod sessions;
mod trouble;

use std::error::Error;
use std::time::Duration;

use crate::client::{Client, Programs};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A scenario.
pub(crate) struct Probe {
    pub(crate) name: &'static str,
    /// The first column of the table.
    pub(crate) what: &'static str,
    /// What is not left at its default.
    pub(crate) settings: &'static str,
    /// The worst that our client may show, on a machine that has much else to
    /// do.
    pub(crate) promise: Option<f64>,
    /// Whether it belongs to every run of the interop tests.
    pub(crate) quick: bool,
    pub(crate) run: fn(Client, &Programs) -> Result<Figure>,
}

/// What came of a probe.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) text: String,
    /// What the promise is held against.
    pub(crate) worst: f64,
    /// The probe itself did not come to its end.
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

/// A time as the table shows it.
fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        short if short < 10.0 => format!("{short:.1} s"),
        long => format!("{long:.0} s"),
    }
}

/// All there are, in the order of the table.
pub(crate) const ALL: &[Probe] = &[
    closing::CLEAN,
    closing::CLEAN_IN_BACKGROUND,
    closing::CLEAN_STRICT,
    closing::IN_OUTAGE,
    closing::READS_AFTERWARDS,
    closing::CALLBACK,
    closing::UNAVAILABLE,
    trouble::RESET,
    trouble::UNAVAILABLE,
    trouble::CUT,
    trouble::GARBAGE,
    trouble::EMPTY,
    trouble::REFUSED,
    trouble::CALLBACK_ERROR,
    trouble::PANIC,
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
    manners::FILES,
    manners::TIMEOUT,
];
