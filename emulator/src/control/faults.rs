//! Calls to add, list and remove faults, as a script or as JSON.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{Answer, Call, Refusal};
use crate::faults::{Fault, FaultJson, FaultStatus};
use crate::service::Service;

/// Adds all faults of the body, or none. A body that begins with a brace or a
/// bracket is JSON, because no line of a script begins so.
pub(super) fn add(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let faults = match call.text()?.trim_start().starts_with(['{', '[']) {
        true => parse(call.json()?)?,
        false => {
            Fault::parse_script(call.text()?).map_err(|error| Refusal::bad(error.to_string()))?
        }
    };
    if faults.is_empty() {
        return Err(Refusal::bad(
            "the body has no fault; write one a line, as readrecords reset",
        ));
    }
    let ids = service.arm(faults);
    Ok(Answer::json(&json!({"ids": ids}))?.created())
}

fn parse(json: Json) -> Result<Vec<Fault>, Refusal> {
    let faults = match json {
        Json::Array(faults) => faults,
        fault => vec![fault],
    };
    let parse = |(number, json)| {
        let wrong = |why: String| Refusal::bad(format!("fault {number}: {why}"));
        let fault: FaultJson =
            serde_json::from_value(json).map_err(|error| wrong(error.to_string()))?;
        fault.into_fault().map_err(wrong)
    };
    (1..).zip(faults).map(parse).collect()
}

pub(super) fn list(service: &Arc<Service>, _: &Call<'_>) -> Result<Answer, Refusal> {
    Answer::json(&all(service))
}

/// The armed faults, with their hits.
pub(super) fn all(service: &Service) -> Vec<Json> {
    let faults = service.faults();
    faults.iter().map(status).collect()
}

fn status(status: &FaultStatus) -> Json {
    json!({
        "id": status.id,
        "script": status.fault.to_string(),
        "fault": FaultJson::from(&status.fault),
        "seen": status.seen,
        "hits": status.hits,
        "over": status.over,
    })
}

pub(super) fn clear(service: &Arc<Service>, _: &Call<'_>) -> Result<Answer, Refusal> {
    service.clear_faults();
    Answer::done()
}

pub(super) fn remove(service: &Arc<Service>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = call.argument(0);
    let removed = id.parse().is_ok_and(|id| service.disarm(id));
    match removed {
        true => Answer::done(),
        false => Err(Refusal::not_found(format!(
            "there is no fault {id}; GET /_emulator/faults lists them with their ids"
        ))),
    }
}
