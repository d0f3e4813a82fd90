//! Programs that commit by themselves: the order of commits, and what the report knows.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tablestore_emulator::{Action, Emulator, Fault, Rule};
use tablestore_tunnel::{
    AsyncProcessFactory, ChannelContext, ChannelReport, ChannelStage, ErrorCode, ProcessorHandle,
    Record, TunnelType, TunnelWorkerConfig,
};

use crate::harness::{HEARTBEAT, MAX_WAIT, Processed, Running, Scene, wait_until};

/// The handle of a channel, and the tokens of its batches in the order of delivery.
#[derive(Clone, Default)]
struct Delivered(Arc<Mutex<(Option<ProcessorHandle>, Vec<String>)>>);

impl Delivered {
    fn handle(&self) -> ProcessorHandle {
        let delivered = self.0.lock().expect("delivered");
        delivered.0.clone().expect("a batch was delivered")
    }

    fn tokens(&self) -> Vec<String> {
        self.0.lock().expect("delivered").1.clone()
    }
}

/// A channel of which batches of 10 records are delivered and nothing is committed.
fn uncommitted(scene: &Scene, batches: usize) -> (Running, Delivered) {
    let (processed, delivered) = (Processed::default(), Delivered::default());
    let factory = AsyncProcessFactory::new({
        let (processed, delivered) = (processed.clone(), delivered.clone());
        move |ctx: &ChannelContext, records: &[Record]| {
            let mut delivered = delivered.0.lock().expect("delivered");
            delivered.0 = Some(ctx.processor().clone());
            delivered.1.push(ctx.next_token().to_owned());
            processed.add(ctx, records)
        }
    });
    let config = TunnelWorkerConfig::builder(factory)
        .heartbeat_interval_for_tests(HEARTBEAT)
        .heartbeat_timeout(MAX_WAIT)
        .client_tag("test");
    let tunnel = scene.tunnel(TunnelType::Stream);
    let running = scene.start(&tunnel, config);
    for batch in 1..=batches {
        scene.put_rows(10);
        wait_until("the batch is delivered", || processed.len() == 10 * batch);
    }
    (running, delivered)
}

fn scene() -> Scene {
    Scene::with(1, Emulator::builder().batch_rows(10))
}

fn report(running: Running) -> ChannelReport {
    let mut report = running.close();
    assert!(report.is_complete);
    report.channels.remove(0)
}

#[test]
fn an_older_token_is_refused_and_the_last_one_may_be_committed_again() {
    let scene = scene();
    let (running, delivered) = uncommitted(&scene, 3);
    let (handle, tokens) = (delivered.handle(), delivered.tokens());
    handle.commit_token(&tokens[1]).expect("saved");
    handle.commit_token(&tokens[1]).expect("the last one again");
    let refused = handle.commit_token(&tokens[0]).expect_err("older");
    assert_eq!(refused.code(), &ErrorCode::CheckpointOutOfOrder);
    assert!(refused.message().contains("rewind_to"), "{refused}");
    let report = report(running);
    assert_eq!(report.last_saved.as_ref(), Some(&tokens[1]));
    assert_eq!(report.records_to_redeliver, Some(10));
    assert!(!report.is_clean());
}

#[test]
fn a_program_may_go_back_if_it_says_so() {
    let scene = scene();
    let (running, delivered) = uncommitted(&scene, 3);
    let (handle, tokens) = (delivered.handle(), delivered.tokens());
    handle.commit_token(&tokens[2]).expect("saved");
    scene.breaks(Rule::SaveBackwards);
    handle.rewind_to(&tokens[0]).expect("saved");
    handle
        .commit_token(&tokens[1])
        .expect("newer than the last one");
    let report = report(running);
    assert_eq!(report.last_saved.as_ref(), Some(&tokens[1]));
    assert_eq!(report.records_to_redeliver, Some(10));
}

#[test]
fn a_report_says_when_it_cannot_know() {
    let scene = scene();
    let (running, delivered) = uncommitted(&scene, 1);
    // Not a token that this channel was ever given.
    scene.breaks(Rule::SaveBeyondRead);
    delivered.handle().commit_token("finished").expect("saved");
    let report = report(running);
    assert_eq!(report.records_to_redeliver, None);
    assert!(!report.is_clean(), "unknown is not clean");
}

#[test]
fn a_channel_without_commits_is_not_clean() {
    let scene = scene();
    let (running, _delivered) = uncommitted(&scene, 2);
    let report = report(running);
    assert_eq!(report.records_to_redeliver, Some(20));
    assert!(!report.is_clean() && report.last_saved.is_none());
}

#[test]
fn a_channel_whose_last_token_is_committed_is_clean() {
    let scene = scene();
    let (running, delivered) = uncommitted(&scene, 2);
    let tokens = delivered.tokens();
    delivered.handle().commit_token(&tokens[1]).expect("saved");
    assert!(report(running).is_clean());
}

#[test]
fn a_channel_that_closes_waits_for_a_commit_in_flight() {
    let scene = scene();
    let (running, delivered) = uncommitted(&scene, 2);
    let late = Fault::on(Action::Checkpoint).delay(Duration::from_millis(500));
    scene.emulator.fault(late);
    let (handle, token) = (delivered.handle(), delivered.tokens()[1].clone());
    let committing = thread::spawn(move || handle.commit_token(&token));
    wait_until("the commit is in flight", || {
        let channels = running.daemon.snapshot().channels;
        channels
            .iter()
            .any(|channel| channel.stage == ChannelStage::Saving)
    });
    let report = report(running);
    committing.join().expect("no panic").expect("saved");
    assert!(report.is_clean(), "{report:?}");
}
