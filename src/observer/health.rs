//! [`Health`]: whether what a worker is at is well (pure).

use std::fmt;
use std::time::Duration;

use super::snapshot::{
    ChannelSnapshot, ChannelStage, FailureSnapshot, WorkerSnapshot, WorkerState,
};
use crate::clock::rounded;

/// Whether a worker does its work, for health checks; the worst counts.
///
/// `Display` tells it in a line, with the reasons.
///
/// Lag is not judged: how much is too much is the program's to say, see
/// [`ChannelSnapshot::lag`](crate::observer::snapshot::ChannelSnapshot::lag).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It works, or has not been started yet.
    Ok,
    /// The service is hard to reach: the last heartbeat failed, or none has
    /// been answered for two intervals, or there has been no session for
    /// longer than an interval. It recovers by itself or becomes `Dead`.
    /// Or the session has had no channels for longer than two intervals, which
    /// is normal for a worker that stands by.
    #[non_exhaustive]
    Degraded {
        /// Why it is degraded; at least one reason.
        reasons: Vec<HealthReason>,
    },
    /// A channel makes no progress: it has been at one stage (but idle), or has
    /// failed again and again without a success, for longer than
    /// [`stuck_after`](crate::TunnelWorkerConfigBuilder::stuck_after). Whatever
    /// blocks it has to be looked at.
    #[non_exhaustive]
    Stalled {
        /// What is stalled, and then what is degraded; at least one reason.
        reasons: Vec<HealthReason>,
    },
    /// It has ended, or lost its session without noticing (its thread is gone).
    /// Only another worker helps.
    Dead,
}

impl Health {
    /// Whether it is [`Health::Ok`].
    pub fn is_ok(&self) -> bool {
        *self == Health::Ok
    }

    /// Why it is not.
    pub fn reasons(&self) -> &[HealthReason] {
        match self {
            Health::Degraded { reasons } | Health::Stalled { reasons } => reasons,
            Health::Ok | Health::Dead => &[],
        }
    }
}

/// One reason why a worker is not well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HealthReason {
    /// There is no session.
    #[non_exhaustive]
    NotConnected {
        /// For how long.
        age: Duration,
    },
    /// Heartbeats fail.
    #[non_exhaustive]
    HeartbeatsFailing {
        /// How many in a row.
        failures: u32,
    },
    /// No heartbeat has been answered in time.
    #[non_exhaustive]
    HeartbeatLate {
        /// For how long.
        age: Duration,
    },
    /// The session has had no channels for longer than two heartbeat intervals, and
    /// none of its channels has been consumed to its end. Normal for a worker that
    /// stands by because there are fewer channels than workers.
    #[non_exhaustive]
    NoChannels {
        /// For how long.
        age: Duration,
    },
    /// A channel has been at one stage for too long.
    #[non_exhaustive]
    ChannelStalled {
        /// The channel.
        channel_id: String,
        /// What it is at.
        stage: ChannelStage,
        /// For how long.
        age: Duration,
    },
    /// A channel fails to open, to read or in its callback, again and again.
    #[non_exhaustive]
    ChannelFailing {
        /// The channel.
        channel_id: String,
        /// For how long without a success.
        age: Duration,
        /// What the last failure said.
        error: String,
    },
    /// The checkpoints of a channel cannot be saved.
    #[non_exhaustive]
    CheckpointsFailing {
        /// The channel.
        channel_id: String,
        /// For how long without a success.
        age: Duration,
        /// What the last failure said.
        error: String,
    },
}

/// The health that a snapshot shows.
pub(super) fn judge(snapshot: &WorkerSnapshot) -> Health {
    if is_dead(snapshot) {
        return Health::Dead;
    }
    let slow = slow(snapshot);
    let channels = snapshot.channels.iter();
    let mut reasons: Vec<_> = channels
        .flat_map(|channel| stuck(channel, snapshot.stuck_after))
        .collect();
    match (reasons.is_empty(), slow.is_empty()) {
        (true, true) => Health::Ok,
        (true, false) => Health::Degraded { reasons: slow },
        (false, _) => {
            reasons.extend(slow);
            Health::Stalled { reasons }
        }
    }
}

fn is_dead(snapshot: &WorkerSnapshot) -> bool {
    // A loop that runs ends a session that has timed out, so one that is older
    // than twice that has no loop.
    let limit = snapshot.heartbeat.timeout.saturating_mul(2);
    match snapshot.state {
        WorkerState::Ended => true,
        WorkerState::Working => heard_age(snapshot) > limit,
        WorkerState::Ready | WorkerState::Connecting | WorkerState::Draining => false,
    }
}

/// How long ago the service was last heard of in this session; the connect counts.
fn heard_age(snapshot: &WorkerSnapshot) -> Duration {
    snapshot
        .heartbeat
        .answered_age
        .unwrap_or(snapshot.state_age)
}

fn slow(snapshot: &WorkerSnapshot) -> Vec<HealthReason> {
    let heartbeat = &snapshot.heartbeat;
    let mut reasons = Vec::new();
    match snapshot.state {
        WorkerState::Connecting if snapshot.state_age > heartbeat.interval => {
            let age = snapshot.state_age;
            reasons.push(HealthReason::NotConnected { age });
        }
        WorkerState::Working => {
            let (age, failures) = (heard_age(snapshot), heartbeat.failures);
            if failures > 0 {
                reasons.push(HealthReason::HeartbeatsFailing { failures });
            }
            let late = heartbeat.interval.saturating_mul(2);
            if age > late {
                reasons.push(HealthReason::HeartbeatLate { age });
            }
            if let Some(age) = snapshot.without_channels_for.filter(|age| *age > late) {
                reasons.push(HealthReason::NoChannels { age });
            }
        }
        _ => {}
    }
    reasons
}

fn stuck(channel: &ChannelSnapshot, after: Duration) -> Vec<HealthReason> {
    let channel_id = || channel.channel_id.clone();
    let (stage, age) = (channel.stage, channel.stage_age);
    let mut reasons = Vec::new();
    if age > after && !stage.is_rest() {
        reasons.push(HealthReason::ChannelStalled {
            channel_id: channel_id(),
            stage,
            age,
        });
    }
    if let Some((age, error)) = fails(&channel.failures, after) {
        reasons.push(HealthReason::ChannelFailing {
            channel_id: channel_id(),
            age,
            error,
        });
    }
    if let Some((age, error)) = fails(&channel.save_failures, after) {
        reasons.push(HealthReason::CheckpointsFailing {
            channel_id: channel_id(),
            age,
            error,
        });
    }
    reasons
}

fn fails(failures: &FailureSnapshot, after: Duration) -> Option<(Duration, String)> {
    let age = failures.failing_for.filter(|age| *age > after)?;
    Some((age, failures.last_error.clone().unwrap_or_default()))
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Health::Ok => "ok",
            Health::Degraded { .. } => "degraded",
            Health::Stalled { .. } => "stalled",
            Health::Dead => "dead",
        })?;
        for (n, reason) in self.reasons().iter().enumerate() {
            write!(f, "{}{reason}", if n == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}

impl fmt::Display for HealthReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HealthReason::NotConnected { age } => write!(f, "no session for {:?}", rounded(*age)),
            HealthReason::HeartbeatsFailing { failures } => {
                write!(f, "{failures} heartbeats failed in a row")
            }
            HealthReason::HeartbeatLate { age } => {
                write!(f, "no heartbeat answered for {:?}", rounded(*age))
            }
            HealthReason::NoChannels { age } => write!(f, "no channels for {:?}", rounded(*age)),
            HealthReason::ChannelStalled {
                channel_id,
                stage,
                age,
            } => write!(f, "channel {channel_id}: {stage} for {:?}", rounded(*age)),
            HealthReason::ChannelFailing {
                channel_id,
                age,
                error,
            } => write!(
                f,
                "channel {channel_id}: fails for {:?}: {error}",
                rounded(*age)
            ),
            HealthReason::CheckpointsFailing {
                channel_id,
                age,
                error,
            } => write!(
                f,
                "channel {channel_id}: no checkpoint saved for {:?}: {error}",
                rounded(*age)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::snapshot::{BatchCounts, HeartbeatSnapshot};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// At work for an hour, all well.
    fn working() -> WorkerSnapshot {
        WorkerSnapshot {
            tunnel_id: "t".to_owned(),
            state: WorkerState::Working,
            state_age: seconds(3600),
            client_id: Some("c".to_owned()),
            heartbeat: HeartbeatSnapshot {
                sent_age: Some(seconds(20)),
                answered_age: Some(seconds(20)),
                failures: 0,
                interval: seconds(30),
                timeout: seconds(300),
            },
            reconnects: 0,
            last_error: None,
            read: BatchCounts::default(),
            done: BatchCounts::default(),
            channels: vec![at(ChannelStage::Idle, 3000)],
            without_channels_for: None,
            stuck_after: seconds(300),
        }
    }

    fn at(stage: ChannelStage, age: u64) -> ChannelSnapshot {
        ChannelSnapshot {
            channel_id: "x".to_owned(),
            is_stream: true,
            stage,
            stage_age: seconds(age),
            is_closing: false,
            read: BatchCounts::default(),
            done: BatchCounts::default(),
            failures: FailureSnapshot::default(),
            save_failures: FailureSnapshot::default(),
            last_saved: None,
            lag: None,
            is_caught_up: true,
        }
    }

    fn failing(age: u64) -> FailureSnapshot {
        FailureSnapshot {
            count: 9,
            failing_for: Some(seconds(age)),
            last_error: Some("no disk".to_owned()),
            last_age: Some(seconds(1)),
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut WorkerSnapshot), health: &str) {
        let mut snapshot = working();
        change(&mut snapshot);
        assert_eq!(snapshot.health().to_string(), health);
    }

    #[test]
    fn the_state_of_the_worker_counts() {
        check(|_| {}, "ok");
        check(|s| s.state = WorkerState::Ready, "ok");
        check(|s| s.state = WorkerState::Draining, "ok");
        check(|s| s.state = WorkerState::Ended, "dead");
        let connecting = |age| {
            move |s: &mut WorkerSnapshot| {
                (s.state, s.state_age) = (WorkerState::Connecting, seconds(age));
            }
        };
        check(connecting(30), "ok");
        check(connecting(31), "degraded: no session for 31s");
        check(connecting(9999), "degraded: no session for 9999s");
    }

    #[test]
    fn a_session_without_channels_is_visible_after_two_heartbeats() {
        let without =
            |age| move |s: &mut WorkerSnapshot| s.without_channels_for = Some(seconds(age));
        check(without(60), "ok");
        check(without(61), "degraded: no channels for 61s");
    }

    #[test]
    fn heartbeats_count_in_a_session_only() {
        let answered = |age| {
            move |s: &mut WorkerSnapshot| {
                s.heartbeat.answered_age = Some(seconds(age));
            }
        };
        check(answered(60), "ok");
        check(answered(61), "degraded: no heartbeat answered for 61s");
        check(answered(600), "degraded: no heartbeat answered for 600s");
        check(answered(601), "dead");
        check(
            |s| s.heartbeat.failures = 1,
            "degraded: 1 heartbeats failed in a row",
        );
        check(
            |s| (s.state, s.heartbeat.failures) = (WorkerState::Draining, 1),
            "ok",
        );
        // The connect counts as heard.
        check(
            |s| (s.heartbeat.answered_age, s.state_age) = (None, seconds(60)),
            "ok",
        );
        check(
            |s| (s.heartbeat.answered_age, s.state_age) = (None, seconds(61)),
            "degraded: no heartbeat answered for 61s",
        );
    }

    #[test]
    fn a_channel_that_does_not_move_is_stuck_at_every_stage_but_rest() {
        use ChannelStage as S;
        for (stage, is_stuck) in [
            (S::WaitingForPredecessor, true),
            (S::Opening, true),
            (S::Idle, false),
            (S::Reading, true),
            (S::WaitingForPermit, true),
            (S::WaitingForMemory, true),
            (S::Queued, true),
            (S::InCallback, true),
            (S::WaitingToRetry, true),
            (S::WaitingForCommit, true),
            (S::Saving, true),
            (S::Closing, true),
            (S::Released, false),
        ] {
            let text = format!("stalled: channel x: {stage} for 301s");
            check(|s| s.channels.push(at(stage, 300)), "ok");
            check(
                |s| s.channels.push(at(stage, 301)),
                if is_stuck { &text } else { "ok" },
            );
        }
    }

    #[test]
    fn a_channel_that_keeps_failing_is_stuck() {
        check(|s| s.channels[0].failures = failing(300), "ok");
        check(
            |s| s.channels[0].failures = failing(301),
            "stalled: channel x: fails for 301s: no disk",
        );
        check(|s| s.channels[0].save_failures = failing(300), "ok");
        check(
            |s| s.channels[0].save_failures = failing(301),
            "stalled: channel x: no checkpoint saved for 301s: no disk",
        );
        let over = FailureSnapshot {
            failing_for: None,
            ..failing(0)
        };
        check(|s| s.channels[0].failures = over, "ok");
    }

    #[test]
    fn the_worst_counts_and_all_reasons_are_told() {
        check(
            |s| {
                s.heartbeat.failures = 2;
                s.channels.push(at(ChannelStage::Opening, 400));
            },
            "stalled: channel x: opening for 400s; 2 heartbeats failed in a row",
        );
        check(
            |s| {
                s.state = WorkerState::Ended;
                s.channels.push(at(ChannelStage::Opening, 400));
            },
            "dead",
        );
    }
}
