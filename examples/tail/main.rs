//! Prints a table as it is and then its changes as they happen, one line each:
//! readable, in colours on a terminal (unless `NO_COLOR` is set), or as JSON
//! lines with `--json`.
//!
//! ```text
//! cargo run --example tail
//! cargo run --example tail -- --json
//! ```
//!
//! run on an emulator inside this program and end by themselves. Until Ctrl-C
//! it runs on a real instance where `OTS_ENDPOINT`, `OTS_INSTANCE`,
//! `OTS_ACCESS_KEY_ID`, `OTS_ACCESS_KEY_SECRET` (and `OTS_STS_TOKEN`) are set.
//! The tunnel is created if there is none; one that is there goes on from its
//! checkpoints:
//!
//! ```text
//! cargo run --example tail -- TABLE TUNNEL [--json]
//! ```
//!
//! Each line of JSON has the microsecond in which the record was delivered as
//! `at`; the rest is as `shared/json_line.rs` tells. All but records goes to
//! standard error.

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
    env_logger::init();
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
    let tunnel_id = tunnel::id_of(&tunnel_client, &table_name, &tunnel_name)?;

    let is_json = std::env::args().any(|argument| argument == "--json");
    let line = if is_json { json } else { readable::line };
    let factory = SimpleProcessFactory::new(move |ctx, records| print(ctx, records, line));
    // The shortest interval and pause: changes are to be seen soon.
    let work_config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval(Duration::from_secs(5))
        .backoff(ChannelBackoffConfig::default().max_delay(Duration::from_millis(500)))
        .build()?;
    let daemon = TunnelWorkerDaemon::new(tunnel_client, tunnel_id, work_config);

    // Ctrl-C and SIGTERM end it; on the emulator also the end of the data.
    let handle = daemon.clone();
    ctrlc::set_handler(move || {
        handle.close();
    })?;
    demo.begin(&daemon);
    daemon.run()?;
    eprintln!("{}", demo.finish(&daemon)?);
    Ok(())
}

/// The callback. What is printed stays printed: an error means that none of
/// the batch may count as processed.
fn print(
    ctx: &ChannelContext,
    records: &[Record],
    line: fn(&ChannelContext, &Record) -> String,
) -> ProcessResult {
    // One lock for the batch, so that the lines of two channels do not mix,
    // and the times of lines are in their order.
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
