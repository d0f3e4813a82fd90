//! Consumes a stretch of the change log: between two times, from now until a
//! time, and from the oldest change until a time. The Go SDK's sample
//! `backfillTunnel`, step by step; here each tunnel is consumed to its end and
//! deleted.
//!
//! ```text
//! cargo run --example backfill_tunnel
//! ```
//!
//! runs on an emulator inside this program. On a real instance, whose table
//! must exist, it delivers the changes of the last hour and of the next 30
//! seconds, then all, where `OTS_ENDPOINT`, `OTS_INSTANCE`,
//! `OTS_ACCESS_KEY_ID`, `OTS_ACCESS_KEY_SECRET` (and `OTS_STS_TOKEN`) are set:
//!
//! ```text
//! cargo run --example backfill_tunnel -- TABLE TUNNEL
//! ```

#[path = "shared/names.rs"]
mod names;
#[path = "shared/orders.rs"]
mod orders;
#[path = "shared/service.rs"]
mod service;

use std::error::Error;
use std::ops::Range;
use std::thread;
use std::time::Duration;

use tablestore_emulator::Table;
use tablestore_tunnel::{
    ChannelInfo, ChannelStatus, CreateTunnelRequest, DeleteTunnelRequest, DescribeTunnelRequest,
    SimpleProcessFactory, StreamTunnelConfig, TunnelClient, TunnelConfig, TunnelError, TunnelType,
    TunnelWorkerConfig, TunnelWorkerDaemon, WorkerState,
};
use time::OffsetDateTime;

use service::Service;

/// How often to look whether a tunnel has come to its end.
const LOOK: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    println!("backfill_tunnel: consumes stretches of the change log");
    let service = Service::from_env()?;
    let (table_name, tunnel_name) = names::table_and_tunnel(&service)?;
    let emulated = service.emulator.as_ref();
    let orders = emulated.map(|emulator| orders::create(emulator, &table_name, 0));
    let orders = orders.transpose()?;
    let orders = orders.as_ref();

    let tunnel_client = TunnelClient::with_config(
        &service.endpoint,
        &service.instance,
        service.credentials.clone(),
        TunnelConfig::new(),
    )?;
    let req = CreateTunnelRequest::new(&table_name, &tunnel_name, TunnelType::Stream);

    // Create a stream backfill tunnel, between two times.
    change(orders, 0..30)?;
    let from = match orders {
        Some(_) => now(),
        None => now() - Duration::from_secs(3600),
    };
    change(orders, 30..50)?;
    let to = now();
    change(orders, 50..60)?;
    let config = StreamTunnelConfig::starting_at(from).ending_at(to);
    let resp = tunnel_client.create_tunnel(&req.clone().stream_tunnel_config(config))?;
    println!("tunnel id is {}", resp.tunnel_id);
    let delivered = consume(&tunnel_client, &req, resp.tunnel_id)?;
    tell("between two times", delivered, orders.map(|_| 20))?;

    // Create a stream backfill tunnel, from now until a time.
    let to = now() + soon(orders);
    let config = StreamTunnelConfig::latest().ending_at(to);
    let resp = tunnel_client.create_tunnel(&req.clone().stream_tunnel_config(config))?;
    println!("tunnel id is {}", resp.tunnel_id);
    change(orders, 60..65)?;
    let delivered = consume(&tunnel_client, &req, resp.tunnel_id)?;
    tell("from now until a time", delivered, orders.map(|_| 5))?;

    // Create a stream backfill tunnel, from the earliest log until a time.
    let to = now() + soon(orders);
    let config = StreamTunnelConfig::earliest().ending_at(to);
    let resp = tunnel_client.create_tunnel(&req.clone().stream_tunnel_config(config))?;
    println!("tunnel id is {}", resp.tunnel_id);
    let delivered = consume(&tunnel_client, &req, resp.tunnel_id)?;
    tell(
        "from the earliest log until a time",
        delivered,
        orders.map(|_| 65),
    )?;
    Ok(())
}

/// Consumes the tunnel until all of its channels have come to their end, and
/// deletes it. How many records there were.
fn consume(
    tunnel_client: &TunnelClient,
    created: &CreateTunnelRequest,
    tunnel_id: String,
) -> Result<u64, TunnelError> {
    let factory = SimpleProcessFactory::new(|_, records| {
        println!("{} records", records.len());
        Ok(())
    });
    let work_config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval(Duration::from_secs(5))
        .build()?;
    let daemon = TunnelWorkerDaemon::new(tunnel_client.clone(), tunnel_id, work_config);
    let running = daemon.spawn()?;

    let (table, tunnel) = (&created.table_name, &created.tunnel_name);
    let req = DescribeTunnelRequest::new(table, tunnel);
    while !has_ended(&tunnel_client.describe_tunnel(&req)?.channels)
        // What helps no more: `close` tells the reason.
        && daemon.snapshot().state != WorkerState::Ended
    {
        thread::sleep(LOOK);
    }
    running.close()?;
    tunnel_client.delete_tunnel(&DeleteTunnelRequest::new(table, tunnel))?;
    Ok(daemon.snapshot().done.records)
}

fn has_ended(channels: &[ChannelInfo]) -> bool {
    let terminated = |ch: &ChannelInfo| ch.channel_status == ChannelStatus::Terminated;
    // There are none yet in the first moments of a tunnel.
    !channels.is_empty() && channels.iter().all(terminated)
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

fn soon(orders: Option<&Table>) -> Duration {
    Duration::from_secs(if orders.is_some() { 3 } else { 30 })
}

/// Changes the table on the emulator.
fn change(orders: Option<&Table>, changes: Range<usize>) -> Result<(), TunnelError> {
    let Some(orders) = orders else {
        return Ok(());
    };
    for n in changes {
        orders::change(orders, n)?;
    }
    // So that the next time is later than that of the last change.
    thread::sleep(Duration::from_millis(2));
    Ok(())
}

/// What came, and whether it is what was written, where that is known.
fn tell(stretch: &str, delivered: u64, written: Option<u64>) -> Result<(), String> {
    let Some(written) = written else {
        println!("{stretch}: delivered {delivered} records");
        return Ok(());
    };
    println!("{stretch}: delivered {delivered} of {written} records");
    match delivered == written {
        true => Ok(()),
        false => Err(format!("{written} records were written")),
    }
}
