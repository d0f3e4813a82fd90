//! Types of other crates in the public API.
//!
//! A new major version of one of these crates leads to a new major version of this crate. A
//! check in CI (`.ci/foreign-types`) compares this list with the API.
//!
//! | crate | types and traits | where |
//! |---|---|---|
//! | `time` | `OffsetDateTime` | times of the meta API |
//! | `rayon_core` | `ThreadPool` | [`TunnelWorkerConfigBuilder::pool`](crate::TunnelWorkerConfigBuilder::pool); the same type as in `rayon` |
//! | `ureq` | `Agent`, `ConfigBuilder`, `AgentScope` | [`TunnelConfig::agent`](crate::TunnelConfig::agent), [`TunnelConfig::agent_config`](crate::TunnelConfig::agent_config) |
