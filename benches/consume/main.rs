//! What a consumer costs, side by side: a floor that only fetches, this crate,
//! and the official Go SDK where Go is installed.
//!
//! In reading order:
//!
//! - this file: the command line and the roles of the processes.
//! - [`options`]: what the command line says.
//! - [`plan`]: what is run in which order, and the medians.
//! - [`run`]: one run of a server and a client.
//! - [`process`]: child processes and what they cost.
//! - [`shape`], [`wire`]: the records; [`server`]: who answers with them.
//! - [`client`]: who reads them; [`go`]: the SDK's program.
//! - [`report`]: the table; [`chart`]: the picture.
//! - [`soak`]: one client for a long time.
//!
//! `cargo bench --bench consume -- --help` tells what there is to set.

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
        ["--role", role @ ..] => play(role),
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

/// What a child process is told to be.
fn play(role: &[&str]) -> Result<(), Failure> {
    let [role, shape, channels, what] = role else {
        return Err("a role has a shape, a number of channels, and a place".into());
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
