//! Consumes a tunnel with work that goes on after the callback: batches go to
//! another thread as bytes, and their tokens are committed when that is done
//! with them. The Go SDK's sample `asyncOpenTunnel`, step by step.
//!
//! ```text
//! cargo run --example async_open_tunnel
//! ```
//!
//! runs on an emulator inside this program and ends by itself. Until Ctrl-C it
//! runs on a real instance, with a tunnel that exists, where `OTS_ENDPOINT`,
//! `OTS_INSTANCE`, `OTS_ACCESS_KEY_ID`, `OTS_ACCESS_KEY_SECRET` (and
//! `OTS_STS_TOKEN`) are set:
//!
//! ```text
//! cargo run --example async_open_tunnel -- TABLE TUNNEL
//! ```

mod background;
#[path = "../shared/demo.rs"]
mod demo;
#[path = "../shared/names.rs"]
mod names;
#[path = "../shared/orders.rs"]
mod orders;
#[path = "../shared/service.rs"]
mod service;
#[path = "../shared/tunnel.rs"]
mod tunnel;

use std::error::Error;
use std::time::Duration;

use tablestore_tunnel::{
    AsyncProcessFactory, ChannelContext, DescribeTunnelRequest, ProcessResult, TunnelClient,
    TunnelConfig, TunnelWorkerConfig, TunnelWorkerDaemon,
};

use background::{Background, Batch};
use demo::{Demo, Plan};
use service::Service;

const PLAN: Plan = Plan {
    rows: 2000,
    changes: 200,
    pause: Duration::from_millis(10),
};

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    println!("async_open_tunnel: hands batches to another thread, which commits their tokens");
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
        tunnel::id_of(&tunnel_client, &table_name, &tunnel_name)?;
    }

    // Open an existing tunnel, for scale or failover.
    let req = DescribeTunnelRequest::new(&table_name, &tunnel_name);
    let resp = tunnel_client.describe_tunnel(&req)?;
    println!("tunnel id is {}", resp.tunnel.tunnel_id);

    // Start to consume the tunnel. The callback returns at once; what it handed
    // on is finished and committed when a channel's shutdown hook returns.
    let background = Background::start();
    let (consume, close) = (background.clone(), background.clone());
    let factory = AsyncProcessFactory::new(move |ctx, _| example_consume_function(&consume, ctx))
        .channel_open(channel_open_ctx)
        .shutdown(move |_| {
            close.wait_until_idle();
            println!("shutdown hook");
        })
        .need_binary_record(true);
    let work_config = TunnelWorkerConfig::builder(factory).build()?;
    let daemon = TunnelWorkerDaemon::new(tunnel_client, resp.tunnel.tunnel_id, work_config);

    // Ctrl-C and SIGTERM end it; on the emulator also the end of the data.
    let handle = daemon.clone();
    ctrlc::set_handler(move || {
        handle.close();
    })?;
    demo.begin(&daemon);
    daemon.run()?;
    println!("committed {} records", background.committed());
    println!("{}", demo.finish(&daemon)?);
    Ok(())
}

fn example_consume_function(background: &Background, ctx: &ChannelContext) -> ProcessResult {
    println!(
        "{} records in {} bytes of channel {}",
        ctx.record_count(),
        ctx.binary_records().map_or(0, <[u8]>::len),
        ctx.channel_id()
    );
    // Waits while much is still to be done: memory stays bounded.
    background.hand_on(Batch {
        processor: ctx.processor().clone(),
        // `finished` too is committed like any other token.
        next_token: ctx.next_token().to_owned(),
        binary_records: ctx.binary_records().unwrap_or_default().to_vec(),
    })
}

fn channel_open_ctx(ctx: &ChannelContext) -> ProcessResult {
    println!("channel id: {}", ctx.channel_id());
    Ok(())
}
