//! A signal that is given once and wakes everything that waits for it.
//!
//! All waits of this crate that are not a network call wait here, or for a
//! [`Stop`] beside what they wait for; so a stop ends them at once.
//!
//! A wait for nothing but a stop, which every idle channel is in, sleeps on a
//! [`Condvar`]: a queue's wait looks and yields a few times before it sleeps,
//! as something may come at once.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, bounded};
use parking_lot::{Condvar, Mutex};

use crate::clock::{self, Clock, Probe, Source};

/// A one-shot signal, and the clock that waits for it go by. Clones share both.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    clock: Clock,
    signal: Arc<Signal>,
    fired: Receiver<Infallible>,
}

#[derive(Debug)]
struct Signal {
    /// Dropped to give the signal: every receiver is then disconnected.
    sender: Mutex<Option<Sender<Infallible>>>,
    /// For who waits for nothing else.
    given: Condvar,
}

impl Stop {
    /// A signal that has not been given yet, by the machine's clock.
    pub(crate) fn new() -> Stop {
        Stop::on(&Clock::system())
    }

    /// A signal that has not been given yet.
    pub(crate) fn on(clock: &Clock) -> Stop {
        let (sender, fired) = bounded(0);
        let signal = Signal {
            sender: Mutex::new(Some(sender)),
            given: Condvar::new(),
        };
        Stop {
            clock: clock.clone(),
            signal: Arc::new(signal),
            fired,
        }
    }

    /// What waits for this signal go by.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Gives the signal. Every call but the first does nothing.
    pub(crate) fn trigger(&self) {
        // The sender is dropped after the lock is let go.
        let sender = self.signal.sender.lock().take();
        self.signal.given.notify_all();
        drop(sender);
    }

    /// Whether the signal has been given.
    pub(crate) fn is_triggered(&self) -> bool {
        matches!(self.fired.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Waits for at most `timeout`; true when the signal was given.
    pub(crate) fn wait_for(&self, timeout: Duration) -> bool {
        self.wait_until(clock::after(self.clock.now(), timeout))
    }

    /// As [`wait_for`](Stop::wait_for), but may end a 64th of the time earlier or
    /// later by the machine's clock: together with others, see [`together`].
    pub(crate) fn rest_for(&self, about: Duration) -> bool {
        match self.clock.is_manual() {
            true => self.wait_for(about),
            false => self.wait_for(together(self.clock.micros(), about)),
        }
    }

    /// Waits until `deadline` at the latest; true when the signal was given.
    pub(crate) fn wait_until(&self, deadline: Instant) -> bool {
        match self.clock.is_manual() {
            true => self.clock.wait(&[self], Some(deadline)),
            false => self.signal.wait_until(deadline),
        }
    }

    /// Waits for `other` as well; what was taken from it, or none when the
    /// signal was given, before or meanwhile, or nothing comes from there.
    pub(crate) fn or_recv<T: Send + 'static>(&self, other: &Receiver<T>) -> Option<T> {
        while !self.is_triggered() {
            match other.try_recv() {
                Ok(received) => return Some(received),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            self.clock.wait(&[self, other], None);
        }
        None
    }
}

impl Signal {
    fn wait_until(&self, deadline: Instant) -> bool {
        let mut sender = self.sender.lock();
        while sender.is_some() {
            if self.given.wait_until(&mut sender, deadline).timed_out() {
                return sender.is_none();
            }
        }
        true
    }
}

/// The wait that begins `now`, in microseconds, and takes `about` so long, ends
/// on a multiple of a power of two of them. So the threads of idle channels wake
/// some at a time: the first finds the caches cold and the processor asleep, the
/// others do not.
fn together(now: u64, about: Duration) -> Duration {
    let about = u64::try_from(about.as_micros()).unwrap_or(u64::MAX / 2);
    let Some(step) = (about / 32).checked_ilog2().map(|bits| 1 << bits) else {
        return Duration::from_micros(about);
    };
    let end = now.saturating_add(about).saturating_add(step / 2);
    Duration::from_micros(end / step * step - now)
}

impl Source for Stop {
    fn add_to<'a>(&'a self, select: &mut Select<'a>) {
        select.recv(&self.fired);
    }

    fn probe(&self) -> Probe {
        let stop = self.clone();
        Box::new(move || stop.is_triggered())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn fires_once_for_all_clones() {
        let stop = Stop::new();
        let clone = stop.clone();
        assert!(!clone.is_triggered());
        assert!(!clone.wait_for(Duration::from_millis(1)));
        stop.trigger();
        stop.trigger();
        assert!(clone.is_triggered());
        assert!(clone.wait_for(Duration::from_secs(60)));
    }

    #[test]
    fn wakes_a_waiting_thread() {
        let stop = Stop::new();
        let waiter = thread::spawn({
            let stop = stop.clone();
            move || stop.wait_for(Duration::from_secs(60))
        });
        stop.trigger();
        assert!(waiter.join().expect("waiter"));
    }

    #[test]
    fn waits_of_about_the_same_time_end_together() {
        let ends = |about: u64| -> Vec<u64> {
            let end = |now| now + together(now, Duration::from_millis(about)).as_micros() as u64;
            let mut ends: Vec<_> = (0..200).map(|n| end(n * 1000 + 7)).collect();
            ends.dedup();
            ends
        };
        // 2^17 and 2^16 microseconds apart.
        assert_eq!(ends(5000).len(), 3);
        assert_eq!(ends(2500).len(), 4);
        assert!(ends(5000).iter().all(|end| end % (1 << 17) == 0));
    }

    #[test]
    fn a_rest_is_hardly_longer_or_shorter() {
        for about in [0, 1, 31, 32, 20_000, 5_000_000, 3_600_000_000] {
            for now in [0, 1, 12_345, 99_999_999] {
                let rest = together(now, Duration::from_micros(about)).as_micros() as u64;
                assert!(
                    rest.abs_diff(about) <= about / 64,
                    "{about} at {now}: {rest}"
                );
            }
        }
        assert!(together(7, Duration::MAX) > Duration::from_secs(1 << 40));
    }

    #[test]
    fn a_rest_ends_with_the_signal_too() {
        let stop = Stop::new();
        let waiter = thread::spawn({
            let stop = stop.clone();
            move || stop.rest_for(Duration::from_secs(3600))
        });
        stop.trigger();
        assert!(waiter.join().expect("waiter"));
        assert!(!Stop::new().rest_for(Duration::from_millis(1)));
    }

    #[test]
    fn comes_before_what_is_there() {
        let stop = Stop::new();
        let (sender, receiver) = bounded(2);
        sender.send(1).expect("room");
        sender.send(2).expect("room");
        assert_eq!(stop.or_recv(&receiver), Some(1));
        stop.trigger();
        assert_eq!(stop.or_recv(&receiver), None);
        drop(sender);
        assert_eq!(Stop::new().or_recv(&receiver), Some(2));
        assert_eq!(Stop::new().or_recv(&receiver), None, "disconnected");
    }
}
