//! The end of a channel: save what is processed, call the user's shutdown, report.
//!
//! Runs on a thread of its own once the turn is ours for good, so that neither
//! a read in flight nor a full pool can hold it up.

use std::sync::Arc;

use log::warn;

use super::connection::Connection;
use crate::observer::WorkerEventKind;
use crate::sync::threads;
use crate::user_code::drop_user;
use crate::worker::status::failures::full_text;

/// Closes `connection` on a thread of its own.
pub(crate) fn spawn(connection: Arc<Connection>) {
    let closing = connection.clone();
    let clock = connection.session.clock();
    let spawned = threads::spawn(clock, "tunnel-close", move || {
        run(&closing);
        drop_user(closing);
    });
    if let Err(error) = spawned {
        warn!("{connection}: no thread to close it, the pool does: {error}");
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
    if !connection.lost.is_triggered()
        && let Err(error) = connection.save_last()
    {
        // The next owner goes on from the last token that was saved.
        warn!(
            "{connection}: last checkpoint not saved: {}",
            full_text(&error)
        );
        drop_user(error);
        connection.not_finished();
    }
    if let Some(runner) = connection.take_runner() {
        runner.shut_down();
    }
    if !connection.is_ours() {
        connection.not_finished();
    }
    let report = connection.was_opened().then(|| connection.report(false));
    connection.end(report);
}
