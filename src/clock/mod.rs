//! The current time, and all waits with a deadline.
//!
//! This folder is the only one that calls `Instant::now`. Code that decides takes the
//! time as a value. Code that waits takes a deadline and waits on a [`Clock`], so that a
//! test can pass a manual clock.
//!
//! In reading order:
//!
//! - `mod` (this file): [`Clock`], the system clock or a manual one.
//! - [`monitor`]: a value, and waits for its changes.
//! - [`queue`]: messages to a thread. [`stop`]: a signal that is given once.
//! - [`task`]: work that a manual clock waits for, and the threads that do it.
//! - [`manual`]: the clock that tests advance by hand.

mod manual;
mod monitor;
mod queue;
mod stop;
mod task;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use self::manual::Manual;
pub(crate) use self::monitor::Monitor;
pub(crate) use self::queue::Queue;
pub(crate) use self::stop::Stop;
pub(crate) use self::task::{Task, spawn};

/// The monotonic time of the system, for measurements that no worker waits for.
pub(crate) fn now() -> Instant {
    #[cfg(simulation)]
    if let Some(now) = crate::sync::simulation::now() {
        return now;
    }
    Instant::now()
}

/// The monotonic time since this was first asked for.
pub(crate) fn since_start() -> Duration {
    #[cfg(simulation)]
    if let Some(elapsed) = crate::sync::simulation::elapsed() {
        return elapsed;
    }
    static START: OnceLock<Instant> = OnceLock::new();
    now().saturating_duration_since(*START.get_or_init(now))
}

/// Longer than any program runs, and far below the largest `Instant`.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The time `delay` after `start`.
///
/// Users pass [`Duration::MAX`] for "never", and adding that would panic. The delay is
/// therefore limited to a hundred years.
pub(crate) fn after(start: Instant, delay: Duration) -> Instant {
    start + at_most_a_century(delay)
}

/// The duration in whole milliseconds, for people.
pub(crate) fn rounded(duration: Duration) -> Duration {
    duration - Duration::from_nanos(u64::from(duration.subsec_nanos() % 1_000_000))
}

/// The duration, limited to a hundred years, which no program waits for. Longer ones
/// overflow a sum somewhere: here, in the HTTP client, or at the service.
pub(crate) fn at_most_a_century(duration: Duration) -> Duration {
    duration.min(CENTURY)
}

/// The calendar time of the system, for dates on the wire.
pub(crate) fn utc() -> OffsetDateTime {
    #[cfg(simulation)]
    if let Some(utc) = crate::sync::simulation::utc() {
        return utc;
    }
    OffsetDateTime::now_utc()
}

/// The clock of a worker: the system clock, or in tests a manual clock, which stands
/// still until the test advances it.
///
/// A worker uses the clock of its configuration for everything it times: heartbeats and
/// their timeout, pauses between reads, retries and reconnects, checkpoint intervals,
/// shutdown deadlines, and ages in snapshots. With a manual clock, a test runs through a
/// week in a moment, and knows at each time what has happened:
///
/// ```
/// use std::sync::{Arc, OnceLock};
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::time::Duration;
/// use tablestore_emulator::{Emulator, KeyType, TableSpec};
/// use tablestore_tunnel::{
///     Clock, CreateTunnelRequest, SimpleProcessFactory, TunnelClient, TunnelType,
///     TunnelWorkerConfig, TunnelWorkerDaemon,
/// };
/// use time::macros::datetime;
///
/// # fn main() -> Result<(), tablestore_tunnel::TunnelError> {
/// let clock = Clock::manual(datetime!(2026-01-01 00:00 UTC));
/// // The emulated service uses the same clock.
/// let emulator = Emulator::builder().clock(clock.clone().into()).start()?;
/// let orders = emulator.create_table(TableSpec::new("orders").primary_key("id", KeyType::Integer))?;
/// let client = TunnelClient::new(
///     emulator.endpoint(), emulator.instance(),
///     emulator.access_key_id(), emulator.access_key_secret(),
/// )?;
/// let request = CreateTunnelRequest::new("orders", "tunnel", TunnelType::Stream);
/// let tunnel_id = client.create_tunnel(&request)?.tunnel_id;
///
/// let seen = Arc::new(AtomicUsize::new(0));
/// let count = seen.clone();
/// let factory = SimpleProcessFactory::new(move |_, records| {
///     count.fetch_add(records.len(), Ordering::Relaxed);
///     Ok(())
/// });
/// let config = TunnelWorkerConfig::builder(factory).clock(clock.clone()).build()?;
/// let daemon = TunnelWorkerDaemon::new(client, tunnel_id, config).spawn()?;
///
/// clock.advance(Duration::from_secs(60)); // the channels are open by now
/// orders.put([1], [("item", "tea")])?;
/// clock.advance(Duration::from_secs(10)); // the longest pause between reads
/// assert_eq!(seen.load(Ordering::Relaxed), 1);
/// daemon.close()?;
/// # Ok(())
/// # }
/// # main().expect("the example");
/// ```
///
/// The network always uses the system clock: request timeouts, dates on the wire, and
/// the retries of [`TunnelClient`](crate::TunnelClient)'s own methods.
///
/// The shutdown deadline follows the worker's clock as well. While a callback is
/// blocked, closing or dropping a daemon waits until the callback returns, or until
/// another thread advances the clock past the deadline.
///
/// Clones are handles to the same clock. Defaults to [`Clock::system`].
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<Manual>>);

impl Clock {
    /// The system clock.
    pub fn system() -> Clock {
        Clock(None)
    }

    /// A clock for tests, which stands at `start` until [`advance`](Self::advance) or
    /// [`jump`](Self::jump) moves it.
    pub fn manual(start: OffsetDateTime) -> Clock {
        Clock(Some(Arc::new(Manual::new(start))))
    }

    /// The calendar time of this clock.
    pub fn utc(&self) -> OffsetDateTime {
        match &self.0 {
            None => utc(),
            Some(manual) => manual.utc(),
        }
    }

    /// Moves a manual clock forward step by step, as if time passed.
    ///
    /// Stops at each time at which a worker has something due, and waits until the worker
    /// has done that and everything that follows from it. When this method returns, the
    /// workers on this clock have done everything that was due, and wait for their next
    /// deadline or event. Zero waits for the workers and does not move the clock. More
    /// than 100 years counts as 100 years.
    ///
    /// Blocks the calling thread. A callback *must not* wait for that thread, unless it
    /// waits inside [`blocked`](Self::blocked).
    ///
    /// # Panics
    ///
    /// If a worker is still busy after one minute of system time, for example because a
    /// callback blocks or a request gets no response. If this is the system clock.
    pub fn advance(&self, by: Duration) {
        self.advance_until(by, || false);
    }

    /// Like [`advance`](Self::advance), but stops as soon as `condition` is true, and
    /// after `limit` at the latest. Returns whether `condition` became true.
    ///
    /// Evaluates `condition` before the first step and after each step.
    ///
    /// # Panics
    ///
    /// Like [`advance`](Self::advance).
    pub fn advance_until(&self, limit: Duration, condition: impl FnMut() -> bool) -> bool {
        let manual = self.expect_manual();
        self.blocked(|| manual.advance_until(limit, condition))
    }

    /// Moves a manual clock forward in one step, as if all threads had been stopped for
    /// that long (SIGSTOP, a busy machine). Does not wait for the workers. More than 100
    /// years counts as 100 years.
    ///
    /// # Panics
    ///
    /// If this is the system clock.
    pub fn jump(&self, by: Duration) {
        self.expect_manual().jump(by);
    }

    /// Suspends the machine of a manual clock for that long: the calendar time moves on,
    /// the monotonic time, which all waits go by, stands still. A worker whose session
    /// would be over by the calendar pauses callbacks and checkpoints and sends a
    /// heartbeat to find out. More than 100 years counts as 100 years.
    ///
    /// # Panics
    ///
    /// If this is the machine's clock.
    pub fn suspend(&self, by: Duration) {
        self.expect_manual().suspend(by);
    }

    /// Runs `wait`, which blocks until the test does something. Meanwhile, a manual clock
    /// advances without waiting for this thread.
    ///
    /// For callbacks. Elsewhere, and with the system clock, only runs `wait`.
    pub fn blocked<T>(&self, wait: impl FnOnce() -> T) -> T {
        match &self.0 {
            None => wait(),
            Some(manual) => manual.blocked(wait),
        }
    }

    /// Sleeps on this clock, for example to simulate a slow callback in a test. More than
    /// 100 years counts as 100 years.
    pub fn sleep(&self, time: Duration) {
        let until = after(self.now(), time);
        Monitor::new(self, ()).wait_for(Some(until), |()| None::<()>);
    }

    /// The monotonic time, for intervals and deadlines.
    pub(crate) fn now(&self) -> Instant {
        match &self.0 {
            None => now(),
            Some(manual) => manual.now(),
        }
    }

    /// Whether this is a manual clock.
    pub fn is_manual(&self) -> bool {
        self.0.is_some()
    }

    fn as_manual(&self) -> Option<&Arc<Manual>> {
        self.0.as_ref()
    }

    fn expect_manual(&self) -> &Arc<Manual> {
        let manual = self.0.as_ref();
        manual.expect("only a manual clock can be moved; make one with Clock::manual")
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Clock(system)"),
            Some(manual) => write!(f, "Clock(manual, {})", manual.utc()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_delay_does_not_panic() {
        let start = now();
        let second = Duration::from_secs(1);
        assert_eq!(after(start, second), start + second);
        assert!(after(start, Duration::MAX) >= start + CENTURY);
    }

    #[test]
    fn a_manual_clock_stands_until_it_is_moved() {
        let clock = Clock::manual(OffsetDateTime::UNIX_EPOCH);
        let then = clock.now();
        clock.jump(Duration::from_secs(7));
        assert_eq!(clock.now() - then, Duration::from_secs(7));
        assert_eq!(clock.utc().unix_timestamp(), 7);
    }

    #[test]
    fn people_get_whole_milliseconds() {
        for (nanos, text) in [
            (18_721_193, "18ms"),
            (999_999, "0ns"),
            (5_000_000_000, "5s"),
        ] {
            assert_eq!(format!("{:?}", rounded(Duration::from_nanos(nanos))), text);
        }
    }

    #[test]
    #[should_panic(expected = "only a manual clock")]
    fn the_system_clock_cannot_be_moved() {
        Clock::system().advance(Duration::from_secs(1));
    }
}
