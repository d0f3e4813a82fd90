//! Calls to read and move the clock.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Answer, Call, Refusal};
use crate::clock::LONGEST_MOVE;
use crate::duration;
use crate::service::Service;

/// How far to move the clock, or to which time.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdvanceJson {
    by: Option<String>,
    to: Option<String>,
}

pub(super) fn show(service: &Arc<Service>, _: &Call<'_>) -> Result<Answer, Refusal> {
    Answer::json(&now(service))
}

/// The time on the clock, and whether the clock runs by itself.
pub(super) fn now(service: &Service) -> Json {
    json!({
        "time": service.clock().now().to_rfc3339(),
        "runs": service.clock().runs(),
    })
}

pub(super) fn advance(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let by = match call.json()? {
        AdvanceJson {
            by: Some(by),
            to: None,
        } => duration::parse(&by).ok_or_else(|| {
            Refusal::bad(format!("by must be {}, not {by:?}", duration::EXPECTED))
        })?,
        AdvanceJson {
            by: None,
            to: Some(to),
        } => until(service, &to)?,
        _ => {
            let what = "say how far: {\"by\": \"7d\"} or {\"to\": \"2030-01-01T00:00:00Z\"}";
            return Err(Refusal::bad(what));
        }
    };
    if by > LONGEST_MOVE {
        let why = "the clock moves by 36500d (100 years) at most; move it several times";
        return Err(Refusal::bad(why));
    }
    service.clock().advance(by);
    Answer::json(&now(service))
}

fn until(service: &Service, to: &str) -> Result<std::time::Duration, Refusal> {
    let then = OffsetDateTime::parse(to, &Rfc3339).map_err(|_| {
        Refusal::bad(format!(
            "to must be a time as 2030-01-01T00:00:00Z, not {to:?}"
        ))
    })?;
    let by = (then - service.clock().utc()).try_into();
    by.map_err(|_| Refusal::bad(format!("{to} is over already; the clock only goes forward")))
}
