//! The list of all calls.

use std::sync::Arc;

use serde_json::json;

use super::{
    Answer, Call, ROOT, Refusal, clock, faults, ledger, partitions, processed, rows, tables,
    tunnels,
};
use crate::service::Service;

/// A call of the control API.
#[derive(Debug)]
pub(super) struct Route {
    method: &'static str,
    /// The path after the root. Parts in braces stand for arguments.
    path: &'static str,
    what: &'static str,
    pub(super) run: fn(&Arc<Service>, &Call<'_>) -> Result<Answer, Refusal>,
}

const fn route(
    method: &'static str,
    path: &'static str,
    what: &'static str,
    run: fn(&Arc<Service>, &Call<'_>) -> Result<Answer, Refusal>,
) -> Route {
    Route {
        method,
        path,
        what,
        run,
    }
}

// One call in each line.
#[rustfmt::skip]
const ROUTES: [Route; 27] = [
    route("GET", "/", "lists these calls", index),
    route("GET", "/health", "says that it serves", health),
    route("GET", "/state", "lists tables, tunnels and faults", state),
    route("POST", "/reset", "makes all but the clock as at the start", reset),
    route("GET", "/tables", "lists the tables", tables::list),
    route("POST", "/tables", "creates a table", tables::create),
    route("GET", "/tables/{table}", "describes a table", tables::describe),
    route("DELETE", "/tables/{table}", "drops a table", tables::remove),
    route("GET", "/tables/{table}/rows", "gives rows, one a line", rows::read),
    route("POST", "/tables/{table}/rows", "puts, updates and deletes rows", rows::write),
    route("POST", "/tables/{table}/split", "splits a partition", partitions::split),
    route("POST", "/tables/{table}/merge", "merges two partitions", partitions::merge),
    route("POST", "/tables/{table}/trim", "drops changes from the log", partitions::trim),
    route("GET", "/tunnels", "lists tunnels with channels and clients", tunnels::list),
    route("GET", "/tunnels/{id}", "describes a tunnel", tunnels::describe),
    route("POST", "/tunnels/{id}/expire", "makes a tunnel expired", tunnels::expire),
    route("POST", "/tunnels/{id}/processed", "notes what a consumer dealt with", processed::note),
    route("DELETE", "/tunnels/{id}/clients/{client}", "forgets a client", tunnels::forget),
    route("GET", "/faults", "lists the faults with their hits", faults::list),
    route("POST", "/faults", "adds faults, as a script or as JSON", faults::add),
    route("DELETE", "/faults", "disarms all faults", faults::clear),
    route("DELETE", "/faults/{id}", "disarms a fault", faults::remove),
    route("GET", "/clock", "says what time it is", clock::show),
    route("POST", "/clock/advance", "moves the clock forward", clock::advance),
    route("GET", "/ledger", "gives what happened, one event a line", ledger::read),
    route("DELETE", "/ledger", "forgets what happened", ledger::clear),
    route("GET", "/verdict", "judges the clients", ledger::verdict),
];

/// The route of a request.
pub(super) fn find(method: &str, path: &[String]) -> Result<&'static Route, Refusal> {
    let of_path: Vec<&Route> = ROUTES.iter().filter(|route| fits(route, path)).collect();
    if let Some(route) = of_path.iter().find(|route| route.method == method) {
        return Ok(route);
    }
    let path = path.join("/");
    if of_path.is_empty() {
        return Err(Refusal::not_found(format!(
            "there is no /_emulator/{path}; GET /_emulator/ lists all calls"
        )));
    }
    let methods: Vec<&str> = of_path.iter().map(|route| route.method).collect();
    let methods = methods.join(" or ");
    Err(Refusal::method(format!(
        "/_emulator/{path} takes {methods}, not {method}"
    )))
}

/// The parts of a path that are arguments.
pub(super) fn arguments(route: &Route, path: &[String]) -> Vec<String> {
    let parts = parts(route).zip(path);
    let own = parts.filter(|(pattern, _)| pattern.starts_with('{'));
    own.map(|(_, part)| part.clone()).collect()
}

fn parts(route: &Route) -> impl Iterator<Item = &'static str> {
    route.path.split('/').filter(|part| !part.is_empty())
}

fn fits(route: &Route, path: &[String]) -> bool {
    let fits = |(pattern, part): (&str, &String)| pattern.starts_with('{') || pattern == part;
    parts(route).count() == path.len() && parts(route).zip(path).all(fits)
}

fn index(_: &Arc<Service>, _: &Call<'_>) -> Result<Answer, Refusal> {
    let call = |route: &Route| {
        let (method, path, what) = (route.method, route.path, route.what);
        format!("{method:6} {ROOT}{path}  {what}\n")
    };
    Ok(Answer::text(ROUTES.iter().map(call).collect()))
}

fn health(service: &Arc<Service>, _: &Call<'_>) -> Result<Answer, Refusal> {
    Answer::json(&json!({
        "status": "ok",
        "instance": service.settings().instance(),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

fn state(service: &Arc<Service>, _: &Call<'_>) -> Result<Answer, Refusal> {
    Answer::json(&json!({
        "clock": clock::now(service),
        "tables": tables::all(service)?,
        "tunnels": tunnels::all(service)?,
        "faults": faults::all(service),
    }))
}

/// Forgets everything, as if the emulator had just been started. The clock goes
/// on.
fn reset(service: &Arc<Service>, _: &Call<'_>) -> Result<Answer, Refusal> {
    service.reset();
    Answer::done()
}
