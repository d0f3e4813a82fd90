//! What a stop left behind, channel by channel.

use std::fmt;
use std::sync::Arc;

use crate::model::redact::Fingerprint;

/// What the shutdown of a worker did, and what it had to leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Every channel that was open when the shutdown began, or when a lost
    /// session ended.
    pub channels: Vec<ChannelReport>,
    /// Whether the shutdown has come to its end. False only where it was asked
    /// for inside a callback, which cannot wait for itself.
    pub is_complete: bool,
}

impl ShutdownReport {
    /// Whether everything that was delivered is finished and saved, so that no
    /// record comes again.
    pub fn is_clean(&self) -> bool {
        self.is_complete && self.channels.iter().all(ChannelReport::is_clean)
    }

    /// The channels that were abandoned at the deadline.
    pub fn abandoned(&self) -> impl Iterator<Item = &ChannelReport> {
        self.channels.iter().filter(|channel| channel.is_abandoned)
    }
}

/// How far one channel came.
///
/// Each token points just past its batch; `None` means that there was no such
/// batch since the channel was opened. `Debug` shows a fingerprint of
/// each.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelReport {
    /// The channel.
    pub channel_id: String,
    /// The last batch that was handed to the callback.
    pub last_delivered: Option<String>,
    /// The last batch whose callback returned `Ok`.
    pub last_finished: Option<String>,
    /// The last token that was saved; the channel goes on from there.
    pub last_saved: Option<String>,
    /// How many of the delivered records will be delivered again, to the next reader of
    /// the channel. For a channel that was abandoned, the number may include one batch
    /// too many, whose callback was about to begin or whose save was in flight, but none
    /// too few. `None` if it cannot be known, because the program committed a token that
    /// this session never delivered.
    pub records_to_redeliver: Option<u64>,
    /// Whether the deadline passed while the channel was still at work.
    pub is_abandoned: bool,
}

impl fmt::Debug for ChannelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn token(token: &Option<String>) -> Option<Fingerprint<'_>> {
            token.as_deref().map(Fingerprint)
        }
        f.debug_struct("ChannelReport")
            .field("channel_id", &self.channel_id)
            .field("last_delivered", &token(&self.last_delivered))
            .field("last_finished", &token(&self.last_finished))
            .field("last_saved", &token(&self.last_saved))
            .field("records_to_redeliver", &self.records_to_redeliver)
            .field("is_abandoned", &self.is_abandoned)
            .finish()
    }
}

impl ChannelReport {
    /// Whether it is known that nothing of the channel will be delivered again.
    pub fn is_clean(&self) -> bool {
        !self.is_abandoned && self.records_to_redeliver == Some(0)
    }
}

/// A place in a channel: the token behind a batch, and the records up to it.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(crate) token: Arc<str>,
    /// Records since the channel was opened, this batch included.
    pub(crate) records: u64,
}
