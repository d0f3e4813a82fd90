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
pub(crate) use self::worker::Settings;
pub use self::worker::{ChannelBackoffConfig, TunnelWorkerConfig, TunnelWorkerConfigBuilder};
