//! [`Effect`]: what a fault does.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Notice;

/// What a fault does; see the method of [`FaultTarget`](super::FaultTarget) of
/// the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Effect {
    Fail {
        status: u16,
        code: String,
        #[serde(default)]
        message: String,
    },
    Delay(#[serde(with = "crate::duration::text")] Duration),
    Reset,
    Close,
    Cut,
    ResetMidway,
    Garbage,
    Empty,
    Length(i64),
    Stale(u64),
    Duplicate,
    Expire,
    Split,
    Jump(#[serde(with = "crate::duration::text")] Duration),
    Take {
        channel: String,
        notice: Notice,
    },
    TakeAll(Notice),
}

impl Effect {
    /// Whether there must be an answer that it can spoil or replace.
    pub(super) fn needs_answer(&self) -> bool {
        matches!(
            self,
            Effect::Cut
                | Effect::ResetMidway
                | Effect::Garbage
                | Effect::Empty
                | Effect::Length(_)
                | Effect::Stale(_)
                | Effect::Duplicate
        )
    }

    /// Whether the client gets no answer, another one, or a late one.
    pub(crate) fn spoils_answer(&self) -> bool {
        !matches!(
            self,
            Effect::Expire
                | Effect::Split
                | Effect::Jump(_)
                | Effect::Take { .. }
                | Effect::TakeAll(_)
        )
    }

    /// Whether it can happen where there is no client to answer to.
    pub(super) fn fits_write(&self) -> bool {
        matches!(self, Effect::Split | Effect::Jump(_))
    }
}
