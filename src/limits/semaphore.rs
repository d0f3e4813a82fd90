//! A fair counting semaphore: first come, first served.
//!
//! It never blocks a thread. Who cannot have its units at once gets a [`Ticket`], waits
//! where it waits for everything else, and is woken when the units are there.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use crate::sync::Mutex;

/// Wakes a thread, which then looks at its ticket. Called without a lock.
pub(crate) trait Wake: Send + Sync {
    fn wake(&self);
}

/// A fair counting semaphore.
pub(crate) struct Semaphore {
    /// Initial number of units.
    initial: i64,
    state: Mutex<State>,
}

struct State {
    /// Current number of units, free or acquired.
    total: i64,
    /// Negative if more units are used than were acquired.
    free: i64,
    queue: VecDeque<Waiter>,
    /// Units that were granted to a ticket and not taken yet.
    granted: BTreeMap<u64, i64>,
    last_ticket: u64,
}

struct Waiter {
    ticket: u64,
    units: i64,
    wake: Arc<dyn Wake>,
}

/// A place in the queue of a semaphore, given up when dropped.
pub(crate) struct Ticket {
    semaphore: Arc<Semaphore>,
    number: u64,
}

impl State {
    fn acquire(&mut self, units: i64) -> Option<i64> {
        let units = units.min(self.total);
        if self.free < units {
            return None;
        }
        self.free -= units;
        Some(units)
    }

    /// Grants units to waiters, in order, while there are enough; whom to wake.
    fn serve(&mut self) -> Vec<Arc<dyn Wake>> {
        let mut served = Vec::new();
        while let Some(first) = self.queue.front() {
            let Some(units) = self.acquire(first.units) else {
                break;
            };
            if let Some(waiter) = self.queue.pop_front() {
                self.granted.insert(waiter.ticket, units);
                served.push(waiter.wake);
            }
        }
        served
    }
}

impl Semaphore {
    /// Creates a semaphore with `total` free units, limited to half of `i64::MAX`.
    pub(crate) fn new(total: usize) -> Semaphore {
        // So that no sum overflows.
        let total = i64::try_from(total).unwrap_or(i64::MAX).min(i64::MAX >> 1);
        let state = State {
            total,
            free: total,
            queue: VecDeque::new(),
            granted: BTreeMap::new(),
            last_ticket: 0,
        };
        Semaphore {
            initial: total,
            state: Mutex::new(state),
        }
    }

    /// Acquires `units`, but at most all units there are, and returns their number. If
    /// they are not free, or others wait already, returns a ticket for them instead.
    pub(crate) fn acquire(
        self: &Arc<Self>,
        units: i64,
        wake: &Arc<dyn Wake>,
    ) -> Result<i64, Ticket> {
        let mut state = self.state.lock();
        if state.queue.is_empty()
            && let Some(units) = state.acquire(units)
        {
            return Ok(units);
        }
        state.last_ticket += 1;
        let number = state.last_ticket;
        state.queue.push_back(Waiter {
            ticket: number,
            units,
            wake: wake.clone(),
        });
        Err(Ticket {
            semaphore: self.clone(),
            number,
        })
    }

    /// Acquires `units`, but at most all units there are, if that needs no wait.
    pub(crate) fn try_acquire(&self, units: i64) -> Option<i64> {
        let mut state = self.state.lock();
        match state.queue.is_empty() {
            true => state.acquire(units),
            false => None,
        }
    }

    /// Releases units. A negative number acquires units without waiting, even if fewer
    /// are free: for units that are in use already.
    pub(crate) fn release(&self, units: i64) {
        self.change(|state| state.free += units);
    }

    /// Number of units, free or acquired.
    pub(crate) fn total(&self) -> i64 {
        self.state.lock().total
    }

    /// Removes units until they are [added](Semaphore::grow) again, but leaves half of the
    /// initial number. Returns the number of removed units.
    ///
    /// Acquired units stay acquired. A thread that waits for more units than are left
    /// then waits for all of them.
    pub(crate) fn shrink(&self, units: i64) -> i64 {
        self.change(|state| {
            let removed = units.min(state.total - self.initial / 2).max(0);
            state.total -= removed;
            state.free -= removed;
            removed
        })
    }

    /// Adds units that were [removed](Semaphore::shrink).
    pub(crate) fn grow(&self, units: i64) {
        self.change(|state| {
            state.total += units;
            state.free += units;
        });
    }

    /// Whether a thread waits.
    pub(crate) fn has_queue(&self) -> bool {
        !self.state.lock().queue.is_empty()
    }

    #[cfg(test)]
    /// Number of acquired units. Exceeds the total while the free units are negative.
    pub(crate) fn in_use(&self) -> i64 {
        let state = self.state.lock();
        state.total - state.free
    }

    /// Changes the state, and then serves the queue.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state);
        let served = state.serve();
        drop(state);
        served.iter().for_each(|wake| wake.wake());
        result
    }
}

impl Ticket {
    /// The units, once they are granted. They are the caller's from then on.
    pub(crate) fn take(&self) -> Option<i64> {
        self.semaphore.state.lock().granted.remove(&self.number)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.semaphore.change(|state| {
            // The next waiter may want fewer units, which are free already.
            state.queue.retain(|waiter| waiter.ticket != self.number);
            state.free += state.granted.remove(&self.number).unwrap_or_default();
        });
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Semaphore")
            .field("total", &state.total)
            .field("free", &state.free)
            .field("waiting", &state.queue.len())
            .finish()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    pub(crate) struct Count(pub(crate) AtomicUsize);

    impl Wake for Count {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Nobody to wake.
    pub(crate) fn nobody() -> Arc<dyn Wake> {
        Arc::new(Count::default())
    }

    fn semaphore(units: usize) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(units))
    }

    #[test]
    fn units_are_acquired_and_released() {
        let semaphore = semaphore(3);
        assert_eq!(semaphore.acquire(2, &nobody()).ok(), Some(2));
        assert_eq!(semaphore.try_acquire(2), None);
        assert_eq!(semaphore.try_acquire(1), Some(1));
        semaphore.release(3);
        assert_eq!(semaphore.in_use(), 0);
        assert_eq!(semaphore.try_acquire(100), Some(3), "all there are");
    }

    #[test]
    fn nobody_overtakes_who_waits_longer() {
        let semaphore = semaphore(3);
        assert_eq!(semaphore.try_acquire(3), Some(3));
        let woken = Arc::new(Count::default());
        let wake: Arc<dyn Wake> = woken.clone();
        let first = semaphore.acquire(2, &wake).expect_err("none is free");
        let second = semaphore.acquire(1, &wake).expect_err("none is free");
        semaphore.release(1);
        assert_eq!(
            (first.take(), second.take()),
            (None, None),
            "2 are not free"
        );
        assert_eq!(semaphore.try_acquire(1), None, "others wait");
        semaphore.release(1);
        assert_eq!((first.take(), second.take()), (Some(2), None));
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        drop(first);
        semaphore.release(1);
        assert_eq!(second.take(), Some(1));
        assert!(!semaphore.has_queue());
        assert_eq!(semaphore.in_use(), 3);
    }

    #[test]
    fn a_ticket_that_is_given_up_lets_the_next_ones_pass() {
        let semaphore = semaphore(2);
        assert_eq!(semaphore.try_acquire(1), Some(1));
        let large = semaphore.acquire(2, &nobody()).expect_err("1 is free");
        let small = semaphore.acquire(1, &nobody()).expect_err("another waits");
        drop(large);
        assert_eq!(small.take(), Some(1));
        semaphore.release(2);
        assert_eq!(semaphore.in_use(), 0);
        // Granted and not taken.
        assert_eq!(semaphore.try_acquire(2), Some(2));
        let late = semaphore.acquire(1, &nobody()).expect_err("none is free");
        semaphore.release(2);
        drop(late);
        assert_eq!(semaphore.in_use(), 0);
    }

    #[test]
    fn units_in_use_already_are_a_debt() {
        let semaphore = semaphore(2);
        semaphore.release(-5);
        assert_eq!((semaphore.in_use(), semaphore.try_acquire(1)), (5, None));
        semaphore.release(5);
        assert_eq!(semaphore.try_acquire(2), Some(2));
    }

    #[test]
    fn removed_units_leave_half_and_change_what_all_units_are() {
        let semaphore = semaphore(10);
        assert_eq!(semaphore.try_acquire(6), Some(6));
        let all = semaphore.acquire(10, &nobody()).expect_err("4 are free");
        assert_eq!((semaphore.shrink(4), semaphore.shrink(4)), (4, 1));
        assert_eq!(semaphore.total(), 5);
        semaphore.release(6);
        assert_eq!(all.take(), Some(5), "all there are now");
        semaphore.grow(5);
        semaphore.release(5);
        assert_eq!((semaphore.total(), semaphore.in_use()), (10, 0));
    }

    #[test]
    fn the_largest_number_of_units_does_not_overflow() {
        let semaphore = semaphore(usize::MAX);
        assert_eq!(semaphore.try_acquire(i64::MAX), Some(i64::MAX >> 1));
        semaphore.release(i64::MAX >> 1);
        assert_eq!(semaphore.in_use(), 0);
    }
}
