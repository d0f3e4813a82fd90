//! Tests of the simulation: that it finds faults, and that a seed replays exactly.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::control::{
    fail, held_locks, live_threads, note, now, sleep, spawn, stop_stalls, suspend, utc, yield_now,
};
use super::*;
use crate::user_code::call_user;

const SECOND: Duration = Duration::from_secs(1);

/// Runs a world that must not fail.
fn succeeds(seed: u64, options: Options, main: impl FnOnce() + Send + 'static) -> Outcome {
    let outcome = run(seed, options, main);
    assert_eq!(outcome.failure, None, "seed {seed}");
    outcome
}

/// The failure of the first seed that has one, and that seed.
fn first_failure<M: FnOnce() + Send + 'static>(world: impl Fn() -> M) -> (u64, String) {
    let outcomes = (0..50).map(|seed| (seed, run(seed, Options::default(), world())));
    let mut failures = outcomes.filter_map(|(seed, outcome)| Some((seed, outcome.failure?)));
    failures.next().expect("a seed that fails")
}

/// A count that threads change, and a condition that says so.
#[derive(Clone, Default)]
struct Count(Arc<(Mutex<usize>, Condvar)>);

impl Count {
    fn add(&self) {
        *self.0.0.lock() += 1;
        self.0.1.notify_all();
    }

    fn wait_for(&self, count: usize) {
        let mut value = self.0.0.lock();
        while *value < count {
            self.0.1.wait(&mut value);
        }
    }
}

/// Runs `work` on so many threads, and waits until they have done it.
fn on_threads(count: usize, work: impl Fn(usize) + Clone + Send + 'static) {
    let done = Count::default();
    for index in 0..count {
        let (work, done) = (work.clone(), done.clone());
        spawn(&format!("thread-{index}"), move || {
            work(index);
            done.add();
        });
    }
    done.wait_for(count);
}

#[test]
fn a_lost_update_is_found() {
    let (seed, failure) = first_failure(|| {
        || {
            let value = Arc::new(Mutex::new(0));
            let shared = value.clone();
            on_threads(2, move |_| {
                let read = *shared.lock();
                *shared.lock() = read + 1;
            });
            assert_eq!(*value.lock(), 2, "an update is lost");
        }
    });
    assert!(seed < 20, "{seed}");
    assert!(failure.contains("main#0 panicked at"), "{failure}");
    assert!(failure.contains("an update is lost"), "{failure}");
}

#[test]
fn a_lost_wakeup_is_found() {
    let (seed, failure) = first_failure(|| {
        || {
            let ready = Count::default();
            let other = ready.clone();
            spawn("waiter", move || {
                // Between the check and the wait, the notification is lost.
                if *other.0.0.lock() == 0 {
                    other.0.1.wait(&mut other.0.0.lock());
                }
            });
            ready.add();
        }
    });
    assert!(seed < 20, "{seed}");
    let expected = "deadlock, no thread can go on at 0.000000 s\n    waiter#1 waits for a condition at src/sync/simulation/tests.rs:";
    assert!(failure.starts_with(expected), "{failure}");
}

#[test]
fn a_deadlock_of_two_locks_is_found() {
    let (_, failure) = first_failure(|| {
        || {
            let locks = Arc::new((Mutex::new(()), Mutex::new(())));
            on_threads(2, move |index| {
                let (first, second) = (&locks.0, &locks.1);
                let (first, second) = if index == 0 {
                    (first, second)
                } else {
                    (second, first)
                };
                let _first = first.lock();
                let _second = second.lock();
            });
        }
    });
    for waits in [
        "main#0 waits for a condition",
        "thread-0#1 waits for a lock of thread #2",
        "thread-1#2 waits for a lock of thread #1",
    ] {
        assert!(failure.contains(waits), "{failure}");
    }
}

#[test]
fn a_thread_that_locks_twice_is_found() {
    let outcome = run(0, Options::default(), || {
        let lock = Mutex::new(());
        let _guard = lock.lock();
        let _again = lock.lock();
    });
    let failure = outcome.failure.expect("a deadlock");
    assert!(
        failure.contains("main#0 waits for a lock of thread #0"),
        "{failure}"
    );
}

#[test]
fn locks_exclude_and_lose_nothing() {
    for seed in 0..50 {
        succeeds(seed, Options::default(), || {
            let (value, inside) = (Arc::new(Mutex::new(0)), Arc::new(AtomicUsize::new(0)));
            let shared = value.clone();
            on_threads(4, move |_| {
                for _ in 0..20 {
                    let mut value = shared.lock();
                    assert_eq!(
                        inside.fetch_add(1, Ordering::SeqCst),
                        0,
                        "two hold the lock"
                    );
                    yield_now();
                    *value += 1;
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            });
            assert_eq!(*value.lock(), 80);
        });
    }
}

#[test]
fn held_locks_are_counted() {
    succeeds(0, Options::default(), || {
        let (one, other) = (Count::default(), Mutex::new(()));
        let mut guard = one.0.0.lock();
        let second = other.lock();
        assert_eq!(held_locks(), 2);
        drop(second);
        let late = one.0.1.wait_until(&mut guard, crate::clock::now());
        assert_eq!((late.timed_out(), held_locks()), (true, 1));
        drop(guard);
        assert_eq!(held_locks(), 0);
    });
}

#[test]
fn runs_may_share_a_lock() {
    static SHARED: std::sync::OnceLock<Mutex<u64>> = std::sync::OnceLock::new();
    let shared = || SHARED.get_or_init(Mutex::default);
    std::thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || {
                succeeds(seed, Options::default(), move || {
                    on_threads(3, move |_| {
                        for _ in 0..20 {
                            let mut value = shared().lock();
                            yield_now();
                            *value += 1;
                        }
                    });
                });
            });
        }
    });
    assert_eq!(*shared().lock(), 240);
}

#[test]
fn deadlines_pass_in_virtual_time() {
    for seed in 0..20 {
        let outcome = succeeds(seed, Options::default(), || {
            let (lock, condition) = (Mutex::new(()), Condvar::new());
            let mut guard = lock.lock();
            let until = crate::clock::now() + 3600 * SECOND;
            while !condition.wait_until(&mut guard, until).timed_out() {}
            assert_eq!(now(), 3600 * SECOND);
            assert_eq!(crate::clock::now(), until);
            let past = crate::clock::now() - SECOND;
            assert!(condition.wait_until(&mut guard, past).timed_out());
            let start = utc();
            suspend(60 * SECOND);
            sleep(SECOND);
            assert_eq!(utc() - start, 61 * SECOND);
            assert_eq!(crate::clock::utc(), utc());
        });
        assert_eq!(outcome.elapsed, 3601 * SECOND);
    }
}

#[test]
fn a_notified_wait_does_not_time_out() {
    for seed in 0..50 {
        succeeds(seed, Options::default(), || {
            let shared = Count::default();
            let other = shared.clone();
            spawn("notifier", move || {
                sleep(SECOND);
                other.add();
            });
            let mut value = shared.0.0.lock();
            let until = crate::clock::now() + 2 * SECOND;
            while *value == 0 {
                assert!(!shared.0.1.wait_until(&mut value, until).timed_out());
            }
            assert_eq!(now(), SECOND);
        });
    }
}

#[test]
fn one_notification_wakes_any_one_waiter() {
    let woken = Arc::new(parking_lot::Mutex::new(HashSet::new()));
    for seed in 0..50 {
        let woken = woken.clone();
        succeeds(seed, Options::default(), move || {
            let shared = Count::default();
            for index in 0..3 {
                let (shared, woken) = (shared.clone(), woken.clone());
                spawn(&format!("waiter-{index}"), move || {
                    let mut value = shared.0.0.lock();
                    while *value == 0 {
                        shared.0.1.wait(&mut value);
                    }
                    *value -= 1;
                    woken.lock().insert((now().as_secs() == 1).then_some(index));
                });
            }
            sleep(SECOND);
            *shared.0.0.lock() = 1;
            shared.0.1.notify_one();
            sleep(SECOND);
            *shared.0.0.lock() = 2;
            shared.0.1.notify_all();
        });
    }
    for index in [Some(0), Some(1), Some(2), None] {
        assert!(woken.lock().contains(&index), "{index:?}");
    }
}

#[test]
fn queues_keep_the_order_and_end_with_the_last_sender() {
    for seed in 0..50 {
        succeeds(seed, Options::default(), || {
            let (sender, receiver) = channel::unbounded();
            let done = Count::default();
            for _ in 0..2 {
                let (sender, done) = (sender.clone(), done.clone());
                spawn("sender", move || {
                    for message in 0..5 {
                        sender.send(message).expect("a receiver");
                    }
                    done.add();
                });
            }
            drop(sender);
            let mut received: Vec<i32> = receiver.iter().collect();
            done.wait_for(2);
            assert_eq!(received.len(), 10);
            received.sort_unstable();
            assert_eq!(received, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
            let over = channel::TryRecvError::Disconnected;
            assert_eq!(
                (receiver.try_recv(), receiver.recv()),
                (Err(over), Err(channel::RecvError))
            );
        });
    }
}

#[test]
fn the_last_receiver_drops_the_messages() {
    succeeds(0, Options::default(), || {
        let (sender, receiver) = channel::unbounded();
        let message = Arc::new(());
        sender.send(message.clone()).expect("a receiver");
        let other = receiver.clone();
        drop(receiver);
        assert_eq!(Arc::strong_count(&message), 2);
        drop(other);
        assert_eq!(Arc::strong_count(&message), 1);
        assert!(sender.send(message).is_err());
    });
}

#[test]
fn a_panic_fails_the_run_even_if_it_is_caught() {
    for catch in [false, true] {
        let outcome = run(3, Options::default(), move || {
            spawn("other", move || {
                let work = || panic!("number {}", 7);
                match catch {
                    true => drop(std::panic::catch_unwind(work)),
                    false => work(),
                }
            });
            Count::default().wait_for(1);
        });
        let failure = outcome.failure.expect("the panic");
        assert!(
            failure.starts_with("other#1 panicked at src/sync/"),
            "{failure}"
        );
        assert!(failure.ends_with(": number 7"), "{failure}");
    }
}

#[test]
fn panics_of_user_code_and_on_purpose_are_noted() {
    let options = Options {
        trace: true,
        ..Options::default()
    };
    let outcome = succeeds(0, options, || {
        let _ = call_user(|| panic!("of the user"));
        let _ = std::panic::catch_unwind(|| panic!("on purpose"));
        note("both are caught".to_owned());
    });
    let trace = outcome.trace.join("\n");
    for line in [": of the user", ": on purpose", "main#0 both are caught"] {
        assert!(trace.contains(line), "{trace}");
    }
}

/// Increments its count when dropped, under a lock that another thread may hold.
struct CountsDrop(Arc<Mutex<()>>, Arc<AtomicUsize>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        let _guard = self.0.lock();
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_failed_run_is_torn_down() {
    for seed in 0..20 {
        let (lock, drops) = (Arc::new(Mutex::new(())), Arc::new(AtomicUsize::new(0)));
        let (count, began) = (drops.clone(), std::time::Instant::now());
        let outcome = run(seed, Options::default(), move || {
            let (sender, receiver) = channel::unbounded::<()>();
            for index in 0..9 {
                let value = CountsDrop(lock.clone(), count.clone());
                let (lock, sender, receiver) = (lock.clone(), sender.clone(), receiver.clone());
                spawn("other", move || {
                    let value = value;
                    match index % 3 {
                        0 => drop((lock.lock(), receiver.recv())),
                        1 => loop {
                            // Catches the panic that unwinds it, as `catch_panic` does.
                            let _ = call_user(|| sleep(SECOND));
                            sleep(SECOND);
                        },
                        _ => Count::default().wait_for(1),
                    }
                    drop((sender, value));
                });
            }
            sleep(60 * SECOND);
            fail("as the test says".to_owned());
        });
        assert_eq!(outcome.failure.as_deref(), Some("as the test says"));
        assert_eq!(drops.load(Ordering::SeqCst), 9);
        assert!(began.elapsed() < 2 * SECOND);
    }
}

#[test]
fn a_run_can_be_torn_down_anywhere() {
    for seed in 0..200 {
        let options = Options {
            max_steps: 1 + 2 * seed,
            ..ROUGH
        };
        let outcome = run(seed, options, busy_world(&Arc::default()));
        let failure = outcome.failure.expect("too many steps");
        assert!(!failure.contains("leak"), "seed {seed}: {failure}");
    }
}

#[test]
fn a_thread_that_cannot_be_unwound_is_reported() {
    let outcome = run(0, Options::default(), || {
        spawn("stubborn", || {
            loop {
                let _ = call_user(|| sleep(SECOND));
            }
        });
        sleep(60 * SECOND);
        fail("as the test says".to_owned());
    });
    let failure = outcome.failure.expect("a failure");
    let leak = "threads that could not be unwound, and leak: stubborn";
    assert!(failure.ends_with(leak), "{failure}");
}

#[test]
fn an_endless_run_is_ended() {
    let options = Options {
        max_steps: 1000,
        ..Options::default()
    };
    let outcome = run(0, options, || {
        spawn("heart", || {
            loop {
                sleep(SECOND);
            }
        });
    });
    let failure = outcome.failure.expect("too many steps");
    assert!(
        failure.starts_with("not at an end after 1000 steps at "),
        "{failure}"
    );
    assert!(failure.contains("heart#1 "), "{failure}");
}

/// A world with everything in it, and a log of what happened in it.
fn busy_world(log: &Arc<parking_lot::Mutex<Vec<u64>>>) -> impl FnOnce() + Send + use<> {
    let log = log.clone();
    move || {
        let (sender, receiver) = channel::unbounded();
        let count = Count::default();
        let worker = (count.clone(), receiver.clone(), log);
        let threads = 8;
        for index in 0..threads {
            let (sender, (done, receiver, log)) = (sender.clone(), worker.clone());
            let work = move || {
                for _ in 0..20 {
                    sleep(Duration::from_millis(fastrand::u64(..20)));
                    let _ = sender.send(fastrand::u64(..));
                    let received = receiver.try_recv();
                    log.lock().push(received.unwrap_or(index));
                    yield_now();
                }
                done.add();
            };
            if start("worker", work).is_err() {
                count.add();
            }
        }
        count.wait_for(threads as usize);
    }
}

const ROUGH: Options = Options {
    max_steps: 1_000_000,
    preemption: 0.2,
    stalls: 0.01,
    longest_stall: SECOND,
    thread_failures: 0.2,
    trace: true,
};

#[test]
fn equal_seeds_give_equal_runs() {
    let mut hashes = HashSet::new();
    for seed in 0..100 {
        let runs = [(); 2].map(|()| {
            let log = Arc::default();
            let outcome = succeeds(seed, ROUGH, busy_world(&log));
            let log = log.lock().clone();
            (
                outcome.trace,
                log,
                outcome.hash,
                outcome.steps,
                outcome.elapsed,
            )
        });
        assert_eq!(runs[0], runs[1], "seed {seed}");
        hashes.insert(runs[0].2);
    }
    assert_eq!(hashes.len(), 100, "different seeds give different runs");
}

#[test]
fn failures_replay_exactly() {
    for seed in 0..50 {
        let options = Options {
            max_steps: 1 + 8 * seed,
            ..ROUGH
        };
        let runs = [(); 2].map(|()| {
            let outcome = run(seed, options.clone(), busy_world(&Arc::default()));
            assert!(outcome.failure.is_some());
            format!("{outcome:#?}")
        });
        assert_eq!(runs[0], runs[1], "seed {seed}");
    }
}

#[test]
fn parallel_runs_do_not_influence_each_other() {
    let hash = |seed| succeeds(seed, ROUGH, busy_world(&Arc::default())).hash;
    let alone: Vec<u64> = (0..10).map(hash).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let together: Vec<u64> = (0..10).map(hash).collect();
                assert_eq!(together, alone);
            });
        }
    });
}

#[test]
fn stalls_stop() {
    let options = Options {
        stalls: 0.5,
        thread_failures: 0.5,
        longest_stall: 3600 * SECOND,
        ..Options::default()
    };
    for seed in 0..20 {
        let outcome = succeeds(seed, options.clone(), || {
            let stalled = Count::default();
            for _ in 0..3 {
                let stalled = stalled.clone();
                spawn("other", move || stalled.add());
            }
            stop_stalls();
            let began = now();
            on_threads(3, |_| sleep(SECOND));
            stalled.wait_for(3);
            assert_eq!(now() - began, SECOND);
            for _ in 0..20 {
                start("started", || ()).expect("a thread");
            }
        });
        assert_eq!(outcome.threads_started, 27);
    }
    let stalled = succeeds(0, options, || (0..100).for_each(|_| yield_now()));
    assert!(stalled.elapsed > 3600 * SECOND);
}

#[test]
fn threads_may_fail_to_start() {
    succeeds(0, ROUGH, || {
        let started = (0..200).filter(|_| start("other", || ()).is_ok()).count();
        assert!((120..190).contains(&started), "{started}");
    });
}

#[test]
fn threads_are_counted() {
    let outcome = succeeds(0, Options::default(), || {
        on_threads(3, |_| sleep(SECOND));
        sleep(SECOND);
        assert_eq!(live_threads(), ["main"]);
        spawn("last", || sleep(SECOND));
        assert_eq!(live_threads(), ["main", "last"]);
    });
    assert_eq!((outcome.threads_started, outcome.most_threads), (5, 4));
    assert_eq!(outcome.elapsed, 3 * SECOND);
}

#[test]
fn thread_local_values_are_dropped_in_turn() {
    thread_local! {
        static VALUE: std::cell::RefCell<Option<CountsDrop>> = const { std::cell::RefCell::new(None) };
    }
    let hash = |seed| {
        let (lock, drops) = (Arc::new(Mutex::new(())), Arc::new(AtomicUsize::new(0)));
        let count = drops.clone();
        let outcome = succeeds(seed, Options::default(), move || {
            on_threads(5, move |_| {
                VALUE.set(Some(CountsDrop(lock.clone(), count.clone())));
            });
        });
        assert_eq!(drops.load(Ordering::SeqCst), 5);
        outcome.hash
    };
    for seed in 0..50 {
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
    }
}

#[test]
fn outside_of_a_run_everything_is_plain() {
    let shared = Count::default();
    let (sender, receiver) = channel::unbounded();
    let other = (shared.clone(), sender.clone());
    let thread = std::thread::spawn(move || {
        other.0.add();
        other.1.send(7).expect("a receiver");
    });
    drop(sender);
    shared.wait_for(1);
    assert_eq!(receiver.iter().collect::<Vec<_>>(), [7]);
    thread.join().expect("no panic");
    let mut value = shared.0.0.lock();
    let soon = crate::clock::now() + Duration::from_millis(1);
    assert!(shared.0.1.wait_until(&mut value, soon).timed_out());
    assert!(!is_simulated());
}

/// Prints the number of scheduling points in a second.
#[test]
#[ignore = "a measurement"]
fn speed() {
    for (name, preemption) in [("without switches", 0.0), ("usual", 0.1), ("always", 1.0)] {
        let options = Options {
            preemption,
            max_steps: u64::MAX,
            ..Options::default()
        };
        let (began, mut steps) = (std::time::Instant::now(), 0);
        for seed in 0..20 {
            let world = || {
                let value = Arc::new(Mutex::new(0));
                on_threads(20, move |_| (0..1000).for_each(|_| *value.lock() += 1));
            };
            steps += succeeds(seed, options.clone(), world).steps;
        }
        let each = began.elapsed() / u32::try_from(steps).expect("few steps");
        eprintln!("{name}: {steps} steps, {each:?} each");
    }
}
