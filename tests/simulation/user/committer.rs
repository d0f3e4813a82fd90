//! [`Committer`]: a thread of the program that commits what callbacks have processed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tablestore_tunnel::_simulation as simulation;
use tablestore_tunnel::{ChannelContext, ErrorCode, ProcessorHandle};

use super::Temper;

/// How often it looks for something to commit.
const PAUSE: Duration = Duration::from_millis(200);

/// Tokens to commit, in the order in which their batches were processed.
#[derive(Debug, Default)]
pub(crate) struct Committer {
    tokens: Mutex<VecDeque<Pending>>,
    is_over: Mutex<bool>,
}

#[derive(Debug)]
struct Pending {
    handle: ProcessorHandle,
    token: String,
    /// When it is committed; `None` not before everything is to recover.
    due: Option<Duration>,
}

impl Committer {
    fn tokens(&self) -> MutexGuard<'_, VecDeque<Pending>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits the batch after a delay, or not before everything is to recover.
    pub(super) fn later(&self, ctx: &ChannelContext, delay: Option<Duration>) {
        self.tokens().push_back(Pending {
            handle: ctx.processor().clone(),
            token: ctx.next_token().to_owned(),
            due: delay.map(|delay| simulation::now() + delay),
        });
    }

    pub(crate) fn end(&self) {
        *self.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn is_over(&self) -> bool {
        *self.is_over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: commits until the world ends.
    pub(crate) fn run(&self, temper: &Temper) {
        while !self.is_over() {
            match self.due(temper.is_calm()) {
                Some(pending) => self.commit(pending),
                None => simulation::sleep(PAUSE),
            }
        }
        self.tokens().clear();
    }

    /// The first token that is due.
    fn due(&self, is_calm: bool) -> Option<Pending> {
        let now = simulation::now();
        let mut tokens = self.tokens();
        let is_due = |pending: &Pending| is_calm || pending.due.is_some_and(|due| due <= now);
        let at = tokens.iter().position(is_due)?;
        tokens.remove(at)
    }

    fn commit(&self, pending: Pending) {
        let Err(error) = pending.handle.commit_token(&pending.token) else {
            return;
        };
        let ends = [ErrorCode::ChannelLost, ErrorCode::CheckpointOutOfOrder];
        if !ends.contains(error.code()) {
            let due = Some(simulation::now() + Duration::from_secs(1));
            self.tokens().push_front(Pending { due, ..pending });
            simulation::sleep(PAUSE);
        }
    }
}
