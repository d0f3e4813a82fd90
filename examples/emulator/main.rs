//! The emulator as a program, for clients in any language.
//!
//! ```text
//! cargo run --example emulator -- --port 8087 --table orders:id:string --partitions 4 --rows 1000
//! ```
//!
//! Prints where it serves and its keys as lines that a shell can `eval`, and
//! serves until Ctrl-C or SIGTERM:
//!
//! ```text
//! export OTS_ENDPOINT=http://127.0.0.1:8087
//! export OTS_INSTANCE=emulator
//! export OTS_ACCESS_KEY_ID=emulator-key
//! export OTS_ACCESS_KEY_SECRET=emulator-secret
//! ```
//!
//! `--help` lists all options. With `--write-changes` it keeps changing the
//! table while clients consume, and with `--expect-file` it tells what they
//! must see. At its end it says which rules of the protocol clients broke.
//!
//! Files, in reading order:
//!
//! - `options`: what was asked for;
//! - `seed`: rows that are there from the start;
//! - `rows`: generated keys and columns;
//! - `changes`: puts, updates, deletes and a split, over a time;
//! - `expect`: the file of what was written;
//! - `stop`: waits that Ctrl-C ends.

mod changes;
mod expect;
#[path = "../shared/json_line.rs"]
mod json_line;
mod options;
mod rows;
mod seed;
mod stop;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use tablestore_tunnel::emulator::{Emulator, Table};

use expect::Expect;
use options::{HELP, Options};
use stop::Stop;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let Some(options) = Options::parse(std::env::args().skip(1))? else {
        print!("{HELP}");
        return Ok(());
    };
    let stop = Stop::on_signal()?;
    let emulator = start(&options)?;
    let tables = create_tables(&emulator, &options)?;
    // The first: what the options about rows are about.
    let table = &tables[0];
    let keys = &options.tables[0].keys;
    let mut expect = Expect::create(options.expect_file.as_deref(), keys)?;
    rows::fill(table, keys, options.rows, &mut expect)?;
    if let Some(file) = &options.seed_file {
        seed::load(file, table, keys, &mut expect)?;
    }
    announce(&emulator)?;
    if changes::make(&emulator, table, &options, &mut expect, &stop)? {
        expect.end()?;
        stop.wait();
    }
    emulator.stop();
    tell_violations(&emulator);
    Ok(())
}

/// Says which rules the clients broke, for those who write one.
fn tell_violations(emulator: &Emulator) {
    for broken in emulator.ledger().violations() {
        let (rule, channel, client) = (broken.rule, broken.channel, broken.client);
        eprintln!("{rule:?} by client {client} on channel {channel}");
    }
}

fn start(options: &Options) -> Result<Emulator, Box<dyn Error>> {
    let builder = Emulator::builder().port(options.port);
    let builder = match options.batch_rows {
        Some(rows) => builder.batch_rows(rows),
        None => builder,
    };
    Ok(builder.start()?)
}

fn create_tables(emulator: &Emulator, options: &Options) -> Result<Vec<Table>, Box<dyn Error>> {
    let create = |table: &options::TableOption| {
        let spec = table.spec().partitions(options.partitions);
        Ok(emulator.create_table(spec)?)
    };
    options.tables.iter().map(create).collect()
}

/// Says where it serves, and only then: a program that reads these lines may
/// connect at once.
fn announce(emulator: &Emulator) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "export OTS_ENDPOINT={}", emulator.endpoint())?;
    writeln!(out, "export OTS_INSTANCE={}", emulator.instance())?;
    writeln!(out, "export OTS_ACCESS_KEY_ID={}", emulator.access_key_id())?;
    let secret = emulator.access_key_secret();
    writeln!(out, "export OTS_ACCESS_KEY_SECRET={secret}")?;
    out.flush()
}
