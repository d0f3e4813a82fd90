//! Shows the progress of a tunnel while it is consumed: the rows, rate and lag of
//! the channels, and the estimated time left for base data. On a terminal it
//! updates progress bars in place; elsewhere it prints a line per second.
//!
//! To run it on an emulator inside this program, until all records are delivered:
//!
//! ```text
//! cargo run --example progress
//! ```
//!
//! To run it on a real instance, until Ctrl-C, set `OTS_ENDPOINT`,
//! `OTS_INSTANCE`, `OTS_ACCESS_KEY_ID` and `OTS_ACCESS_KEY_SECRET` (and
//! `OTS_STS_TOKEN` for temporary credentials). The tunnel is created if it does
//! not exist. The service does not report the number of rows of a table, so it is
//! estimated from the channels that have finished, unless you pass `--rows`:
//!
//! ```text
//! cargo run --example progress -- TABLE TUNNEL [--rows=1000000]
//! ```
//!
//! Files, in reading order:
//!
//! - `status`: combines the worker's snapshot with the service's description of
//!   the tunnel;
//! - `estimate`: estimates the total number of rows and the time left;
//! - `bars`, `lines`: print the status.

mod bars;
#[path = "../shared/demo.rs"]
mod demo;
mod estimate;
mod lines;
#[path = "../shared/names.rs"]
mod names;
#[path = "../shared/orders.rs"]
mod orders;
#[path = "../shared/service.rs"]
mod service;
mod status;
#[path = "../shared/tunnel.rs"]
mod tunnel;

use std::error::Error;
use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

use tablestore_tunnel::{
    ChannelBackoffConfig, DescribeTunnelRequest, SimpleProcessFactory, TunnelClient, TunnelConfig,
    TunnelWorkerConfig, TunnelWorkerDaemon, WorkerState,
};

use bars::Bars;
use demo::{Demo, Plan};
use service::Service;
use status::{Status, Watch};

const PLAN: Plan = Plan {
    rows: 24_000,
    changes: 300,
    pause: Duration::from_millis(25),
};
/// How long the callback takes on the emulator, to make the progress visible.
const TIME_PER_BATCH: Duration = Duration::from_millis(400);

type Show = Box<dyn FnMut(&Status)>;

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn"));
    println!("progress: shows rows, rate and lag of each channel of a tunnel");
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

    let (time_per_batch, rows) = match &service.emulator {
        Some(_) => (TIME_PER_BATCH, Some(PLAN.rows as u64)),
        None => (Duration::ZERO, rows_option()?),
    };
    let factory = SimpleProcessFactory::new(move |_, _| {
        thread::sleep(time_per_batch);
        Ok(())
    });
    let work_config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval(Duration::from_secs(5))
        .backoff(ChannelBackoffConfig::default().max_delay(Duration::from_secs(1)))
        .pool_threads(4)
        .build()?;
    let daemon = TunnelWorkerDaemon::new(tunnel_client.clone(), tunnel_id, work_config);
    let handle = daemon.clone();
    ctrlc::set_handler(move || {
        handle.close();
    })?;
    demo.start(&daemon);

    // The daemon runs on a thread of its own; this thread prints the progress.
    let running = daemon.spawn()?;
    let (mut show, interval) = display();
    let mut watch = Watch::new(rows);
    let req = DescribeTunnelRequest::new(&table_name, &tunnel_name);
    loop {
        // Checked first, so that the last status is taken after the end.
        let has_ended = daemon.snapshot().state == WorkerState::Ended;
        let description = tunnel_client.describe_tunnel(&req)?;
        show(&watch.status(&description, &daemon.snapshot()));
        if has_ended {
            break;
        }
        thread::sleep(interval);
    }
    drop(show);
    running.join()?;
    println!("{}", demo.finish(&daemon)?);
    Ok(())
}

/// Returns the function that prints a status, and the interval between two calls:
/// bars on a terminal, lines elsewhere.
fn display() -> (Show, Duration) {
    if !io::stdout().is_terminal() {
        return (Box::new(lines::show), Duration::from_secs(1));
    }
    let mut bars = Bars::new();
    let show = move |status: &Status| bars.show(status);
    (Box::new(show), Duration::from_millis(250))
}

/// Returns the number of rows given by `--rows`.
fn rows_option() -> Result<Option<u64>, Box<dyn Error>> {
    let option = std::env::args().find_map(|arg| Some(arg.strip_prefix("--rows=")?.to_owned()));
    Ok(option.map(|rows| rows.parse()).transpose()?)
}
