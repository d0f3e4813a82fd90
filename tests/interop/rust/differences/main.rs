//! Measures the differences between this crate's client and the official SDKs. Each
//! probe runs the same scenario with each client against the emulator, and measures
//! one figure.
//!
//! ```text
//! interop_differences --ours PATH [--go PATH] [--java CLASSPATH] [--jobs N]
//!                     [--write FILE | --check FILE] [PROBE...]
//! ```
//!
//! `../../run.sh --table` builds the programs and runs this one. `--write` writes the
//! page with all figures. `--check` runs the quick probes; it fails if the page lacks
//! a row, or if this crate's client exceeds a promised limit.
//!
//! Files, in reading order:
//!
//! - `arguments`: the command line;
//! - `client`: the three clients, and a consumer as a process;
//! - `proxy`: a proxy that counts connections, alters bytes and refuses connections;
//! - `output`: the records and events written by consumers;
//! - `world`: an emulator, a table, and consumers of one client;
//! - `probes`: the scenarios;
//! - `run`: runs the probes;
//! - `page`: the table.

mod arguments;
mod client;
mod output;
mod page;
mod probes;
mod proxy;
mod run;
mod world;

use std::process::ExitCode;

use arguments::{Arguments, Goal};
use probes::Result;

fn main() -> ExitCode {
    match measure() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("interop_differences: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the probes. Returns whether all limits are kept and the page is complete.
fn measure() -> Result<bool> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let probes = arguments.probes()?;
    let rows = run::all(&probes, &arguments.programs, arguments.jobs);
    let kept = rows.iter().all(page::Row::keeps_promise);
    match &arguments.goal {
        Goal::Show => print!("{}", page::table(&rows)),
        Goal::Write(file) => std::fs::write(file, page::page(&rows))?,
        Goal::Check(file) => {
            return Ok(kept && page::is_complete(&std::fs::read_to_string(file)?));
        }
    }
    Ok(kept)
}
