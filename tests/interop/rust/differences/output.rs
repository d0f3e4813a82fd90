//! [`Output`]: the records and events that consumers have written.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::Value as Json;

use crate::probes::Result;

/// A record that was delivered to a callback.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// The index of the consumer.
    pub(crate) consumer: usize,
    /// The time of the delivery, in microseconds since 1970.
    pub(crate) at: u64,
    pub(crate) channel: String,
    /// The primary key. The probes write each key once.
    pub(crate) key: i64,
    pub(crate) text: String,
    /// The epoch of the sequence info.
    pub(crate) epoch: i64,
    /// The time at which a change was written, in microseconds since 1970.
    written: u64,
}

/// An event of a consumer: a callback starts, ends or fails, or the shutdown callback
/// is called.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) consumer: usize,
    pub(crate) at: u64,
    pub(crate) event: String,
}

/// Everything read so far.
#[derive(Default)]
pub(crate) struct Output {
    files: Vec<(PathBuf, u64)>,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) notes: Vec<Note>,
}

impl Output {
    /// Adds the file of another consumer.
    pub(crate) fn add(&mut self, file: PathBuf) {
        self.files.push((file, 0));
    }

    /// Reads the lines that were added to the files.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        for consumer in 0..self.files.len() {
            let (path, from) = &mut self.files[consumer];
            // The consumer may not have created its file yet.
            let Ok(mut file) = File::open(path) else {
                continue;
            };
            file.seek(SeekFrom::Start(*from))?;
            let mut text = Vec::new();
            file.read_to_end(&mut text)?;
            let last_newline = text.iter().rposition(|byte| *byte == b'\n');
            text.truncate(last_newline.map_or(0, |end| end + 1));
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

    /// The number of different records.
    pub(crate) fn records(&self) -> usize {
        let keys: HashSet<i64> = self.deliveries.iter().map(|one| one.key).collect();
        keys.len()
    }

    /// The number of redelivered records.
    pub(crate) fn redelivered(&self) -> usize {
        self.deliveries.len() - self.records()
    }

    pub(crate) fn by(&self, consumer: usize) -> impl Iterator<Item = &Delivery> {
        let of = move |one: &&Delivery| one.consumer == consumer;
        self.deliveries.iter().filter(of)
    }

    /// The time from the write to the delivery, for `count` changes.
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
    pub(crate) fn longest_gap(&self, start: u64) -> Duration {
        longest(start, self.deliveries.iter().map(|one| one.at), now())
    }

    /// The longest time between two records of the same channel.
    pub(crate) fn longest_channel_gap(&self, start: u64) -> Duration {
        let mut channels: HashMap<&str, Vec<u64>> = HashMap::new();
        for one in self.deliveries.iter().filter(|one| one.at >= start) {
            channels.entry(&one.channel).or_default().push(one.at);
        }
        let gaps = channels.into_values().map(|mut times| {
            times.sort_unstable();
            longest(times[0], times.iter().copied(), times[times.len() - 1])
        });
        gaps.max().unwrap_or_default()
    }
}

/// The current time in microseconds since 1970, as consumers write it.
pub(crate) fn now() -> u64 {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    time.unwrap_or_default().as_micros() as u64
}

fn longest(start: u64, times: impl Iterator<Item = u64>, end: u64) -> Duration {
    let mut times: Vec<u64> = times.filter(|at| (start..end).contains(at)).collect();
    times.extend([start, end]);
    times.sort_unstable();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    Duration::from_micros(gaps.max().unwrap_or_default())
}
