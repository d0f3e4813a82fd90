//! The deterministic simulation, for the tests of this repository.
//!
//! Compiled in only under `--cfg simulation`. No part of the public interface.

use std::sync::Arc;

use crate::client::TunnelClient;
use crate::config::TunnelConfig;
use crate::credentials::CredentialsProvider;
use crate::error::TunnelError;
pub use crate::http::transport::simulated::{SimFailure, SimRequest, SimResponse, Transport};
pub use crate::sync::simulation::control::{
    fail, held_locks, live_threads, note, now, sleep, spawn, stop_stalls, suspend, utc, yield_now,
};
pub use crate::sync::simulation::{Options, Outcome, run};

/// The endpoint that simulated requests name.
const ENDPOINT: &str = "http://simulated.example";

/// A client of a simulated service.
///
/// # Errors
///
/// As [`TunnelClient::with_config`].
pub fn client(
    transport: Arc<dyn Transport>,
    instance: &str,
    credentials: impl CredentialsProvider + 'static,
    config: TunnelConfig,
) -> Result<TunnelClient, TunnelError> {
    TunnelClient::with_transport(ENDPOINT, instance, credentials, config, transport)
}
