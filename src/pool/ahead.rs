//! Who decodes a batch: the reader that brought it, or the pool.
//!
//! The pool, if it takes the batch at once and there are cores for that: then the
//! reader fetches the next one meanwhile. Otherwise the batch would wait, or would
//! go to another core for nothing, and its bytes would leave the cache; so the
//! reader decodes them right after it read them, beside whatever callbacks run.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Whether the reader decodes (pure). `turn_is_idle`: no callback of its own
/// channel runs or waits; `turns`: those of all channels that do; `readers`: those
/// of all channels that read without a pause; `at_once`: how many of either run at the
/// same time, at most.
pub(crate) fn by_reader(turn_is_idle: bool, turns: usize, readers: usize, at_once: usize) -> bool {
    // A reader that is alone has to fetch meanwhile: nobody else keeps the service busy.
    let all_read = readers > 1 && readers >= at_once;
    !turn_is_idle || turns >= at_once || all_read
}

/// How many turns a pool of so many threads runs at the same time.
pub(crate) fn at_once(threads: usize) -> usize {
    // Of the cores that this process may use.
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    cores.min(threads)
}

/// Counts the turns that are scheduled or run, or the readers that read on. Clones
/// share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    /// Counts one more, until what is returned is dropped.
    pub(crate) fn enter(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.0.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of them, until its end, however that comes.
#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_decodes_what_would_wait() {
        let table = [
            // One light channel: fetching overlaps decoding.
            (true, 0, 0, 1, false),
            (true, 0, 0, 2, false),
            (true, 1, 1, 2, false),
            // The channel is at the batch before.
            (false, 1, 0, 1, true),
            (false, 1, 1, 2, true),
            (false, 0, 0, 2, true),
            // Other channels take all cores, or all threads.
            (true, 1, 0, 1, true),
            (true, 2, 0, 2, true),
            (true, 63, 0, 2, true),
            // Their readers do.
            (true, 0, 2, 2, true),
            (true, 1, 8, 2, true),
            (true, 0, 2, 1, true),
            (true, 0, 1, 1, false),
        ];
        for (turn_is_idle, turns, readers, at_once, expected) in table {
            let found = by_reader(turn_is_idle, turns, readers, at_once);
            assert_eq!(
                found, expected,
                "{turn_is_idle} {turns} {readers} {at_once}"
            );
        }
    }

    #[test]
    fn no_more_run_at_once_than_there_are_threads() {
        assert_eq!(at_once(1), 1);
        assert!((1..=1000).contains(&at_once(1000)));
    }

    #[test]
    fn a_turn_is_counted_until_it_is_dropped() {
        let in_flight = InFlight::default();
        let (first, second) = (in_flight.enter(), in_flight.clone().enter());
        assert_eq!(in_flight.count(), 2);
        drop(first);
        assert_eq!(in_flight.count(), 1);
        drop(second);
        assert_eq!(in_flight.count(), 0);
    }
}
