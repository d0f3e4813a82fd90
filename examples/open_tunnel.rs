//! Consumes an existing tunnel, to add a worker or to replace one that failed.
//! Follows the Go SDK's sample `openTunnel` step by step.
//!
//! To run it on an emulator inside this program, until all records are delivered:
//!
//! ```text
//! cargo run --example open_tunnel
//! ```
//!
//! To run it on a real instance, until Ctrl-C, set `OTS_ENDPOINT`,
//! `OTS_INSTANCE`, `OTS_ACCESS_KEY_ID` and `OTS_ACCESS_KEY_SECRET` (and
//! `OTS_STS_TOKEN` for temporary credentials). The tunnel must exist. If you
//! start the program twice, the two workers share the channels:
//!
//! ```text
//! cargo run --example open_tunnel -- TABLE TUNNEL
//! ```

#[path = "shared/demo.rs"]
mod demo;
#[path = "shared/names.rs"]
mod names;
#[path = "shared/orders.rs"]
mod orders;
#[path = "shared/service.rs"]
mod service;
#[path = "shared/tunnel.rs"]
mod tunnel;

use std::error::Error;
use std::time::Duration;

use tablestore_tunnel::{
    ChannelContext, DescribeTunnelRequest, ProcessResult, Record, SimpleProcessFactory,
    TunnelClient, TunnelConfig, TunnelWorkerConfig, TunnelWorkerDaemon,
};

use demo::{Demo, Plan};
use service::Service;

const PLAN: Plan = Plan {
    rows: 20,
    changes: 20,
    pause: Duration::from_millis(100),
};

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn"));
    println!("open_tunnel: consumes an existing tunnel, for scale or failover");
    let service = Service::from_env()?;
    let (table_name, tunnel_name) = names::table_and_tunnel(&service)?;
    let demo = Demo::prepare(&service, &table_name, PLAN)?;

    let tunnel_client = TunnelClient::with_config(
        &service.endpoint,
        &service.instance,
        service.credentials.clone(),
        TunnelConfig::new(),
    )?;
    if service.emulator.is_some() {
        tunnel::get_or_create(&tunnel_client, &table_name, &tunnel_name)?;
    }

    // Open an existing tunnel, for scale or failover.
    let req = DescribeTunnelRequest::new(&table_name, &tunnel_name);
    let resp = tunnel_client.describe_tunnel(&req)?;
    println!("tunnel id is {}", resp.tunnel.tunnel_id);

    // Start to consume the tunnel.
    let factory = SimpleProcessFactory::new(example_consume_function)
        .custom_value("user custom value".to_owned())
        .shutdown(|_| println!("shutdown hook"));
    let work_config = TunnelWorkerConfig::builder(factory).build()?;
    let daemon = TunnelWorkerDaemon::new(tunnel_client, resp.tunnel.tunnel_id, work_config);

    // Ctrl-C and SIGTERM close the daemon. On the emulator, `demo` closes it too.
    let handle = daemon.clone();
    ctrlc::set_handler(move || {
        handle.close();
    })?;
    demo.start(&daemon);
    daemon.run()?;
    println!("{}", demo.finish(&daemon)?);
    Ok(())
}

fn example_consume_function(ctx: &ChannelContext, records: &[Record]) -> ProcessResult {
    if let Some(value) = ctx.custom_value::<String>() {
        println!("user-defined information {value}");
    }
    for rec in records {
        println!("tunnel record detail: {rec}");
    }
    println!("a round of records consumption finished");
    Ok(())
}
