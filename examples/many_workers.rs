//! Consumes several tunnels in one program. All workers use the same
//! configuration, so they share its callback threads and its memory budget.
//!
//! To run it on an emulator inside this program, with three tables, until all
//! records are delivered:
//!
//! ```text
//! cargo run --example many_workers
//! ```
//!
//! To run it on a real instance, until Ctrl-C, set `OTS_ENDPOINT`,
//! `OTS_INSTANCE`, `OTS_ACCESS_KEY_ID` and `OTS_ACCESS_KEY_SECRET` (and
//! `OTS_STS_TOKEN` for temporary credentials). Tunnels that do not exist are
//! created:
//!
//! ```text
//! cargo run --example many_workers -- TABLE TUNNEL [TABLE TUNNEL ...]
//! ```

#[path = "shared/demo.rs"]
mod demo;
#[path = "shared/orders.rs"]
mod orders;
#[path = "shared/service.rs"]
mod service;
#[path = "shared/tunnel.rs"]
mod tunnel;

use std::error::Error;
use std::time::Duration;

use tablestore_tunnel::{
    SimpleProcessFactory, TunnelClient, TunnelConfig, TunnelWorkerConfig, TunnelWorkerDaemon,
};

use demo::{Demo, Plan};
use service::Service;

const PLAN: Plan = Plan {
    rows: 3000,
    changes: 300,
    pause: Duration::from_millis(10),
};

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn"));
    println!("many_workers: consumes several tunnels with one configuration");
    let service = Service::from_env()?;
    let names = tables_and_tunnels(&service)?;

    let tunnel_client = TunnelClient::with_config(
        &service.endpoint,
        &service.instance,
        service.credentials.clone(),
        TunnelConfig::new(),
    )?;

    // One configuration: all tunnels share eight threads and 64 MiB.
    let factory = SimpleProcessFactory::new(|ctx, records| {
        println!("{} records of tunnel {}", records.len(), ctx.tunnel_id());
        Ok(())
    });
    let work_config = TunnelWorkerConfig::builder(factory)
        .pool_threads(8)
        .memory_budget(64 << 20)
        .build()?;

    // One daemon per tunnel. Clones of the configuration share its resources.
    let mut daemons = Vec::new();
    for (table_name, tunnel_name) in names {
        let demo = Demo::prepare(&service, &table_name, PLAN)?;
        let tunnel_id = tunnel::get_or_create(&tunnel_client, &table_name, &tunnel_name)?;
        println!("tunnel {tunnel_name} of table {table_name} is {tunnel_id}");
        let daemon = TunnelWorkerDaemon::new(tunnel_client.clone(), tunnel_id, work_config.clone());
        daemons.push((daemon, demo));
    }

    // Ctrl-C and SIGTERM close all daemons. On the emulator, `demo` closes them too.
    let handles: Vec<TunnelWorkerDaemon> = daemons.iter().map(|(d, _)| d.clone()).collect();
    ctrlc::set_handler(move || {
        for daemon in &handles {
            daemon.close();
        }
    })?;

    // Each daemon runs on a thread of its own until it is closed.
    let mut running = Vec::new();
    for (daemon, demo) in &daemons {
        running.push(daemon.spawn()?);
        demo.start(daemon);
    }
    for daemon in running {
        daemon.join()?;
    }
    for (daemon, demo) in &daemons {
        println!("{}", demo.finish(daemon)?);
    }
    Ok(())
}

/// Returns the pairs of table and tunnel on the command line.
fn tables_and_tunnels(service: &Service) -> Result<Vec<(String, String)>, &'static str> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() && service.emulator.is_some() {
        let pair = |table: &str| (table.to_owned(), "exampleTunnel".to_owned());
        return Ok(["orders", "invoices", "returns"].map(pair).into());
    }
    if names.is_empty() || !names.len().is_multiple_of(2) {
        return Err("missing table or tunnel: many_workers -- TABLE TUNNEL [TABLE TUNNEL ...]");
    }
    let pairs = names.chunks_exact(2);
    Ok(pairs
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect())
}
