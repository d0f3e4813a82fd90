//! Models of the semaphore, which `scripts/models` runs with many schedules.

use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::semaphore::{Semaphore, Ticket, Wake};
use crate::sync::{Condvar, Mutex};

const TOTAL: i64 = 4;

/// Where a thread waits for its ticket.
#[derive(Default)]
struct Waiter {
    is_woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Waiter {
    fn wake(&self) {
        *self.is_woken.lock() = true;
        self.changed.notify_all();
    }
}

impl Waiter {
    /// Looks at the ticket only when woken, so a missing wake-up is a deadlock.
    fn wait_for(&self, ticket: &Ticket) -> i64 {
        loop {
            if let Some(units) = ticket.take() {
                return units;
            }
            let mut is_woken = self.is_woken.lock();
            while !*is_woken {
                self.changed.wait(&mut is_woken);
            }
            *is_woken = false;
        }
    }
}

/// The semaphore, and what its users know that they have.
struct Shared {
    semaphore: Arc<Semaphore>,
    acquired: Mutex<i64>,
}

impl Shared {
    fn new() -> Arc<Shared> {
        Arc::new(Shared {
            semaphore: Arc::new(Semaphore::new(TOTAL as usize)),
            acquired: Mutex::new(0),
        })
    }

    /// Acquires units; `None` if the thread gives up after it has queued.
    fn acquire(&self, units: i64, gives_up: bool) -> Option<i64> {
        let waiter = Arc::new(Waiter::default());
        let wake: Arc<dyn Wake> = waiter.clone();
        let acquired = match self.semaphore.acquire(units, &wake) {
            Ok(units) => units,
            Err(_) if gives_up => return None,
            Err(ticket) => waiter.wait_for(&ticket),
        };
        let mut sum = self.acquired.lock();
        *sum += acquired;
        assert!(*sum <= TOTAL, "{sum:?} units are in use");
        Some(acquired)
    }

    fn release(&self, units: i64) {
        *self.acquired.lock() -= units;
        self.semaphore.release(units);
    }

    fn is_unused(&self) -> bool {
        self.semaphore.in_use() == 0 && !self.semaphore.has_queue()
    }
}

fn join_all(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no panic");
    }
}

/// Threads acquire and release units; some give up. Every thread gets what it waits for,
/// and nothing is left over.
fn users() {
    let shared = Shared::new();
    let user = |shared: Arc<Shared>| {
        move || {
            for _ in 0..2 {
                let units = thread_rng().gen_range(1..=TOTAL + 1);
                if let Some(acquired) = shared.acquire(units, thread_rng().gen_bool(0.3)) {
                    assert_eq!(acquired, units.min(TOTAL));
                    thread::yield_now();
                    shared.release(acquired);
                }
            }
        }
    };
    join_all(
        (0..3)
            .map(|_| thread::spawn(user(shared.clone())))
            .collect(),
    );
    assert!(shared.is_unused());
    assert_eq!(shared.semaphore.total(), TOTAL);
}

/// Units are removed and added while others wait for all units there are.
fn removed_units() {
    let shared = Shared::new();
    let user = |shared: Arc<Shared>| {
        move || {
            if let Some(acquired) = shared.acquire(TOTAL, false) {
                assert!((TOTAL / 2..=TOTAL).contains(&acquired));
                shared.release(acquired);
            }
        }
    };
    let mut threads: Vec<_> = (0..2)
        .map(|_| thread::spawn(user(shared.clone())))
        .collect();
    let semaphore = shared.semaphore.clone();
    threads.push(thread::spawn(move || {
        let removed = semaphore.shrink(TOTAL);
        assert_eq!(removed, TOTAL / 2);
        semaphore.grow(removed);
    }));
    join_all(threads);
    assert!(shared.is_unused());
    assert_eq!(shared.semaphore.total(), TOTAL);
}

/// Threads that need few units do not overtake one that needs many and came first.
fn order() {
    let shared = Shared::new();
    assert_eq!(shared.acquire(TOTAL, false), Some(TOTAL));
    let waiter = Arc::new(Waiter::default());
    let wake: Arc<dyn Wake> = waiter.clone();
    let first = shared.semaphore.acquire(TOTAL - 1, &wake);
    let first = first.expect_err("all units are acquired");
    let late = |shared: Arc<Shared>| {
        move || {
            assert_eq!(shared.acquire(1, false), Some(1));
            assert!(!shared.semaphore.has_queue(), "it overtook the first one");
            shared.release(1);
        }
    };
    let mut threads = vec![thread::spawn(late(shared.clone()))];
    threads.push(thread::spawn(move || {
        assert_eq!(waiter.wait_for(&first), TOTAL - 1);
    }));
    for _ in 0..TOTAL {
        shared.release(1);
    }
    join_all(threads);
    assert_eq!(shared.semaphore.in_use(), TOTAL - 1);
}

#[test]
fn users_get_their_units() {
    crate::sync::model(users);
}

#[test]
fn removed_units_do_not_strand_a_waiter() {
    crate::sync::model(removed_units);
}

#[test]
fn nobody_is_overtaken() {
    crate::sync::model(order);
}
