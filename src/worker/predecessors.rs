//! [`Predecessors`]: the earlier connections to a channel that still run.
//!
//! A channel can be lost while its callback runs and come back before that
//! returns, in the same session or the next one of a daemon. Its new
//! connection must not begin before.
//!
//! A reader may hang in a connection of the program's after its channel has ended. New
//! readers do not wait for one, but two of them hold up the next: otherwise each loss of
//! the channel would add a thread.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::sync::stop::Stop;

/// What has not ended of each channel, over the sessions of one daemon.
/// Clones share it.
///
/// All of them and not the newest only: a connection that gives up waiting
/// for an earlier one ends first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Predecessors {
    connections: Arc<Mutex<HashMap<Arc<str>, Vec<Stop>>>>,
    readers: Arc<Mutex<HashMap<Arc<str>, Vec<Stop>>>>,
}

/// How many earlier readers of a channel may still run beside a new one.
const MAX_EARLIER_READERS: usize = 1;

impl Predecessors {
    /// Adds a connection by the signal of its end; those to wait for before it.
    pub(crate) fn add(&self, channel_id: Arc<str>, ended: Stop) -> Vec<Stop> {
        let mut all = self.connections.lock();
        let of_channel = all.entry(channel_id).or_default();
        of_channel.retain(|ended| !ended.is_triggered());
        let before = of_channel.clone();
        of_channel.push(ended);
        before
    }

    /// Forgets the connections to a channel that have ended.
    pub(crate) fn forget(&self, channel_id: &str) {
        let mut all = self.connections.lock();
        if let Some(of_channel) = all.get_mut(channel_id) {
            of_channel.retain(|ended| !ended.is_triggered());
            if of_channel.is_empty() {
                all.remove(channel_id);
            }
        }
    }

    /// The channels that something still runs of, and when that ends.
    pub(crate) fn running(&self) -> Vec<(Arc<str>, Stop)> {
        let all = self.connections.lock();
        let each = all
            .iter()
            .flat_map(|(id, stops)| stops.iter().map(|stop| (id.clone(), stop.clone())));
        each.filter(|(_, ended)| !ended.is_triggered()).collect()
    }

    /// Counts a reader of the channel for as long as the result lives.
    ///
    /// # Errors
    ///
    /// Too many run. One of these has to end first.
    pub(crate) fn begin_reader(
        &self,
        channel_id: &Arc<str>,
        ended: Stop,
    ) -> Result<RunningReader, Vec<Stop>> {
        let mut all = self.readers.lock();
        let of_channel = all.entry(channel_id.clone()).or_default();
        if of_channel.len() > MAX_EARLIER_READERS {
            return Err(of_channel.clone());
        }
        of_channel.push(ended.clone());
        Ok(RunningReader {
            readers: self.readers.clone(),
            channel_id: channel_id.clone(),
            ended,
        })
    }
}

/// A reader that runs, for [`Predecessors::begin_reader`].
#[derive(Debug)]
pub(crate) struct RunningReader {
    readers: Arc<Mutex<HashMap<Arc<str>, Vec<Stop>>>>,
    channel_id: Arc<str>,
    ended: Stop,
}

impl Drop for RunningReader {
    fn drop(&mut self) {
        self.ended.trigger();
        let mut all = self.readers.lock();
        if let Some(of_channel) = all.get_mut(&self.channel_id) {
            of_channel.retain(|ended| !ended.is_triggered());
            if of_channel.is_empty() {
                all.remove(&self.channel_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_gave_up_does_not_hide_the_one_it_waited_for() {
        let predecessors = Predecessors::default();
        let (first, second, third) = (Stop::new(), Stop::new(), Stop::new());
        let add = |stop: &Stop| predecessors.add("c".into(), stop.clone()).len();
        assert_eq!(add(&first), 0);
        assert_eq!(add(&second), 1);
        second.trigger();
        predecessors.forget("c");
        assert_eq!(add(&third), 1, "the first still runs");
        assert_eq!(predecessors.running().len(), 2);
        first.trigger();
        third.trigger();
        predecessors.forget("c");
        assert!(predecessors.connections.lock().is_empty());
    }

    #[test]
    fn two_readers_that_hang_hold_up_the_next() {
        let predecessors = Predecessors::default();
        let begin = |id: &str| predecessors.begin_reader(&id.into(), Stop::new());
        let (first, second) = (begin("c").expect("one"), begin("c").expect("two"));
        assert_eq!(begin("c").expect_err("two hang").len(), 2);
        let other = begin("d").expect("of another channel");
        drop(first);
        drop(begin("c").expect("one has ended"));
        drop((second, other));
        assert!(predecessors.readers.lock().is_empty());
    }
}
