//! What the threads of a channel wait for. Every wait ends when the channel closes, or
//! when it is lost where something is still to be saved.

use std::sync::Arc;
use std::time::Duration;

use super::connection::Connection;
use super::data::ChannelData;
use crate::clock;
use crate::error::{ErrorCode, TunnelError};
use crate::http::retry::Schedule;
use crate::policy::{Reaction, Request, reaction};
use crate::user_code::drop_user;
use crate::worker::lease::{LEASE_PAUSE, LeaseState};
use crate::worker::status::failures::full_text;
use crate::worker::status::outages::Asked;

/// What ends a wait early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    Closing,
    Lost,
}

impl Until {
    fn has_come(self, data: &ChannelData) -> bool {
        match self {
            Until::Closing => data.state.is_closing(),
            Until::Lost => data.state.is_lost(),
        }
    }
}

pub(super) fn is_retry(reaction: Reaction) -> bool {
    matches!(reaction, Reaction::Retry | Reaction::RetryAndLogError)
}

impl Connection {
    /// Waits for `pause`; true if `until` came first.
    pub(super) fn pause(&self, pause: Duration, until: Until) -> bool {
        let end = clock::after(self.now(), pause);
        let ends = |data: &mut ChannelData| until.has_come(data).then_some(());
        self.data.wait_for(Some(end), ends).is_some()
    }

    /// For the reader: waits until `ready` returns something; `None` if the channel
    /// closes first. `ready` is called without the lock, at first and whenever the
    /// reader is woken.
    pub(super) fn wait_until_woken<T>(&self, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            let result = ready();
            if result.is_some() {
                return result;
            }
            let woken = |data: &mut ChannelData| match data.state.is_closing() {
                true => Some(false),
                false => std::mem::take(&mut data.reading.is_woken).then_some(true),
            };
            if self.data.wait_for(None, woken) != Some(true) {
                return None;
            }
        }
    }

    /// For the reader: waits until at most so many batches are read and not done; false
    /// if the channel closes first.
    pub(super) fn wait_until_unprocessed(&self, most: usize) -> bool {
        let ready = |data: &mut ChannelData| {
            let is_ready = data.reading.unprocessed() <= most;
            data.reading.waits = !is_ready;
            match data.state.is_closing() {
                true => Some(false),
                false => is_ready.then_some(true),
            }
        };
        self.data.wait_for(None, ready) == Some(true)
    }

    /// Waits while the lease is in doubt or over; false if `until` comes first.
    pub(super) fn wait_for_lease(&self, until: Until) -> bool {
        loop {
            if until.has_come(&self.data.lock()) {
                return false;
            }
            if self.session.lease.holds() {
                return true;
            }
            self.pause(LEASE_PAUSE, until);
        }
    }

    /// Waits while the lease is in doubt.
    ///
    /// # Errors
    ///
    /// [`lost_error`](Self::lost_error) if the channel is not ours any more.
    pub(super) fn check_ours(&self) -> Result<(), TunnelError> {
        loop {
            if self.is_lost() {
                return Err(self.lost_error());
            }
            match self.session.lease.state() {
                LeaseState::Holds => return Ok(()),
                LeaseState::Over => return Err(self.lost_error()),
                LeaseState::InDoubt => {
                    self.pause(LEASE_PAUSE, Until::Lost);
                }
            }
        }
    }

    /// The refusal to save for a channel that is no longer ours.
    pub(super) fn lost_error(&self) -> TunnelError {
        lost_error(&self.session.tunnel_id, &self.channel_id)
    }

    /// Repeats a request of this channel until it succeeds or fails for a reason that
    /// does not pass. Ends with the last error when `until` comes or the schedule gives
    /// up. The channel stays ours meanwhile, and shows what fails.
    pub(super) fn persist<T>(
        self: &Arc<Self>,
        asked: Asked,
        schedule: Schedule,
        until: Until,
        mut attempt: impl FnMut() -> Result<T, TunnelError>,
    ) -> Result<T, TunnelError> {
        let began = self.now();
        let mut retries = 0;
        loop {
            if until == Until::Lost {
                self.check_ours()?;
            }
            let error = match attempt() {
                Ok(answer) => {
                    self.request_succeeded(asked);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let reaction = reaction(error.class(), Request::Channel);
            let elapsed = self.now().saturating_duration_since(began);
            let pause = schedule.pause(retries, elapsed, fastrand::f64());
            let Some(pause) = pause.filter(|_| is_retry(reaction)) else {
                return Err(error);
            };
            self.request_failed(asked, &error, reaction, pause);
            if self.pause(pause, until)
                || until == Until::Closing && !self.wait_for_lease(Until::Closing)
            {
                return Err(error);
            }
            drop_user(error);
            retries += 1;
        }
    }

    /// A request has failed and will be tried again after `pause`.
    pub(crate) fn request_failed(
        &self,
        asked: Asked,
        error: &TunnelError,
        reaction: Reaction,
        pause: Duration,
    ) {
        let (text, now) = (full_text(error), self.now());
        let mut data = self.data.lock();
        let history = &mut data.stats.history;
        match asked {
            Asked::Checkpoint => history.saves.failed(text, now),
            _ => history.requests.failed(text, now),
        }
        drop(data);
        self.session
            .request_failed(asked, &self.channel_id, error, reaction, pause);
    }

    /// A request has succeeded. That of a checkpoint only counts when the checkpointer,
    /// which may be the program's, says so.
    pub(super) fn request_succeeded(&self, asked: Asked) {
        if asked == Asked::Checkpoint {
            return;
        }
        let mut data = self.data.lock();
        let requests = &mut data.stats.history.requests;
        let was_failing = requests.is_failing();
        requests.succeeded();
        drop(data);
        if was_failing {
            let outages = &self.session.status.outages;
            outages.succeeded(asked, Some(&self.channel_id));
        }
    }
}

/// The refusal to save for a channel that is no longer ours.
pub(super) fn lost_error(tunnel_id: &str, channel_id: &str) -> TunnelError {
    let message = format!(
        "channel {channel_id} is no longer ours, nothing was saved; it goes on from its last \
         checkpoint elsewhere"
    );
    TunnelError::new(ErrorCode::ChannelLost, message).with_tunnel_id(tunnel_id)
}
