//! What there is to show of a tunnel.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tablestore_tunnel::{
    ChannelInfo, ChannelSnapshot, ChannelStatus, ChannelType, DescribeTunnelResponse,
    WorkerSnapshot,
};

use crate::estimate;

/// How a tunnel gets on.
pub(crate) struct Status {
    /// Since the program began to look.
    pub(crate) age: Duration,
    pub(crate) base: BaseStage,
    /// The channels that this worker has.
    pub(crate) channels: Vec<Channel>,
}

/// The base data, of all workers.
pub(crate) struct BaseStage {
    pub(crate) channels: usize,
    /// Those that have come to their end.
    pub(crate) finished: usize,
    pub(crate) rows: u64,
    /// How many there are about in all, as soon as that can be told,
    pub(crate) in_all: Option<u64>,
    /// and how long they will take.
    pub(crate) left: Option<Duration>,
    /// Rows in a second.
    pub(crate) rate: f64,
}

/// One channel.
pub(crate) struct Channel {
    pub(crate) id: String,
    pub(crate) is_stream: bool,
    /// What it is doing.
    pub(crate) stage: &'static str,
    pub(crate) rows: u64,
    /// Rows in a second, lately.
    pub(crate) rate: f64,
    /// How old the newest record is that is done; none when all is done.
    pub(crate) lag: Option<Duration>,
}

/// Remembers what rates and estimates need.
pub(crate) struct Watch {
    begun: Instant,
    /// How many rows the table has, if somebody knows.
    told: Option<u64>,
    /// Rows of base data when the program began to look.
    rows_before: Option<u64>,
    last_look: Instant,
    /// Each channel's rows at the last look.
    last_rows: HashMap<String, u64>,
}

impl Watch {
    pub(crate) fn new(told: Option<u64>) -> Watch {
        let now = Instant::now();
        Watch {
            begun: now,
            told,
            rows_before: None,
            last_look: now,
            last_rows: HashMap::new(),
        }
    }

    pub(crate) fn look(
        &mut self,
        described: &DescribeTunnelResponse,
        snapshot: &WorkerSnapshot,
    ) -> Status {
        let since = self.last_look.elapsed();
        self.last_look = Instant::now();
        let channels = snapshot.channels.iter();
        Status {
            age: self.begun.elapsed(),
            base: self.base(&described.channels, snapshot),
            channels: channels
                .map(|channel| self.channel(channel, since))
                .collect(),
        }
    }

    fn base(&mut self, channels: &[ChannelInfo], snapshot: &WorkerSnapshot) -> BaseStage {
        let is_base = |ch: &&ChannelInfo| ch.channel_type == ChannelType::BaseData;
        let channels: Vec<&ChannelInfo> = channels.iter().filter(is_base).collect();
        let finished: Vec<u64> = channels
            .iter()
            .filter(|ch| ch.channel_status == ChannelStatus::Terminated)
            .map(|ch| saved_rows(ch))
            .collect();
        let rows = channels.iter().map(|ch| rows(ch, snapshot)).sum();
        // What others have done before does not count for the rate.
        let before = *self.rows_before.get_or_insert(rows);
        let rate = (rows - before.min(rows)) as f64 / self.begun.elapsed().as_secs_f64();
        let estimate = || estimate::rows_in_all(&finished, channels.len());
        let in_all = self.told.or_else(estimate);
        BaseStage {
            channels: channels.len(),
            finished: finished.len(),
            rows,
            in_all,
            left: in_all.and_then(|in_all| estimate::time_left(rows, in_all, rate)),
            rate,
        }
    }

    fn channel(&mut self, channel: &ChannelSnapshot, since: Duration) -> Channel {
        let (id, rows) = (channel.channel_id.clone(), channel.done.records);
        let last = self.last_rows.insert(id.clone(), rows).unwrap_or(0);
        // It begins at 0 again where the channel was lost and came back.
        let lately = rows - last.min(rows);
        Channel {
            id,
            is_stream: channel.is_stream,
            stage: channel.stage.as_str(),
            rows,
            rate: lately as f64 / since.as_secs_f64(),
            lag: channel.lag.filter(|_| !channel.is_caught_up),
        }
    }
}

/// The rows of a channel: what is saved, or what is done here if that is more.
fn rows(channel: &ChannelInfo, snapshot: &WorkerSnapshot) -> u64 {
    let here = snapshot.channel(&channel.channel_id);
    saved_rows(channel).max(here.map_or(0, |here| here.done.records))
}

fn saved_rows(channel: &ChannelInfo) -> u64 {
    let count = channel.channel_count.unwrap_or(0);
    u64::try_from(count).unwrap_or(0)
}
