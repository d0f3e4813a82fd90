//! Consumes a tunnel: first the rows that the table has, then every change.
//!
//! ```text
//! cargo run --example quickstart
//! ```
//!
//! runs on an emulator inside this program: a table of orders, a tunnel over
//! it, a writer that keeps changing the table, and a closing summary that
//! counts what was written and what was delivered. Ctrl-C stops it early.
//!
//! Against a real instance, set `OTS_ENDPOINT`, `OTS_INSTANCE`,
//! `OTS_ACCESS_KEY_ID`, `OTS_ACCESS_KEY_SECRET` (and `OTS_STS_TOKEN`), and name
//! the table and the tunnel, which is created if there is none:
//!
//! ```text
//! cargo run --example quickstart -- testTable testTunnel
//! ```
//!
//! `RUST_LOG=info` shows what the worker does.

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
    env_logger::init();
    println!("quickstart: consumes the rows that a table has, then every change");
    let tally = Arc::new(Tally::default());
    let service = Service::from_env(&tally)?;
    let client = service.client()?;
    let tunnel_id = tunnel_id(&client, service.table_name(), service.tunnel_name())?;
    println!(
        "consuming tunnel {tunnel_id} of table {}",
        service.table_name()
    );

    // 1. What to do with a batch. Each channel gets its own clone of the callback.
    let factory = SimpleProcessFactory::new({
        let tally = tally.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            tally.deliver(ctx, records);
            Ok(())
        }
    });
    // 2. How to work. The default heartbeat, every 30 s, would do as well; the
    // shortest makes the change from base data to the stream quick to watch.
    let config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval(Duration::from_secs(5))
        .build()?;
    // 3. Work, until someone closes the daemon.
    let daemon = TunnelWorkerDaemon::new(client, tunnel_id, config);
    let handle = daemon.clone();
    let interrupted = tally.clone();
    ctrlc::set_handler(move || {
        println!("stopping ...");
        interrupted.interrupt();
        handle.close();
    })?;
    let changes = service.keep_changing(&tally, &daemon);
    daemon.run()?;
    if let Some(changes) = changes {
        changes.join().map_err(|_| "the writer panicked")??;
    }

    let summary = tally.summary();
    println!("\n{summary}");
    Ok(match summary.is_right() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The id of the tunnel, which is made if there is none.
fn tunnel_id(client: &TunnelClient, table: &str, tunnel: &str) -> Result<String, TunnelError> {
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
