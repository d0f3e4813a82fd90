//! A consumer with this crate's worker, which `run.sh` and `differences` compare
//! with the official SDKs. It writes the records it receives as JSON lines, until
//! SIGTERM.
//!
//! ```text
//! interop_consume -table=orders -tunnel=interop -type=BaseAndStream -out=records.jsonl
//! ```
//!
//! The options are the same as in `../go/consume` and `../java`. Settings without an
//! option have the crate's default.

#[path = "../../../examples/shared/json_line.rs"]
mod json_line;

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use tablestore_tunnel::{
    ChannelContext, CreateTunnelRequest, Credentials, DescribeTunnelRequest, ErrorCode,
    ProcessError, Record, SimpleProcessFactory, TunnelClient, TunnelConfig, TunnelError,
    TunnelType, TunnelWorkerConfig, TunnelWorkerDaemon,
};

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let options = Options::parse(std::env::args().skip(1))?;
    let client = client()?;
    let tunnel_id = tunnel_id(&client, &options)?;
    let daemon = TunnelWorkerDaemon::new(client, tunnel_id, config(&options)?);
    let handle = daemon.clone();
    ctrlc::set_handler(move || {
        handle.close();
    })?;
    Ok(daemon.run()?)
}

/// Options of the form `-name=value`. Unknown names are ignored, because the programs
/// of the other clients have more options.
struct Options(HashMap<String, String>);

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let pair = |argument: String| {
            let pair = argument
                .strip_prefix('-')
                .and_then(|text| text.split_once('='));
            let pair = pair.map(|(name, value)| (name.to_owned(), value.to_owned()));
            pair.ok_or(format!("{argument} is not -name=value"))
        };
        arguments.map(pair).collect::<Result<_, _>>().map(Options)
    }

    fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.0.get(name).map_or(default, String::as_str)
    }

    fn number(&self, name: &str) -> Result<u64, Box<dyn Error>> {
        Ok(self.text(name, "0").parse()?)
    }

    fn time(&self, name: &str, unit: Duration) -> Result<Option<Duration>, Box<dyn Error>> {
        let number = u32::try_from(self.number(name)?)?;
        Ok((number > 0).then_some(unit * number))
    }

    fn kind(&self) -> Result<TunnelType, String> {
        match self.text("type", "BaseAndStream") {
            "BaseData" => Ok(TunnelType::BaseData),
            "Stream" => Ok(TunnelType::Stream),
            "BaseAndStream" => Ok(TunnelType::BaseAndStream),
            other => Err(format!("unknown type: {other}")),
        }
    }
}

fn config(options: &Options) -> Result<TunnelWorkerConfig, Box<dyn Error>> {
    let sink = Arc::new(Sink::new(options)?);
    let end = Arc::clone(&sink);
    let mut factory =
        SimpleProcessFactory::new(move |context: &ChannelContext, records: &[Record]| {
            sink.process(context, records)
        })
        .shutdown(move |context: &ChannelContext| end.note(context.channel_id(), "shutdown"));
    if let Some(interval) = options.time("checkpoint", Duration::from_millis(1))? {
        factory = factory.checkpoint_interval(interval);
    }
    let mut config = TunnelWorkerConfig::builder(factory);
    if let Some(interval) = options.time("heartbeat", Duration::from_secs(1))? {
        config = config.heartbeat_interval(interval);
    }
    if let Some(timeout) = options.time("timeout", Duration::from_secs(1))? {
        config = config.heartbeat_timeout(timeout);
    }
    Ok(config.build()?)
}

/// The file that all channels write to. Optionally, one callback fails.
struct Sink {
    file: Mutex<File>,
    events: bool,
    callback: Duration,
    failure: String,
    fail_at: u64,
    batches: AtomicU64,
}

impl Sink {
    fn new(options: &Options) -> Result<Sink, Box<dyn Error>> {
        Ok(Sink {
            file: Mutex::new(File::create(options.text("out", "records.jsonl"))?),
            events: options.text("events", "false") == "true",
            callback: options
                .time("callback-ms", Duration::from_millis(1))?
                .unwrap_or_default(),
            failure: options.text("fail", "error").to_owned(),
            fail_at: options.number("fail-at")?,
            batches: AtomicU64::new(0),
        })
    }

    /// The callback. It returns after the lines have been written, so that a kill
    /// cannot lose records that a checkpoint covers.
    fn process(&self, context: &ChannelContext, records: &[Record]) -> Result<(), ProcessError> {
        let channel = context.channel_id();
        self.maybe_fail(channel)?;
        self.note(channel, "enter");
        thread::sleep(self.callback);
        self.write(|at| {
            let line = |record: &Record| {
                let mut line = json_line::object(channel, record);
                line.insert("at".to_owned(), at.into());
                let epoch = record.sequence_info().map(|sequence| sequence.epoch);
                line.insert("epoch".to_owned(), epoch.unwrap_or_default().into());
                format!("{}\n", serde_json::Value::Object(line))
            };
            records.iter().map(line).collect()
        })?;
        self.note(channel, "leave");
        Ok(())
    }

    /// Notes and returns the failure if this is the selected batch.
    fn maybe_fail(&self, channel: &str) -> Result<(), ProcessError> {
        if 1 + self.batches.fetch_add(1, Ordering::Relaxed) != self.fail_at {
            return Ok(());
        }
        self.note_always(channel, "failure");
        assert_ne!(self.failure, "panic", "on purpose");
        Err(ProcessError::new("on purpose"))
    }

    /// Writes an event of a channel's callbacks if `-events` is set.
    fn note(&self, channel: &str, event: &str) {
        if self.events {
            self.note_always(channel, event);
        }
    }

    fn note_always(&self, channel: &str, event: &str) {
        let line = |at| {
            let note = serde_json::json!({"at": at, "channel": channel, "event": event});
            format!("{note}\n")
        };
        self.write(line).expect("the file is writable");
    }

    /// Reads the clock under the lock, so that the times are in the order of the lines.
    fn write(&self, lines: impl FnOnce(u64) -> String) -> std::io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let at = at.unwrap_or_default().as_micros() as u64;
        file.write_all(lines(at).as_bytes())
    }
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

/// Creates the tunnel, or finds it if another consumer has created it.
fn tunnel_id(client: &TunnelClient, options: &Options) -> Result<String, Box<dyn Error>> {
    let (table, tunnel) = (
        options.text("table", "orders"),
        options.text("tunnel", "interop"),
    );
    let request = CreateTunnelRequest::new(table, tunnel, options.kind()?);
    match client.create_tunnel(&request) {
        Ok(created) => Ok(created.tunnel_id),
        Err(error) if *error.code() == ErrorCode::TunnelExist => found(client, table, tunnel),
        Err(error) => Err(error.into()),
    }
}

fn found(client: &TunnelClient, table: &str, tunnel: &str) -> Result<String, Box<dyn Error>> {
    let request = DescribeTunnelRequest::new(table, tunnel);
    let described: Result<_, TunnelError> = client.describe_tunnel(&request);
    Ok(described?.tunnel.tunnel_id)
}
