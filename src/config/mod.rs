//! Configuration and all defaults.
//!
//! In reading order:
//!
//! - [`tunnel`]: how requests are made.
//! - [`worker`]: how workers behave.
//! - [`reading`]: how their channels are read.

mod reading;
mod tunnel;
mod worker;

pub use self::tunnel::TunnelConfig;
pub use self::worker::{ChannelBackoffConfig, TunnelWorkerConfig, TunnelWorkerConfigBuilder};
pub(crate) use self::worker::{MIN_HEARTBEAT_INTERVAL, Settings};
