//! The end of a channel: save what is processed, call the user's shutdown, tell.
//!
//! Runs on a thread of its own once the turn is ours for good, so that neither
//! a read on its way nor a full pool can hold it up.

use std::sync::Arc;

use log::{info, warn};

use super::connection::Connection;
use crate::observer::WorkerEventKind;
use crate::sync::{catch_panic, threads};

/// Closes `connection` on a thread of its own.
pub(crate) fn spawn(connection: Arc<Connection>) {
    let closing = connection.clone();
    let clock = connection.session.clock();
    let spawned = threads::spawn(clock, "tunnel-close", move || run(&closing));
    if let Err(error) = spawned {
        warn!(
            "channel {}: no thread to close it, the pool does: {error}",
            connection.channel_id
        );
        let pool = connection.session.pool.clone();
        pool.spawn(move || run(&connection));
    }
}

/// Closes `connection` on this thread, which may wait.
pub(crate) fn run(connection: &Arc<Connection>) {
    connection.closing.trigger();
    let channel_id = &*connection.channel_id;
    if connection.was_opened() {
        let closing = WorkerEventKind::ChannelClosing { channel_id };
        connection.session.observe(closing);
    }
    if connection.is_ours()
        && let Err(error) =
            catch_panic::catch_panic(|| connection.save_now()).and_then(|saved| saved)
    {
        // The next owner goes on from the last token that was saved.
        warn!(
            "channel {}: last checkpoint not saved: {error}",
            connection.channel_id
        );
        connection.not_finished();
    }
    if let Some(runner) = connection.take_runner() {
        runner.shut_down();
    }
    if !connection.is_ours() {
        connection.not_finished();
    }
    let report = connection.was_opened().then(|| connection.report(false));
    info!("channel {}: closed", connection.channel_id);
    connection.end(report);
}
