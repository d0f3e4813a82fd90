//! [`Outages`]: failures that pass are logged once, and then summed up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{error, info, warn};

use super::failures::full_text;
use crate::clock::{self, Clock};
use crate::error::TunnelError;
use crate::policy::Reaction;
use crate::sync::Mutex;

/// How often an outage that goes on is logged again.
const SUMMARY: Duration = Duration::from_secs(30);

/// What a worker asks the service for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    Connect,
    Heartbeat,
    GetCheckpoint,
    Read,
    Checkpoint,
}

impl Asked {
    /// The path of the request.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Asked::Connect => "/tunnel/connect",
            Asked::Heartbeat => "/tunnel/heartbeat",
            Asked::GetCheckpoint => "/tunnel/getcheckpoint",
            Asked::Read => "/tunnel/readrecords",
            Asked::Checkpoint => "/tunnel/checkpoint",
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Asked::Connect => "connecting",
            Asked::Heartbeat => "the heartbeat",
            Asked::GetCheckpoint => "getting the checkpoint",
            Asked::Read => "reading",
            Asked::Checkpoint => "saving the checkpoint",
        })
    }
}

/// The outages of one worker, or of all workers of a daemon.
#[derive(Debug)]
pub(crate) struct Outages {
    tunnel_id: String,
    clock: Clock,
    rows: Mutex<BTreeMap<Kind, Outage>>,
}

/// Failures of one kind are one outage, however many channels meet it.
type Kind = (Asked, String);

#[derive(Debug)]
struct Outage {
    since: Instant,
    logged: Instant,
    attempts: u64,
    /// The channels that fail; none if the request is the session's.
    channels: BTreeSet<Arc<str>>,
}

/// A line to be logged, when no lock is held: a logger is the program's code.
enum Line {
    Warn(String),
    Error(String),
    Info(String),
}

impl Line {
    fn log(self) {
        match self {
            Line::Warn(text) => warn!("{text}"),
            Line::Error(text) => error!("{text}"),
            Line::Info(text) => info!("{text}"),
        }
    }
}

impl Outages {
    pub(crate) fn new(tunnel_id: &str, clock: &Clock) -> Outages {
        Outages {
            tunnel_id: tunnel_id.to_owned(),
            clock: clock.clone(),
            rows: Mutex::default(),
        }
    }

    /// A request has failed and will be sent again after `pause`.
    pub(crate) fn failed(
        &self,
        asked: Asked,
        channel: Option<&Arc<str>>,
        error: &TunnelError,
        reaction: Reaction,
        pause: Duration,
    ) {
        let now = self.clock.now();
        let kind = (asked, error.code().as_str().to_owned());
        let text = full_text(error);
        let mut rows = self.rows.lock();
        let is_new = !rows.contains_key(&kind);
        let outage = rows.entry(kind).or_insert_with(|| Outage {
            since: now,
            logged: now,
            attempts: 0,
            channels: BTreeSet::new(),
        });
        outage.attempts += 1;
        outage.channels.extend(channel.cloned());
        let is_due = now.saturating_duration_since(outage.logged) >= SUMMARY;
        if is_due {
            outage.logged = now;
        }
        let (since, attempts, channels) = (outage.since, outage.attempts, outage.channels.len());
        drop(rows);
        let whose = self.whose(channel);
        if is_new {
            let pause = clock::rounded(pause);
            let text =
                format!("{whose}: {asked} failed, it will be tried again in {pause:?}: {text}");
            match reaction {
                Reaction::RetryAndLogError => Line::Error(text).log(),
                _ => Line::Warn(text).log(),
            }
        } else if is_due {
            let seconds = now.saturating_duration_since(since).as_secs();
            let of = match channels {
                0 | 1 => whose,
                _ => format!("{}: {channels} channels", self.whose(None)),
            };
            let text = format!(
                "{of}: {asked} has been failing for {seconds} s, {attempts} attempts: {text}"
            );
            Line::Warn(text).log();
        }
    }

    /// A request has succeeded, of this channel or of the session.
    pub(crate) fn succeeded(&self, asked: Asked, channel: Option<&Arc<str>>) {
        let ended = self.end(channel, |(of, _)| *of == asked);
        for ((asked, _), outage) in ended {
            let seconds = self.clock.now().saturating_duration_since(outage.since);
            let seconds = seconds.as_secs_f64();
            let (whose, attempts) = (self.whose(channel), outage.attempts);
            let text =
                format!("{whose}: {asked} works again after {seconds:.1} s, {attempts} attempts");
            Line::Info(text).log();
        }
    }

    /// The channel, or the session, is gone: what failed will not be tried again.
    pub(crate) fn forget(&self, channel: Option<&Arc<str>>) {
        drop(self.end(channel, |(asked, _)| *asked != Asked::Connect));
    }

    /// Takes the channel out of its outages; those that end with that.
    fn end(
        &self,
        channel: Option<&Arc<str>>,
        is_meant: impl Fn(&Kind) -> bool,
    ) -> Vec<(Kind, Outage)> {
        let mut rows = self.rows.lock();
        let mut ended = Vec::new();
        let kinds: Vec<Kind> = rows.keys().filter(|kind| is_meant(kind)).cloned().collect();
        for kind in kinds {
            let Some(outage) = rows.get_mut(&kind) else {
                continue;
            };
            let was_part = match channel {
                Some(channel) => outage.channels.remove(channel),
                None => outage.channels.is_empty(),
            };
            if was_part && outage.channels.is_empty() {
                ended.extend(rows.remove_entry(&kind));
            }
        }
        ended
    }

    fn whose(&self, channel: Option<&Arc<str>>) -> String {
        match channel {
            Some(channel) => format!("tunnel {}, channel {channel}", self.tunnel_id),
            None => format!("tunnel {}", self.tunnel_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn busy() -> TunnelError {
        TunnelError::new(ErrorCode::ServerUnavailable, "busy")
    }

    #[test]
    fn an_outage_ends_when_its_last_channel_is_well_or_gone() {
        let clock = Clock::manual(time::OffsetDateTime::UNIX_EPOCH);
        let outages = Outages::new("t", &clock);
        let [a, b, c] = ["a", "b", "c"].map(Arc::<str>::from);
        let fail = |channel| {
            outages.failed(
                Asked::Read,
                channel,
                &busy(),
                Reaction::Retry,
                Duration::ZERO,
            );
        };
        for channel in [&a, &b, &c, &a] {
            fail(Some(channel));
        }
        outages.failed(
            Asked::Heartbeat,
            None,
            &busy(),
            Reaction::Retry,
            Duration::ZERO,
        );
        assert_eq!(outages.rows.lock().len(), 2);
        outages.succeeded(Asked::Read, Some(&a));
        outages.succeeded(Asked::Checkpoint, Some(&b));
        outages.forget(Some(&b));
        assert_eq!(outages.rows.lock().len(), 2, "c still fails");
        outages.succeeded(Asked::Read, Some(&c));
        assert_eq!(outages.rows.lock().len(), 1);
        outages.succeeded(Asked::Heartbeat, None);
        assert!(outages.rows.lock().is_empty());
    }

    #[test]
    fn what_is_forgotten_of_a_session_leaves_its_connects() {
        let outages = Outages::new("t", &Clock::system());
        for asked in [Asked::Heartbeat, Asked::Connect] {
            outages.failed(asked, None, &busy(), Reaction::Retry, Duration::ZERO);
        }
        outages.forget(None);
        assert_eq!(outages.rows.lock().len(), 1);
        outages.succeeded(Asked::Connect, None);
        assert!(outages.rows.lock().is_empty());
    }
}
