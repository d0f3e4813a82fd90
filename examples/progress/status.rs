//! The status of a tunnel and its channels.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tablestore_tunnel::{
    ChannelInfo, ChannelSnapshot, ChannelStatus, ChannelType, DescribeTunnelResponse,
    WorkerSnapshot,
};

use crate::estimate;

/// The status of a tunnel at one moment.
pub(crate) struct Status {
    /// The time since the program started to watch the tunnel.
    pub(crate) age: Duration,
    pub(crate) base: BaseStage,
    /// The channels that this worker holds.
    pub(crate) channels: Vec<Channel>,
}

/// The base data of all workers.
pub(crate) struct BaseStage {
    pub(crate) channels: usize,
    /// The number of channels that have finished.
    pub(crate) finished: usize,
    pub(crate) rows: u64,
    /// The total number of rows. `None` if it is unknown and cannot be estimated yet.
    pub(crate) total: Option<u64>,
    /// The estimated time left.
    pub(crate) left: Option<Duration>,
    /// Rows per second.
    pub(crate) rate: f64,
}

/// The status of a channel.
pub(crate) struct Channel {
    pub(crate) id: String,
    pub(crate) is_stream: bool,
    /// What the channel is doing.
    pub(crate) stage: &'static str,
    pub(crate) rows: u64,
    /// Rows per second since the previous status.
    pub(crate) rate: f64,
    /// The age of the last processed record. `None` if the channel has caught up.
    pub(crate) lag: Option<Duration>,
}

/// Watches a tunnel, and keeps what rates and estimates are computed from.
pub(crate) struct Watch {
    start: Instant,
    /// The number of rows of the table, if it is known.
    known_total: Option<u64>,
    /// The number of rows of base data in the first status.
    initial_rows: Option<u64>,
    /// The time of the previous status.
    last_time: Instant,
    /// The number of rows of each channel in the previous status.
    last_rows: HashMap<String, u64>,
}

impl Watch {
    pub(crate) fn new(known_total: Option<u64>) -> Watch {
        let now = Instant::now();
        Watch {
            start: now,
            known_total,
            initial_rows: None,
            last_time: now,
            last_rows: HashMap::new(),
        }
    }

    pub(crate) fn status(
        &mut self,
        description: &DescribeTunnelResponse,
        snapshot: &WorkerSnapshot,
    ) -> Status {
        let elapsed = self.last_time.elapsed();
        self.last_time = Instant::now();
        let channels = snapshot.channels.iter();
        Status {
            age: self.start.elapsed(),
            base: self.base(&description.channels, snapshot),
            channels: channels
                .map(|channel| self.channel(channel, elapsed))
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
        // Rows processed before this program started do not count for the rate.
        let initial = *self.initial_rows.get_or_insert(rows);
        let rate = rows.saturating_sub(initial) as f64 / self.start.elapsed().as_secs_f64();
        let estimate = || estimate::total_rows(&finished, channels.len());
        let total = self.known_total.or_else(estimate);
        BaseStage {
            channels: channels.len(),
            finished: finished.len(),
            rows,
            total,
            left: total.and_then(|total| estimate::time_left(rows, total, rate)),
            rate,
        }
    }

    fn channel(&mut self, channel: &ChannelSnapshot, elapsed: Duration) -> Channel {
        let (id, rows) = (channel.channel_id.clone(), channel.done.records);
        let last = self.last_rows.insert(id.clone(), rows).unwrap_or(0);
        // If the channel was lost and assigned again, `rows` has restarted at 0.
        let new_rows = rows.saturating_sub(last);
        Channel {
            id,
            is_stream: channel.is_stream,
            stage: channel.stage.as_str(),
            rows,
            rate: new_rows as f64 / elapsed.as_secs_f64(),
            lag: channel.lag.filter(|_| !channel.is_caught_up),
        }
    }
}

/// Returns the rows of a channel: those covered by its checkpoint, or those that
/// this worker has processed, whichever is greater.
fn rows(channel: &ChannelInfo, snapshot: &WorkerSnapshot) -> u64 {
    let own = snapshot.channel(&channel.channel_id);
    saved_rows(channel).max(own.map_or(0, |own| own.done.records))
}

fn saved_rows(channel: &ChannelInfo) -> u64 {
    let count = channel.channel_count.unwrap_or(0);
    u64::try_from(count).unwrap_or(0)
}
