//! Parts that the program makes itself, each plugged in once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tablestore_emulator::{Emulator, EventKind, Rule};
use tablestore_tunnel::{
    ChannelBatch, ChannelConn, ChannelContext, ChannelDialer, ChannelProcessor,
    ChannelProcessorFactory, Checkpointer, FINISH_TAG, OwnedColumn, OwnedRecord, ProcessError,
    ProcessResult, Record, TunnelError, TunnelType, TunnelWorkerConfig,
};

use crate::harness::{HEARTBEAT, Scene, Seen, config, wait_until};
use crate::judge::judge_orderly;

fn scene() -> (Scene, String) {
    let scene = Scene::with(2, Emulator::builder().batch_rows(10));
    let tunnel = scene.tunnel(TunnelType::Stream);
    scene.put_rows(100);
    (scene, tunnel)
}

/// A factory and processors of the program's own.
struct Notes(Seen);

struct Noting {
    seen: Seen,
    batches: usize,
}

impl ChannelProcessorFactory for Notes {
    fn new_processor(&self, _: &ChannelContext) -> Result<Box<dyn ChannelProcessor>, ProcessError> {
        Ok(Box::new(Noting {
            seen: self.0.clone(),
            batches: 0,
        }))
    }
}

impl ChannelProcessor for Noting {
    fn process(&mut self, channel: &ChannelContext, records: &[Record]) -> ProcessResult {
        self.batches += 1;
        self.seen.note(channel, records)
    }
}

#[test]
fn a_factory_and_its_processors() {
    let (scene, tunnel) = scene();
    let seen = Seen::default();
    let config = TunnelWorkerConfig::builder(Notes(seen.clone()))
        .heartbeat_interval_for_tests(HEARTBEAT)
        .pool_threads(2);
    let running = scene.start(&tunnel, config);
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
}

/// Counts reads, fails to dial the first time and to read once.
#[derive(Clone, Default)]
struct Measured {
    dials: Arc<AtomicUsize>,
    reads: Arc<AtomicUsize>,
}

struct MeasuredConn {
    service: Box<dyn ChannelConn>,
    reads: Arc<AtomicUsize>,
}

impl ChannelDialer for Measured {
    fn dial(
        &self,
        _: &ChannelContext,
        service: Box<dyn ChannelConn>,
    ) -> Result<Box<dyn ChannelConn>, ProcessError> {
        match self.dials.fetch_add(1, Ordering::SeqCst) {
            0 => Err(ProcessError::new("the line is busy")),
            1 => panic!("in dial on purpose"),
            _ => Ok(Box::new(MeasuredConn {
                service,
                reads: self.reads.clone(),
            })),
        }
    }
}

impl ChannelConn for MeasuredConn {
    fn read(&mut self, token: &str) -> Result<ChannelBatch, TunnelError> {
        match self.reads.fetch_add(1, Ordering::SeqCst) {
            3 => Err(TunnelError::other("the line is noisy")),
            4 => panic!("in read on purpose"),
            _ => self.service.read(token),
        }
    }
}

#[test]
fn a_dialer_around_the_service() {
    let (scene, tunnel) = scene();
    let (seen, dialer) = (Seen::default(), Measured::default());
    let running = scene.start(
        &tunnel,
        config(seen.factory()).channel_dialer(dialer.clone()),
    );
    seen.wait_for_all(&scene);
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
    // Two channels; two dials and two reads that failed.
    assert!(dialer.dials.load(Ordering::SeqCst) >= 6);
    assert!(dialer.reads.load(Ordering::SeqCst) >= 12);
}

/// Serves one record of its own, then says that nothing follows.
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
        let record = OwnedRecord::put([("id", "made here")]).column(OwnedColumn::put("a", 1, 0));
        ChannelBatch::new(&[record], FINISH_TAG)
    }
}

#[test]
fn a_dialer_in_place_of_the_service() {
    let scene = Scene::new(1);
    // The service knows nothing of these records.
    scene.breaks(Rule::ProcessedUnread);
    scene.breaks(Rule::SaveBeyondRead);
    let tunnel = scene.tunnel(TunnelType::Stream);
    let seen = Seen::default();
    let running = scene.start(&tunnel, config(seen.factory()).channel_dialer(OwnSource));
    seen.wait_for("the record is seen", |seen| seen.len() == 1);
    running.close();
    let ledger = scene.emulator.ledger();
    let is_read = |kind: &EventKind| matches!(kind, EventKind::Read { .. });
    assert!(!ledger.events().iter().any(|event| is_read(&event.kind)));
}

#[test]
fn a_batch_of_records_that_cannot_be_is_refused() {
    let no_key: [(&str, &str); 0] = [];
    let refused = ChannelBatch::new(&[OwnedRecord::put(no_key)], "token");
    assert_eq!(
        refused.expect_err("no key").code().as_str(),
        "OTSClientError"
    );
}

/// Notes what is saved, after two attempts that fail.
#[derive(Debug)]
struct Journal {
    service: Arc<dyn Checkpointer>,
    attempts: Arc<AtomicUsize>,
    saved: Arc<Mutex<Vec<String>>>,
}

impl Checkpointer for Journal {
    fn checkpoint(&self, token: &str) -> Result<(), TunnelError> {
        match self.attempts.fetch_add(1, Ordering::SeqCst) {
            0 => return Err(TunnelError::other("the disk is full")),
            1 => panic!("in checkpoint on purpose"),
            _ => self.service.checkpoint(token)?,
        }
        self.saved.lock().expect("saved").push(token.to_owned());
        Ok(())
    }
}

#[test]
fn a_checkpointer_around_the_service() {
    let (scene, tunnel) = scene();
    let seen = Seen::default();
    let (attempts, saved) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::default()));
    let config = config(seen.factory()).checkpointer({
        let (attempts, saved) = (attempts.clone(), saved.clone());
        move |_, service| {
            Arc::new(Journal {
                service,
                attempts: attempts.clone(),
                saved: saved.clone(),
            })
        }
    });
    let running = scene.start(&tunnel, config);
    seen.wait_for_all(&scene);
    wait_until("what failed is saved later", || {
        attempts.load(Ordering::SeqCst) >= 4
    });
    assert!(running.close().is_clean());
    judge_orderly(&scene, &seen);
    let ledger = scene.emulator.ledger();
    let is_save = |kind: &EventKind| matches!(kind, EventKind::Saved { .. });
    let saves = ledger.events().iter().filter(|event| is_save(&event.kind));
    assert_eq!(saves.count(), saved.lock().expect("saved").len());
}
