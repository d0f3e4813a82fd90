//! What is saved of one channel, and when that is known.
//!
//! Between those who save (the worker, by its interval and at the end, and the
//! user's code, by committing) and the [`Checkpointer`] that does it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::connection::Connection;
use crate::FINISH_TAG;
use crate::error::{ErrorCode, TunnelError};
use crate::observer::WorkerEventKind;
use crate::processor::Checkpointer;
use crate::sync::catch_panic;
use crate::sync::latest::Latest;
use crate::sync::lease::Ownership;
use crate::worker::context::SessionContext;
use crate::worker::report::Progress;
use crate::worker::status::channel::ChannelStats;
use crate::worker::status::failures::full_text;

/// Saves the tokens of one channel, one after the other.
pub(crate) struct Saver {
    /// Weak: a handle that the user keeps must not keep the pool.
    session: Weak<SessionContext>,
    ownership: Ownership,
    /// The service's, or the user's around it.
    checkpointer: Arc<dyn Checkpointer>,
    /// Holds one `()` while no save is on its way: who takes it out saves, the
    /// others wait. (Not a lock, since a request is made meanwhile: a wait for
    /// it ends when the channel is lost.)
    right: (Sender<()>, Receiver<()>),
    /// The last token that was saved.
    saved: Latest<Arc<str>>,
    finish_committed: AtomicBool,
    connection: Weak<Connection>,
    stats: Arc<ChannelStats>,
}

impl fmt::Debug for Saver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saver")
            .field("channel_id", &self.ownership.channel_id)
            .finish_non_exhaustive()
    }
}

impl Saver {
    pub(crate) fn new(
        connection: &Arc<Connection>,
        ownership: Ownership,
        checkpointer: Arc<dyn Checkpointer>,
    ) -> Saver {
        let right = bounded(1);
        let _ = right.0.send(());
        Saver {
            session: Arc::downgrade(&connection.session),
            ownership,
            checkpointer,
            right,
            saved: Latest::new(),
            finish_committed: AtomicBool::new(false),
            connection: Arc::downgrade(connection),
            stats: connection.stats.clone(),
        }
    }

    /// Saves the newest of `unsaved`, which becomes `saved`, or is put back if
    /// that fails; false if there is none. A save that is on its way is waited
    /// for, so that afterwards nothing processed before is unsaved.
    pub(crate) fn save_newest(
        &self,
        unsaved: &Latest<Progress>,
        saved: &Latest<Progress>,
    ) -> Result<bool, TunnelError> {
        self.observed(|| {
            let _right = self.acquire_save_permit()?;
            let Some(progress) = unsaved.take() else {
                return Ok(false);
            };
            match self.save(&progress.token) {
                Ok(()) => {
                    saved.set(progress);
                    Ok(true)
                }
                Err(error) => {
                    unsaved.give_back(progress);
                    Err(error)
                }
            }
        })
    }

    /// Whether `finished` has been saved.
    pub(crate) fn is_finish_committed(&self) -> bool {
        self.finish_committed.load(Ordering::Acquire)
    }

    /// The last token that was saved, for the report.
    pub(crate) fn last_saved(&self) -> Option<Arc<str>> {
        let saved = self.saved.take()?;
        self.saved.give_back(saved.clone());
        Some(saved)
    }

    /// Saves by `save`, which tells whether there was something to save, and
    /// tells others of it afterwards, when the next save may begin.
    fn observed(
        &self,
        save: impl FnOnce() -> Result<bool, TunnelError>,
    ) -> Result<bool, TunnelError> {
        let clock = self.ownership.lost.clock();
        let began = clock.now();
        let saved = clock.task().run(save);
        let channel_id = &*self.ownership.channel_id;
        match &saved {
            Ok(true) => self.observe(WorkerEventKind::CheckpointSaved {
                channel_id,
                elapsed: clock.now() - began,
            }),
            Ok(false) => {}
            // Nothing was tried; the loss has been told or will be.
            Err(error) if *error.code() == ErrorCode::ChannelLost => {}
            Err(error) => {
                self.stats.history.saves.failed(full_text(error));
                self.observe(WorkerEventKind::CheckpointFailed { channel_id, error });
            }
        }
        saved
    }

    fn observe(&self, kind: WorkerEventKind<'_>) {
        if let Some(session) = self.session.upgrade() {
            session.observe(kind);
        }
    }

    fn acquire_save_permit(&self) -> Result<SavePermit<'_>, TunnelError> {
        match self.ownership.lost.or_recv(&self.right.1) {
            Some(()) => Ok(SavePermit(&self.right.0)),
            None => Err(self.ownership.lost_error()),
        }
    }

    fn save(&self, token: &str) -> Result<(), TunnelError> {
        self.ownership.check()?;
        self.stats.save_begins();
        // It may be the user's.
        let saved = catch_panic::call_user(|| self.checkpointer.checkpoint(token));
        self.stats.save_ends();
        saved.map_err(|panic| {
            TunnelError::client(format!("the checkpointer panicked: {panic}"))
        })??;
        self.after_save(token);
        Ok(())
    }

    fn after_save(&self, token: &str) {
        let saved: Arc<str> = Arc::from(token);
        self.stats.saved(saved.clone());
        self.saved.set(saved);
        if token == FINISH_TAG {
            self.finish_committed.store(true, Ordering::Release);
            // The channel may have waited for this to close.
            if let Some(connection) = self.connection.upgrade() {
                connection.notify();
            }
        }
    }
}

impl Checkpointer for Saver {
    fn checkpoint(&self, token: &str) -> Result<(), TunnelError> {
        let save = || {
            let _right = self.acquire_save_permit()?;
            self.save(token).map(|()| true)
        };
        self.observed(save).map(|_| ())
    }
}

/// The right to save; goes home when dropped.
struct SavePermit<'a>(&'a Sender<()>);

impl Drop for SavePermit<'_> {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
