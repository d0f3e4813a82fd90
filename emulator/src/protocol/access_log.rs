//! One log line for each request.
//!
//! The lines go to the `log` crate at the level debug under [`TARGET`], so that
//! a program can show these lines and no others.

use std::fmt::Write;
use std::time::Duration;

use super::{End, Head, Reply, Scope};

/// The target of these lines.
const TARGET: &str = "tablestore_emulator::requests";

fn is_enabled() -> bool {
    log::log_enabled!(target: TARGET, log::Level::Debug)
}

/// The details of a request beside its path and answer; empty if nobody reads
/// the log.
pub(crate) fn details(
    scope: &Scope,
    records: usize,
    faults: impl Iterator<Item = String>,
) -> String {
    let mut details = String::new();
    if !is_enabled() {
        return details;
    }
    let ids = [
        ("tunnel", &scope.tunnel),
        ("client", &scope.client),
        ("channel", &scope.channel),
    ];
    for (name, id) in ids {
        if let Some(id) = id {
            details.extend([" ", name, "=", id]);
        }
    }
    if records > 0 {
        // Writing to a string cannot fail.
        let _ = write!(details, " records={records}");
    }
    for fault in faults {
        let _ = write!(details, " fault={fault:?}");
    }
    details
}

/// Logs a request with its answer.
pub(crate) fn log(head: &Head, reply: &Reply, elapsed: Duration) {
    if !is_enabled() {
        return;
    }
    let Head { method, path, .. } = head;
    let (details, bytes) = (&reply.details, reply.body.len());
    let millis = elapsed.as_secs_f64() * 1e3;
    let answer = match reply.end {
        End::Keep | End::Last => format!("{} {bytes} B", reply.status),
        End::Close => "closed".to_owned(),
        End::Reset => "reset".to_owned(),
        End::Cut => format!("{} cut", reply.status),
        End::ResetMidway => format!("{} reset midway", reply.status),
    };
    log::debug!(target: TARGET, "{method} {path}{details} -> {answer} in {millis:.1} ms");
}
