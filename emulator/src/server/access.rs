//! One line for each request, for who wants to look on.
//!
//! Goes to the `log` crate at the level debug under [`TARGET`], so that a
//! program can show these lines and no others.

use std::fmt::Write;
use std::time::Instant;

use super::reply::{End, Reply};
use super::request::Head;
use super::service::Call;
use crate::fault::plan::Strikes;

/// What these lines are logged under.
const TARGET: &str = "tablestore_emulator::requests";

fn is_wanted() -> bool {
    log::log_enabled!(target: TARGET, log::Level::Debug)
}

/// What there is to say of a call beside its path and answer; nothing when
/// nobody looks on.
pub(super) fn about(call: &Call, strikes: &Strikes, records: usize) -> String {
    let mut about = String::new();
    if !is_wanted() {
        return about;
    }
    let scope = &call.scope;
    let ids = [
        ("tunnel", &scope.tunnel),
        ("client", &scope.client),
        ("channel", &scope.channel),
    ];
    for (name, id) in ids {
        if let Some(id) = id {
            about.extend([" ", name, "=", id]);
        }
    }
    if records > 0 {
        // A string takes all that is written.
        let _ = write!(about, " records={records}");
    }
    for effect in strikes.before.iter().chain(&strikes.after) {
        let _ = write!(about, " fault={:?}", effect.to_string());
    }
    about
}

/// Logs a request with its answer.
pub(super) fn log(head: &Head, reply: &Reply, begun: Instant) {
    if !is_wanted() {
        return;
    }
    let Head { method, path, .. } = head;
    let (about, bytes) = (&reply.about, reply.body.len());
    let millis = Instant::now().duration_since(begun).as_secs_f64() * 1e3;
    let answer = match reply.end {
        End::Keep | End::Last => format!("{} {bytes} B", reply.status),
        End::Close => "closed".to_owned(),
        End::Reset => "reset".to_owned(),
        End::Cut => format!("{} cut", reply.status),
        End::ResetMidway => format!("{} reset midway", reply.status),
    };
    log::debug!(target: TARGET, "{method} {path}{about} -> {answer} in {millis:.1} ms");
}
