//! Types of other crates in this one's API.
//!
//! A new major version of one of these crates is a new major version of this
//! one. A check in CI (`.ci/foreign-types`) compares the list with the API.
//!
//! | crate | types and traits | where |
//! |---|---|---|
//! | `time` | `OffsetDateTime` | times of the meta API |
//! | `rayon_core` | `ThreadPool` | [`TunnelWorkerConfigBuilder::pool`](crate::TunnelWorkerConfigBuilder::pool); it is that of `rayon` |
//! | `ureq` | `Agent`, `ConfigBuilder`, `AgentScope` | [`TunnelConfig::agent`](crate::TunnelConfig::agent), [`TunnelConfig::agent_config`](crate::TunnelConfig::agent_config) |
