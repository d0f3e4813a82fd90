//! What is logged, and what never is.

use std::sync::{Arc, Mutex, Once};

use log::{Level, LevelFilter, Log, Metadata, Record as Line};
use tablestore_emulator::Emulator;
use tablestore_tunnel::{
    ChannelContext, FINISH_TAG, ProcessError, Record, SimpleProcessFactory, TunnelType,
};

use crate::harness::{Gate, GateKeeper, HEARTBEAT, Scene, Seen, config, wait_until};

/// Keeps the crate's lines, of all tests of this process.
struct Lines(Mutex<Vec<(Level, String)>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tablestore_tunnel")
    }

    fn log(&self, line: &Line<'_>) {
        if self.enabled(line.metadata()) {
            let line = (line.level(), line.args().to_string());
            self.0.lock().expect("lines").push(line);
        }
    }

    fn flush(&self) {}
}

fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&LINES).expect("the only logger");
        log::set_max_level(LevelFilter::Trace);
    });
}

/// The lines that name `what`.
fn lines(what: &str) -> Vec<(Level, String)> {
    let lines = LINES.0.lock().expect("lines");
    let named = lines.iter().filter(|(_, line)| line.contains(what));
    named.cloned().collect()
}

#[track_caller]
fn logged(what: &str, level: Level, part: &str) {
    let lines = lines(what);
    let is_it = |(l, line): &(Level, String)| *l == level && line.contains(part);
    assert!(
        lines.iter().any(is_it),
        "no {part:?} at {level}: {lines:#?}"
    );
}

const SECRET: &str = "a-key-that-nobody-may-see";

#[test]
fn levels_are_a_contract_and_nothing_secret_is_logged() {
    capture();
    let builder = Emulator::builder().access_key("an-access-key-id", SECRET);
    let scene = Scene::with(1, builder.batch_rows(10));
    scene.base_rows(30);
    let tunnel = scene.tunnel(TunnelType::BaseAndStream);
    let (seen, tokens) = (Seen::default(), Arc::new(Mutex::new(Vec::new())));
    let factory = SimpleProcessFactory::new({
        let (seen, tokens) = (seen.clone(), tokens.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            tokens
                .lock()
                .expect("tokens")
                .push(ctx.next_token().to_owned());
            if ctx.is_stream_channel() && ctx.attempt() == 0 {
                return Err(ProcessError::new("not now"));
            }
            seen.note(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(30);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());

    logged(&tunnel, Level::Info, "connected as");
    logged(&tunnel, Level::Info, "shutting down");
    logged(&tunnel, Level::Debug, "heartbeat");
    logged("/tunnel/readrecords", Level::Debug, "bytes, request");
    let channel = |is_stream| {
        let seen = seen.all();
        let of = |channel: &str| channel.starts_with("BaseData_") != is_stream;
        let delivery = seen.into_iter().find(|delivery| of(&delivery.channel));
        delivery.expect("delivered").channel
    };
    for channel in [channel(false), channel(true)] {
        logged(&channel, Level::Info, ": open");
        logged(&channel, Level::Info, ": closed");
        logged(&channel, Level::Debug, "checkpoint saved");
        logged(&channel, Level::Trace, "records done");
        let errors = lines(&channel);
        assert!(errors.iter().all(|(level, _)| *level != Level::Error));
    }
    logged(&channel(true), Level::Warn, "given again");
    let smooth = lines(&channel(false));
    assert!(
        smooth.iter().all(|(level, _)| *level > Level::Warn),
        "{smooth:#?}"
    );

    let tokens = tokens.lock().expect("tokens").clone();
    let tokens = tokens.iter().filter(|token| *token != FINISH_TAG);
    let secrets = [SECRET, "row-00", "note ", "name "];
    for secret in tokens.map(String::as_str).chain(secrets) {
        let told = lines(secret);
        assert!(told.is_empty(), "{told:#?}");
    }
}

#[test]
fn promise_05_a_stuck_channel_is_logged_once() {
    capture();
    let scene = Scene::with(1, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let (seen, gate) = (Seen::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let seen = seen.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            seen.note(ctx, records)
        }
    });
    let config = config(factory).stuck_after(2 * HEARTBEAT);
    let running = scene.start(&tunnel, config);
    scene.put_rows(10);
    keeper.0.wait_for_arrivals(1);
    let channel = running.daemon.snapshot().channels.remove(0).channel_id;
    let told = || {
        let mut lines = lines(&channel);
        lines.retain(|(level, line)| *level == Level::Warn && line.contains("in callback"));
        lines.len()
    };
    wait_until("it is logged", || told() > 0);
    std::thread::park_timeout(8 * HEARTBEAT);
    assert_eq!(told(), 1);
    drop(keeper);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
}
