//! [`Rule`]: what a client must keep to, and [`Finding`]: where one did not.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What a client must keep to.
///
/// In JSON, and as `Display` prints them, in `snake_case`. How severe breaking
/// one is depends on what the client could know, see [`Finding::severity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// Reading a channel that the client was never given.
    ReadNotOwned,
    /// Saving a checkpoint of a channel that the client was never given.
    SaveNotOwned,
    /// Reading a channel after reporting CLOSE or TERMINATED for it.
    ReadAfterClose,
    /// Saving a checkpoint after reporting CLOSE or TERMINATED.
    SaveAfterClose,
    /// Reading a channel after the client was told that it is lost: an answer
    /// to a heartbeat without it, or that the session is over.
    ReadAfterLoss,
    /// Saving a checkpoint after the client was told that the channel is lost.
    SaveAfterLoss,
    /// Any request after the client said goodbye.
    RequestAfterShutdown,
    /// Reading a channel whose parents are not read to their end.
    ReadBeforeParent,
    /// Reading on from a place that was not read up to: what lies before is
    /// lost.
    ReadSkips,
    /// Reading places again without a reason: no new checkpoint was asked for,
    /// no answer was lost.
    ReadAgain,
    /// Saving a place that no one read up to.
    SaveBeyondRead,
    /// Saving a place before the one that is saved.
    SaveBackwards,
    /// Saving the place that is saved already: costs a request for nothing.
    SaveUnchanged,
    /// Reporting TERMINATED before `finished` is saved.
    TerminatedUnsaved,
    /// Reporting a version lower than one reported or told before.
    VersionBackwards,
    /// Reporting CLOSE or TERMINATED without raising the version: the service
    /// takes no notice of it.
    VersionNotRaised,
    /// No heartbeat for longer than the client may be silent, while it lives.
    HeartbeatGap,
    /// Places of a channel that nobody read, though it ended or the run is over.
    NeverRead,
    /// Dealing with records that nobody was given.
    ProcessedUnread,
    /// Dealing with a record while one before it is passed over.
    ProcessedSkips,
    /// Dealing with records again that were dealt with, without a new beginning.
    ProcessedAgain,
    /// The same after a new beginning: another client, or the channel was
    /// opened again. At-least-once delivery allows it; an orderly hand-over
    /// does without.
    ProcessedTwice,
    /// Dealing with records after reporting CLOSE or TERMINATED for the channel.
    ProcessedAfterClose,
    /// Dealing with records after the channel is lost. What had begun before
    /// cannot be stopped.
    ProcessedAfterLoss,
    /// Saving a place before all records up to it were dealt with.
    SaveBeyondProcessed,
    /// Records that nobody dealt with, though the channel ended or the run is
    /// over.
    NeverProcessed,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 26] = [
        Rule::ReadNotOwned,
        Rule::SaveNotOwned,
        Rule::ReadAfterClose,
        Rule::SaveAfterClose,
        Rule::ReadAfterLoss,
        Rule::SaveAfterLoss,
        Rule::RequestAfterShutdown,
        Rule::ReadBeforeParent,
        Rule::ReadSkips,
        Rule::ReadAgain,
        Rule::SaveBeyondRead,
        Rule::SaveBackwards,
        Rule::SaveUnchanged,
        Rule::TerminatedUnsaved,
        Rule::VersionBackwards,
        Rule::VersionNotRaised,
        Rule::HeartbeatGap,
        Rule::NeverRead,
        Rule::ProcessedUnread,
        Rule::ProcessedSkips,
        Rule::ProcessedAgain,
        Rule::ProcessedTwice,
        Rule::ProcessedAfterClose,
        Rule::ProcessedAfterLoss,
        Rule::SaveBeyondProcessed,
        Rule::NeverProcessed,
    ];
}

impl fmt::Display for Rule {
    /// As in JSON, such as `read_skips`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A variant without fields serializes as its name.
        self.serialize(f)
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Worth to know; no rule of the service or of a good client is broken, or
    /// the client could not know better.
    Remark,
    /// The client is wrong.
    Violation,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// The event that broke it, by its order; of what is missing in the end,
    /// the last event.
    pub order: u64,
    /// The time of that event.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// The rule.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// The tunnel.
    pub tunnel: Arc<str>,
    /// The channel, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Arc<str>>,
    /// The client, if one is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Arc<str>>,
    /// What was done, in words.
    pub detail: String,
}

impl fmt::Display for Finding {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at #{}", self.severity, self.rule, self.order)?;
        if let Some(client) = &self.client {
            write!(f, ", client {client}")?;
        }
        if let Some(channel) = &self.channel {
            write!(f, ", channel {channel}")?;
        }
        write!(f, ": {}", self.detail)
    }
}
