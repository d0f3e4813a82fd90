//! Processes batches after the callback has returned: the callback passes each
//! batch as bytes to another thread, which commits the token when it is done.
//! Follows the Go SDK's sample `asyncOpenTunnel` step by step.
//!
//! To run it on an emulator inside this program, until all records are delivered:
//!
//! ```text
//! cargo run --example async_open_tunnel
//! ```
//!
//! To run it on a real instance, until Ctrl-C, set `OTS_ENDPOINT`,
//! `OTS_INSTANCE`, `OTS_ACCESS_KEY_ID` and `OTS_ACCESS_KEY_SECRET` (and
//! `OTS_STS_TOKEN` for temporary credentials). The tunnel must exist:
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
    AsyncProcessFactory, ChannelContext, DescribeTunnelRequest, ProcessResult, Record,
    TunnelClient, TunnelConfig, TunnelWorkerConfig, TunnelWorkerDaemon,
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
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn"));
    println!("async_open_tunnel: passes batches to another thread, which commits their tokens");
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

    // Start to consume the tunnel. The callback returns without waiting for the
    // batch. The shutdown hook of a channel waits until its batches are committed.
    let background = Background::start();
    let (for_batches, for_shutdown) = (background.clone(), background.clone());
    let consume =
        move |ctx: &ChannelContext, _: &[Record]| example_consume_function(&for_batches, ctx);
    let factory = AsyncProcessFactory::new(consume)
        .channel_open(channel_open_ctx)
        .shutdown(move |_| {
            for_shutdown.flush();
            println!("shutdown hook");
        })
        .need_binary_record(true);
    let work_config = TunnelWorkerConfig::builder(factory).build()?;
    let daemon = TunnelWorkerDaemon::new(tunnel_client, resp.tunnel.tunnel_id, work_config);

    // Ctrl-C and SIGTERM close the daemon. On the emulator, `demo` closes it too.
    let handle = daemon.clone();
    ctrlc::set_handler(move || {
        handle.close();
    })?;
    demo.start(&daemon);
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
    // Waits while the queue is full, which bounds the memory in use.
    background.enqueue(Batch {
        processor: ctx.processor().clone(),
        // The token `finished` is committed like any other token.
        next_token: ctx.next_token().to_owned(),
        binary_records: ctx.binary_records().unwrap_or_default().to_vec(),
    })
}

fn channel_open_ctx(ctx: &ChannelContext) -> ProcessResult {
    println!("channel id: {}", ctx.channel_id());
    Ok(())
}
