//! [`WorkerObserver`]: user code that hears what happens in workers.

use std::fmt;
use std::sync::Arc;

use log::error;

use super::event::{WorkerEvent, WorkerEventKind};
use super::owned_event::{self, Notifier, OwnedEvent};
use crate::clock::Clock;
use crate::error::TunnelError;
use crate::user_code::{UserValue, call_user};

/// Hears what happens in all workers of a configuration, for metrics and
/// alarms; set by
/// [`TunnelWorkerConfigBuilder::observer`](crate::TunnelWorkerConfigBuilder::observer).
///
/// One method and one enum: match on [`WorkerEvent::kind`] for the few events
/// that are of interest and ignore the rest, also those that a later version
/// adds. A closure is an observer:
///
/// ```
/// use tablestore_tunnel::{SimpleProcessFactory, TunnelWorkerConfig, WorkerEvent, WorkerEventKind};
///
/// # fn main() -> Result<(), tablestore_tunnel::TunnelError> {
/// let config = TunnelWorkerConfig::builder(SimpleProcessFactory::new(|_, _| Ok(())))
///     .observer(|event: &WorkerEvent<'_>| match event.kind {
///         WorkerEventKind::BatchDone { records, elapsed, .. } => {
///             println!("{records} records in {elapsed:?}");
///         }
///         WorkerEventKind::ChannelStalled { .. } => eprintln!("{event}"),
///         _ => {}
///     })
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// # Threads
///
/// An event of a channel (but not [`ChannelStalled`](WorkerEventKind::ChannelStalled),
/// [`RequestFailed`](WorkerEventKind::RequestFailed), and
/// [`ChannelNotOpened`](WorkerEventKind::ChannelNotOpened) while something of the channel
/// from before still runs) is reported on the thread that it happened on: reading on the channel's own
/// thread, a batch that is done, retried or skipped on the pool, a saved
/// checkpoint on the thread that saved it. A call that takes long holds up
/// that channel, and on the pool one of its threads; it should count and
/// return. All others are reported on one thread of the configuration's that
/// nothing waits for; should an observer block it for very long, events that
/// do not fit into its queue of 1024 are dropped.
///
/// For one channel, opened, read, done and closed come in this order; a read
/// may be told while an earlier batch's end is still being told, since
/// reading goes on meanwhile, and a checkpoint's end may be told after what
/// follows it, also after closed. No lock is held during a call, so everything of
/// this crate may be called inside one (a shutdown then does not wait, as
/// inside a callback). A panic is caught, logged, and harms nothing.
pub trait WorkerObserver: Send + Sync {
    /// Something has happened. Does nothing by default.
    fn on_event(&self, event: &WorkerEvent<'_>) {
        let _ = event;
    }
}

impl<F: Fn(&WorkerEvent<'_>) + Send + Sync> WorkerObserver for F {
    fn on_event(&self, event: &WorkerEvent<'_>) {
        self(event);
    }
}

/// The user's observer, and the thread for what nothing may wait for.
pub(crate) struct Observer {
    user: UserValue<Arc<dyn WorkerObserver>>,
    notifier: Notifier,
}

impl Observer {
    /// Starts the thread, which ends when the observer is dropped.
    pub(crate) fn start(
        user: UserValue<Arc<dyn WorkerObserver>>,
        clock: &Clock,
    ) -> Result<Observer, TunnelError> {
        let notifier = owned_event::start(user.clone(), clock)?;
        Ok(Observer { user, notifier })
    }

    /// Tells it now, on this thread.
    pub(crate) fn send(&self, tunnel_id: &str, client_id: &str, kind: WorkerEventKind<'_>) {
        let event = WorkerEvent {
            tunnel_id,
            client_id,
            kind,
        };
        call(&**self.user, &event);
    }

    /// Has it told by the thread for that; never waits. Gives the event back if too many
    /// wait already.
    pub(crate) fn notify(
        &self,
        tunnel_id: &str,
        client_id: &str,
        event: OwnedEvent,
    ) -> Result<(), OwnedEvent> {
        self.notifier.send(tunnel_id, client_id, event)
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

/// The only call of the user's observer.
pub(super) fn call(user: &dyn WorkerObserver, event: &WorkerEvent<'_>) {
    if let Err(panic) = call_user(|| user.on_event(event)) {
        error!("the observer panicked at \"{event}\": {panic}");
    }
}
