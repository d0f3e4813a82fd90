//! Tests what is logged at which level, and that no secrets are logged.

use std::sync::{Arc, Mutex, Once};

use log::{Level, LevelFilter, Log, Metadata, Record as Line};
use tablestore_emulator::Emulator;
use tablestore_tunnel::{
    ChannelContext, FINISH_TAG, ProcessError, Record, SimpleProcessFactory, TunnelType,
};

use crate::harness::{Gate, GateKeeper, HEARTBEAT, Processed, Scene, config, wait_until};

/// A logger that keeps the lines of this crate, for all tests of the process.
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

/// The lines that contain `text`.
fn lines(text: &str) -> Vec<(Level, String)> {
    let lines = LINES.0.lock().expect("lines");
    let matching = lines.iter().filter(|(_, line)| line.contains(text));
    matching.cloned().collect()
}

/// Fails if no line at this level contains both `subject` and `part`.
#[track_caller]
fn assert_logged(subject: &str, level: Level, part: &str) {
    let lines = lines(subject);
    let matches = |(l, line): &(Level, String)| *l == level && line.contains(part);
    assert!(
        lines.iter().any(matches),
        "no line with {part:?} at {level}: {lines:#?}"
    );
}

const SECRET: &str = "a-key-that-must-not-be-logged";

#[test]
fn log_levels_are_as_documented_and_no_secrets_are_logged() {
    capture();
    let builder = Emulator::builder().access_key("an-access-key-id", SECRET);
    let scene = Scene::with(1, builder.batch_rows(10));
    scene.base_rows(30);
    let tunnel = scene.tunnel(TunnelType::BaseAndStream);
    let (processed, tokens) = (Processed::default(), Arc::new(Mutex::new(Vec::new())));
    let factory = SimpleProcessFactory::new({
        let (processed, tokens) = (processed.clone(), tokens.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            tokens
                .lock()
                .expect("tokens")
                .push(ctx.next_token().to_owned());
            if ctx.is_stream_channel() && ctx.attempt() == 0 {
                return Err(ProcessError::new("not now"));
            }
            processed.add(ctx, records)
        }
    });
    let running = scene.start(&tunnel, config(factory));
    scene.put_rows(30);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());

    assert_logged(&tunnel, Level::Info, "connected as");
    assert_logged(&tunnel, Level::Info, "shutting down");
    assert_logged(&tunnel, Level::Debug, "heartbeat");
    assert_logged("/tunnel/readrecords", Level::Debug, "bytes, request");
    let channel = |is_stream| {
        let processed = processed.all();
        let of = |channel: &str| channel.starts_with("BaseData_") != is_stream;
        let delivery = processed.into_iter().find(|delivery| of(&delivery.channel));
        delivery.expect("delivered").channel
    };
    for channel in [channel(false), channel(true)] {
        assert_logged(&channel, Level::Info, ": open");
        assert_logged(&channel, Level::Info, ": closed");
        assert_logged(&channel, Level::Debug, "checkpoint saved");
        assert_logged(&channel, Level::Trace, "records done");
        let errors = lines(&channel);
        assert!(errors.iter().all(|(level, _)| *level != Level::Error));
    }
    assert_logged(&channel(true), Level::Warn, "attempt 2 of 3 in ");
    let smooth = lines(&channel(false));
    assert!(
        smooth.iter().all(|(level, _)| *level > Level::Warn),
        "{smooth:#?}"
    );

    let tokens = tokens.lock().expect("tokens").clone();
    let tokens = tokens.iter().filter(|token| *token != FINISH_TAG);
    let secrets = [SECRET, "row-00", "note ", "name "];
    for secret in tokens.map(String::as_str).chain(secrets) {
        let leaks = lines(secret);
        assert!(leaks.is_empty(), "{leaks:#?}");
    }
}

#[test]
fn promise_05_a_stalled_channel_is_logged_once() {
    capture();
    let scene = Scene::with(1, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    let (processed, gate) = (Processed::default(), Gate::default());
    let keeper = GateKeeper(gate.clone());
    let factory = SimpleProcessFactory::new({
        let processed = processed.clone();
        move |ctx: &ChannelContext, records: &[Record]| {
            gate.pass();
            processed.add(ctx, records)
        }
    });
    let config = config(factory).stuck_after(2 * HEARTBEAT);
    let running = scene.start(&tunnel, config);
    scene.put_rows(10);
    keeper.0.wait_for_arrivals(1);
    let channel = running.daemon.snapshot().channels.remove(0).channel_id;
    let warnings = || {
        let mut lines = lines(&channel);
        lines.retain(|(level, line)| *level == Level::Warn && line.contains("in callback"));
        lines.len()
    };
    wait_until("a warning is logged", || warnings() > 0);
    std::thread::park_timeout(8 * HEARTBEAT);
    assert_eq!(warnings(), 1);
    drop(keeper);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
}
