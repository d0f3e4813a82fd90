//! Configuration and all defaults.
