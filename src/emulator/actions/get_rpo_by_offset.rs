//! `/tunnel/getrpobyoffset`.
//!
//! How it differs from `/tunnel/getrpo` is not documented; here it does not.

use super::get_rpo;
use crate::api::protocol as p;
use crate::emulator::clock::Timestamp;
use crate::emulator::core::Core;
use crate::emulator::failure::Failure;

pub(in crate::emulator) fn run(
    core: &mut Core,
    request: p::GetRpoRequest,
    now: Timestamp,
) -> Result<p::GetRpoResponse, Failure> {
    get_rpo::run(core, request, now)
}
