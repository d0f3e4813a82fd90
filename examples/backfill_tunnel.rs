//! Consumes a range of the change log: between two times, from now to an end
//! time, and from the oldest change to an end time. Follows the Go SDK's sample
//! `backfillTunnel` step by step, and also consumes each tunnel to its end and
//! deletes it.
//!
//! To run it on an emulator inside this program:
//!
//! ```text
//! cargo run --example backfill_tunnel
//! ```
//!
//! To run it on a real instance, set `OTS_ENDPOINT`, `OTS_INSTANCE`,
//! `OTS_ACCESS_KEY_ID` and `OTS_ACCESS_KEY_SECRET` (and `OTS_STS_TOKEN` for
//! temporary credentials). The table must exist. The three tunnels deliver the
//! changes of the last hour, of the next 30 seconds, and all changes:
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

/// How often to check whether a tunnel has been consumed to its end.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn"));
    println!("backfill_tunnel: consumes ranges of the change log");
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
    check("between two times", delivered, orders.map(|_| 20))?;

    // Create a stream backfill tunnel, from now to an end time.
    let to = now() + soon(orders);
    let config = StreamTunnelConfig::latest().ending_at(to);
    let resp = tunnel_client.create_tunnel(&req.clone().stream_tunnel_config(config))?;
    println!("tunnel id is {}", resp.tunnel_id);
    change(orders, 60..65)?;
    let delivered = consume(&tunnel_client, &req, resp.tunnel_id)?;
    check("from now to an end time", delivered, orders.map(|_| 5))?;

    // Create a stream backfill tunnel, from the oldest change to an end time.
    let to = now() + soon(orders);
    let config = StreamTunnelConfig::earliest().ending_at(to);
    let resp = tunnel_client.create_tunnel(&req.clone().stream_tunnel_config(config))?;
    println!("tunnel id is {}", resp.tunnel_id);
    let delivered = consume(&tunnel_client, &req, resp.tunnel_id)?;
    check(
        "from the oldest change to an end time",
        delivered,
        orders.map(|_| 65),
    )?;
    Ok(())
}

/// Consumes the tunnel until all of its channels have ended, and deletes it.
/// Returns the number of records.
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
        // If the daemon has failed, `close` returns the reason.
        && daemon.snapshot().state != WorkerState::Ended
    {
        thread::sleep(POLL_INTERVAL);
    }
    running.close()?;
    tunnel_client.delete_tunnel(&DeleteTunnelRequest::new(table, tunnel))?;
    Ok(daemon.snapshot().done.records)
}

fn has_ended(channels: &[ChannelInfo]) -> bool {
    let terminated = |ch: &ChannelInfo| ch.channel_status == ChannelStatus::Terminated;
    // A new tunnel has no channels at first.
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
    // Makes sure that `now` is later than the time of the last change.
    thread::sleep(Duration::from_millis(2));
    Ok(())
}

/// Prints the number of delivered records, and compares it with the number of
/// written records if that is known.
fn check(range: &str, delivered: u64, written: Option<u64>) -> Result<(), String> {
    let Some(written) = written else {
        println!("{range}: delivered {delivered} records");
        return Ok(());
    };
    println!("{range}: delivered {delivered} of {written} records");
    match delivered == written {
        true => Ok(()),
        false => Err(format!("{written} records were written")),
    }
}
