//! The emulator as a program, for clients in any language.
//!
//! ```text
//! cargo run -p tablestore-emulator -- --port 8087 --table orders:id:string --partitions 4 --rows 1000
//! ```
//!
//! The program prints its endpoint and its keys as lines that a shell can `eval`, and
//! serves until Ctrl-C or SIGTERM:
//!
//! ```text
//! export OTS_ENDPOINT=http://127.0.0.1:8087
//! export OTS_INSTANCE=emulator
//! export OTS_ACCESS_KEY_ID=emulator-key
//! export OTS_ACCESS_KEY_SECRET=emulator-secret
//! ```
//!
//! `--help` lists all options. `docs/emulator.md` describes the JSON API on the same
//! port, which any language can use. With `--write-changes` the program changes the
//! table while clients consume it, and with `--expect-file` it writes the records that
//! they must receive. At its end it lists the rules that clients broke.
//!
//! Files, in reading order:
//!
//! - this file: [`main`].
//! - [`options`]: the options of the command line.
//! - [`request_log`]: the log on stderr.
//! - [`seed`]: rows from a file; [`csv_rows`]: rows from CSV.
//! - [`rows`]: generated keys and columns.
//! - [`changes`]: puts, updates, deletes and a split, over some time.
//! - [`expect`]: the file of the records that consumers must receive.
//! - [`until_signal`]: waits that Ctrl-C ends.

mod changes;
mod csv_rows;
mod expect;
mod options;
mod request_log;
mod rows;
mod seed;
mod until_signal;

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::{Emulator, Fault, Table};

use self::expect::Expect;
use self::options::{HELP, Options};
use self::until_signal::UntilSignal;

/// Runs the program with the arguments of this process, until it is ended by a
/// signal.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tablestore-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let Some(options) = Options::parse(lexopt::Parser::from_env())? else {
        print!("{HELP}");
        return Ok(());
    };
    request_log::begin(options.log);
    let until = UntilSignal::new()?;
    let emulator = start(&options)?;
    let tables = create_tables(&emulator, &options)?;
    // The options on rows apply to the first table.
    let table = &tables[0];
    let keys = &options.tables[0].keys;
    let mut expect = Expect::create(options.expect_file.as_deref())?;
    rows::fill(table, keys, options.rows, &mut expect)?;
    if let Some(file) = &options.seed_file {
        seed::load(file, table, keys, &mut expect)?;
    }
    if let Some(file) = &options.faults {
        arm(&emulator, file)?;
    }
    announce(&emulator)?;
    if changes::make(&emulator, table, &options, &mut expect, &until)? {
        expect.end()?;
        until.wait();
    }
    emulator.stop();
    print_violations(&emulator);
    Ok(())
}

/// Lists the rules that clients broke, for developers of clients.
fn print_violations(emulator: &Emulator) {
    for broken in emulator.ledger().violations() {
        let client = broken.client.as_deref().unwrap_or("nobody");
        eprintln!("{:?} by client {client}: {}", broken.rule, broken.detail);
    }
}

fn start(options: &Options) -> Result<Emulator, Box<dyn Error>> {
    let mut builder = Emulator::builder()
        .port(options.port)
        .seed(options.seed)
        .clock(options.clock.clone());
    if let Some(rows) = options.batch_rows {
        builder = builder.batch_rows(rows);
    }
    if let Some(retention) = options.retention {
        builder = builder.retention(retention);
    }
    Ok(builder.start()?)
}

/// Arms the faults of a script.
fn arm(emulator: &Emulator, file: &Path) -> Result<(), String> {
    let wrong = |error: &dyn Error| format!("{}: {error}", file.display());
    let script = fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let faults = Fault::parse_script(&script).map_err(|error| wrong(&error))?;
    faults.into_iter().for_each(|fault| emulator.fault(fault));
    Ok(())
}

fn create_tables(emulator: &Emulator, options: &Options) -> Result<Vec<Table>, Box<dyn Error>> {
    let create = |table: &options::TableOption| {
        let spec = table.spec().partitions(options.partitions);
        Ok(emulator.create_table(spec)?)
    };
    options.tables.iter().map(create).collect()
}

/// Prints the endpoint and the keys. A program that reads these lines may connect
/// immediately, so this comes last.
fn announce(emulator: &Emulator) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "export OTS_ENDPOINT={}", emulator.endpoint())?;
    writeln!(out, "export OTS_INSTANCE={}", emulator.instance())?;
    writeln!(out, "export OTS_ACCESS_KEY_ID={}", emulator.access_key_id())?;
    let secret = emulator.access_key_secret();
    writeln!(out, "export OTS_ACCESS_KEY_SECRET={secret}")?;
    out.flush()
}
