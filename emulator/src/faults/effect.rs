//! [`Effect`]: the effect of a fault.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Notice;

/// The effect of a fault. The methods of [`FaultTarget`](super::FaultTarget) with
/// the same names describe them.
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
    /// Whether it changes or replaces an answer, and so needs one.
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

    /// Whether the client gets no answer, a different one, or a late one.
    pub(crate) fn affects_answer(&self) -> bool {
        !matches!(
            self,
            Effect::Expire
                | Effect::Split
                | Effect::Jump(_)
                | Effect::Take { .. }
                | Effect::TakeAll(_)
        )
    }

    /// Whether it can happen at a write, which has no client and no answer.
    pub(super) fn fits_write(&self) -> bool {
        matches!(self, Effect::Split | Effect::Jump(_))
    }
}
