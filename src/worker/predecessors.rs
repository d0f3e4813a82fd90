//! [`Predecessors`]: the earlier connections to a channel that still run.
//!
//! A channel can be lost while its callback runs and come back before that returns, in
//! the same session or the next one of a daemon. Its new connection must not begin
//! before.
//!
//! A reader may hang in a connection of the program's after its channel has ended. New
//! readers do not wait for one, but two of them hold up the next: otherwise each loss of
//! the channel would add a thread.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::clock::{Clock, Monitor};
use crate::limits::semaphore::Wake;

/// What has not ended of each channel, over the sessions of one daemon. Clones share it.
#[derive(Clone)]
pub(crate) struct Predecessors(Arc<Monitor<Channels>>);

/// The connections of each channel that still run, oldest first.
type Channels = BTreeMap<Arc<str>, Vec<Running>>;

struct Running {
    number: u64,
    /// Nothing of it runs any more, except maybe its reader.
    has_ended: bool,
    reader_runs: bool,
    wake: Arc<dyn Wake>,
}

/// How many earlier readers of a channel may still run beside a new one.
const MAX_EARLIER_READERS: usize = 1;

/// One connection among those of its channel.
pub(crate) struct Place {
    predecessors: Predecessors,
    channel_id: Arc<str>,
    number: u64,
}

impl Predecessors {
    pub(crate) fn new(clock: &Clock) -> Predecessors {
        Predecessors(Arc::new(Monitor::new(clock, BTreeMap::new())))
    }

    /// Adds a connection. `wake` is called when an earlier one ends.
    pub(crate) fn add(&self, channel_id: &Arc<str>, wake: Arc<dyn Wake>) -> Place {
        let mut channels = self.0.lock();
        let of_channel = channels.entry(channel_id.clone()).or_default();
        let number = of_channel.last().map_or(0, |last| last.number + 1);
        of_channel.push(Running {
            number,
            has_ended: false,
            reader_runs: false,
            wake,
        });
        Place {
            predecessors: self.clone(),
            channel_id: channel_id.clone(),
            number,
        }
    }

    /// Waits until every connection has ended, at most until `until`; the channels of
    /// those that have not.
    pub(crate) fn wait_until_ended(&self, until: Instant) -> Vec<Arc<str>> {
        let running = |channels: &mut Channels| -> Vec<Arc<str>> {
            let runs = |of_channel: &[Running]| of_channel.iter().any(|one| !one.has_ended);
            let running = channels.iter().filter(|(_, of_channel)| runs(of_channel));
            running.map(|(channel_id, _)| channel_id.clone()).collect()
        };
        let none = |channels: &mut Channels| running(channels).is_empty().then_some(());
        match self.0.wait_for(Some(until), none) {
            Some(()) => Vec::new(),
            None => running(&mut self.0.lock()),
        }
    }
}

impl fmt::Debug for Predecessors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Predecessors").finish_non_exhaustive()
    }
}

impl Place {
    /// Whether an earlier connection has not ended, or too many of their readers run.
    pub(crate) fn has_to_wait(&self) -> bool {
        let channels = self.predecessors.0.lock();
        let of_channel = channels.get(&self.channel_id).into_iter().flatten();
        let earlier: Vec<_> = of_channel.filter(|one| one.number < self.number).collect();
        let readers = earlier.iter().filter(|one| one.reader_runs).count();
        readers > MAX_EARLIER_READERS || earlier.iter().any(|one| !one.has_ended)
    }

    /// The reader of this connection runs.
    pub(crate) fn reader_begins(&self) {
        self.change(|one| one.reader_runs = true);
    }

    pub(crate) fn reader_ended(&self) {
        self.change(|one| one.reader_runs = false);
    }

    /// Nothing of this connection runs any more, except maybe its reader.
    pub(crate) fn connection_ended(&self) {
        self.change(|one| one.has_ended = true);
    }

    /// Changes the entry of this connection, forgets it if nothing of it runs, and wakes
    /// those that wait for that.
    fn change(&self, change: impl FnOnce(&mut Running)) {
        let monitor = &self.predecessors.0;
        let mut channels = monitor.lock();
        let Some(of_channel) = channels.get_mut(&self.channel_id) else {
            return;
        };
        if let Some(one) = of_channel.iter_mut().find(|one| one.number == self.number) {
            change(one);
        }
        of_channel.retain(|one| !one.has_ended || one.reader_runs);
        let later: Vec<_> = of_channel
            .iter()
            .filter(|one| one.number > self.number)
            .map(|one| one.wake.clone())
            .collect();
        if of_channel.is_empty() {
            channels.remove(&self.channel_id);
        }
        drop(channels);
        monitor.notify();
        later.iter().for_each(|wake| wake.wake());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::limits::semaphore::tests::Count;

    fn predecessors() -> (Predecessors, Arc<Count>) {
        (Predecessors::new(&Clock::system()), Arc::default())
    }

    #[test]
    fn one_that_gave_up_does_not_hide_the_one_it_waited_for() {
        let (predecessors, woken) = predecessors();
        let add = || predecessors.add(&"c".into(), woken.clone());
        let (first, second) = (add(), add());
        assert!(!first.has_to_wait() && second.has_to_wait());
        second.connection_ended();
        let third = add();
        assert!(third.has_to_wait(), "the first still runs");
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        let now = crate::clock::now();
        assert_eq!(predecessors.wait_until_ended(now), [Arc::from("c")]);
        first.connection_ended();
        assert!(!third.has_to_wait());
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        third.connection_ended();
        assert!(predecessors.wait_until_ended(now).is_empty());
        assert!(predecessors.0.lock().is_empty());
    }

    #[test]
    fn two_readers_that_hang_hold_up_the_next() {
        let (predecessors, woken) = predecessors();
        let hang = || {
            let place = predecessors.add(&"c".into(), woken.clone());
            place.reader_begins();
            place.connection_ended();
            place
        };
        let first = hang();
        let second = hang();
        assert!(!second.has_to_wait());
        let third = predecessors.add(&"c".into(), woken.clone());
        assert!(third.has_to_wait());
        let other = predecessors.add(&"d".into(), woken.clone());
        assert!(!other.has_to_wait());
        first.reader_ended();
        assert!(!third.has_to_wait());
        second.reader_ended();
        third.connection_ended();
        other.connection_ended();
        assert!(predecessors.0.lock().is_empty());
    }
}
