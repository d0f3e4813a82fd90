//! Prints the records of a tunnel as JSON lines, until Ctrl-C or SIGTERM.
//!
//! ```text
//! cargo run --example tail -- testTable testTunnel
//! ```
//!
//! The tunnel (base data, then changes) is created if there is none. Where to:
//! `OTS_ENDPOINT`, `OTS_INSTANCE`, `OTS_ACCESS_KEY_ID`, `OTS_ACCESS_KEY_SECRET`
//! (and `OTS_STS_TOKEN`). Each line has the microsecond in which the record was
//! delivered as `at`; the rest is as `shared/json_line.rs` tells. `RUST_LOG=info`
//! shows what the worker does.

#[path = "shared/json_line.rs"]
mod json_line;

use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use tablestore_tunnel::{
    ChannelContext, CreateTunnelRequest, Credentials, DescribeTunnelRequest, ErrorCode,
    ProcessError, Record, SimpleProcessFactory, TunnelClient, TunnelConfig, TunnelError,
    TunnelType, TunnelWorkerConfig, TunnelWorkerDaemon,
};

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let mut arguments = std::env::args().skip(1);
    let (Some(table), Some(tunnel)) = (arguments.next(), arguments.next()) else {
        return Err("name the table and the tunnel: tail TABLE TUNNEL".into());
    };
    let client = client()?;
    let tunnel_id = tunnel_id(&client, &table, &tunnel)?;
    let config = TunnelWorkerConfig::builder(SimpleProcessFactory::new(print))
        .heartbeat_interval(Duration::from_secs(5))
        .build()?;
    let daemon = TunnelWorkerDaemon::new(client, tunnel_id, config);
    let handle = daemon.clone();
    ctrlc::set_handler(move || {
        handle.close();
    })?;
    Ok(daemon.run()?)
}

fn client() -> Result<TunnelClient, Box<dyn Error>> {
    let variable = |name| std::env::var(name).map_err(|_| format!("{name} is not set"));
    Ok(TunnelClient::with_config(
        &variable("OTS_ENDPOINT")?,
        &variable("OTS_INSTANCE")?,
        Credentials::from_env()?,
        TunnelConfig::default(),
    )?)
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

/// The callback. What is printed stays printed: an error means that none of
/// the batch may count as processed.
fn print(context: &ChannelContext, records: &[Record]) -> Result<(), ProcessError> {
    // One lock for the batch, so that the lines of two channels do not mix;
    // the time is taken under it, so that it is in the order of the lines.
    let mut out = io::stdout().lock();
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let at = at.unwrap_or_default().as_micros() as u64;
    let mut lines = String::new();
    for record in records {
        let mut line = json_line::object(context.channel_id(), record);
        line.insert("at".to_owned(), at.into());
        lines += &format!("{}\n", serde_json::Value::Object(line));
    }
    out.write_all(lines.as_bytes())?;
    out.flush()?;
    Ok(())
}
