//! Calls to read the ledger and its verdict.

use std::sync::Arc;

use super::{Answer, Call, Refusal};
use crate::checker::{Checker, Verdict};
use crate::duration;
use crate::service::Service;

/// The events from an order number on, one in each line.
pub(super) fn read(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let from = call.number("from")?.unwrap_or(0);
    let ledger = service.ledger_since(from);
    Answer::lines(ledger.events())
}

pub(super) fn clear(service: &Arc<Service>, _: &Call<'_>) -> Result<Answer, Refusal> {
    service.clear_ledger();
    Answer::done()
}

/// The verdict as text or as JSON.
pub(super) fn verdict(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let verdict = judge(service, call)?;
    match call.query("format") {
        None | Some("text") => Ok(Answer::text(format!("{verdict}\n"))),
        Some("json") => Answer::json(&verdict),
        Some(other) => Err(Refusal::bad(format!(
            "format is text or json, not {other:?}"
        ))),
    }
}

fn judge(service: &Service, call: &Call<'_>) -> Result<Verdict, Refusal> {
    let mut checker = Checker::new();
    if let Some(grace) = call.query("grace") {
        let expected = duration::EXPECTED;
        let wrong = || Refusal::bad(format!("grace must be {expected}, not {grace:?}"));
        checker = checker.grace(duration::parse(grace).ok_or_else(wrong)?);
    }
    if call.query("complete").is_some() {
        checker = checker.complete();
    }
    let ledger = service.ledger();
    Ok(checker.judge(&ledger))
}
