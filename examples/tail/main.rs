//! Prints the rows of a table and then its changes as they happen, one line per
//! record. The lines are plain text, coloured on a terminal unless `NO_COLOR` is
//! set, or JSON with `--json`.
//!
//! To run it on an emulator inside this program, until all records are delivered:
//!
//! ```text
//! cargo run --example tail
//! cargo run --example tail -- --json
//! ```
//!
//! To run it on a real instance, until Ctrl-C, set `OTS_ENDPOINT`,
//! `OTS_INSTANCE`, `OTS_ACCESS_KEY_ID` and `OTS_ACCESS_KEY_SECRET` (and
//! `OTS_STS_TOKEN` for temporary credentials). The tunnel is created if it does
//! not exist; an existing tunnel continues from its checkpoints:
//!
//! ```text
//! cargo run --example tail -- TABLE TUNNEL [--json]
//! ```
//!
//! In JSON, `at` is the time of delivery in microseconds since 1970; the other
//! fields are described in `shared/json_line.rs`. Only records are printed to
//! standard output; messages go to standard error.

#[path = "../shared/demo.rs"]
mod demo;
#[path = "../shared/json_line.rs"]
mod json_line;
#[path = "../shared/names.rs"]
mod names;
#[path = "../shared/orders.rs"]
mod orders;
mod readable;
#[path = "../shared/service.rs"]
mod service;
#[path = "../shared/tunnel.rs"]
mod tunnel;

use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use tablestore_tunnel::{
    ChannelBackoffConfig, ChannelContext, ProcessResult, Record, SimpleProcessFactory,
    TunnelClient, TunnelConfig, TunnelWorkerConfig, TunnelWorkerDaemon,
};

use demo::{Demo, Plan};
use service::Service;

const PLAN: Plan = Plan {
    rows: 10,
    changes: 40,
    pause: Duration::from_millis(200),
};

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn"));
    eprintln!("tail: prints the rows of a table, then its changes as they happen");
    let service = Service::from_env()?;
    let (table_name, tunnel_name) = names::table_and_tunnel(&service)?;
    let demo = Demo::prepare(&service, &table_name, PLAN)?;

    let tunnel_client = TunnelClient::with_config(
        &service.endpoint,
        &service.instance,
        service.credentials.clone(),
        TunnelConfig::new(),
    )?;
    let tunnel_id = tunnel::get_or_create(&tunnel_client, &table_name, &tunnel_name)?;

    let is_json = std::env::args().any(|argument| argument == "--json");
    let line = if is_json { json } else { readable::line };
    let factory = SimpleProcessFactory::new(move |ctx, records| print(ctx, records, line));
    // A short heartbeat interval and backoff, to print changes soon.
    let work_config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval(Duration::from_secs(5))
        .backoff(ChannelBackoffConfig::default().max_delay(Duration::from_millis(500)))
        .build()?;
    let daemon = TunnelWorkerDaemon::new(tunnel_client, tunnel_id, work_config);

    // Ctrl-C and SIGTERM close the daemon. On the emulator, `demo` closes it too.
    let handle = daemon.clone();
    ctrlc::set_handler(move || {
        handle.close();
    })?;
    demo.start(&daemon);
    daemon.run()?;
    eprintln!("{}", demo.finish(&daemon)?);
    Ok(())
}

/// Prints a batch. After an error the whole batch is redelivered, and lines that
/// were already printed may be repeated.
fn print(
    ctx: &ChannelContext,
    records: &[Record],
    line: fn(&ChannelContext, &Record) -> String,
) -> ProcessResult {
    // The lock is held for the whole batch, so that lines of different channels do
    // not interleave and the values of `at` are in order.
    let mut out = io::stdout().lock();
    let lines: String = records.iter().map(|rec| line(ctx, rec) + "\n").collect();
    out.write_all(lines.as_bytes())?;
    Ok(out.flush()?)
}

fn json(ctx: &ChannelContext, record: &Record) -> String {
    let mut line = json_line::object(ctx.channel_id(), record);
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let at = at.unwrap_or_default().as_micros() as u64;
    line.insert("at".to_owned(), at.into());
    serde_json::Value::Object(line).to_string()
}
