//! [`Rule`]: the rules for clients, and [`Finding`]: a broken rule.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A rule for clients.
///
/// JSON and `Display` write it in `snake_case`. The severity of a finding depends
/// on what the client could know, see [`Finding::severity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// A read of a channel that was never assigned to the client.
    ReadNotOwned,
    /// A save for a channel that was never assigned to the client.
    SaveNotOwned,
    /// A read after the client reported CLOSE or TERMINATED for the channel.
    ReadAfterClose,
    /// A save after the client reported CLOSE or TERMINATED for the channel.
    SaveAfterClose,
    /// A read after the client lost the channel: the answer to a heartbeat left the
    /// channel out, or ended the session.
    ReadAfterLoss,
    /// A save after the client lost the channel.
    SaveAfterLoss,
    /// A request after the client's shutdown request.
    RequestAfterShutdown,
    /// A read of a channel whose parents are not read to their ends.
    ReadBeforeParent,
    /// A read from a position after the expected one. The records between are lost.
    ReadSkips,
    /// A read of the same records again without a reason: the client fetched no
    /// checkpoint, and no answer was lost.
    ReadAgain,
    /// A save of a position up to which nobody has read.
    SaveBeyondRead,
    /// A save of a position before the saved one.
    SaveBackwards,
    /// A save of the saved position, which is a needless request.
    SaveUnchanged,
    /// A report of TERMINATED before `finished` was saved.
    TerminatedUnsaved,
    /// A report with a version below one that was reported or answered before.
    VersionBackwards,
    /// A report of CLOSE or TERMINATED without a higher version. The service ignores
    /// it.
    VersionNotRaised,
    /// No heartbeat for longer than the client's timeout, though the client is
    /// active.
    HeartbeatGap,
    /// Records that nobody read, though the channel has ended or the run is over.
    NeverRead,
    /// Processing of records that nobody has read.
    ProcessedUnread,
    /// Processing of a record after an earlier record was skipped.
    ProcessedSkips,
    /// Processing of the same records again without a new start.
    ProcessedAgain,
    /// Processing of the same records again after a new start: by another client, or
    /// after the channel was opened again. At-least-once delivery allows it, but a
    /// graceful hand-over avoids it.
    ProcessedTwice,
    /// Processing after the client reported CLOSE or TERMINATED for the channel.
    ProcessedAfterClose,
    /// Processing after the client lost the channel. A callback that is running at
    /// that time cannot be stopped.
    ProcessedAfterLoss,
    /// A save of a position before all records up to it were processed.
    SaveBeyondProcessed,
    /// Records that nobody processed, though the channel has ended or the run is
    /// over.
    NeverProcessed,
}

impl Rule {
    /// All rules.
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
    /// Writes the name as in JSON, such as `read_skips`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A variant without fields serializes as its name.
        self.serialize(f)
    }
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing. No rule is broken, or the client could not know better.
    Remark,
    /// The client broke a rule.
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
    /// The order number of the event that broke the rule. If something is missing
    /// at the end, it is the last event.
    pub order: u64,
    /// The time of that event.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// The rule.
    pub rule: Rule,
    /// Its severity.
    pub severity: Severity,
    /// The tunnel.
    pub tunnel: Arc<str>,
    /// The channel, if the rule is about a channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Arc<str>>,
    /// The client that broke the rule, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Arc<str>>,
    /// A text that describes what happened.
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
