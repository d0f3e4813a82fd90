//! [`Notes`]: what the world has seen of its consumers, and the rules that it holds them
//! to itself. The emulator's checker judges the rest.
//!
//! - this file: callbacks, from the program's side.
//! - [`wire`]: requests and answers, from the network's side.
//! - [`sessions`]: whether a session is given up without a reason.
//! - [`reports`]: what a shutdown reports.

mod reports;
mod sessions;
mod wire;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An opening of a channel by a consumer.
pub(crate) type OpeningId = usize;

/// A consumer of the world, by its number.
pub(crate) type ConsumerId = usize;

/// Notes of one world. Its lock is held for moments, and never at a scheduling point.
#[derive(Debug)]
pub(crate) struct Notes {
    inner: Mutex<Inner>,
    /// How long a thread may take to act on what is known.
    slack: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    /// Rules that were broken.
    broken: Vec<String>,
    openings: Vec<Opening>,
    /// The opening whose user code runs, by consumer and channel.
    running: HashMap<(ConsumerId, String), OpeningId>,
    /// Consumers whose shutdown has come to its end.
    closed: HashSet<ConsumerId>,
    wire: wire::Seen,
    sessions: sessions::Sessions,
}

/// A channel's processor, from its making to its end.
#[derive(Debug)]
struct Opening {
    consumer: ConsumerId,
    tunnel: String,
    client: String,
    channel: String,
    /// How many records of the channel were saved before.
    start: u64,
    batches: Vec<Batch>,
    /// Whether the open callback has succeeded.
    is_open: bool,
    shutdowns: u32,
}

#[derive(Debug)]
struct Batch {
    token: String,
    records: u64,
    is_finished: bool,
}

impl Opening {
    /// How many records of the channel lie before the next batch.
    fn delivered(&self) -> u64 {
        self.start + self.batches.iter().map(|batch| batch.records).sum::<u64>()
    }

    /// Why a batch up to that position cannot be the next one.
    fn misplaced(&self, batch: &Batch, position: Option<u64>) -> Option<String> {
        if self.batches.last().is_some_and(|last| !last.is_finished) {
            return Some("a batch although the one before is not processed".to_owned());
        }
        let expected = self.delivered() + batch.records;
        let position = position.filter(|position| *position != expected)?;
        Some(format!("a batch up to {position}, not {expected}"))
    }

    /// Why a batch cannot be given to the callback again.
    fn misrepeated(&self, batch: &Batch) -> Option<String> {
        let last = self.batches.last();
        let is_last = last.is_some_and(|last| {
            !last.is_finished && (&last.token, last.records) == (&batch.token, batch.records)
        });
        (!is_last).then(|| "a retry of another batch".to_owned())
    }

    fn finished(&self) -> u64 {
        let finished = self.batches.iter().filter(|batch| batch.is_finished);
        self.start + finished.map(|batch| batch.records).sum::<u64>()
    }
}

/// The ids of a channel at a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) tunnel: &'a str,
    pub(crate) client: &'a str,
    pub(crate) channel: &'a str,
}

impl Notes {
    pub(crate) fn new(slack: Duration) -> Notes {
        Notes {
            inner: Mutex::default(),
            slack,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A rule was broken.
    pub(crate) fn fail(&self, what: String) {
        self.lock().broken.push(what);
    }

    pub(crate) fn broken(&self) -> Option<String> {
        self.lock().broken.first().cloned()
    }

    /// The factory was called. `most_batches`: how many the channel may have at a time, if
    /// that is known.
    pub(crate) fn made(&self, place: Place<'_>, most_batches: Option<usize>) -> OpeningId {
        let mut inner = self.lock();
        let key = (place.client.to_owned(), place.channel.to_owned());
        inner.wire.opens(&key, most_batches);
        let consumer = inner.wire.consumer(place.client);
        let start = inner.wire.start(&key);
        inner.openings.push(Opening {
            consumer,
            tunnel: place.tunnel.to_owned(),
            client: place.client.to_owned(),
            channel: place.channel.to_owned(),
            start,
            batches: Vec::new(),
            is_open: false,
            shutdowns: 0,
        });
        inner.openings.len() - 1
    }

    /// User code of an opening begins.
    pub(crate) fn begin(&self, id: OpeningId, what: &str) {
        let mut inner = self.lock();
        let opening = &inner.openings[id];
        let key = (opening.consumer, opening.channel.clone());
        let after_shutdown = opening.shutdowns > 0;
        let text = format!("{what} of channel {} at consumer {}", key.1, key.0);
        if after_shutdown {
            inner
                .broken
                .push(format!("{text} after its shutdown callback"));
        }
        if inner.closed.contains(&key.0) && what != "shutdown" {
            inner
                .broken
                .push(format!("{text} after close has returned"));
        }
        if let Some(other) = inner.running.insert(key, id) {
            inner
                .broken
                .push(format!("{text} overlaps with opening {other}"));
        }
    }

    /// It has returned, or panicked.
    pub(crate) fn end(&self, id: OpeningId) {
        let mut inner = self.lock();
        let opening = &inner.openings[id];
        let key = (opening.consumer, opening.channel.clone());
        inner.running.remove(&key);
    }

    pub(crate) fn opened(&self, id: OpeningId) {
        self.lock().openings[id].is_open = true;
    }

    pub(crate) fn shut_down(&self, id: OpeningId) {
        self.lock().openings[id].shutdowns += 1;
    }

    /// A batch is given to the callback for the `attempt`th time, counted from 0.
    pub(crate) fn delivered(&self, id: OpeningId, token: &str, records: usize, attempt: u32) {
        let mut inner = self.lock();
        let batch = Batch {
            token: token.to_owned(),
            records: records as u64,
            is_finished: false,
        };
        let opening = &inner.openings[id];
        let (client, channel) = (opening.client.clone(), opening.channel.clone());
        let place = (opening.tunnel.clone(), channel.clone());
        let position = inner.wire.position(&place, token);
        let misplaced = match attempt {
            0 => opening.misplaced(&batch, position),
            _ => opening.misrepeated(&batch),
        };
        let lost = inner.wire.lost_for(&client, &channel);
        let lost = lost.filter(|lost| *lost > self.slack);
        let given_up = inner.wire.is_given_up(&client, &channel);
        let no_lease = inner.sessions.is_lease_over(&client);
        let problems = [
            misplaced,
            given_up.then(|| "a batch after CLOSE".to_owned()),
            lost.map(|lost| format!("a batch {lost:?} after its loss")),
            no_lease.then(|| "a batch after the lease".to_owned()),
        ];
        for problem in problems.into_iter().flatten() {
            let text = format!("channel {channel} at client {client}: {problem}");
            inner.broken.push(text);
        }
        if attempt == 0 {
            inner.openings[id].batches.push(batch);
        }
    }

    /// The callback is about to return `Ok`, or to skip the batch.
    pub(crate) fn finished(&self, id: OpeningId) {
        let mut inner = self.lock();
        let opening = &mut inner.openings[id];
        let held = (opening.client.clone(), opening.channel.clone());
        if let Some(batch) = opening.batches.last_mut() {
            batch.is_finished = true;
        }
        inner.wire.processed(&held);
    }

    /// A shutdown of the consumer has come to its end.
    pub(crate) fn closed(&self, consumer: ConsumerId) {
        self.lock().closed.insert(consumer);
    }

    /// What must hold when nothing runs any more.
    pub(crate) fn check_end(&self) {
        let mut inner = self.lock();
        let ends = inner.openings.iter().filter_map(|opening| {
            let expected = u32::from(opening.is_open);
            (opening.shutdowns != expected).then(|| {
                format!(
                    "channel {} at client {}: {} shutdown callbacks, not {expected}",
                    opening.channel, opening.client, opening.shutdowns
                )
            })
        });
        let ends: Vec<String> = ends.collect();
        inner.broken.extend(ends);
    }
}
