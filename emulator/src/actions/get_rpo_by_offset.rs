//! `/tunnel/getrpobyoffset`.
//!
//! How it differs from `/tunnel/getrpo` is not documented; here it does not.

use super::get_rpo;
use crate::clock::Timestamp;
use crate::core::Core;
use crate::failure::Failure;
use tablestore_tunnel::_wire::protocol as p;

pub(crate) fn run(
    core: &mut Core,
    request: p::GetRpoRequest,
    now: Timestamp,
) -> Result<p::GetRpoResponse, Failure> {
    get_rpo::run(core, request, now)
}
