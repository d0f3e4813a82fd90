//! Shows how a tunnel gets on, while it is consumed: a bar or a line for each
//! channel with its rows, rate and lag, and for the base data how much of it
//! there is still to come; on a terminal in place, elsewhere a line each second.
//!
//! ```text
//! cargo run --example progress
//! ```
//!
//! runs on an emulator inside this program and ends by itself. Until Ctrl-C it
//! runs on a real instance where `OTS_ENDPOINT`, `OTS_INSTANCE`,
//! `OTS_ACCESS_KEY_ID`, `OTS_ACCESS_KEY_SECRET` (and `OTS_STS_TOKEN`) are set;
//! the tunnel is created if there is none. The service does not tell how many
//! rows a table has: say so if you know, or it is estimated from the channels
//! that have come to their end.
//!
//! ```text
//! cargo run --example progress -- TABLE TUNNEL [--rows=1000000]
//! ```
//!
//! Files, in reading order:
//!
//! - `status`: what there is to show, from the worker's snapshot and the
//!   service's description of the tunnel;
//! - `estimate`: how long base data will take;
//! - `bars`, `lines`: how it is shown.

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
/// How long a batch takes on the emulator, so that there is something to see.
const WORK: Duration = Duration::from_millis(400);

type Show = Box<dyn FnMut(&Status)>;

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
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
    let tunnel_id = tunnel::id_of(&tunnel_client, &table_name, &tunnel_name)?;

    let (work, rows) = match &service.emulator {
        Some(_) => (WORK, Some(PLAN.rows as u64)),
        None => (Duration::ZERO, rows_option()?),
    };
    let factory = SimpleProcessFactory::new(move |_, _| {
        thread::sleep(work);
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
    demo.begin(&daemon);

    // The daemon works on a thread of its own, and this one looks on.
    let running = daemon.spawn()?;
    let (mut show, pause) = how_to_show();
    let mut watch = Watch::new(rows);
    let req = DescribeTunnelRequest::new(&table_name, &tunnel_name);
    loop {
        // The last look is after the end.
        let is_over = daemon.snapshot().state == WorkerState::Ended;
        let described = tunnel_client.describe_tunnel(&req)?;
        show(&watch.look(&described, &daemon.snapshot()));
        if is_over {
            break;
        }
        thread::sleep(pause);
    }
    drop(show);
    running.join()?;
    println!("{}", demo.finish(&daemon)?);
    Ok(())
}

/// In place on a terminal, a line now and then elsewhere; and how often.
fn how_to_show() -> (Show, Duration) {
    if !io::stdout().is_terminal() {
        return (Box::new(lines::show), Duration::from_secs(1));
    }
    let mut bars = Bars::new();
    let show = move |status: &Status| bars.show(status);
    (Box::new(show), Duration::from_millis(250))
}

/// How many rows the table has, as the command line tells.
fn rows_option() -> Result<Option<u64>, Box<dyn Error>> {
    let option = std::env::args().find_map(|arg| Some(arg.strip_prefix("--rows=")?.to_owned()));
    Ok(option.map(|rows| rows.parse()).transpose()?)
}
