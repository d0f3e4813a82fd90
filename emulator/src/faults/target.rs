//! [`FaultTarget`]: which requests a fault hits, and the methods that choose its
//! effect.

use std::time::Duration;

use super::effect::Effect;
use super::{Fault, Notice};
use crate::protocol::Action;
use crate::protocol::Scope;

/// Chooses the requests that a [`Fault`] hits. Other requests are not counted.
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

/// What a fault counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// Requests of one action.
    Action(Action),
    /// Requests of all actions.
    Any,
    /// Writes to a table.
    Write(String),
}

/// A random choice for each request.
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

    /// The number of the first request that is hit, counted from 1 since the
    /// fault was armed. 0 means 1. Defaults to 1.
    pub fn nth(mut self, nth: u64) -> FaultTarget {
        self.nth = nth.max(1);
        self
    }

    /// How many requests are hit: consecutive ones, or with
    /// [`FaultTarget::chance`] and [`FaultTarget::record`] in total. Defaults to 1;
    /// with a chance there is no limit.
    pub fn times(mut self, times: u64) -> FaultTarget {
        self.times = Some(times);
        self
    }

    /// The probability with which each request from the nth on is hit. Values
    /// outside of 0 to 1 are clamped. The same seed and the same requests give the
    /// same hits. Without a chance, each request is hit.
    pub fn chance(mut self, probability: f64, seed: u64) -> FaultTarget {
        let probability = if probability > 0.0 {
            probability.min(1.0)
        } else {
            0.0
        };
        self.chance = Some(Chance { probability, seed });
        self
    }

    /// Hits the request that reads the nth record of a channel, or the write that
    /// writes the nth record of a partition. Records are counted from 1 since the
    /// fault was armed, separately for each channel or partition. 0 means 1.
    ///
    /// This is for [`Action::ReadRecords`] and [`Fault::on_write`] only, because
    /// other requests have no records. It replaces [`FaultTarget::nth`] and
    /// [`FaultTarget::chance`], and the effect comes after the request is carried
    /// out.
    pub fn record(mut self, record: u64) -> FaultTarget {
        self.record = Some(record.max(1));
        self
    }

    /// Hits only requests of one client, given by its id or its tag. Defaults to
    /// all clients.
    pub fn client(mut self, client: impl Into<String>) -> FaultTarget {
        self.client = Some(client.into());
        self
    }

    /// Hits only requests for one channel, or only writes to the partition of that
    /// channel. Defaults to all channels.
    pub fn channel(mut self, channel: impl Into<String>) -> FaultTarget {
        self.channel = Some(channel.into());
        self
    }

    /// The effect comes before the request is carried out. This is the default,
    /// except for effects on answers, whose methods say so.
    pub fn before(mut self) -> FaultTarget {
        self.after = false;
        self
    }

    /// The effect comes after the request is carried out: with
    /// [`FaultTarget::close`] or [`FaultTarget::reset`], the request is applied and
    /// its answer is lost.
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

    /// Waits before the request is carried out, or before it is answered. The delay
    /// is in the machine's time, not in that of the emulator's clock.
    pub fn delay(self, delay: Duration) -> Fault {
        self.with(Effect::Delay(delay))
    }

    /// Sends no answer and resets the connection.
    pub fn reset(self) -> Fault {
        self.with(Effect::Reset)
    }

    /// Sends no answer and closes the connection.
    pub fn close(self) -> Fault {
        self.with(Effect::Close)
    }

    /// Closes the connection in the middle of the answer's body, or of its head if
    /// the answer has no body. Always comes after the request.
    pub fn cut(self) -> Fault {
        self.with(Effect::Cut)
    }

    /// Resets the connection in the middle of the answer's body, or of its head if
    /// the answer has no body. Always comes after the request.
    pub fn reset_midway(self) -> Fault {
        self.with(Effect::ResetMidway)
    }

    /// Answers 200 with a body that is no message. Always comes after the request.
    pub fn garbage(self) -> Fault {
        self.with(Effect::Garbage)
    }

    /// Answers 200 with an empty message. For a heartbeat this is an answer without
    /// channels, though the client keeps them. Always comes after the request.
    pub fn empty(self) -> Fault {
        self.with(Effect::Empty)
    }

    /// Announces a body that is longer than the real one by `off_by` bytes, or
    /// shorter if the number is negative. Always comes after the request.
    ///
    /// If the announced body is longer, the connection is closed after the answer.
    /// If it is shorter, the connection stays open, and the next answer on it seems
    /// to begin with the rest. The announced length is at least 0.
    pub fn length(self, off_by: i64) -> Fault {
        self.with(Effect::Length(off_by))
    }

    /// Repeats an old answer: among the requests of this action with the same
    /// tunnel, client and channel, the answer that came `answers_back` requests
    /// before. 0 means 1. Always comes after the request.
    ///
    /// Answers are kept from the moment when the fault is armed. If there is no
    /// answer that old, the new answer is sent.
    pub fn stale(self, answers_back: u64) -> Fault {
        self.with(Effect::Stale(answers_back.max(1)))
    }

    /// Carries the request out twice, as if the network had repeated it. The
    /// second answer is sent. Always comes after the request.
    pub fn duplicate(self) -> Fault {
        self.with(Effect::Duplicate)
    }

    /// Removes the client that sent the request, as if it had been silent for too
    /// long.
    pub fn expire(self) -> Fault {
        self.with(Effect::Expire)
    }

    /// Splits the partition of the request's stream channel, or of the write, at
    /// its middle row. Nothing happens if the partition has fewer than two rows or is
    /// split already.
    pub fn split(self) -> Fault {
        self.with(Effect::Split)
    }

    /// Moves the emulator's clock forward.
    pub fn jump(self, by: Duration) -> Fault {
        self.with(Effect::Jump(by))
    }

    /// Takes a channel from the client that sent the heartbeat, without asking for
    /// it. The answer shows the loss as `notice` says. The channel is free from then
    /// on, and the same client may get it again with its next heartbeat. Nothing
    /// happens if the client does not hold the channel. This is for
    /// [`Action::Heartbeat`] only; other requests are left alone.
    pub fn take(self, channel: impl Into<String>, notice: Notice) -> Fault {
        let channel = channel.into();
        self.with(Effect::Take { channel, notice })
    }

    /// As [`FaultTarget::take`], for all channels of the client. With
    /// [`Notice::Missing`] the answer is empty.
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

    /// The largest number of requests that are hit.
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

    /// Whether the fault may hit a write to a partition.
    pub(super) fn matches_partition(&self, partition: &str) -> bool {
        let is_of = |channel: &String| channel.split('_').next() == Some(partition);
        self.channel.as_ref().is_none_or(is_of)
    }
}
