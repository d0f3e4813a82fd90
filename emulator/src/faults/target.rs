//! [`FaultTarget`]: which requests a fault hits, and the methods that say what
//! it does to them.

use std::time::Duration;

use super::effect::Effect;
use super::{Fault, Notice};
use crate::protocol::Action;
use crate::protocol::Scope;

/// Which requests a [`Fault`] hits. Requests that do not match are not counted.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultTarget {
    pub(super) on: On,
    pub(super) client: Option<String>,
    pub(super) channel: Option<String>,
    pub(super) nth: u64,
    pub(super) times: Option<u64>,
    pub(super) chance: Option<Chance>,
    pub(super) record: Option<u64>,
    pub(super) after: bool,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// Requests of one action.
    Action(Action),
    /// Requests of all actions.
    Any,
    /// Writes to a table.
    Write(String),
}

/// A draw for each request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Chance {
    /// From 0 to 1.
    pub(super) probability: f64,
    pub(super) seed: u64,
}

impl FaultTarget {
    pub(super) fn new(on: On) -> FaultTarget {
        FaultTarget {
            on,
            client: None,
            channel: None,
            nth: 1,
            times: None,
            chance: None,
            record: None,
            after: false,
        }
    }

    /// The first request that is hit, counted from 1 since the fault was
    /// given to the emulator. 0 is taken as 1. Defaults to 1.
    pub fn nth(mut self, nth: u64) -> FaultTarget {
        self.nth = nth.max(1);
        self
    }

    /// How many requests are hit: in a row, or with [`FaultTarget::chance`]
    /// and [`FaultTarget::record`] altogether. Defaults to 1, with a chance to
    /// all that are drawn.
    pub fn times(mut self, times: u64) -> FaultTarget {
        self.times = Some(times);
        self
    }

    /// Each request from the nth on is hit with that probability, from 0 to 1
    /// (what lies outside is taken as the nearer of the two). The same seed
    /// and the same requests give the same hits. Defaults to hitting all.
    pub fn chance(mut self, probability: f64, seed: u64) -> FaultTarget {
        let probability = if probability > 0.0 {
            probability.min(1.0)
        } else {
            0.0
        };
        self.chance = Some(Chance { probability, seed });
        self
    }

    /// The request with which the nth record of a channel is read, or the write
    /// with which the nth record of a partition is written; counted from 1
    /// since the fault was given to the emulator, for each channel or
    /// partition by itself. 0 is taken as 1.
    ///
    /// For [`Action::ReadRecords`] and [`Fault::on_write`] only; no other
    /// request has records. It takes the place of [`FaultTarget::nth`] and
    /// [`FaultTarget::chance`], and what the fault does comes after the request
    /// is carried out.
    pub fn record(mut self, record: u64) -> FaultTarget {
        self.record = Some(record.max(1));
        self
    }

    /// Only requests of that client, by its id or its tag. Defaults to all.
    pub fn client(mut self, client: impl Into<String>) -> FaultTarget {
        self.client = Some(client.into());
        self
    }

    /// Only requests for that channel; for a write, only those to the partition
    /// of that channel. Defaults to all.
    pub fn channel(mut self, channel: impl Into<String>) -> FaultTarget {
        self.channel = Some(channel.into());
        self
    }

    /// The request is not carried out. This is the default; what cannot do
    /// without an answer comes after, and says so below.
    pub fn before(mut self) -> FaultTarget {
        self.after = false;
        self
    }

    /// The request is carried out first, and only its answer suffers: with
    /// [`FaultTarget::close`] or [`FaultTarget::reset`] it is applied and its
    /// answer lost.
    pub fn after(mut self) -> FaultTarget {
        self.after = true;
        self
    }

    /// Answers with an error.
    pub fn fail(
        self,
        http_status: u16,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Fault {
        self.with(Effect::Fail {
            status: http_status,
            code: code.into(),
            message: message.into(),
        })
    }

    /// Waits before the request is carried out, or before it is answered. This
    /// is the machine's time, whatever the emulator's clock does.
    pub fn delay(self, delay: Duration) -> Fault {
        self.with(Effect::Delay(delay))
    }

    /// Answers nothing and resets the connection.
    pub fn reset(self) -> Fault {
        self.with(Effect::Reset)
    }

    /// Answers nothing and closes the connection in order.
    pub fn close(self) -> Fault {
        self.with(Effect::Close)
    }

    /// Closes the connection in the middle of the answer's body, or of its
    /// head where there is no body. Comes after.
    pub fn cut(self) -> Fault {
        self.with(Effect::Cut)
    }

    /// Resets the connection in the middle of the answer's body, or of its
    /// head where there is no body. Comes after.
    pub fn reset_midway(self) -> Fault {
        self.with(Effect::ResetMidway)
    }

    /// Answers 200 with a body that is no message. Comes after.
    pub fn garbage(self) -> Fault {
        self.with(Effect::Garbage)
    }

    /// Answers 200 with an empty message, which of a heartbeat is an answer
    /// without channels; they stay the client's. Comes after.
    pub fn empty(self) -> Fault {
        self.with(Effect::Empty)
    }

    /// Says in the head that the body is so many bytes longer, or with a
    /// negative number shorter, than it is. Comes after.
    ///
    /// Where more is announced than comes, the connection is closed. Where
    /// less is announced it stays open, and who uses it again meets the rest.
    /// Nothing is shorter than an empty body.
    pub fn length(self, off_by: i64) -> Fault {
        self.with(Effect::Length(off_by))
    }

    /// Gives an old answer again: of the requests of this action with the same
    /// tunnel, client and channel, the one so many before this one. 0 is taken
    /// as 1. Comes after.
    ///
    /// Answers are kept from when the fault is given to the emulator; where
    /// none is that old, the answer stays as it is.
    pub fn stale(self, answers_back: u64) -> Fault {
        self.with(Effect::Stale(answers_back.max(1)))
    }

    /// Carries the request out twice, as a network may that sends it again.
    /// The answer is the second one's. Comes after.
    pub fn duplicate(self) -> Fault {
        self.with(Effect::Duplicate)
    }

    /// The service forgets the client whose request this is, as if it had been
    /// silent for too long.
    pub fn expire(self) -> Fault {
        self.with(Effect::Expire)
    }

    /// The partition of the request's stream channel, or of the write, splits
    /// at its middle row. Nothing happens where that cannot be: with fewer than
    /// two rows, or when it is split already.
    pub fn split(self) -> Fault {
        self.with(Effect::Split)
    }

    /// The emulator's clock jumps forward.
    pub fn jump(self, by: Duration) -> Fault {
        self.with(Effect::Jump(by))
    }

    /// Takes a channel from the client whose heartbeat this is, without
    /// asking for it, and says so in the answer as `notice` tells. The channel
    /// is free from then on, and may come back to the same client with its
    /// next heartbeat. Nothing happens to a channel that is not the client's.
    /// For [`Action::Heartbeat`] only; other requests are left alone.
    pub fn take(self, channel: impl Into<String>, notice: Notice) -> Fault {
        let channel = channel.into();
        self.with(Effect::Take { channel, notice })
    }

    /// As [`FaultTarget::take`], with all that the client has:
    /// with [`Notice::Missing`] the answer is empty.
    pub fn take_all(self, notice: Notice) -> Fault {
        self.with(Effect::TakeAll(notice))
    }

    pub(super) fn with(mut self, effect: Effect) -> Fault {
        self.after |= effect.needs_answer() || self.record.is_some();
        Fault {
            target: self,
            effect,
        }
    }

    /// How many requests are hit at most.
    pub(super) fn limit(&self) -> u64 {
        let default = if self.chance.is_some() { u64::MAX } else { 1 };
        self.times.unwrap_or(default)
    }

    pub(super) fn matches(&self, action: Action, scope: &Scope) -> bool {
        let client = |want: &String| {
            let id = scope.client.as_deref().unwrap_or_default();
            let tag = id.rsplit_once('_').map_or(id, |(tag, _)| tag);
            want == id || want == tag
        };
        let channel = |want: &String| scope.channel.as_deref() == Some(want);
        let on = match &self.on {
            On::Action(wanted) => *wanted == action,
            On::Any => true,
            On::Write(_) => false,
        };
        on && self.client.as_ref().is_none_or(client) && self.channel.as_ref().is_none_or(channel)
    }

    /// Whether a write to that partition is meant.
    pub(super) fn matches_partition(&self, partition: &str) -> bool {
        let is_of = |channel: &String| channel.split('_').next() == Some(partition);
        self.channel.as_ref().is_none_or(is_of)
    }
}
