//! Consumes a tunnel: first the existing rows of a table, then every change.
//!
//! To run it on an emulator inside this program:
//!
//! ```text
//! cargo run --example quickstart
//! ```
//!
//! The program creates a table of orders and a tunnel on it, and changes the
//! table for a few seconds. The summary at the end compares the records written
//! with the records delivered. Ctrl-C stops the program early.
//!
//! To run it on a real instance, set `OTS_ENDPOINT`, `OTS_INSTANCE`,
//! `OTS_ACCESS_KEY_ID` and `OTS_ACCESS_KEY_SECRET` (and `OTS_STS_TOKEN` for
//! temporary credentials). The tunnel is created if it does not exist:
//!
//! ```text
//! cargo run --example quickstart -- TABLE TUNNEL
//! ```
//!
//! Warnings are logged by default; `RUST_LOG=info` also logs what the worker does.

mod orders;
mod service;
mod tally;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tablestore_tunnel::{
    ChannelContext, CreateTunnelRequest, DescribeTunnelRequest, ErrorCode, Record,
    SimpleProcessFactory, TunnelClient, TunnelError, TunnelType, TunnelWorkerConfig,
    TunnelWorkerDaemon,
};

use service::Service;
use tally::Tally;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn"));
    println!("quickstart: consumes the rows that a table has, then every change");
    let tally = Arc::new(Tally::default());
    let service = Service::from_env(&tally)?;
    let client = service.client()?;
    let tunnel_id = get_or_create_tunnel(&client, service.table_name(), service.tunnel_name())?;
    println!(
        "consuming tunnel {tunnel_id} of table {}",
        service.table_name()
    );

    // 1. Write a callback that processes a batch. Each channel gets its own clone.
    let factory = SimpleProcessFactory::new({
        let tally = tally.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            tally.deliver(ctx, records);
            Ok(())
        }
    });
    // 2. Configure the worker. The default heartbeat interval of 30 s works too;
    // the minimum of 5 s makes the switch from base data to changes faster.
    let config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval(Duration::from_secs(5))
        .build()?;
    // 3. Run until another thread closes the daemon.
    let daemon = TunnelWorkerDaemon::new(client, tunnel_id, config);
    let handle = daemon.clone();
    let interrupted = tally.clone();
    ctrlc::set_handler(move || {
        println!("stopping ...");
        interrupted.interrupt();
        handle.close();
    })?;
    let writer = service.start_writer(&tally, &daemon);
    daemon.run()?;
    if let Some(writer) = writer {
        writer.join().map_err(|_| "the writer panicked")??;
    }

    let summary = tally.summary();
    println!("\n{summary}");
    Ok(match summary.is_correct() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Returns the id of the tunnel, which is created if it does not exist.
fn get_or_create_tunnel(
    client: &TunnelClient,
    table: &str,
    tunnel: &str,
) -> Result<String, TunnelError> {
    let request = CreateTunnelRequest::new(table, tunnel, TunnelType::BaseAndStream);
    match client.create_tunnel(&request) {
        Ok(created) => Ok(created.tunnel_id),
        Err(error) if *error.code() == ErrorCode::TunnelExist => {
            let request = DescribeTunnelRequest::new(table, tunnel);
            Ok(client.describe_tunnel(&request)?.tunnel.tunnel_id)
        }
        Err(error) => Err(error),
    }
}
