//! [`Predecessors`]: the earlier connections to a channel that still run.
//!
//! A channel can be lost while its callback runs and come back before that
//! returns, in the same session or the next one of a daemon. Its new
//! connection must not begin before.

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
pub(crate) struct Predecessors(Arc<Mutex<HashMap<Arc<str>, Vec<Stop>>>>);

impl Predecessors {
    /// Adds a connection by the signal of its end; those to wait for before it.
    pub(crate) fn add(&self, channel_id: Arc<str>, ended: Stop) -> Vec<Stop> {
        let mut all = self.0.lock();
        let of_channel = all.entry(channel_id).or_default();
        of_channel.retain(|ended| !ended.is_triggered());
        let before = of_channel.clone();
        of_channel.push(ended);
        before
    }

    /// Forgets the connections to a channel that have ended.
    pub(crate) fn forget(&self, channel_id: &str) {
        let mut all = self.0.lock();
        if let Some(of_channel) = all.get_mut(channel_id) {
            of_channel.retain(|ended| !ended.is_triggered());
            if of_channel.is_empty() {
                all.remove(channel_id);
            }
        }
    }

    /// The channels that something still runs of, and when that ends.
    pub(crate) fn running(&self) -> Vec<(Arc<str>, Stop)> {
        let all = self.0.lock();
        let each = all
            .iter()
            .flat_map(|(id, stops)| stops.iter().map(|stop| (id.clone(), stop.clone())));
        each.filter(|(_, ended)| !ended.is_triggered()).collect()
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
        assert!(predecessors.0.lock().is_empty());
    }
}
