//! Tests the examples: each runs as a separate process, as a user would start it,
//! and its output is checked.
//!
//! - `program`: runs an example as a process, and builds it if necessary;
//! - `alone`: runs every example on its built-in emulator;
//! - `signals`: stops an example with SIGTERM;
//! - `service`: runs examples against a separate emulator, as on a real instance;
//! - `exactly_once`, `progress`: test the pure functions of these two examples.

mod alone;
mod exactly_once;
mod program;
mod progress;
#[cfg(unix)]
mod service;
#[cfg(unix)]
mod signals;

// Files of the examples. They refer to each other as modules of the crate root.
#[path = "../../examples/exactly_once/check.rs"]
mod check;
#[path = "../../examples/progress/estimate.rs"]
mod estimate;
#[path = "../../examples/exactly_once/store.rs"]
mod store;
