//! The JSON API beside the protocol: tables, rows, faults, the clock and the
//! ledger for programs in any language.
//!
//! It is served under `/_emulator/`, to this machine only, and needs no access key.
//! `docs/emulator.md` describes each call.
//!
//! Files, in reading order:
//!
//! - this file: [`Control`], from a request to an answer.
//! - [`guard`]: rejects requests of web pages.
//! - [`call`]: a parsed request; [`answer`]: an answer, or an error.
//! - [`routes`]: the list of all calls.
//! - [`tables`]: creating, describing and dropping tables; [`partitions`]: splitting,
//!   merging and trimming partitions.
//! - [`rows`]: writing and reading rows; [`value`]: cells as JSON.
//! - [`tunnels`]: tunnels, channels and clients; [`processed`]: reports of processed
//!   records.
//! - [`faults`], [`clock`], [`ledger`]: calls on these.

mod answer;
mod call;
mod clock;
mod faults;
mod guard;
mod ledger;
mod partitions;
mod processed;
mod routes;
mod rows;
mod tables;
mod tunnels;
pub(crate) mod value;

use std::sync::Arc;

use self::answer::Answer;
use self::answer::Refusal;
use self::call::Call;
use super::protocol::{Reply, Request};
use super::service::Service;
use tablestore_tunnel::Value;

/// The beginning of the paths of the API.
const ROOT: &str = "/_emulator";

/// The largest body of a request, which may have many rows.
pub(super) const MAX_BODY: usize = 64 << 20;

/// Whether a path belongs to the control API.
pub(super) fn is_control(path: &str) -> bool {
    let rest = path.strip_prefix(ROOT);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

/// Answers the requests of the control API.
#[derive(Debug)]
pub(super) struct Control {
    service: Arc<Service>,
}

impl Control {
    pub(super) fn new(service: Arc<Service>) -> Control {
        Control { service }
    }

    pub(super) fn answer(&self, request: &Request) -> Reply {
        let answer = guard::check(&request.head)
            .and_then(|()| Call::new(request))
            .and_then(|call| self.route(call));
        answer.unwrap_or_else(Refusal::into_answer).into_reply()
    }

    fn route(&self, mut call: Call<'_>) -> Result<Answer, Refusal> {
        let route = routes::find(&call.method, &call.path)?;
        call.arguments = routes::arguments(route, &call.path);
        (route.run)(&self.service, &call)
    }
}
