//! A fair counting semaphore: first come, first served, and without a lock as long as
//! no thread has to wait.
//!
//! The number of free units and the flag that a thread waits are in one atomic word.
//! [`Balance`] has its state transitions, as pure functions. While a thread waits, new
//! threads cannot overtake it: released units go to the queue, in its order. The lock of
//! the queue is held to inspect the queue, never while waiting.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use crate::sync::stop::Stop;

/// The number of free units, and whether threads wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Balance {
    /// Negative if more units are used than were acquired.
    free: i64,
    queued: bool,
}

impl Balance {
    fn from_word(word: i64) -> Balance {
        Balance {
            free: word >> 1,
            queued: word & 1 == 1,
        }
    }

    fn word(self) -> i64 {
        self.free << 1 | i64::from(self.queued)
    }

    /// Acquires units for a new thread, which may not overtake the queue.
    fn acquire(self, units: i64) -> Option<Balance> {
        if self.queued { None } else { self.grant(units) }
    }

    /// Acquires units for the first thread of the queue.
    fn grant(self, units: i64) -> Option<Balance> {
        let free = self.free - units;
        (free >= 0).then_some(Balance { free, ..self })
    }

    fn release(self, units: i64) -> Balance {
        Balance {
            free: self.free + units,
            ..self
        }
    }

    fn queue(self, queued: bool) -> Balance {
        Balance { queued, ..self }
    }
}

/// A fair counting semaphore.
pub(crate) struct Semaphore {
    /// Initial number of units.
    initial: i64,
    /// Current number of units, free or acquired.
    total: AtomicI64,
    /// A [`Balance`].
    word: AtomicI64,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiters: VecDeque<Waiter>,
    tickets: u64,
}

struct Waiter {
    ticket: u64,
    units: i64,
    /// Receives the number of granted units.
    granted: Sender<i64>,
}

/// A grant to send to its waiter, once the queue is unlocked.
type Granted = (Sender<i64>, i64);

impl Semaphore {
    /// Creates a semaphore with `total` free units, limited to half of `i64::MAX`.
    pub(crate) fn new(total: usize) -> Semaphore {
        // One bit of the word is the flag that a thread waits.
        let total = i64::try_from(total).unwrap_or(i64::MAX).min(i64::MAX >> 1);
        let balance = Balance {
            free: total,
            queued: false,
        };
        Semaphore {
            initial: total,
            total: AtomicI64::new(total),
            word: AtomicI64::new(balance.word()),
            queue: Mutex::default(),
        }
    }

    /// Acquires `units`, but at most all units there are. Waits behind all earlier
    /// threads.
    ///
    /// Returns the number of acquired units; `None` if `closing` is triggered first. If
    /// the thread has to wait, calls `queued` once it is in the queue.
    pub(crate) fn acquire(&self, units: i64, closing: &Stop, queued: impl FnOnce()) -> Option<i64> {
        // The fast path: one atomic operation, without the lock.
        let acquired = self.try_acquire(units);
        if acquired.is_some() {
            return acquired;
        }
        let (ticket, granted) = self.enqueue(units);
        queued();
        let units = closing.or_recv(&granted);
        if units.is_none() {
            self.leave(ticket, &granted);
        }
        units
    }

    /// Acquires `units`, but at most all units there are, if that needs no wait.
    pub(crate) fn try_acquire(&self, units: i64) -> Option<i64> {
        let units = units.min(self.total());
        self.change(|balance| balance.acquire(units)).map(|_| units)
    }

    /// Releases units. A negative number acquires units without waiting, even if fewer
    /// are free: for units that are in use already.
    pub(crate) fn release(&self, units: i64) {
        let before = self.change(|balance| Some(balance.release(units)));
        if before.is_some_and(|balance| balance.queued) {
            let granted = self.serve(&mut self.queue.lock());
            wake(granted);
        }
    }

    /// Number of units, free or acquired.
    pub(crate) fn total(&self) -> i64 {
        self.total.load(Ordering::Acquire)
    }

    /// Removes units until they are [added](Semaphore::grow) again, but leaves half of the
    /// initial number. Returns the number of removed units.
    ///
    /// Acquired units stay acquired. A thread that waits for more units than are left
    /// then waits for all of them.
    pub(crate) fn shrink(&self, units: i64) -> i64 {
        let removable = |total: i64| units.min(total - self.initial / 2).max(0);
        // The total shrinks before the free units, so that the queue is already served with
        // the new total. Otherwise a waiter for all units would wait for removed ones.
        let less = |total| Some(total - removable(total));
        let before = self
            .total
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        let removed = before.map_or(0, removable);
        self.release(-removed);
        removed
    }

    /// Adds units that were [removed](Semaphore::shrink).
    pub(crate) fn grow(&self, units: i64) {
        self.total.fetch_add(units, Ordering::AcqRel);
        self.release(units);
    }

    /// Whether a thread waits.
    pub(crate) fn has_queue(&self) -> bool {
        self.balance().queued
    }

    /// Number of acquired units. Exceeds the total while the free units are negative.
    pub(crate) fn in_use(&self) -> i64 {
        self.total() - self.balance().free
    }

    fn enqueue(&self, units: i64) -> (u64, Receiver<i64>) {
        let (sender, receiver) = bounded(1);
        let mut queue = self.queue.lock();
        // No wakeup is lost: a release after this point sees the flag and serves the
        // queue; units released before it are granted by the `serve` below.
        self.change(|balance| Some(balance.queue(true)));
        queue.tickets += 1;
        let ticket = queue.tickets;
        queue.waiters.push_back(Waiter {
            ticket,
            units,
            granted: sender,
        });
        let granted = self.serve(&mut queue);
        drop(queue);
        wake(granted);
        (ticket, receiver)
    }

    /// Leaves the queue without units.
    fn leave(&self, ticket: u64, granted: &Receiver<i64>) {
        let mut queue = self.queue.lock();
        let position = queue.waiters.iter().position(|w| w.ticket == ticket);
        match position {
            Some(position) => {
                queue.waiters.remove(position);
                // The next waiter may request fewer units, which are free already.
                let granted = self.serve(&mut queue);
                drop(queue);
                wake(granted);
            }
            // The units were granted concurrently; the message is sent or about to be.
            None => {
                drop(queue);
                self.release(granted.recv().unwrap_or_default());
            }
        }
    }

    /// Removes waiters from the queue, in order, while their units are free. The caller
    /// sends the grants after it has released the lock.
    fn serve(&self, queue: &mut Queue) -> Vec<Granted> {
        let mut granted = Vec::new();
        while let Some(first) = queue.waiters.front() {
            let units = first.units.min(self.total());
            if self.change(|balance| balance.grant(units)).is_none() {
                return granted;
            }
            let waiter = queue.waiters.pop_front();
            granted.extend(waiter.map(|waiter| (waiter.granted, units)));
        }
        self.change(|balance| Some(balance.queue(false)));
        granted
    }

    /// Applies `change`. Returns the balance before; `None` if `change` declined.
    fn change(&self, change: impl Fn(Balance) -> Option<Balance>) -> Option<Balance> {
        let change = |word| change(Balance::from_word(word)).map(Balance::word);
        let before = self
            .word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
        before.ok().map(Balance::from_word)
    }

    fn balance(&self) -> Balance {
        Balance::from_word(self.word.load(Ordering::Acquire))
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("total", &self.total())
            .field("in_use", &self.in_use())
            .field("has_queue", &self.has_queue())
            .finish_non_exhaustive()
    }
}

/// Sends the grants. Called without the lock, because sending wakes other threads, which
/// may need the lock next.
fn wake(granted: Vec<Granted>) {
    for (sender, units) in granted {
        let _ = sender.try_send(units);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    fn balance(free: i64, queued: bool) -> Balance {
        Balance { free, queued }
    }

    #[test]
    fn a_balance_fits_into_its_word() {
        for free in [0, 1, -1, 7, -7, i64::MAX >> 1, -(i64::MAX >> 1)] {
            for queued in [false, true] {
                let balance = balance(free, queued);
                assert_eq!(Balance::from_word(balance.word()), balance);
            }
        }
    }

    #[test]
    fn balance_transitions() {
        for (before, units, acquired, granted) in [
            ((10, false), 4, Some(6), Some(6)),
            ((10, false), 10, Some(0), Some(0)),
            ((10, false), 11, None, None),
            ((10, true), 4, None, Some(6)),
            ((-1, false), 1, None, None),
            ((-1, true), 1, None, None),
            ((0, false), 0, Some(0), Some(0)),
        ] {
            let start = balance(before.0, before.1);
            let after = |free: Option<i64>| free.map(|free| balance(free, before.1));
            assert_eq!(
                start.acquire(units),
                after(acquired),
                "{before:?} - {units}"
            );
            assert_eq!(start.grant(units), after(granted), "{before:?} - {units}");
            assert_eq!(start.release(units), balance(before.0 + units, before.1));
        }
    }

    #[test]
    fn no_thread_overtakes_an_earlier_one() {
        let semaphore = Semaphore::new(10);
        assert_eq!(semaphore.try_acquire(8), Some(8));
        let (_, large) = semaphore.enqueue(6);
        let (_, small) = semaphore.enqueue(1);
        assert!(semaphore.has_queue());
        assert_eq!(
            semaphore.try_acquire(1),
            None,
            "two are free, but others wait"
        );
        semaphore.release(3);
        assert!(large.try_recv().is_err() && small.try_recv().is_err());
        semaphore.release(1);
        assert!(large.try_recv().is_ok() && small.try_recv().is_err());
        semaphore.release(1);
        assert!(small.try_recv().is_ok());
        assert!(!semaphore.has_queue());
        assert_eq!(semaphore.in_use(), 10);
    }

    #[test]
    fn a_request_above_the_total_waits_for_all_units() {
        let semaphore = Semaphore::new(10);
        assert_eq!(semaphore.try_acquire(1), Some(1));
        let closing = Stop::new();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| semaphore.acquire(100, &closing, || ()));
            while !semaphore.has_queue() {
                thread::yield_now();
            }
            semaphore.release(1);
            assert_eq!(waiter.join().expect("waiter"), Some(10));
        });
    }

    #[test]
    fn removed_units_are_missing_until_they_are_added_again() {
        let semaphore = Semaphore::new(10);
        assert_eq!(semaphore.try_acquire(7), Some(7));
        assert_eq!(semaphore.shrink(2), 2);
        assert_eq!((semaphore.total(), semaphore.in_use()), (8, 7));
        assert_eq!(semaphore.try_acquire(2), None);
        // Half of the units stay, even if all of them are in use.
        assert_eq!((semaphore.shrink(9), semaphore.shrink(1)), (3, 0));
        assert_eq!((semaphore.total(), semaphore.in_use()), (5, 7));
        semaphore.release(7);
        assert_eq!(semaphore.try_acquire(10), Some(5), "all there are");
        semaphore.release(5);
        semaphore.grow(3);
        semaphore.grow(2);
        assert_eq!(semaphore.try_acquire(10), Some(10));
    }

    #[test]
    fn a_waiter_for_all_units_gets_those_left_after_a_removal() {
        let semaphore = Semaphore::new(10);
        assert_eq!(semaphore.try_acquire(6), Some(6));
        let (_, waiter) = semaphore.enqueue(10);
        assert_eq!(semaphore.shrink(4), 4);
        assert!(waiter.try_recv().is_err());
        semaphore.release(6);
        assert_eq!(waiter.try_recv(), Ok(6));
        assert_eq!((semaphore.in_use(), semaphore.has_queue()), (6, false));
    }

    #[test]
    fn nothing_is_granted_while_the_free_units_are_negative() {
        let semaphore = Semaphore::new(10);
        assert_eq!(semaphore.try_acquire(4), Some(4));
        semaphore.release(-20);
        assert_eq!(semaphore.in_use(), 24);
        let (_, waiter) = semaphore.enqueue(1);
        semaphore.release(14);
        assert!(waiter.try_recv().is_err());
        semaphore.release(10);
        assert!(waiter.try_recv().is_ok());
        assert_eq!(semaphore.in_use(), 1);
    }

    #[test]
    fn closing_ends_the_wait_and_serves_the_next() {
        let semaphore = Semaphore::new(10);
        assert_eq!(semaphore.try_acquire(5), Some(5));
        let closing = Stop::new();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| semaphore.acquire(10, &closing, || ()));
            while !semaphore.has_queue() {
                thread::yield_now();
            }
            let (_, next) = semaphore.enqueue(5);
            closing.trigger();
            assert_eq!(waiter.join().expect("waiter"), None);
            assert!(next.try_recv().is_ok());
        });
        assert_eq!(semaphore.in_use(), 10);
    }

    #[test]
    fn units_granted_to_a_leaving_thread_go_to_the_next() {
        let semaphore = Semaphore::new(1);
        assert_eq!(semaphore.try_acquire(1), Some(1));
        let (ticket, first) = semaphore.enqueue(1);
        let (_, second) = semaphore.enqueue(1);
        semaphore.release(1);
        assert!(second.try_recv().is_err(), "the first has it");
        semaphore.leave(ticket, &first);
        assert!(second.try_recv().is_ok());
    }

    #[test]
    fn many_threads_never_exceed_the_total() {
        let semaphore = Arc::new(Semaphore::new(10));
        let threads: Vec<_> = (1..=6)
            .map(|units| {
                let semaphore = semaphore.clone();
                thread::spawn(move || {
                    let closing = Stop::new();
                    for round in 0..500 {
                        // Some threads leave the queue, served or not.
                        if round % 16 == 15 {
                            let (ticket, granted) = semaphore.enqueue(units);
                            semaphore.leave(ticket, &granted);
                            continue;
                        }
                        let acquired = semaphore
                            .acquire(units, &closing, || ())
                            .expect("never closed");
                        assert!(semaphore.in_use() <= 10);
                        semaphore.release(acquired);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("thread");
        }
        assert_eq!(semaphore.in_use(), 0);
        assert!(!semaphore.has_queue());
        assert_eq!(semaphore.acquire(10, &Stop::new(), || ()), Some(10));
    }
}
