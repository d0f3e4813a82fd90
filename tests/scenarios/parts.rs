//! Tests programs that implement the crate's traits: factory, processor, dialer,
//! connection and checkpointer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tablestore_emulator::{Emulator, EventKind, Rule};
use tablestore_tunnel::{
    ChannelBatch, ChannelConn, ChannelContext, ChannelDialer, ChannelProcessor,
    ChannelProcessorFactory, Checkpointer, FINISH_TAG, OwnedColumn, OwnedRecord, ProcessError,
    ProcessResult, Record, TunnelError, TunnelType, TunnelWorkerConfig,
};

use crate::checks::assert_exactly_once;
use crate::harness::{HEARTBEAT, Processed, Scene, config, wait_until};

fn scene() -> (Scene, String) {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    scene.put_rows(100);
    (scene, tunnel)
}

/// A custom factory.
struct CustomFactory(Processed);

/// A custom processor.
struct CustomProcessor {
    processed: Processed,
    batches: usize,
}

impl ChannelProcessorFactory for CustomFactory {
    fn new_processor(&self, _: &ChannelContext) -> Result<Box<dyn ChannelProcessor>, ProcessError> {
        Ok(Box::new(CustomProcessor {
            processed: self.0.clone(),
            batches: 0,
        }))
    }
}

impl ChannelProcessor for CustomProcessor {
    fn process(&mut self, channel: &ChannelContext, records: &[Record]) -> ProcessResult {
        self.batches += 1;
        self.processed.add(channel, records)
    }
}

#[test]
fn a_custom_factory_creates_its_processors() {
    let (scene, tunnel) = scene();
    let processed = Processed::default();
    let config = TunnelWorkerConfig::builder(CustomFactory(processed.clone()))
        .heartbeat_interval_for_tests(HEARTBEAT)
        .pool_threads(2);
    let running = scene.start(&tunnel, config);
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
}

/// A dialer that wraps the service. It counts dials and reads; two dials and two
/// reads fail, once with an error and once with a panic.
#[derive(Clone, Default)]
struct CountingDialer {
    dials: Arc<AtomicUsize>,
    reads: Arc<AtomicUsize>,
}

struct CountingConn {
    service: Box<dyn ChannelConn>,
    reads: Arc<AtomicUsize>,
}

impl ChannelDialer for CountingDialer {
    fn dial(
        &self,
        _: &ChannelContext,
        service: Box<dyn ChannelConn>,
    ) -> Result<Box<dyn ChannelConn>, ProcessError> {
        match self.dials.fetch_add(1, Ordering::SeqCst) {
            0 => Err(ProcessError::new("dial failed on purpose")),
            1 => panic!("in dial on purpose"),
            _ => Ok(Box::new(CountingConn {
                service,
                reads: self.reads.clone(),
            })),
        }
    }
}

impl ChannelConn for CountingConn {
    fn read(&mut self, token: &str) -> Result<ChannelBatch, TunnelError> {
        match self.reads.fetch_add(1, Ordering::SeqCst) {
            3 => Err(TunnelError::other("read failed on purpose")),
            4 => panic!("in read on purpose"),
            _ => self.service.read(token),
        }
    }
}

#[test]
fn a_dialer_can_wrap_the_service() {
    let (scene, tunnel) = scene();
    let (processed, dialer) = (Processed::default(), CountingDialer::default());
    let running = scene.start(
        &tunnel,
        config(processed.factory()).channel_dialer(dialer.clone()),
    );
    processed.wait_for_all(&scene);
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
    // Two channels succeed, and two dials and two reads fail.
    assert!(dialer.dials.load(Ordering::SeqCst) >= 6);
    assert!(dialer.reads.load(Ordering::SeqCst) >= 12);
}

/// A dialer that replaces the service with a source of one record.
struct OwnSource;

impl ChannelDialer for OwnSource {
    fn dial(
        &self,
        _: &ChannelContext,
        _service: Box<dyn ChannelConn>,
    ) -> Result<Box<dyn ChannelConn>, ProcessError> {
        Ok(Box::new(OwnSource))
    }
}

impl ChannelConn for OwnSource {
    fn read(&mut self, _token: &str) -> Result<ChannelBatch, TunnelError> {
        let record = OwnedRecord::put([("id", "local")]).column(OwnedColumn::put("a", 1, 0));
        ChannelBatch::new(&[record], FINISH_TAG)
    }
}

#[test]
fn a_dialer_can_replace_the_service() {
    let scene = Scene::new(1);
    // The service does not know these records.
    scene.breaks(Rule::ProcessedUnread);
    scene.breaks(Rule::SaveBeyondRead);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let processed = Processed::default();
    let running = scene.start(
        &tunnel,
        config(processed.factory()).channel_dialer(OwnSource),
    );
    processed.wait_for("the record is processed", |processed| processed.len() == 1);
    running.close();
    let ledger = scene.emulator.ledger();
    let is_read = |kind: &EventKind| matches!(kind, EventKind::Read { .. });
    assert!(!ledger.events().iter().any(|event| is_read(&event.kind)));
}

#[test]
fn a_batch_of_invalid_records_is_rejected() {
    let no_key: [(&str, &str); 0] = [];
    let result = ChannelBatch::new(&[OwnedRecord::put(no_key)], "token");
    assert_eq!(
        result.expect_err("no key").code().as_str(),
        "OTSClientError"
    );
}

/// A checkpointer that wraps the service and records the saved tokens. The first
/// attempt fails, and the second panics.
#[derive(Debug)]
struct RecordingCheckpointer {
    service: Arc<dyn Checkpointer>,
    attempts: Arc<AtomicUsize>,
    saved: Arc<Mutex<Vec<String>>>,
}

impl Checkpointer for RecordingCheckpointer {
    fn checkpoint(&self, token: &str) -> Result<(), TunnelError> {
        match self.attempts.fetch_add(1, Ordering::SeqCst) {
            0 => return Err(TunnelError::other("save failed on purpose")),
            1 => panic!("in checkpoint on purpose"),
            _ => self.service.checkpoint(token)?,
        }
        self.saved.lock().expect("saved").push(token.to_owned());
        Ok(())
    }
}

#[test]
fn a_checkpointer_can_wrap_the_service() {
    let (scene, tunnel) = scene();
    let processed = Processed::default();
    let (attempts, saved) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::default()));
    let config = config(processed.factory()).checkpointer({
        let (attempts, saved) = (attempts.clone(), saved.clone());
        move |_, service| {
            Arc::new(RecordingCheckpointer {
                service,
                attempts: attempts.clone(),
                saved: saved.clone(),
            })
        }
    });
    let running = scene.start(&tunnel, config);
    processed.wait_for_all(&scene);
    wait_until("failed checkpoints have been retried", || {
        attempts.load(Ordering::SeqCst) >= 4
    });
    assert!(running.close().is_clean());
    assert_exactly_once(&scene, &processed);
    let ledger = scene.emulator.ledger();
    let is_save = |kind: &EventKind| matches!(kind, EventKind::Saved { .. });
    let saves = ledger.events().iter().filter(|event| is_save(&event.kind));
    assert_eq!(saves.count(), saved.lock().expect("saved").len());
}
