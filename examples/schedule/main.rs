//! Suspends and resumes the channels of a tunnel, which pauses the tunnel without
//! stopping its workers. Follows the Go SDK's sample `schedule` step by step.
//!
//! To run it on an emulator inside this program, with a worker that shows the
//! effect:
//!
//! ```text
//! cargo run --example schedule
//! ```
//!
//! To run it on a real instance, set `OTS_ENDPOINT`, `OTS_INSTANCE`,
//! `OTS_ACCESS_KEY_ID` and `OTS_ACCESS_KEY_SECRET` (and `OTS_STS_TOKEN` for
//! temporary credentials). The tunnel must exist; run its workers elsewhere:
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
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn"));
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
        consumer.show_suspended()?;
    }

    // Open all waiting channels.
    schedule_all_waiting_channel(&tunnel_id, &channels, &tunnel_client)?;
    // Check the channels again: some are CLOSING, some may be OPEN.
    let (_, channels) = describe_tunnel(&req, &tunnel_client)?;

    // Resume all suspended channels.
    resume_all_suspended_channel(&tunnel_id, &channels, &tunnel_client)?;
    // Check the channels again: all will be OPEN when workers have opened them.
    describe_tunnel(&req, &tunnel_client)?;
    if let Some(consumer) = consumer {
        consumer.show_resumed()?;
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

/// Returns the ids of the channels that have this status.
fn with_status(channels: &[ChannelInfo], status: ChannelStatus) -> impl Iterator<Item = &str> {
    channels
        .iter()
        .filter(move |ch| ch.channel_status == status)
        .map(|ch| ch.channel_id.as_str())
}
