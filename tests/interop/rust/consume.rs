//! This crate's worker as the consumer that `run.sh` and `differences` set
//! beside the official SDKs: writes what it is given as JSON lines, until
//! SIGTERM.
//!
//! ```text
//! interop_consume -table=orders -tunnel=interop -type=BaseAndStream -out=seen.jsonl
//! ```
//!
//! The options are those of `../go/consume` and `../java`; what is not said is
//! left at the crate's default.

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

/// `-name=value`, as often as it takes. Those of another client's program are
/// let be.
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
            other => Err(format!("no such type: {other}")),
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

/// The file that all channels write to, and the trouble that was asked for.
struct Sink {
    file: Mutex<File>,
    events: bool,
    callback: Duration,
    trouble: String,
    trouble_at: u64,
    batches: AtomicU64,
}

impl Sink {
    fn new(options: &Options) -> Result<Sink, Box<dyn Error>> {
        Ok(Sink {
            file: Mutex::new(File::create(options.text("out", "seen.jsonl"))?),
            events: options.text("events", "false") == "true",
            callback: options
                .time("callback-ms", Duration::from_millis(1))?
                .unwrap_or_default(),
            trouble: options.text("trouble", "error").to_owned(),
            trouble_at: options.number("trouble-at")?,
            batches: AtomicU64::new(0),
        })
    }

    /// The callback. The lines are in the file when it returns, so that a kill
    /// afterwards cannot undo what a checkpoint says.
    fn process(&self, context: &ChannelContext, records: &[Record]) -> Result<(), ProcessError> {
        let channel = context.channel_id();
        self.make_trouble(channel)?;
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

    /// Fails once, and says so.
    fn make_trouble(&self, channel: &str) -> Result<(), ProcessError> {
        if 1 + self.batches.fetch_add(1, Ordering::Relaxed) != self.trouble_at {
            return Ok(());
        }
        self.note_always(channel, "trouble");
        assert_ne!(self.trouble, "panic", "the panic that was asked for");
        Err(ProcessError::new("the error that was asked for"))
    }

    /// Says where a channel's callbacks are.
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
        self.write(line).expect("the file takes lines");
    }

    /// The time is taken under the lock: it is in the order of the lines.
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

/// Creates the tunnel, or finds it if another consumer was faster.
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
