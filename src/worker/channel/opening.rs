//! Opens a channel, on its reader's thread: gets the checkpoint and makes the processor.

use std::error::Error;
use std::sync::Arc;

use log::info;

use super::checkpoint::ChannelCheckpointer;
use super::connection::Connection;
use super::runner::Runner;
use super::saver::ChannelHandle;
use super::stage::ReaderStage;
use super::state::{Action, ChannelEvent};
use super::waits::Until;
use crate::FINISH_TAG;
use crate::error::TunnelError;
use crate::observer::WorkerEventKind;
use crate::processor::{
    ChannelContext, ChannelIdentity, ChannelProcessor, Checkpointer, Commit, ProcessorHandle,
};
use crate::protocol::GetCheckpointResponse;
use crate::record;
use crate::sync::catch_panic::catch_panic;
use crate::user_code::{UserValue, call_user};

/// What opening a channel has come to.
pub(super) enum Opened {
    /// Read on from this token.
    At(String, ChannelContext),
    /// Everything has been consumed before.
    Finished,
    /// It has been closed before it was open.
    Closed,
}

/// Opens the channel. Its end is reported elsewhere if it closes meanwhile.
///
/// # Errors
///
/// Why it cannot be opened.
pub(super) fn open(connection: &Arc<Connection>) -> Result<Opened, TunnelError> {
    if !wait_for_predecessors(connection) {
        return Ok(Opened::Closed);
    }
    // No code of the program runs meanwhile, so the channel can close at any time
    // without waiting for the response.
    let stored = catch_panic(|| connection.get_checkpoint(Until::Closing));
    let stored = stored.and_then(|stored| stored);
    if !connection.handle(ChannelEvent::Make) {
        return Ok(Opened::Closed);
    }
    let stored = stored?;
    if stored.checkpoint() == FINISH_TAG {
        return Ok(Opened::Finished);
    }
    let is_stream = record::is_stream(&connection.channel_id, stored.checkpoint());
    prepare_saves(connection, &stored)?;
    connection.data.lock().stats.is_stream = is_stream;
    let context = context(connection, is_stream)?;
    let processor = make_processor(connection, &context)?;
    info!("{connection}: open");
    connection.observe(WorkerEventKind::ChannelOpened {
        channel_id: &connection.channel_id,
        is_stream,
    });
    let reads = context.same_channel();
    let runner = Box::new(Runner::new(processor, context));
    match opened(connection, runner) {
        true => Ok(Opened::At(stored.checkpoint().to_owned(), reads)),
        false => Ok(Opened::Closed),
    }
}

/// Waits until the connections to the same channel from before have ended; false if the
/// channel closes first.
fn wait_for_predecessors(connection: &Arc<Connection>) -> bool {
    let is_first = |connection: &Connection| !connection.place.has_to_wait();
    if !is_first(connection) {
        connection.reader_is(ReaderStage::WaitingForPredecessor);
        info!("{connection}: waits for its last callback or reads from before");
        let ended = || is_first(connection).then_some(());
        if connection.wait_until_woken(ended).is_none() {
            return false;
        }
        connection.reader_is(ReaderStage::Opening);
    }
    connection.wait_for_lease(Until::Closing)
}

/// Saves go to the service, or through the program's checkpointer around that.
fn prepare_saves(
    connection: &Arc<Connection>,
    stored: &GetCheckpointResponse,
) -> Result<(), TunnelError> {
    let service: Arc<dyn Checkpointer> = Arc::new(ChannelCheckpointer::new(connection, stored));
    let checkpointer = UserValue::new(match &connection.session.settings.checkpointer {
        Some(wrap) => call_user(|| wrap(&connection.channel_id, service))
            .map_err(|panic| program_failed("made no checkpointer", panic.into()))?,
        None => service,
    });
    let mut data = connection.data.lock();
    data.saves.delivered.note(stored.checkpoint(), 0);
    data.saves.checkpointer = Some(checkpointer);
    Ok(())
}

fn context(connection: &Arc<Connection>, is_stream: bool) -> Result<ChannelContext, TunnelError> {
    let session = &connection.session;
    let custom_value = call_user(|| session.settings.factory.custom_value())
        .map_err(|panic| factory_failed(panic.into()))?
        .map(UserValue::new);
    let channel: Arc<dyn Commit> = Arc::new(ChannelHandle {
        connection: Arc::downgrade(connection),
        tunnel_id: session.tunnel_id.clone(),
        channel_id: connection.channel_id.clone(),
    });
    let identity = Arc::new(ChannelIdentity {
        tunnel_id: session.tunnel_id.clone(),
        client_id: session.client_id.clone(),
        channel_id: connection.channel_id.clone(),
        is_stream,
        handle: ProcessorHandle::new(channel),
    });
    Ok(ChannelContext::new(identity, custom_value))
}

fn make_processor(
    connection: &Arc<Connection>,
    context: &ChannelContext,
) -> Result<UserValue<Box<dyn ChannelProcessor>>, TunnelError> {
    let factory = &connection.session.settings.factory;
    check_wanted(connection)?;
    let processor = call_user(|| factory.new_processor(context))
        .map_err(|panic| factory_failed(panic.into()))?
        .map_err(|error| factory_failed(error.into_source()))?;
    let mut processor = UserValue::new(processor);
    check_wanted(connection)?;
    call_user(|| processor.open(context))
        .map_err(|panic| open_failed(panic.into()))?
        .map_err(|error| open_failed(error.into_source()))?;
    Ok(processor)
}

fn check_wanted(connection: &Arc<Connection>) -> Result<(), TunnelError> {
    match connection.wait_for_lease(Until::Closing) {
        true => Ok(()),
        false => Err(connection.lost_error()),
    }
}

/// The channel is open; whether to read it. Otherwise it closes.
fn opened(connection: &Arc<Connection>, runner: Box<Runner>) -> bool {
    let now = connection.now();
    let mut data = connection.data.lock();
    data.end.opened_at = Some(now);
    data.runner = Some(runner);
    let action = data.handle(ChannelEvent::Opened, now);
    drop(data);
    connection.act(action);
    action == Action::Proceed
}

fn factory_failed(error: Box<dyn Error + Send + Sync>) -> TunnelError {
    program_failed("made no processor", error)
}

fn open_failed(error: Box<dyn Error + Send + Sync>) -> TunnelError {
    TunnelError::client("the channel_open callback failed").with_source(error)
}

/// Code of the program that the reader calls has failed.
pub(super) fn program_failed(what: &str, error: Box<dyn Error + Send + Sync>) -> TunnelError {
    TunnelError::client(format!("the program {what}")).with_source(error)
}
