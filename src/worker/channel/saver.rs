//! Saves of a channel's tokens, one after the other: by the worker, at its interval and
//! at the end, and by the program, which commits.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::connection::Connection;
use super::data::{ChannelData, LastSaved};
use super::state::{Action, ChannelEvent};
use super::tokens::Place;
use super::waits::lost_error;
use crate::FINISH_TAG;
use crate::error::{ErrorCode, TunnelError};
use crate::observer::WorkerEventKind;
use crate::processor::Commit;
use crate::user_code::{call_user, drop_user};
use crate::worker::status::failures::full_text;
use crate::worker::status::outages::Asked;

/// What to do with a token that is older than one that was committed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Older {
    /// The program has made a mistake.
    Refuse,
    /// The program wants it.
    Save,
    /// The newer one covers it, too.
    Skip,
}

/// The permit to save; released when dropped.
struct SavePermit<'a>(&'a Connection);

impl Drop for SavePermit<'_> {
    fn drop(&mut self) {
        self.0.data.lock().saves.is_saving = false;
        self.0.data.notify();
    }
}

impl Connection {
    /// Saves the newest token that is processed and not saved; false if there is none. A
    /// save in flight is waited for, so that afterwards nothing that was processed before
    /// is unsaved.
    pub(super) fn save_newest(self: &Arc<Self>) -> Result<bool, TunnelError> {
        self.observed(|| {
            let _permit = self.acquire_save_permit()?;
            let Some(progress) = self.data.lock().progress.unsaved.take() else {
                return Ok(false);
            };
            // The program may have committed a newer one by itself.
            let saved = self.save(&progress.token, Older::Skip);
            if saved.is_err() {
                // Unless a newer one was processed meanwhile.
                self.data.lock().progress.unsaved.get_or_insert(progress);
            }
            saved.map(|()| true)
        })
    }

    /// Waits until no save is in flight.
    pub(super) fn wait_until_saved(&self) {
        let is_free = |data: &mut ChannelData| (!data.saves.is_saving).then_some(());
        self.data.wait_for(None, is_free);
    }

    fn commit(self: &Arc<Self>, token: &str, older: Older) -> Result<(), TunnelError> {
        let save = || {
            let _permit = self.acquire_save_permit()?;
            self.save(token, older).map(|()| true)
        };
        self.observed(save).map(|_| ())
    }

    /// Saves by `save`, which returns whether there was something to save, and reports it
    /// when the next save may begin: an observer that commits would wait for itself.
    fn observed(
        self: &Arc<Self>,
        save: impl FnOnce() -> Result<bool, TunnelError>,
    ) -> Result<bool, TunnelError> {
        let began = self.now();
        self.data.lock().stages.save_begins(began);
        let saved = self.clock().task().run(save);
        self.report_save(&saved, began);
        // Only now: while the observer hangs, this thread saves nothing else.
        self.data.lock().stages.save_ends();
        saved
    }

    fn report_save(self: &Arc<Self>, saved: &Result<bool, TunnelError>, began: Instant) {
        let channel_id = &*self.channel_id;
        match saved {
            Ok(true) => self.observe(WorkerEventKind::CheckpointSaved {
                channel_id,
                elapsed: self.now() - began,
            }),
            Ok(false) => {}
            // Nothing was tried: the loss is reported elsewhere, a refusal here.
            Err(error) if is_untried(error) => {}
            Err(error) => {
                let (text, now) = (full_text(error), self.now());
                self.data.lock().stats.history.saves.failed(text, now);
                self.observe(WorkerEventKind::CheckpointFailed { channel_id, error });
                self.save_failed(error);
            }
        }
    }

    fn acquire_save_permit(&self) -> Result<SavePermit<'_>, TunnelError> {
        let acquired = self.data.wait_for(None, |data| {
            if data.state.is_lost() {
                return Some(false);
            }
            (!std::mem::replace(&mut data.saves.is_saving, true)).then_some(true)
        });
        match acquired {
            Some(true) => Ok(SavePermit(self)),
            _ => Err(self.lost_error()),
        }
    }

    /// For whoever has the permit.
    fn save(self: &Arc<Self>, token: &str, older: Older) -> Result<(), TunnelError> {
        let data = self.data.lock();
        let place = data.saves.delivered.place(token);
        let committed = data.saves.committed;
        drop(data);
        let is_older = matches!((place, committed), (Some(a), Some(b)) if a.order < b.order);
        match older {
            Older::Refuse if is_older => return Err(self.out_of_order()),
            Older::Skip if is_older => return Ok(()),
            _ => {}
        }
        self.check_ours()?;
        let checkpointer = self.data.lock().saves.checkpointer.clone();
        // It is gone once the connection has ended.
        let Some(checkpointer) = checkpointer else {
            return Err(self.lost_error());
        };
        // It may be the program's.
        let saved = call_user(|| checkpointer.checkpoint(token));
        drop_user(checkpointer);
        saved.map_err(|panic| {
            TunnelError::client(format!("the checkpointer panicked: {panic}"))
        })??;
        self.after_save(token, place);
        Ok(())
    }

    fn after_save(self: &Arc<Self>, token: &str, place: Option<Place>) {
        let (saved, now): (Arc<str>, _) = (Arc::from(token), self.now());
        let mut action = Action::Nothing;
        let mut data = self.data.lock();
        data.saves.committed = place;
        data.saves.last = LastSaved {
            token: Some(saved.clone()),
            records: place.map(|place| place.records),
        };
        let was_failing = data.stats.history.saves.is_failing();
        data.stats.saved(saved, now);
        if token == FINISH_TAG {
            data.saves.is_finish_committed = true;
            if data.progress.waits_for_commit {
                // The channel has waited for this to close.
                data.progress.is_finished = true;
                action = data.handle(ChannelEvent::Close, now);
            }
        }
        drop(data);
        if was_failing {
            let outages = &self.session.status.outages;
            outages.succeeded(Asked::Checkpoint, Some(&self.channel_id));
        }
        if action != Action::Nothing {
            self.data.notify();
            self.act(action);
        }
    }

    fn out_of_order(&self) -> TunnelError {
        let message = format!(
            "channel {}: the token is older than one that was committed before, nothing was \
             saved; commit tokens in the order of the batches, or use rewind_to to go back",
            self.channel_id
        );
        TunnelError::new(ErrorCode::CheckpointOutOfOrder, message)
            .with_tunnel_id(&*self.session.tunnel_id)
    }
}

/// Whether nothing was sent because nothing could come of it.
fn is_untried(error: &TunnelError) -> bool {
    matches!(
        error.code(),
        ErrorCode::ChannelLost | ErrorCode::CheckpointOutOfOrder
    )
}

/// What a handle of the program's may do with a channel. It keeps nothing of the channel,
/// however long the program keeps the handle.
pub(super) struct ChannelHandle {
    pub(super) connection: Weak<Connection>,
    pub(super) tunnel_id: Arc<str>,
    pub(super) channel_id: Arc<str>,
}

impl fmt::Debug for ChannelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelHandle")
            .field("channel_id", &self.channel_id)
            .finish_non_exhaustive()
    }
}

impl ChannelHandle {
    fn commit_as(&self, token: &str, older: Older) -> Result<(), TunnelError> {
        match self.connection.upgrade() {
            Some(connection) => connection.commit(token, older),
            None => Err(lost_error(&self.tunnel_id, &self.channel_id)),
        }
    }
}

impl Commit for ChannelHandle {
    fn commit(&self, token: &str) -> Result<(), TunnelError> {
        self.commit_as(token, Older::Refuse)
    }

    fn rewind_to(&self, token: &str) -> Result<(), TunnelError> {
        self.commit_as(token, Older::Save)
    }

    fn is_closing(&self) -> bool {
        let connection = self.connection.upgrade();
        connection.is_none_or(|connection| connection.is_closing())
    }

    fn may_checkpoint(&self) -> bool {
        let connection = self.connection.upgrade();
        connection.is_some_and(|connection| connection.is_ours())
    }
}
