//! Configuration and all defaults.
//!
//! - [`worker`]: [`TunnelWorkerConfig`], how workers behave.

mod worker;

pub use worker::{ChannelBackoffConfig, TunnelWorkerConfig, TunnelWorkerConfigBuilder};
pub(crate) use worker::{MIN_HEARTBEAT_INTERVAL, Settings};
