//! Configuration and all defaults.
//!
//! In reading order:
//!
//! - [`tunnel`]: how requests are made.

mod tunnel;

pub use tunnel::TunnelConfig;
