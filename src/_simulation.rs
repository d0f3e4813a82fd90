//! The deterministic simulation, for the tests of this repository.
//!
//! Compiled in only under `--cfg simulation`. No part of the public interface.

pub use crate::http::transport::simulated::{
    SimFailure, SimRequest, SimResponse, Transport, client,
};
pub use crate::sync::simulation::control::{
    fail, live_threads, note, now, sleep, spawn, stop_stalls, suspend, utc, yield_now,
};
pub use crate::sync::simulation::{Options, Outcome, run};
