//! Every example does what it says: each runs as a program of its own, as a
//! newcomer would start it, and its output is judged.
//!
//! - `program`: an example as a process, built when that is needed;
//! - `alone`: all of them on the emulator inside them, at once;
//! - `signals`: SIGTERM;
//! - `service`: against the emulator as another program, the way of a real
//!   instance;
//! - `exactly_once`, `progress`: the pure parts of these two, by tables.

mod alone;
mod exactly_once;
mod program;
mod progress;
#[cfg(unix)]
mod service;
#[cfg(unix)]
mod signals;

// Parts of examples, which expect each other here.
#[path = "../../examples/exactly_once/check.rs"]
mod check;
#[path = "../../examples/progress/estimate.rs"]
mod estimate;
#[path = "../../examples/exactly_once/store.rs"]
mod store;
