//! What time it is, and every wait for it.
//!
//! The one place that asks the machine: a search for `Instant::now` finds this
//! folder and no other. What decides takes the time as a value; what waits
//! takes a deadline and waits by a [`Clock`], so that a test can put one in
//! that moves by hand.
//!
//! - `mod` (here): [`Clock`], the machine's or a manual one.
//! - [`wait`]: waits for queues and signals until a time.
//! - [`task`]: what a manual clock has to know to be busy.
//! - [`manual`]: the clock that moves by hand.

mod manual;
mod task;
mod wait;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use self::manual::Manual;
pub(crate) use self::wait::{Probe, Source};

/// The machine's monotonic time, for what no worker waits for.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Longer than any program runs, and far from where an `Instant` ends.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// `delay` after `start`. A user may say [`Duration::MAX`] for "never", which
/// must not be a panic: nothing is later than in a hundred years.
pub(crate) fn after(start: Instant, delay: Duration) -> Instant {
    start + delay.min(CENTURY)
}

/// The machine's calendar time, for what is written on the wire.
pub(crate) fn utc() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// What time it is for a worker: the machine's time, or in tests a time that
/// stands until it is moved by hand.
///
/// All that a worker times follows the clock of its configuration: heartbeats
/// and their timeout, pauses between reads, retries and reconnects, checkpoint
/// intervals, deadlines of shutdowns, ages in snapshots. So a test can live
/// through a week in a moment, and at each time knows what has happened:
///
/// ```
/// use std::sync::Arc;
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
/// // The service lives by the same clock.
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
/// clock.advance(Duration::from_secs(10)); // no pause between reads is longer
/// assert_eq!(seen.load(Ordering::Relaxed), 1);
/// daemon.close()?;
/// # Ok(())
/// # }
/// # main().expect("the example");
/// ```
///
/// Not what happens on the network: a request that hangs does so by the
/// machine's time, dates on the wire are the machine's, and
/// [`TunnelClient`](crate::TunnelClient)'s own methods retry by it.
///
/// The deadline of a shutdown is by the clock too: while a callback is blocked,
/// closing or dropping a daemon waits until it returns, or until another thread
/// moves the clock that far.
///
/// Clones are the same clock. Defaults to [`Clock::system`].
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<Manual>>);

impl Clock {
    /// The machine's time.
    pub fn system() -> Clock {
        Clock(None)
    }

    /// For tests: a clock that stands at `start` until it is moved by
    /// [`advance`](Self::advance) or [`jump`](Self::jump).
    pub fn manual(start: OffsetDateTime) -> Clock {
        Clock(Some(Arc::new(Manual::new(start))))
    }

    /// The calendar time by this clock.
    pub fn utc(&self) -> OffsetDateTime {
        match &self.0 {
            None => utc(),
            Some(manual) => manual.utc(),
        }
    }

    /// Moves a manual clock forward as time passes: it stops at every time
    /// that something of a worker is due, lets that happen, with all that
    /// follows from it, and goes on. When it returns, the workers on this
    /// clock have done everything that was to be done by then and wait for
    /// the next thing.
    ///
    /// Blocks the calling thread meanwhile. What a callback waits for *must*
    /// come without it, or the callback waits inside [`blocked`](Self::blocked).
    ///
    /// # Panics
    ///
    /// If a worker is still busy after a minute of the machine's time: a
    /// callback that blocks, or a request that gets no answer. If this is the
    /// machine's clock, which nobody moves.
    pub fn advance(&self, by: Duration) {
        self.advance_until(by, || false);
    }

    /// As [`advance`](Self::advance), until `condition` is true, which is
    /// asked now and at each stop, but no further than `limit`. Whether it
    /// came true.
    ///
    /// # Panics
    ///
    /// As [`advance`](Self::advance).
    pub fn advance_until(&self, limit: Duration, condition: impl FnMut() -> bool) -> bool {
        let manual = self.expect_manual();
        self.blocked(|| manual.advance_until(limit, condition))
    }

    /// Moves a manual clock forward at once, without any stop on the way, as
    /// if the machine had slept, and waits for nothing.
    ///
    /// # Panics
    ///
    /// If this is the machine's clock.
    pub fn jump(&self, by: Duration) {
        self.expect_manual().jump(by);
    }

    /// Runs what blocks until the test does something: while `wait` runs, a
    /// manual clock moves on without waiting for this thread. For callbacks;
    /// elsewhere, and with the machine's clock, only runs it.
    pub fn blocked<T>(&self, wait: impl FnOnce() -> T) -> T {
        match &self.0 {
            None => wait(),
            Some(manual) => manual.blocked(wait),
        }
    }

    /// Sleeps by this clock: a callback that takes its time, in a test.
    pub fn sleep(&self, time: Duration) {
        self.wait(&[], Some(after(self.now(), time)));
    }

    /// The monotonic time, for intervals and deadlines.
    pub(crate) fn now(&self) -> Instant {
        match &self.0 {
            None => now(),
            Some(manual) => manual.now(),
        }
    }

    /// The monotonic time in microseconds, for ages that are kept in atomics;
    /// never 0.
    pub(crate) fn micros(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        let elapsed = match &self.0 {
            None => now().saturating_duration_since(*START.get_or_init(now)),
            Some(manual) => manual.elapsed(),
        };
        u64::try_from(elapsed.as_micros()).map_or(u64::MAX, |micros| micros.max(1))
    }

    /// How long ago `then` was, a time of [`micros`](Self::micros).
    pub(crate) fn age(&self, then: u64) -> Duration {
        Duration::from_micros(self.micros().saturating_sub(then))
    }

    /// Whether the clock is moved by hand.
    pub fn is_manual(&self) -> bool {
        self.0.is_some()
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
    fn never_is_far_away_and_no_panic() {
        let start = now();
        let second = Duration::from_secs(1);
        assert_eq!(after(start, second), start + second);
        assert!(after(start, Duration::MAX) >= start + CENTURY);
    }

    #[test]
    fn ages_follow_the_clock() {
        let clock = Clock::manual(OffsetDateTime::UNIX_EPOCH);
        let then = clock.micros();
        assert_ne!(then, 0);
        clock.jump(Duration::from_secs(7));
        let error = Duration::from_micros(1);
        assert!(Duration::from_secs(7) - clock.age(then) <= error);
        assert_eq!(clock.utc().unix_timestamp(), 7);
        assert!(Clock::system().micros() > 0);
    }

    #[test]
    #[should_panic(expected = "only a manual clock")]
    fn the_machines_clock_cannot_be_moved() {
        Clock::system().advance(Duration::from_secs(1));
    }
}
