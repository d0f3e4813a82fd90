//! Measures where this crate's client and the official SDKs differ: the same
//! scenario on each, against the emulator, and one figure of each.
//!
//! ```text
//! interop_differences --ours PATH [--go PATH] [--java CLASSPATH] [--jobs N]
//!                     [--write FILE | --check FILE] [PROBE...]
//! ```
//!
//! `../../run.sh --table` builds what it needs and calls it. `--write` makes the
//! page of all figures. `--check` runs what takes little time, wants the page to
//! have a row for every probe, and our client to keep what it promises.
//!
//! Files, in reading order:
//!
//! - `arguments`: what was asked for;
//! - `client`: the three clients, and a consumer as a process;
//! - `proxy`: stands between them and counts, alters and refuses;
//! - `seen`: what consumers delivered;
//! - `world`: one emulator, one table, one kind of client;
//! - `probes`: the scenarios;
//! - `run`: all of them, some at a time;
//! - `page`: the table.

mod arguments;
mod client;
mod page;
mod probes;
mod proxy;
mod run;
mod seen;
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

/// Whether everything is as it should be.
fn measure() -> Result<bool> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let probes = arguments.probes()?;
    let rows = run::all(&probes, &arguments.programs, arguments.jobs);
    let kept = rows.iter().all(page::Row::is_kept);
    match &arguments.goal {
        Goal::Show => print!("{}", page::table(&rows)),
        Goal::Write(file) => std::fs::write(file, page::page(&rows))?,
        Goal::Check(file) => {
            return Ok(kept && page::is_complete(&std::fs::read_to_string(file)?));
        }
    }
    Ok(kept)
}
