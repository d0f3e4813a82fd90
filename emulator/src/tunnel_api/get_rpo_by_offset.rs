//! `/tunnel/getrpobyoffset`.
//!
//! The documentation does not say how it differs from `/tunnel/getrpo`. In the
//! emulator both give the same answer.

use super::get_rpo;
use crate::protocol::Failure;
use crate::state::State;
use crate::timestamp::Timestamp;
use tablestore_tunnel::_wire::protocol as p;

pub(crate) fn run(
    state: &mut State,
    request: &p::GetRpoRequest,
    now: Timestamp,
) -> Result<p::GetRpoResponse, Failure> {
    get_rpo::run(state, request, now)
}
