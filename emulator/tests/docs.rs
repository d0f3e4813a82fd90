//! Runs the `sh` blocks of `docs/emulator.md` and compares their output with the page.
//! With `UPDATE_DOCS=1` the test writes the current output into the page.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tablestore_emulator::{Emulator, EmulatorClock, KeyType, TableSpec};
use tablestore_tunnel::{
    ChannelContext, CreateTunnelRequest, Record, SimpleProcessFactory, TunnelClient, TunnelType,
    TunnelWorkerConfig, TunnelWorkerDaemon,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The longest wait. Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The emulator of the page, and the shell variables of its blocks.
struct Reader {
    emulator: Emulator,
    variables: Vec<(&'static str, String)>,
}

impl Reader {
    /// The emulator that the page's first command starts.
    fn new() -> Reader {
        let start = OffsetDateTime::parse("2030-01-01T00:00:00Z", &Rfc3339).expect("a time");
        let emulator = Emulator::builder().clock(EmulatorClock::manual(start));
        let emulator = emulator.start().expect("an emulator");
        let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer);
        emulator.create_table(spec.partitions(2)).expect("a table");
        let variables = vec![("OTS_ENDPOINT", emulator.endpoint().to_owned())];
        Reader {
            emulator,
            variables,
        }
    }

    /// Runs a block in a shell, and returns its output.
    fn run(&mut self, script: &str) -> String {
        if script.contains("merge") {
            self.note_parts();
        }
        let shell = Command::new("bash")
            .args(["-eu", "-c", script])
            .envs(self.variables.iter().cloned())
            .stderr(Stdio::inherit())
            .output()
            .expect("bash, which runs the page's commands");
        assert!(shell.status.success(), "{script}");
        String::from_utf8(shell.stdout).expect("text")
    }

    /// Sets the variables for the parts of the split, which readers would copy.
    fn note_parts(&mut self) {
        let orders = self.emulator.table("orders").expect("the table");
        let parts = orders.partitions().into_iter();
        let parts: Vec<_> = parts.filter(|part| !part.parents.is_empty()).collect();
        self.variables.push(("LOWER", parts[0].id.to_string()));
        self.variables.push(("UPPER", parts[1].id.to_string()));
    }

    /// A consumer for the section on tunnels.
    fn consume(&mut self) -> (TunnelWorkerDaemon, thread::JoinHandle<()>) {
        let client = TunnelClient::new(
            self.emulator.endpoint(),
            "emulator",
            "emulator-key",
            "emulator-secret",
        );
        let client = client.expect("a client");
        let request = CreateTunnelRequest::new("orders", "copy", TunnelType::Stream);
        let tunnel = client.create_tunnel(&request).expect("created").tunnel_id;
        let factory = SimpleProcessFactory::new(|_: &ChannelContext, _: &[Record]| Ok(()));
        let config = TunnelWorkerConfig::builder(factory).client_tag("worker");
        let config = config.build().expect("a config");
        let daemon = TunnelWorkerDaemon::new(client, tunnel.as_str(), config);
        let running = daemon.clone();
        let thread = thread::spawn(move || drop(running.run()));
        let [client, channel] = self.wait_for_client(&tunnel);
        let known = [("TUNNEL", tunnel), ("CLIENT", client), ("CHANNEL", channel)];
        self.variables.extend(known);
        (daemon, thread)
    }

    /// Waits for a client with a channel, and returns the ids of both.
    fn wait_for_client(&mut self, tunnel: &str) -> [String; 2] {
        let begin = Instant::now();
        let path = format!("{}/_emulator/tunnels/{tunnel}", self.emulator.endpoint());
        while begin.elapsed() < PATIENCE {
            let body = ureq::get(&path).call().expect("an answer").into_body();
            let state: serde_json::Value =
                serde_json::from_reader(body.into_reader()).expect("JSON");
            let channel = &state["channels"][0];
            if let (Some(client), Some(id)) = (channel["client"].as_str(), channel["id"].as_str()) {
                return [client, id].map(str::to_owned);
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("no client connected");
    }
}

/// The next block of some kinds, and the text after it.
fn block<'a>(text: &'a str, kinds: &[&str]) -> Option<(&'a str, &'a str)> {
    let kind = kinds.iter().find(|kind| {
        let rest = text
            .strip_prefix("```")
            .and_then(|text| text.strip_prefix(**kind));
        rest.is_some_and(|rest| rest.starts_with('\n'))
    })?;
    let body = &text[3 + kind.len() + 1..];
    match body.strip_prefix("```\n") {
        Some(rest) => Some(("", rest)),
        None => body.split_once("\n```\n"),
    }
}

#[test]
fn every_command_prints_what_the_page_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/emulator.md");
    let page = fs::read_to_string(&path).expect("the page");
    let mut reader = Reader::new();
    let (mut consumer, mut rest, mut now, mut ran) = (None, page.as_str(), String::new(), 0);
    while let Some(at) = rest.find("```sh\n") {
        if rest[..at].contains("## Tunnels") {
            consumer = Some(reader.consume());
        }
        let (script, after) = block(&rest[at..], &["sh"]).expect("a whole block");
        now.push_str(&rest[..rest.len() - after.len()]);
        let printed = reader.run(script);
        ran += 1;
        rest = after;
        for kind in ["json", "text"] {
            if let Some((_, after)) = block(rest.trim_start(), &[kind]) {
                now.push_str(&format!("\n```{kind}\n{}\n```\n", printed.trim_end()));
                rest = after;
            }
        }
    }
    now.push_str(rest);
    let (daemon, thread) = consumer.expect("the section on tunnels");
    daemon.close();
    thread.join().expect("the consumer");
    assert!(ran > 20, "{ran} blocks ran");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &now).expect("the page");
        return;
    }
    for (line, (written, printed)) in (1..).zip(page.lines().zip(now.lines())) {
        assert_eq!(
            written, printed,
            "line {line}; UPDATE_DOCS=1 writes the page anew"
        );
    }
    assert_eq!(page.len(), now.len());
}
