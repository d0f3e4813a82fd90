//! The worker in a deterministic simulation: all threads of the crate and of the world
//! around it run one at a time, in virtual time, and a seed decides everything.
//!
//! `scripts/simulate` builds and runs it. Without `--cfg simulation` this is an empty
//! program.
//!
//! - [`runner`]: many seeds, in processes of their own.
//! - [`run`]: one seed.
//! - [`plan`]: what a seed describes (pure).
//! - [`world`]: all of that, put together; [`story`]: what happens in it.
//! - [`consumers`]: daemons and workers; [`user`]: the program's code in them.
//! - [`network`]: the way to the service, which is the emulator.
//! - [`notes`], [`threads`], [`judge`]: what must hold.
//! - [`dice`], [`logging`]: randomness and the trace.

#[cfg(simulation)]
mod consumers;
#[cfg(simulation)]
mod dice;
#[cfg(simulation)]
mod judge;
#[cfg(simulation)]
mod logging;
#[cfg(simulation)]
mod network;
#[cfg(simulation)]
mod notes;
#[cfg(simulation)]
mod plan;
#[cfg(simulation)]
mod run;
#[cfg(simulation)]
mod runner;
#[cfg(simulation)]
mod story;
#[cfg(simulation)]
mod threads;
#[cfg(simulation)]
mod user;
#[cfg(simulation)]
mod world;

#[cfg(simulation)]
fn main() -> std::process::ExitCode {
    runner::main()
}

#[cfg(not(simulation))]
fn main() {}
