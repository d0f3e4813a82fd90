//! [`Action`]: the thirteen actions of the tunnel API.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An action of the tunnel API. In JSON it is the last part of its path.
///
/// The list is complete: the service has no other actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is the path of the same name")]
pub enum Action {
    Create,
    Delete,
    List,
    Describe,
    Connect,
    Heartbeat,
    Shutdown,
    GetCheckpoint,
    ReadRecords,
    Checkpoint,
    GetRpo,
    GetRpoByOffset,
    Schedule,
}

impl Action {
    /// All actions.
    pub const ALL: [Action; 13] = [
        Action::Create,
        Action::Delete,
        Action::List,
        Action::Describe,
        Action::Connect,
        Action::Heartbeat,
        Action::Shutdown,
        Action::GetCheckpoint,
        Action::ReadRecords,
        Action::Checkpoint,
        Action::GetRpo,
        Action::GetRpoByOffset,
        Action::Schedule,
    ];

    /// The path on the wire, such as `/tunnel/readrecords`.
    pub fn uri(self) -> &'static str {
        match self {
            Action::Create => "/tunnel/create",
            Action::Delete => "/tunnel/delete",
            Action::List => "/tunnel/list",
            Action::Describe => "/tunnel/describe",
            Action::Connect => "/tunnel/connect",
            Action::Heartbeat => "/tunnel/heartbeat",
            Action::Shutdown => "/tunnel/shutdown",
            Action::GetCheckpoint => "/tunnel/getcheckpoint",
            Action::ReadRecords => "/tunnel/readrecords",
            Action::Checkpoint => "/tunnel/checkpoint",
            Action::GetRpo => "/tunnel/getrpo",
            Action::GetRpoByOffset => "/tunnel/getrpobyoffset",
            Action::Schedule => "/tunnel/schedule",
        }
    }

    /// The last part of the path, such as `readrecords`.
    pub(crate) fn name(self) -> &'static str {
        self.uri().trim_start_matches("/tunnel/")
    }

    pub(crate) fn from_uri(uri: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.uri() == uri)
    }

    /// The action that `Display` writes as `name`.
    pub(crate) fn from_name(name: &str) -> Option<Action> {
        Action::from_uri(&format!("/tunnel/{name}"))
    }
}

impl fmt::Display for Action {
    /// The last part of the path, such as `readrecords`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
