//! [`Fault`]: what goes wrong, and at which request. Scripted, not random.

use std::time::Duration;

use super::action::Action;
use super::scope::Scope;

/// Something that goes wrong at chosen requests.
///
/// ```
/// use std::time::Duration;
/// use tablestore_tunnel::emulator::{Action, Fault, Notice};
///
/// // The third read gets no answer.
/// let _ = Fault::on(Action::ReadRecords).nth(3).reset();
/// // Two checkpoints are saved, and nobody learns of it.
/// let _ = Fault::on(Action::Checkpoint).times(2).after().close();
/// // The next heartbeat waits.
/// let _ = Fault::on(Action::Heartbeat).delay(Duration::from_secs(2));
/// // The second one from now takes all channels from the client.
/// let _ = Fault::on(Action::Heartbeat).nth(2).take_all(Notice::Missing);
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    target: FaultTarget,
    effect: Effect,
}

impl Fault {
    /// A fault at the next request of that action; what it does is said last.
    pub fn on(action: Action) -> FaultTarget {
        FaultTarget {
            action,
            client: None,
            channel: None,
            nth: 1,
            times: 1,
            after: false,
        }
    }
}

/// Which requests a [`Fault`] hits. Requests that do not match are not counted.
#[derive(Clone, Debug)]
pub struct FaultTarget {
    action: Action,
    client: Option<String>,
    channel: Option<String>,
    nth: u64,
    times: u64,
    after: bool,
}

impl FaultTarget {
    /// The first request that is hit, counted from 1 since the fault was
    /// given to the emulator. 0 is taken as 1. Defaults to 1.
    pub fn nth(mut self, nth: u64) -> FaultTarget {
        self.nth = nth.max(1);
        self
    }

    /// How many requests in a row are hit. Defaults to 1.
    pub fn times(mut self, times: u64) -> FaultTarget {
        self.times = times;
        self
    }

    /// Only requests of that client, by its id or its tag. Defaults to all.
    pub fn client(mut self, client: impl Into<String>) -> FaultTarget {
        self.client = Some(client.into());
        self
    }

    /// Only requests for that channel. Defaults to all.
    pub fn channel(mut self, channel: impl Into<String>) -> FaultTarget {
        self.channel = Some(channel.into());
        self
    }

    /// The request is not carried out. This is the default; [`FaultTarget::cut`]
    /// and [`FaultTarget::garbage`] cannot do without an answer and come after.
    pub fn before(mut self) -> FaultTarget {
        self.after = false;
        self
    }

    /// The request is carried out first, and only its answer suffers.
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

    /// Waits before the request is carried out, or before it is answered.
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
    /// head where there is no body.
    pub fn cut(self) -> Fault {
        self.after().with(Effect::Cut)
    }

    /// Answers 200 with a body that is no message.
    pub fn garbage(self) -> Fault {
        self.after().with(Effect::Garbage)
    }

    /// Takes a channel from the client whose heartbeat this is, without
    /// asking for it, and says so in the answer as `notice` tells. The channel
    /// is free from then on, and may come back to the same client with its
    /// next heartbeat. Nothing happens to a channel that is not the client's.
    /// For [`Action::Heartbeat`] only; other requests are left alone.
    pub fn take(self, channel: impl Into<String>, notice: Notice) -> Fault {
        self.with(Effect::Take(Some(channel.into()), notice))
    }

    /// As [`FaultTarget::take`], with all that the client has:
    /// with [`Notice::Missing`] the answer is empty.
    pub fn take_all(self, notice: Notice) -> Fault {
        self.with(Effect::Take(None, notice))
    }

    fn with(self, effect: Effect) -> Fault {
        Fault {
            target: self,
            effect,
        }
    }

    fn matches(&self, action: Action, scope: &Scope) -> bool {
        let client = |want: &String| {
            let id = scope.client.as_deref().unwrap_or_default();
            let tag = id.rsplit_once('_').map_or(id, |(tag, _)| tag);
            want == id || want == tag
        };
        let channel = |want: &String| scope.channel.as_deref() == Some(want);
        self.action == action
            && self.client.as_ref().is_none_or(client)
            && self.channel.as_ref().is_none_or(channel)
    }
}

/// How a client learns that it has lost a channel.
///
/// Complete: an answer can say no more than this of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The channel is not in the answer.
    Missing,
    /// The answer says `CLOSE`.
    Close,
    /// The answer says `TERMINATED`.
    Terminated,
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Fail {
        status: u16,
        code: String,
        message: String,
    },
    Delay(Duration),
    Reset,
    Close,
    Cut,
    Garbage,
    /// This channel, or all of the client's.
    Take(Option<String>, Notice),
}

impl Effect {
    /// Whether the client gets no answer, another one, or a late one.
    pub(super) fn spoils_answer(&self) -> bool {
        !matches!(self, Effect::Take(..))
    }
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub(super) struct FaultPlan(Vec<Armed>);

#[derive(Debug)]
struct Armed {
    fault: Fault,
    /// Requests that matched so far.
    seen: u64,
}

/// What hits one request, in the order in which the faults were given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Strikes {
    pub(super) before: Vec<Effect>,
    pub(super) after: Vec<Effect>,
}

impl FaultPlan {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(Armed { fault, seen: 0 });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts a request and gives what hits it.
    pub(super) fn strike(&mut self, action: Action, scope: &Scope) -> Strikes {
        let mut strikes = Strikes::default();
        for armed in &mut self.0 {
            let target = &armed.fault.target;
            if !target.matches(action, scope) {
                continue;
            }
            armed.seen += 1;
            if armed.seen < target.nth || armed.is_spent() {
                continue;
            }
            let side = if target.after {
                &mut strikes.after
            } else {
                &mut strikes.before
            };
            side.push(armed.fault.effect.clone());
        }
        self.0.retain(|armed| !armed.is_over());
        strikes
    }
}

impl Armed {
    /// Past its last hit.
    fn is_spent(&self) -> bool {
        let target = &self.fault.target;
        self.seen >= target.nth.saturating_add(target.times)
    }

    /// At or past its last hit: can be forgotten.
    fn is_over(&self) -> bool {
        let target = &self.fault.target;
        self.seen.saturating_add(1) >= target.nth.saturating_add(target.times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(fault: Fault, requests: usize, scope: &Scope) -> Vec<usize> {
        let mut plan = FaultPlan::default();
        plan.add(fault);
        let hits: Vec<usize> = (1..=requests)
            .filter(|_| plan.strike(Action::ReadRecords, scope) != Strikes::default())
            .collect();
        assert!(plan.0.is_empty() || hits.is_empty());
        hits
    }

    #[test]
    fn hits_the_nth_request_and_as_many_as_told() {
        let on = || Fault::on(Action::ReadRecords);
        let scope = Scope::default();
        assert_eq!(hits(on().reset(), 4, &scope), [1]);
        assert_eq!(hits(on().nth(3).times(2).reset(), 6, &scope), [3, 4]);
        assert!(hits(on().times(0).reset(), 3, &scope).is_empty());
        assert!(hits(Fault::on(Action::List).reset(), 3, &scope).is_empty());
    }

    #[test]
    fn hits_only_whom_it_is_meant_for() {
        let scope = Scope {
            client: Some("host_a_0f".into()),
            channel: Some("c".into()),
            ..Scope::default()
        };
        let on = || Fault::on(Action::ReadRecords);
        assert_eq!(hits(on().client("host_a").reset(), 1, &scope), [1]);
        assert_eq!(hits(on().client("host_a_0f").reset(), 1, &scope), [1]);
        assert!(hits(on().client("host").reset(), 1, &scope).is_empty());
        assert_eq!(hits(on().channel("c").reset(), 1, &scope), [1]);
        assert!(hits(on().channel("d").reset(), 1, &scope).is_empty());
    }

    #[test]
    fn a_cut_needs_an_answer() {
        let mut plan = FaultPlan::default();
        plan.add(Fault::on(Action::List).before().cut());
        let strikes = plan.strike(Action::List, &Scope::default());
        assert_eq!(strikes.after, [Effect::Cut]);
    }
}
