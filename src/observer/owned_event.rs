//! Tells the observer what the worker's loop must not wait for.
//!
//! Heartbeats keep their time whatever an observer does: the loop only puts a
//! [`OwnedEvent`] into a queue that never blocks it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use log::warn;

use super::event::{CloseReason, WorkerEvent, WorkerEventKind};
use super::handler::{WorkerObserver, call};
use super::snapshot::ChannelStage;
use crate::clock::{self, Clock, Queue};
use crate::error::TunnelError;
use crate::user_code::UserValue;

/// A worker has a few events in each heartbeat interval.
const QUEUE: usize = 1024;

/// A [`WorkerEventKind`] that owns what it tells.
#[derive(Debug)]
pub(crate) enum OwnedEvent {
    Connected,
    HeartbeatAnswered {
        elapsed: Duration,
        channels: usize,
    },
    HeartbeatFailed {
        failures: u32,
        error: TunnelError,
    },
    Reconnecting {
        pause: Duration,
        error: TunnelError,
    },
    RequestFailed {
        channel_id: Arc<str>,
        path: &'static str,
        delay: Duration,
        error: TunnelError,
    },
    ChannelStalled {
        channel_id: Arc<str>,
        stage: ChannelStage,
        age: Duration,
    },
    /// While an earlier connection to the channel still runs.
    ChannelNotOpened {
        channel_id: Arc<str>,
        reason: CloseReason,
    },
}

impl OwnedEvent {
    fn kind(&self) -> WorkerEventKind<'_> {
        use WorkerEventKind as K;
        match self {
            OwnedEvent::Connected => K::Connected {},
            &OwnedEvent::HeartbeatAnswered { elapsed, channels } => {
                K::HeartbeatAnswered { elapsed, channels }
            }
            OwnedEvent::HeartbeatFailed { failures, error } => K::HeartbeatFailed {
                failures: *failures,
                error,
            },
            OwnedEvent::Reconnecting { pause, error } => K::Reconnecting {
                pause: *pause,
                error,
            },
            OwnedEvent::RequestFailed {
                channel_id,
                path,
                delay,
                error,
            } => K::RequestFailed {
                channel_id,
                path,
                delay: *delay,
                error,
            },
            OwnedEvent::ChannelStalled {
                channel_id,
                stage,
                age,
            } => K::ChannelStalled {
                channel_id,
                stage: *stage,
                age: *age,
            },
            OwnedEvent::ChannelNotOpened { channel_id, reason } => K::ChannelNotOpened {
                channel_id,
                reason: *reason,
                error: None,
            },
        }
    }
}

struct Addressed {
    tunnel_id: String,
    client_id: String,
    event: OwnedEvent,
}

/// The way to the thread that tells.
pub(super) struct Notifier {
    queue: Queue<Addressed>,
    /// Notices were dropped, which has been logged.
    is_full: AtomicBool,
}

/// Starts the thread, which ends when the notifier is dropped.
pub(super) fn start(
    user: UserValue<Arc<dyn WorkerObserver>>,
    clock: &Clock,
) -> Result<Notifier, TunnelError> {
    let queue = Queue::new(clock);
    let events = queue.clone();
    let work = move || run(&**user, &events);
    clock::spawn(clock, "tunnel-observer", work).map_err(|error| {
        TunnelError::client("the observer's thread could not be started").with_source(error)
    })?;
    Ok(Notifier {
        queue,
        is_full: AtomicBool::new(false),
    })
}

fn run(user: &dyn WorkerObserver, events: &Queue<Addressed>) {
    while let Ok(addressed) = events.pop(None) {
        let event = WorkerEvent {
            tunnel_id: &addressed.tunnel_id,
            client_id: &addressed.client_id,
            kind: addressed.event.kind(),
        };
        call(user, &event);
    }
}

impl Notifier {
    /// Gives the event back if the queue is full: its error may be the program's.
    pub(super) fn send(
        &self,
        tunnel_id: &str,
        client_id: &str,
        event: OwnedEvent,
    ) -> Result<(), OwnedEvent> {
        let addressed = Addressed {
            tunnel_id: tunnel_id.to_owned(),
            client_id: client_id.to_owned(),
            event,
        };
        let sent = self.queue.push_below(QUEUE, addressed);
        let was_full = self.is_full.swap(sent.is_err(), Ordering::Relaxed);
        if sent.is_err() && !was_full {
            warn!("tunnel {tunnel_id}: the observer is blocked; it misses events from now on");
        }
        sent.map_err(|addressed| addressed.event)
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    #[test]
    fn a_blocked_observer_is_never_waited_for() {
        let gate = Arc::new(Mutex::new(()));
        let told = Arc::new(Mutex::new(0));
        let closed = gate.lock();
        let user = {
            let (gate, told) = (gate.clone(), told.clone());
            move |_: &WorkerEvent<'_>| {
                drop(gate.lock());
                *told.lock() += 1;
            }
        };
        let (events, done) = (3 * QUEUE, crossbeam_channel::bounded::<()>(0));
        let notifier = start(
            UserValue::new(Arc::new((user, done.0)) as Arc<dyn WorkerObserver>),
            &Clock::system(),
        );
        let notifier = notifier.expect("thread");
        let sent = (0..events).map(|_| notifier.send("t", "c", OwnedEvent::Connected));
        let missed = sent.filter(Result::is_err).count();
        drop(closed);
        drop(notifier);
        // The observer is dropped with its thread, and everything queued was told.
        assert!(done.1.recv().is_err());
        let told = *told.lock();
        assert!((QUEUE..=QUEUE + 1).contains(&told), "{told} told");
        assert_eq!(told + missed, events, "the others were given back");
    }

    impl<F: Fn(&WorkerEvent<'_>) + Send + Sync> WorkerObserver for (F, crossbeam_channel::Sender<()>) {
        fn on_event(&self, event: &WorkerEvent<'_>) {
            (self.0)(event);
        }
    }
}
