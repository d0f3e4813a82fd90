//! [`Saver`]: what is saved of one channel, and when that is known.
//!
//! Between those who save (the worker, by its interval and at the end, and the
//! user's code, by committing) and the [`Checkpointer`] that does it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use super::connection::Connection;
use super::tokens::{Place, Tokens};
use crate::FINISH_TAG;
use crate::error::{ErrorCode, TunnelError};
use crate::observer::WorkerEventKind;
use crate::processor::{Checkpointer, Commit};
use crate::sync::latest::Latest;
use crate::sync::lease::Ownership;
use crate::user_code::{UserValue, call_user};
use crate::worker::context::SessionContext;
use crate::worker::report::Progress;
use crate::worker::status::channel::ChannelStats;
use crate::worker::status::failures::full_text;
use crate::worker::status::outages::Asked;

/// Saves the tokens of one channel, one after the other.
pub(crate) struct Saver {
    /// Weak: a handle that the user keeps must not keep the pool.
    session: Weak<SessionContext>,
    ownership: Ownership,
    /// The service's, or the user's around it.
    checkpointer: UserValue<Arc<dyn Checkpointer>>,
    /// Holds one `()` while no save is in flight: whoever takes it out saves, the
    /// others wait. (Not a lock, since a request is made meanwhile: a wait for it ends
    /// when the channel is lost.)
    permit: (Sender<()>, Receiver<()>),
    known: Mutex<Known>,
    finish_committed: AtomicBool,
    connection: Weak<Connection>,
    stats: Arc<ChannelStats>,
}

/// What is known of the tokens of the channel.
struct Known {
    delivered: Tokens,
    /// Where the newest token that was committed stands, if that is known.
    committed: Option<Place>,
    saved: LastSaved,
}

/// The last token that was saved.
#[derive(Clone)]
pub(crate) struct LastSaved {
    /// `None` if nothing was saved since the channel was opened.
    pub(crate) token: Option<Arc<str>>,
    /// Records up to the token; `None` if this session never delivered it.
    pub(crate) records: Option<u64>,
}

impl Default for LastSaved {
    /// The channel goes on from where it was opened.
    fn default() -> LastSaved {
        LastSaved {
            token: None,
            records: Some(0),
        }
    }
}

/// What to do with a token that is older than one that was committed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Older {
    /// The program has made a mistake.
    Refuse,
    /// The program wants it.
    Save,
    /// The newer one is good for it, too.
    Skip,
}

impl fmt::Debug for Saver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saver")
            .field("channel_id", &self.ownership.channel_id)
            .finish_non_exhaustive()
    }
}

impl Saver {
    /// `opened_at`: the token that the channel is read from.
    pub(crate) fn new(
        connection: &Arc<Connection>,
        ownership: Ownership,
        checkpointer: UserValue<Arc<dyn Checkpointer>>,
        opened_at: &str,
    ) -> Saver {
        let permit = bounded(1);
        let _ = permit.0.send(());
        let mut delivered = Tokens::default();
        delivered.note(opened_at, 0);
        Saver {
            session: Arc::downgrade(&connection.session),
            ownership,
            checkpointer,
            permit,
            known: Mutex::new(Known {
                delivered,
                committed: None,
                saved: LastSaved::default(),
            }),
            finish_committed: AtomicBool::new(false),
            connection: Arc::downgrade(connection),
            stats: connection.stats.clone(),
        }
    }

    /// A batch is about to be delivered, after which its token may be committed.
    pub(crate) fn delivers(&self, progress: &Progress) {
        let mut known = self.known.lock();
        known.delivered.note(&progress.token, progress.records);
    }

    /// Saves the newest of `unsaved`, which is put back if that fails; false if there
    /// is none. A save that is in flight is waited for, so that afterwards nothing
    /// processed before is unsaved.
    pub(crate) fn save_newest(&self, unsaved: &Latest<Progress>) -> Result<bool, TunnelError> {
        self.observed(|| {
            let _permit = self.acquire_save_permit()?;
            let Some(progress) = unsaved.take() else {
                return Ok(false);
            };
            // The program may have committed a newer one by itself.
            let saved = self.save(&progress.token, Older::Skip);
            if saved.is_err() {
                unsaved.give_back(progress);
            }
            saved.map(|()| true)
        })
    }

    /// Waits until no save is in flight.
    pub(crate) fn wait_until_idle(&self) {
        let clock = self.ownership.lost.clock();
        if let Ok(()) = clock.recv(&self.permit.1, None) {
            drop(SavePermit(&self.permit.0));
        }
    }

    /// Whether `finished` has been saved.
    pub(crate) fn is_finish_committed(&self) -> bool {
        self.finish_committed.load(Ordering::Acquire)
    }

    /// The last token that was saved, for the report.
    pub(crate) fn last_saved(&self) -> LastSaved {
        self.known.lock().saved.clone()
    }

    /// Saves by `save`, which returns whether there was something to save, and reports
    /// it afterwards, when the next save may begin.
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
            // Nothing was tried: the loss is reported elsewhere, a refusal here.
            Err(error) if is_untried(error) => {}
            Err(error) => {
                self.stats.history.saves.failed(full_text(error));
                self.observe(WorkerEventKind::CheckpointFailed { channel_id, error });
                if let Some(connection) = self.connection.upgrade() {
                    connection.save_failed(error);
                }
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
        match self.ownership.lost.or_recv(&self.permit.1) {
            Some(()) => Ok(SavePermit(&self.permit.0)),
            None => Err(self.ownership.lost_error()),
        }
    }

    /// For whoever has the permit.
    fn save(&self, token: &str, older: Older) -> Result<(), TunnelError> {
        let place = self.known.lock().delivered.place(token);
        let committed = self.known.lock().committed;
        let is_older = matches!((place, committed), (Some(a), Some(b)) if a.order < b.order);
        match older {
            Older::Refuse if is_older => return Err(self.out_of_order()),
            Older::Skip if is_older => return Ok(()),
            _ => {}
        }
        self.ownership.check()?;
        self.stats.save_begins();
        // It may be the user's.
        let saved = call_user(|| self.checkpointer.checkpoint(token));
        self.stats.save_ends();
        saved.map_err(|panic| {
            TunnelError::client(format!("the checkpointer panicked: {panic}"))
        })??;
        self.after_save(token, place);
        Ok(())
    }

    fn out_of_order(&self) -> TunnelError {
        let message = format!(
            "channel {}: the token is older than one that was committed before, nothing was \
             saved; commit tokens in the order of the batches, or use rewind_to to go back",
            self.ownership.channel_id
        );
        TunnelError::new(ErrorCode::CheckpointOutOfOrder, message)
            .with_tunnel_id(&*self.ownership.tunnel_id)
    }

    fn after_save(&self, token: &str, place: Option<Place>) {
        let saved: Arc<str> = Arc::from(token);
        {
            let mut known = self.known.lock();
            known.committed = place;
            known.saved = LastSaved {
                token: Some(saved.clone()),
                records: place.map(|place| place.records),
            };
        }
        if self.stats.history.saves.is_failing()
            && let Some(session) = self.session.upgrade()
        {
            let outages = &session.status.outages;
            outages.succeeded(Asked::Checkpoint, Some(&self.ownership.channel_id));
        }
        self.stats.saved(saved);
        if token == FINISH_TAG {
            self.finish_committed.store(true, Ordering::Release);
            // The channel may have waited for this to close.
            if let Some(connection) = self.connection.upgrade() {
                connection.notify();
            }
        }
    }

    fn commit_or(&self, token: &str, older: Older) -> Result<(), TunnelError> {
        let save = || {
            let _permit = self.acquire_save_permit()?;
            self.save(token, older).map(|()| true)
        };
        self.observed(save).map(|_| ())
    }
}

/// Whether nothing was sent because nothing could come of it.
fn is_untried(error: &TunnelError) -> bool {
    matches!(
        error.code(),
        ErrorCode::ChannelLost | ErrorCode::CheckpointOutOfOrder
    )
}

impl Commit for Saver {
    fn commit(&self, token: &str) -> Result<(), TunnelError> {
        self.commit_or(token, Older::Refuse)
    }

    fn rewind_to(&self, token: &str) -> Result<(), TunnelError> {
        self.commit_or(token, Older::Save)
    }
}

/// The permit to save; returned when dropped.
struct SavePermit<'a>(&'a Sender<()>);

impl Drop for SavePermit<'_> {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
