//! Compares the cost of consumers: a floor that only fetches (the lower bound),
//! this crate, and the official Go SDK if Go is installed.
//!
//! Files, in reading order:
//!
//! - this file: the command line and the roles of the processes;
//! - [`options`]: the options of the command line;
//! - [`plan`]: the order of the runs, and the medians;
//! - [`run`]: one run of a server and a client;
//! - [`process`]: child processes and their resource usage;
//! - [`shape`], [`wire`]: the records; [`server`]: the server that returns them;
//! - [`client`]: the clients of this program; [`go`]: the program with the Go SDK;
//! - [`report`]: the table; [`chart`]: the chart;
//! - [`soak`]: one client for a long time.
//!
//! `cargo bench --bench consume -- --help` lists the options.

mod chart;
mod client;
mod go;
mod options;
mod plan;
mod process;
mod report;
mod run;
mod server;
mod shape;
mod soak;
mod wire;

use std::env;
use std::error::Error;
use std::process::ExitCode;

use client::Kind;
use options::Options;
use shape::Shape;

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args.as_slice() {
        ["--role", role @ ..] => run_role(role),
        args => measure(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("consume: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &[&str]) -> Result<(), Failure> {
    let Some(options) = Options::parse(args)? else {
        print!("{}", options::HELP);
        return Ok(());
    };
    if let Some(time) = options.soak {
        return Ok(soak::run(&options, time)?);
    }
    let results = plan::run(&options)?;
    let report = report::Report::new(&results);
    println!("{}", report.markdown());
    report.write(&options, &chart::draw(&results))?;
    Ok(())
}

/// Runs a child process in its role: a server or a client.
fn run_role(role: &[&str]) -> Result<(), Failure> {
    let [role, shape, channels, what] = role else {
        return Err("a role needs a shape, a number of channels, and a mode or endpoint".into());
    };
    let shape = Shape::of_name(shape).ok_or("no such shape")?;
    let channels = channels.parse()?;
    match *role {
        "server" => server::run(shape, channels, *what == "full")?,
        kind => {
            let kind = Kind::of_name(kind).ok_or("no such client")?;
            client::run(kind, what, shape, channels)?;
        }
    }
    Ok(())
}
