//! Takes the channels of a tunnel from their workers, and gives them back: to
//! hold a tunnel for a while without stopping its consumers. The Go SDK's
//! sample `schedule`, step by step.
//!
//! ```text
//! cargo run --example schedule
//! ```
//!
//! runs on an emulator inside this program, with a worker that shows what comes
//! of it. On a real instance it suspends and resumes all channels of a tunnel
//! that others consume, where `OTS_ENDPOINT`, `OTS_INSTANCE`,
//! `OTS_ACCESS_KEY_ID`, `OTS_ACCESS_KEY_SECRET` (and `OTS_STS_TOKEN`) are set:
//!
//! ```text
//! cargo run --example schedule -- TABLE TUNNEL
//! ```

mod consumer;
#[path = "../shared/names.rs"]
mod names;
#[path = "../shared/orders.rs"]
mod orders;
#[path = "../shared/service.rs"]
mod service;

use std::error::Error;

use tablestore_tunnel::{
    ChannelInfo, ChannelStatus, DescribeTunnelRequest, ScheduleRequest, TunnelClient, TunnelConfig,
    TunnelError, open_channel, resume_channel, suspend_channel,
};

use consumer::Consumer;
use service::Service;

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    println!("schedule: suspends the channels of a tunnel and resumes them");
    let service = Service::from_env()?;
    let (table_name, tunnel_name) = names::table_and_tunnel(&service)?;

    let tunnel_client = TunnelClient::with_config(
        &service.endpoint,
        &service.instance,
        service.credentials.clone(),
        TunnelConfig::new(),
    )?;
    let req = DescribeTunnelRequest::new(&table_name, &tunnel_name);
    let consumer = match &service.emulator {
        Some(emulator) => Some(Consumer::start(emulator, &tunnel_client, &req)?),
        None => None,
    };
    let (tunnel_id, channels) = describe_tunnel(&req, &tunnel_client)?;

    // Suspend all open channels.
    suspend_all_open_channel(&tunnel_id, &channels, &tunnel_client)?;
    // Check the channels again: some are CLOSING, some may be WAIT.
    let (_, channels) = describe_tunnel(&req, &tunnel_client)?;
    if let Some(consumer) = &consumer {
        consumer.show_that_nothing_comes()?;
    }

    // Open all waiting channels.
    schedule_all_waiting_channel(&tunnel_id, &channels, &tunnel_client)?;
    // Check the channels again: some are CLOSING, some may be OPEN.
    let (_, channels) = describe_tunnel(&req, &tunnel_client)?;

    // Resume all suspended channels.
    resume_all_suspended_channel(&tunnel_id, &channels, &tunnel_client)?;
    // Check the channels at last: all are OPEN, as soon as workers have them.
    describe_tunnel(&req, &tunnel_client)?;
    if let Some(consumer) = consumer {
        consumer.show_that_all_comes()?;
        describe_tunnel(&req, &tunnel_client)?;
        consumer.close()?;
    }
    Ok(())
}

fn describe_tunnel(
    req: &DescribeTunnelRequest,
    client: &TunnelClient,
) -> Result<(String, Vec<ChannelInfo>), TunnelError> {
    let resp = client.describe_tunnel(req)?;
    for ch in &resp.channels {
        println!("channel detail: {} {}", ch.channel_id, ch.channel_status);
    }
    Ok((resp.tunnel.tunnel_id, resp.channels))
}

fn suspend_all_open_channel(
    tunnel_id: &str,
    channels: &[ChannelInfo],
    client: &TunnelClient,
) -> Result<(), TunnelError> {
    let open = with_status(channels, ChannelStatus::Open);
    println!("suspending all open channels");
    client.schedule(&ScheduleRequest::new(tunnel_id, open.map(suspend_channel)))?;
    Ok(())
}

fn schedule_all_waiting_channel(
    tunnel_id: &str,
    channels: &[ChannelInfo],
    client: &TunnelClient,
) -> Result<(), TunnelError> {
    let waiting = with_status(channels, ChannelStatus::Wait);
    println!("opening all waiting channels");
    client.schedule(&ScheduleRequest::new(tunnel_id, waiting.map(open_channel)))?;
    Ok(())
}

fn resume_all_suspended_channel(
    tunnel_id: &str,
    channels: &[ChannelInfo],
    client: &TunnelClient,
) -> Result<(), TunnelError> {
    let suspended = with_status(channels, ChannelStatus::Closing);
    println!("resuming all suspended channels");
    client.schedule(&ScheduleRequest::new(
        tunnel_id,
        suspended.map(resume_channel),
    ))?;
    Ok(())
}

/// The ids of the channels that have this status.
fn with_status(channels: &[ChannelInfo], status: ChannelStatus) -> impl Iterator<Item = &str> {
    channels
        .iter()
        .filter(move |ch| ch.channel_status == status)
        .map(|ch| ch.channel_id.as_str())
}
