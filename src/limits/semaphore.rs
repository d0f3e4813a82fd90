//! A number of units that many threads take from: first come, first served,
//! and without a lock as long as there is enough for all.
//!
//! How many units are free and whether somebody waits lie in one atomic word,
//! whose changes are the pure functions of [`Balance`]. Once somebody waits,
//! nobody else takes any: units that are given back go to the queue, in its
//! order. Its lock is held to look at the queue, never while waiting.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use crate::sync::stop::Stop;

/// What is free, and whether there is a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Balance {
    /// Negative when more was used than had been asked for.
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

    /// For who comes: nothing past the queue.
    fn acquire(self, units: i64) -> Option<Balance> {
        if self.queued { None } else { self.grant(units) }
    }

    /// For the first of the queue.
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

/// Units to be acquired and given back.
pub(crate) struct Semaphore {
    /// How many there were at first, and are now.
    most: i64,
    total: AtomicI64,
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
    /// Is told how many were granted.
    granted: Sender<i64>,
}

/// Who is told so.
type Granted = (Sender<i64>, i64);

impl Semaphore {
    /// All of `total` are free. What is more than half of the numbers there
    /// are counts as that half.
    pub(crate) fn new(total: usize) -> Semaphore {
        // One bit of the word tells of the queue.
        let total = i64::try_from(total).unwrap_or(i64::MAX).min(i64::MAX >> 1);
        let balance = Balance {
            free: total,
            queued: false,
        };
        Semaphore {
            most: total,
            total: AtomicI64::new(total),
            word: AtomicI64::new(balance.word()),
            queue: Mutex::default(),
        }
    }

    /// Takes `units`, but no more than there are in all, waiting behind all
    /// that came before. None when `closing` is fired before they are there.
    /// Calls `queued` from the queue, if it has to wait there.
    pub(crate) fn acquire(&self, units: i64, closing: &Stop, queued: impl FnOnce()) -> Option<i64> {
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

    /// Takes `units`, but no more than there are in all, if that needs no wait.
    pub(crate) fn try_acquire(&self, units: i64) -> Option<i64> {
        let units = units.min(self.total());
        self.change(|balance| balance.acquire(units)).map(|_| units)
    }

    /// Gives units back; less than none takes some that are used already,
    /// whether they are free or not.
    pub(crate) fn release(&self, units: i64) {
        let before = self.change(|balance| Some(balance.release(units)));
        if before.is_some_and(|balance| balance.queued) {
            let granted = self.serve(&mut self.queue.lock());
            wake(granted);
        }
    }

    /// How many there are in all.
    pub(crate) fn total(&self) -> i64 {
        self.total.load(Ordering::Acquire)
    }

    /// Takes units out for as long as they are not [added](Semaphore::grow) again, but
    /// leaves half of what there was at first; how many it took. Who has units
    /// keeps them, and who waits for more than there are now waits for all.
    pub(crate) fn shrink(&self, units: i64) -> i64 {
        let take = |total: i64| units.min(total - self.most / 2).max(0);
        let less = |total| Some(total - take(total));
        let before = self
            .total
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        let acquired = before.map_or(0, take);
        self.release(-acquired);
        acquired
    }

    /// Puts units in again that were [removed](Semaphore::shrink).
    pub(crate) fn grow(&self, units: i64) {
        self.total.fetch_add(units, Ordering::AcqRel);
        self.release(units);
    }

    /// Whether somebody waits.
    pub(crate) fn has_queue(&self) -> bool {
        self.balance().queued
    }

    /// How many units are acquired; more than there are while there is a debt.
    pub(crate) fn in_use(&self) -> i64 {
        self.total() - self.balance().free
    }

    fn enqueue(&self, units: i64) -> (u64, Receiver<i64>) {
        let (sender, receiver) = bounded(1);
        let mut queue = self.queue.lock();
        // From here on whoever gives units back looks at the queue; what was
        // given before is seen by our own look at it.
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

    /// Leaves the queue, with nothing.
    fn leave(&self, ticket: u64, granted: &Receiver<i64>) {
        let mut queue = self.queue.lock();
        let permit = queue.waiters.iter().position(|w| w.ticket == ticket);
        match permit {
            Some(permit) => {
                queue.waiters.remove(permit);
                // Who was behind us may ask for less.
                let granted = self.serve(&mut queue);
                drop(queue);
                wake(granted);
            }
            // The units were ours already, or are about to be told.
            None => {
                drop(queue);
                self.release(granted.recv().unwrap_or_default());
            }
        }
    }

    /// Takes out of the queue, in its order, who can have what they wait for.
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

    /// Applies `change`; gives what was before, or none if nothing changed.
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

/// After the lock is let go.
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
    fn accounting() {
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
    fn nobody_passes_who_came_before() {
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
    fn more_than_there_is_waits_for_everything() {
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
    fn what_is_removed_is_missing_until_it_is_added_again() {
        let semaphore = Semaphore::new(10);
        assert_eq!(semaphore.try_acquire(7), Some(7));
        assert_eq!(semaphore.shrink(2), 2);
        assert_eq!((semaphore.total(), semaphore.in_use()), (8, 7));
        assert_eq!(semaphore.try_acquire(2), None);
        // Half is left, be it that all of it is in use.
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
    fn who_waits_for_all_gets_what_is_left_when_some_are_removed() {
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
    fn a_debt_is_paid_before_anything_is_granted() {
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
    fn closing_ends_the_wait_and_lets_others_on() {
        let semaphore = Semaphore::new(10);
        assert_eq!(semaphore.try_acquire(5), Some(5));
        let closing = Stop::new();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| semaphore.acquire(10, &closing, || ()));
            while !semaphore.has_queue() {
                thread::yield_now();
            }
            let (_, behind) = semaphore.enqueue(5);
            closing.trigger();
            assert_eq!(waiter.join().expect("waiter"), None);
            assert!(behind.try_recv().is_ok());
        });
        assert_eq!(semaphore.in_use(), 10);
    }

    #[test]
    fn what_was_granted_to_who_left_goes_on_to_the_next() {
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
    fn many_threads_never_have_more_than_there_is() {
        let semaphore = Arc::new(Semaphore::new(10));
        let threads: Vec<_> = (1..=6)
            .map(|units| {
                let semaphore = semaphore.clone();
                thread::spawn(move || {
                    let closing = Stop::new();
                    for round in 0..500 {
                        // Some leave the queue, whether they were served or not.
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
