//! Tells the observer what the worker's loop must not wait for.
//!
//! Heartbeats keep their time whatever an observer does: the loop only puts a
//! [`Notice`] into a queue that never blocks it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use log::warn;

use super::ChannelStage;
use super::event::{WorkerEvent, WorkerEventKind};
use super::handler::{WorkerObserver, call};
use crate::clock::Clock;
use crate::error::TunnelError;
use crate::threads;

/// A worker has a few events in each heartbeat interval.
const QUEUE: usize = 1024;

/// A [`WorkerEventKind`] that owns what it tells.
#[derive(Debug)]
pub(crate) enum Notice {
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
    ChannelStuck {
        channel_id: Arc<str>,
        stage: ChannelStage,
        age: Duration,
    },
}

impl Notice {
    fn kind(&self) -> WorkerEventKind<'_> {
        use WorkerEventKind as K;
        match self {
            Notice::Connected => K::Connected {},
            &Notice::HeartbeatAnswered { elapsed, channels } => {
                K::HeartbeatAnswered { elapsed, channels }
            }
            Notice::HeartbeatFailed { failures, error } => K::HeartbeatFailed {
                failures: *failures,
                error,
            },
            Notice::Reconnecting { pause, error } => K::Reconnecting {
                pause: *pause,
                error,
            },
            Notice::ChannelStuck {
                channel_id,
                stage,
                age,
            } => K::ChannelStuck {
                channel_id,
                stage: *stage,
                age: *age,
            },
        }
    }
}

struct Addressed {
    tunnel_id: String,
    client_id: String,
    notice: Notice,
}

/// The way to the thread that tells.
pub(super) struct Notifier {
    queue: Sender<Addressed>,
    /// Notices were dropped, which has been logged.
    is_full: AtomicBool,
}

/// Starts the thread, which ends when the notifier is dropped.
pub(super) fn start(user: Arc<dyn WorkerObserver>, clock: &Clock) -> Result<Notifier, TunnelError> {
    let (queue, notices) = bounded(QUEUE);
    let waits = clock.clone();
    let work = move || run(&*user, &notices, &waits);
    threads::spawn(clock, "tunnel-observer", work).map_err(|error| {
        TunnelError::client("the observer's thread could not be started").with_source(error)
    })?;
    Ok(Notifier {
        queue,
        is_full: AtomicBool::new(false),
    })
}

fn run(user: &dyn WorkerObserver, notices: &Receiver<Addressed>, clock: &Clock) {
    while let Ok(addressed) = clock.recv(notices, None) {
        let event = WorkerEvent {
            tunnel_id: &addressed.tunnel_id,
            client_id: &addressed.client_id,
            kind: addressed.notice.kind(),
        };
        call(user, &event);
    }
}

impl Notifier {
    pub(super) fn send(&self, tunnel_id: &str, client_id: &str, notice: Notice) {
        let addressed = Addressed {
            tunnel_id: tunnel_id.to_owned(),
            client_id: client_id.to_owned(),
            notice,
        };
        let is_full = self.queue.try_send(addressed).is_err();
        if is_full && !self.is_full.swap(true, Ordering::Relaxed) {
            warn!("tunnel {tunnel_id}: the observer is blocked; it misses events from now on");
        }
        if !is_full {
            self.is_full.store(false, Ordering::Relaxed);
        }
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
        let (notices, done) = (3 * QUEUE, crossbeam_channel::bounded::<()>(0));
        let notifier = start(
            Arc::new((user, done.0)).clone() as Arc<dyn WorkerObserver>,
            &Clock::system(),
        );
        let notifier = notifier.expect("thread");
        for _ in 0..notices {
            notifier.send("t", "c", Notice::Connected);
        }
        drop(closed);
        drop(notifier);
        // The observer is dropped with its thread, and everything queued was told.
        assert!(done.1.recv().is_err());
        let told = *told.lock();
        assert!((QUEUE..=QUEUE + 1).contains(&told), "{told} told");
    }

    impl<F: Fn(&WorkerEvent<'_>) + Send + Sync> WorkerObserver for (F, Sender<()>) {
        fn on_event(&self, event: &WorkerEvent<'_>) {
            (self.0)(event);
        }
    }
}
