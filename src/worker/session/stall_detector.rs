//! Looks from time to time for channels that do not move, so that none stalls
//! in silence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::warn;

use crate::clock;
use crate::observer::{ChannelStage, OwnedEvent};
use crate::worker::channel::connection::Connection;
use crate::worker::connection_id::ConnectionId;
use crate::worker::status::channel::StageSince;

/// The longest time between two looks.
const MAX_INTERVAL: Duration = Duration::from_secs(10);

/// Which stalled channels have been reported.
#[derive(Debug)]
pub(crate) struct StallDetector {
    after: Duration,
    next: Instant,
    /// Stages that have been reported; once for each time that a channel comes to one.
    reported: BTreeMap<ConnectionId, StageSince>,
}

impl StallDetector {
    /// Looks for channels that are at one stage for longer than `after`.
    pub(crate) fn new(after: Duration, now: Instant) -> StallDetector {
        StallDetector {
            after,
            next: now + interval(after),
            reported: BTreeMap::new(),
        }
    }

    /// When to look again.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Looks, if it is time.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        connections: &BTreeMap<ConnectionId, Arc<Connection>>,
    ) {
        if now < self.next {
            return;
        }
        self.next = now + interval(self.after);
        self.reported.retain(|id, _| connections.contains_key(id));
        for (id, connection) in connections {
            let at = connection.stage();
            if self.is_news(*id, at, now) {
                report(
                    connection,
                    at.stage,
                    now.saturating_duration_since(at.since),
                );
            }
        }
    }

    /// Whether that is a stall that has not been reported.
    fn is_news(&mut self, id: ConnectionId, at: StageSince, now: Instant) -> bool {
        let is_stalled =
            !at.stage.is_rest() && now.saturating_duration_since(at.since) > self.after;
        is_stalled && self.reported.insert(id, at) != Some(at)
    }
}

fn report(connection: &Connection, stage: ChannelStage, age: Duration) {
    let consequence = match stage {
        // Records move on.
        ChannelStage::Saving => "no other checkpoint is saved until that ends",
        _ => "no records move until that ends",
    };
    let rounded = clock::rounded(age);
    warn!("{connection}: {stage} for {rounded:?}, {consequence}");
    connection.session.notify(OwnedEvent::ChannelStalled {
        channel_id: connection.channel_id.clone(),
        stage,
        age,
    });
}

/// Often enough that the answer is late by a quarter at most.
fn interval(after: Duration) -> Duration {
    (after / 4).clamp(Duration::from_millis(1), MAX_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stalled_channel_is_reported_once_for_each_time() {
        let second = Duration::from_secs(1);
        let start = clock::now();
        let mut detector = StallDetector::new(10 * second, start);
        let id = ConnectionId::for_tests(1);
        let (running, idle) = (ChannelStage::InCallback, ChannelStage::Idle);
        let at = |stage, since| StageSince { stage, since };
        let now = start + 11 * second;
        assert!(!detector.is_news(id, at(idle, start), now), "rest");
        assert!(!detector.is_news(id, at(running, now), now), "young");
        assert!(detector.is_news(id, at(running, start), now));
        assert!(!detector.is_news(id, at(running, start), now), "reported");
        assert!(detector.is_news(id, at(ChannelStage::Saving, start), now));
        let other = ConnectionId::for_tests(2);
        assert!(detector.is_news(other, at(running, start), now));
        let later = now + 11 * second;
        assert!(detector.is_news(id, at(running, now), later), "again");
    }

    #[test]
    fn looks_often_enough() {
        let minute = Duration::from_secs(60);
        assert_eq!(interval(5 * minute), MAX_INTERVAL);
        assert_eq!(interval(Duration::from_secs(8)), Duration::from_secs(2));
        assert_eq!(interval(Duration::ZERO), Duration::from_millis(1));
    }
}
