//! Looks from time to time for channels that do not move, so that none stalls
//! in silence.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::warn;

use crate::clock::{self, Clock};
use crate::observer::{ChannelStage, OwnedEvent};
use crate::sync::timed_state::TimedState;
use crate::worker::channel::connection::Connection;
use crate::worker::connection_id::ConnectionId;

/// The longest time between two looks.
const MAX_INTERVAL: Duration = Duration::from_secs(10);

/// Which stuck channels have been told of.
#[derive(Debug)]
pub(crate) struct StallDetector {
    clock: Clock,
    after: Duration,
    next: Instant,
    /// Stages that have been told of; once for each time that a channel comes
    /// to one.
    told: HashMap<ConnectionId, (ChannelStage, TimedState)>,
}

impl StallDetector {
    /// Looks for channels that are at one stage for longer than `after`.
    pub(crate) fn new(after: Duration, clock: &Clock) -> StallDetector {
        StallDetector {
            clock: clock.clone(),
            after,
            next: clock.now() + interval(after),
            told: HashMap::new(),
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
        connections: &HashMap<ConnectionId, Arc<Connection>>,
    ) {
        if now < self.next {
            return;
        }
        self.next = now + interval(self.after);
        self.told.retain(|id, _| connections.contains_key(id));
        for (id, connection) in connections {
            let (stage, since) = connection.stats.stage();
            if self.is_news(*id, stage, since) {
                report(connection, stage, since.age(&self.clock));
            }
        }
    }

    /// Whether that is stuck and has not been told of.
    fn is_news(&mut self, id: ConnectionId, stage: ChannelStage, since: TimedState) -> bool {
        let is_stuck = !stage.is_rest() && since.age(&self.clock) > self.after;
        is_stuck && self.told.insert(id, (stage, since)) != Some((stage, since))
    }
}

fn report(connection: &Connection, stage: ChannelStage, age: Duration) {
    warn!(
        "{connection}: {stage} for {:?}, no records move until that ends",
        clock::rounded(age)
    );
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
    fn a_stuck_channel_is_told_of_once_for_each_time() {
        let clock = Clock::manual(time::OffsetDateTime::UNIX_EPOCH);
        let mut watch = StallDetector::new(Duration::from_secs(10), &clock);
        let id = ConnectionId::for_tests(1);
        let old = TimedState::now(&clock, 0);
        clock.jump(Duration::from_secs(11));
        let (running, idle) = (ChannelStage::InCallback, ChannelStage::Idle);
        assert!(!watch.is_news(id, idle, old), "rest");
        assert!(
            !watch.is_news(id, running, TimedState::now(&clock, 0)),
            "young"
        );
        assert!(watch.is_news(id, running, old));
        assert!(!watch.is_news(id, running, old), "told");
        assert!(watch.is_news(id, ChannelStage::Saving, old), "another");
        assert!(watch.is_news(ConnectionId::for_tests(2), running, old));
        let again = TimedState::now(&clock, 1);
        clock.jump(Duration::from_secs(11));
        assert!(watch.is_news(id, running, again), "later again");
    }

    #[test]
    fn looks_often_enough() {
        let minute = Duration::from_secs(60);
        assert_eq!(interval(5 * minute), MAX_INTERVAL);
        assert_eq!(interval(Duration::from_secs(8)), Duration::from_secs(2));
        assert_eq!(interval(Duration::ZERO), Duration::from_millis(1));
    }
}
