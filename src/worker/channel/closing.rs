//! The I/O task of a channel: saves checkpoints, and at the end saves the last one, calls
//! the shutdown callback and reports.
//!
//! It may wait for the service and for code of the program, and runs on a thread of its
//! own for that long, so that neither a read in flight nor a full pool can hold it up.

use std::sync::Arc;
use std::time::Duration;

use log::{debug, info, warn};

use super::connection::{Connection, RETRY_PAUSE};
use super::state::{Action, ChannelEvent};
use super::waits::{Until, is_retry};
use crate::error::{ErrorClass, TunnelError};
use crate::observer::{CloseReason, OwnedEvent, WorkerEventKind};
use crate::policy::{Reaction, Request, reaction};
use crate::sync::catch_panic::catch_panic;
use crate::user_code::drop_user;
use crate::worker::context::{Ended, Event};
use crate::worker::report::ChannelReport;
use crate::worker::status::failures::full_text;
use crate::worker::status::outages::Asked;

/// Does what there is to do for the channel, one after the other.
pub(super) fn run_io_task(connection: &Arc<Connection>) {
    loop {
        let now = connection.now();
        let next = connection.data.lock().handle(ChannelEvent::NextIo, now);
        match next {
            Action::Save => save(connection),
            Action::Close => return close(connection),
            _ => return,
        }
    }
}

/// Saves what is processed, and starts the timer of the next save if there is more.
fn save(connection: &Arc<Connection>) {
    let pause = match save_now(connection) {
        Ok(()) => Duration::ZERO,
        Err(error) => {
            // Closed meanwhile, which saves by itself what may be saved.
            if error.class() != ErrorClass::Gone {
                connection.request_failed(Asked::Checkpoint, &error, Reaction::Retry, RETRY_PAUSE);
            }
            drop_user(error);
            RETRY_PAUSE
        }
    };
    let now = connection.now();
    let mut data = connection.data.lock();
    let more = data.progress.unsaved.is_some();
    let action = data.handle(ChannelEvent::Saved { more }, now);
    drop(data);
    if action == Action::StartSaveTimer {
        connection.start_save_timer(pause);
    }
}

/// Saves everything that is processed.
fn save_now(connection: &Arc<Connection>) -> Result<(), TunnelError> {
    let saved = catch_panic(|| {
        while connection.save_newest()? {
            debug!("{connection}: checkpoint saved");
        }
        Ok(())
    });
    saved.and_then(|saved| saved)
}

/// Closes the channel for good.
fn close(connection: &Arc<Connection>) {
    let mut data = connection.data.lock();
    let unprocessed = data.take_unprocessed();
    let permit = data.reading.parallel_permit.take();
    drop(data);
    // Now: code of the program that hangs must not keep from others what it does not need.
    drop(unprocessed);
    if let Some(permit) = permit {
        // Even if a read in flight has it, too.
        permit.release();
    }
    let report = catch_panic(|| close_in_order(connection)).unwrap_or_else(|error| {
        connection.fail(error);
        None
    });
    end(connection, report);
}

/// Saves what is left and calls the shutdown callback; how far the channel came, if it
/// was open.
fn close_in_order(connection: &Arc<Connection>) -> Option<ChannelReport> {
    let was_opened = connection.was_opened();
    let channel_id = &*connection.channel_id;
    if was_opened {
        connection.observe(WorkerEventKind::ChannelClosing { channel_id });
    }
    let is_saved = save_last(connection);
    let runner = connection.data.lock().runner.take();
    if let Some(runner) = runner {
        runner.shut_down();
    }
    // Without the last save, or without the channel, the service must not hear that it
    // is finished.
    let is_ours = connection.is_ours();
    connection.data.lock().progress.is_finished &= is_saved && is_ours;
    was_opened.then(|| connection.report(false))
}

/// Saves what is left, for as long as failures pass and the channel is ours, because its
/// records would come again. Also waits for a commit of the program's in flight. Returns
/// whether the service knows everything.
fn save_last(connection: &Arc<Connection>) -> bool {
    while !connection.is_lost() {
        let Err(error) = save_now(connection) else {
            return true;
        };
        let again = is_retry(reaction(error.class(), Request::Channel));
        if !again || connection.pause(RETRY_PAUSE, Until::Lost) || !connection.is_ours() {
            // The next owner goes on from the last token that was saved.
            let text = full_text(&error);
            warn!("{connection}: last checkpoint not saved: {text}");
            drop_user(error);
            return false;
        }
        drop_user(error);
    }
    false
}

/// Tells everyone that nothing of this connection runs any more.
fn end(connection: &Arc<Connection>, report: Option<ChannelReport>) {
    // Also for the commits of the program that hang in its own checkpointer, so that the
    // next connection to this channel does not add another one.
    if connection.session.settings.checkpointer.is_some() {
        connection.wait_until_saved();
    }
    let now = connection.now();
    let mut data = connection.data.lock();
    data.handle(ChannelEvent::Ended, now);
    let error = data.end.failure.take();
    let finished = data.progress.is_finished;
    let failed = data.end.failed_as;
    let opened_at = data.end.opened_at;
    let reason = match (finished, &error) {
        (true, _) => CloseReason::Finished,
        (false, Some(_)) => CloseReason::Failed,
        (false, None) => data.stats.close_reason(),
    };
    let values = data.take_values();
    drop(data);
    connection.data.notify();
    drop_user(values);
    if finished {
        info!("{connection}: finished");
    }
    // Before a connection that follows can report anything.
    observe_end(connection, reason, error.as_ref(), report.is_some());
    let fatal = error.and_then(|error| fatal(connection, error));
    info!("{connection}: closed");
    connection.place.connection_ended();
    connection.session.send(Event::Ended(Box::new(Ended {
        connection: connection.id,
        channel_id: connection.channel_id.clone(),
        totals: connection.totals(),
        finished,
        failed,
        open_for: opened_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
        fatal,
        report,
    })));
}

fn observe_end(
    connection: &Connection,
    reason: CloseReason,
    error: Option<&TunnelError>,
    was_open: bool,
) {
    let channel_id = &*connection.channel_id;
    connection.observe(match was_open {
        true => WorkerEventKind::ChannelClosed {
            channel_id,
            reason,
            error,
        },
        // An earlier connection may hang in this very observer, and each loss of the
        // channel would add a thread that hangs.
        false if connection.place.has_to_wait() => {
            let channel_id = connection.channel_id.clone();
            let not_opened = OwnedEvent::ChannelNotOpened { channel_id, reason };
            return connection.session.notify(not_opened);
        }
        false => WorkerEventKind::ChannelNotOpened {
            channel_id,
            reason,
            error,
        },
    });
}

/// Reports a failure and drops it here: its causes are the program's, and the session's
/// loop must not wait for their drop. What ends the daemon goes on to the session.
fn fatal(connection: &Connection, error: TunnelError) -> Option<TunnelError> {
    if reaction(error.class(), Request::Channel) == Reaction::EndDaemon {
        return Some(error);
    }
    let text = full_text(&error);
    warn!("{connection}: released, it comes back from its last checkpoint: {text}");
    drop_user(error);
    None
}
