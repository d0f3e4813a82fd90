//! [`Seen`]: what consumers delivered, as they wrote it down.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::Value as Json;

use crate::probes::Result;

/// A record in a callback.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// Which consumer, counted from 0.
    pub(crate) consumer: usize,
    /// Microseconds since 1970.
    pub(crate) at: u64,
    pub(crate) channel: String,
    /// The key; the probes write each once.
    pub(crate) key: i64,
    pub(crate) text: String,
    /// Of its sequence info.
    pub(crate) epoch: i64,
    /// When it was written, for a change: microseconds on the same clock.
    written: u64,
}

/// A consumer's note: a callback begins, ends, or is the last.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) consumer: usize,
    pub(crate) at: u64,
    pub(crate) event: String,
}

/// All that was read so far.
#[derive(Default)]
pub(crate) struct Seen {
    files: Vec<(PathBuf, u64)>,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) notes: Vec<Note>,
}

impl Seen {
    /// One more consumer writes.
    pub(crate) fn add(&mut self, file: PathBuf) {
        self.files.push((file, 0));
    }

    /// Reads what was added.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        for consumer in 0..self.files.len() {
            let (path, from) = &mut self.files[consumer];
            // It is there when the consumer has come so far.
            let Ok(mut file) = File::open(path) else {
                continue;
            };
            file.seek(SeekFrom::Start(*from))?;
            let mut text = Vec::new();
            file.read_to_end(&mut text)?;
            let whole = text.iter().rposition(|byte| *byte == b'\n');
            text.truncate(whole.map_or(0, |end| end + 1));
            *from += text.len() as u64;
            for line in text
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                self.add_line(consumer, &serde_json::from_slice(line)?);
            }
        }
        Ok(())
    }

    fn add_line(&mut self, consumer: usize, line: &Json) {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        if line["event"].is_string() {
            self.notes.push(Note {
                consumer,
                at: line["at"].as_u64().unwrap_or_default(),
                event: text(&line["event"]),
            });
            return;
        }
        self.deliveries.push(Delivery {
            consumer,
            at: line["at"].as_u64().unwrap_or_default(),
            channel: text(&line["channel"]),
            key: line["key"][0].as_i64().unwrap_or_default(),
            text: text(&line["columns"][0]["value"]),
            epoch: line["epoch"].as_i64().unwrap_or_default(),
            written: line["timestamp"].as_u64().unwrap_or_default(),
        });
    }

    /// Records, each counted once.
    pub(crate) fn records(&self) -> usize {
        let keys: HashSet<i64> = self.deliveries.iter().map(|one| one.key).collect();
        keys.len()
    }

    /// Deliveries of what had been delivered before.
    pub(crate) fn again(&self) -> usize {
        self.deliveries.len() - self.records()
    }

    pub(crate) fn by(&self, consumer: usize) -> impl Iterator<Item = &Delivery> {
        let of = move |one: &&Delivery| one.consumer == consumer;
        self.deliveries.iter().filter(of)
    }

    /// How long after they were written changes came.
    pub(crate) fn delays(&self, from: usize, count: usize) -> Vec<Duration> {
        let delay = |one: &Delivery| Duration::from_micros(one.at.saturating_sub(one.written));
        self.deliveries
            .iter()
            .skip(from)
            .take(count)
            .map(delay)
            .collect()
    }

    /// The longest time without a record, from `start` until now.
    pub(crate) fn longest_rest(&self, start: u64) -> Duration {
        longest(start, self.deliveries.iter().map(|one| one.at), now())
    }

    /// The longest time between two records of any one channel.
    pub(crate) fn longest_rest_of_a_channel(&self, start: u64) -> Duration {
        let mut channels: HashMap<&str, Vec<u64>> = HashMap::new();
        for one in self.deliveries.iter().filter(|one| one.at >= start) {
            channels.entry(&one.channel).or_default().push(one.at);
        }
        let rests = channels.into_values().map(|mut times| {
            times.sort_unstable();
            longest(times[0], times.iter().copied(), times[times.len() - 1])
        });
        rests.max().unwrap_or_default()
    }
}

/// Microseconds since 1970, as consumers write them.
pub(crate) fn now() -> u64 {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    time.unwrap_or_default().as_micros() as u64
}

fn longest(start: u64, times: impl Iterator<Item = u64>, end: u64) -> Duration {
    let mut times: Vec<u64> = times.filter(|at| (start..end).contains(at)).collect();
    times.extend([start, end]);
    times.sort_unstable();
    let rests = times.windows(2).map(|pair| pair[1] - pair[0]);
    Duration::from_micros(rests.max().unwrap_or_default())
}
