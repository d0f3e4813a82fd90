//! How many bytes may be read and not yet processed, over all workers of a
//! configuration.
//!
//! A reader borrows an [`SizeEstimate`] before it reads: little for a channel that
//! had nothing, so that any number of idle channels can be polled at once. When
//! the head of an answer tells more, the permit grows, if that needs no wait; if
//! it does, the answer is let go unread, the permit goes back, and the reader
//! waits for enough before it asks again. So nobody who has a permit ever waits
//! for one. What the answer did not need is paid back, and the rest when the
//! batch is dropped. An answer that does not tell its length, or is larger than
//! the whole budget, is a debt, which later reads wait for; no permit is larger
//! than the budget, so such a batch gets through as soon as there is no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::semaphore::Semaphore;
use crate::error::TunnelError;
use crate::sync::latest::Latest;
use crate::sync::stop::Stop;

/// As much as the service gives in one answer, as far as is known.
const USUAL_ANSWER: usize = 4 << 20;
/// More than an answer without records, and not worth to be counted closer.
const SMALL_ANSWER: usize = 64 << 10;

/// What an open channel takes by itself: the touched part of its thread's stack,
/// what the C library keeps for the thread, and its queues. 56 KiB while it is
/// idle and 72 while it is busy, as measured (docs/performance.md).
const CHANNEL: usize = 64 << 10;

/// The bytes that may lie in memory. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct MemoryBudget(Arc<Semaphore>);

impl MemoryBudget {
    pub(crate) fn new(bytes: usize) -> MemoryBudget {
        MemoryBudget(Arc::new(Semaphore::new(bytes)))
    }

    /// Waits until there is room for an answer; none when `closing` is fired.
    pub(crate) fn acquire(&self, estimate: &SizeEstimate, closing: &Stop) -> Option<MemoryPermit> {
        let bytes = self.0.acquire(signed(estimate.bytes), closing, || ())?;
        Some(self.permit(bytes))
    }

    /// Room for an answer, if there is some at once.
    pub(crate) fn try_acquire(&self, estimate: &SizeEstimate) -> Option<MemoryPermit> {
        let bytes = self.0.try_acquire(signed(estimate.bytes))?;
        Some(self.permit(bytes))
    }

    /// What an open channel takes by itself, until it is dropped: so much less is
    /// there for answers. Of many channels it is half of the budget at most.
    pub(crate) fn open_channel(&self) -> OpenChannel {
        OpenChannel {
            bytes: self.0.shrink(signed(CHANNEL)),
            semaphore: self.0.clone(),
        }
    }

    fn permit(&self, bytes: i64) -> MemoryPermit {
        MemoryPermit {
            semaphore: self.0.clone(),
            bytes,
        }
    }
}

/// What one answer of a channel may need.
#[derive(Debug)]
pub(crate) struct SizeEstimate {
    bytes: usize,
    largest: usize,
}

impl SizeEstimate {
    /// Of a channel that has not been read yet: most have something then.
    pub(crate) fn new() -> SizeEstimate {
        SizeEstimate {
            bytes: USUAL_ANSWER,
            largest: USUAL_ANSWER,
        }
    }

    /// The channel got an answer of this size, or has one that is this large:
    /// after a small one comes another, after others perhaps the largest.
    pub(crate) fn learn(&mut self, bytes: usize) {
        self.largest = self.largest.max(bytes);
        self.bytes = match bytes <= SMALL_ANSWER {
            true => SMALL_ANSWER,
            false => self.largest,
        };
    }
}

/// Where the permit of a read lies while the read is under way, for whoever hears
/// first how large the answer is.
#[derive(Debug)]
pub(crate) struct Room {
    permit: Latest<MemoryPermit>,
    /// How large an answer was that there was no room for; 0: none.
    refused: AtomicUsize,
}

impl Room {
    pub(crate) fn new() -> Room {
        Room {
            permit: Latest::new(),
            refused: AtomicUsize::new(0),
        }
    }

    /// A read begins.
    pub(crate) fn enter(&self, permit: MemoryPermit) {
        self.refused.store(0, Ordering::Relaxed);
        self.permit.set(permit);
    }

    /// The read has ended: the permit as it is now.
    pub(crate) fn leave(&self) -> Option<MemoryPermit> {
        self.permit.take()
    }

    /// The size of the answer that was refused, if that is why the read failed.
    pub(crate) fn refused(&self) -> Option<usize> {
        Some(self.refused.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }

    /// Makes room for an answer of that size, without waiting.
    ///
    /// # Errors
    ///
    /// When there is none; the read is to be given up.
    pub(crate) fn make(&self, bytes: usize) -> Result<(), TunnelError> {
        // Without a read under way the program reads by itself.
        let Some(mut permit) = self.permit.take() else {
            return Ok(());
        };
        let has_room = permit.grow(bytes);
        self.permit.set(permit);
        if has_room {
            return Ok(());
        }
        self.refused.store(bytes, Ordering::Relaxed);
        Err(TunnelError::client(
            "the memory budget has no room for the answer; it is read again when there is",
        ))
    }
}

/// Bytes of the budget, which go back when dropped.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    semaphore: Arc<Semaphore>,
    bytes: i64,
}

impl MemoryPermit {
    /// Takes what is missing for that many bytes, but no more than there are in
    /// all, if that needs no wait.
    fn grow(&mut self, bytes: usize) -> bool {
        let missing = signed(bytes).min(self.semaphore.total()) - self.bytes;
        if missing <= 0 {
            return true;
        }
        let acquired = self.semaphore.try_acquire(missing);
        self.bytes += acquired.unwrap_or_default();
        acquired.is_some()
    }

    /// The answer has come: the permit is for what it really takes.
    pub(crate) fn settle(&mut self, bytes: usize) {
        let bytes = signed(bytes);
        let unused = self.bytes - bytes;
        self.bytes = bytes;
        self.semaphore.release(unused);
    }

    /// The same with `index` for the records, if that needs no wait.
    pub(crate) fn settle_with(&mut self, index: usize, body: usize) {
        let whole = body.saturating_add(index);
        match self.grow(whole) {
            true => self.settle(whole),
            false => self.settle(body),
        }
    }

    /// Whether it is for that many bytes, or more.
    pub(crate) fn covers(&self, bytes: usize) -> bool {
        self.bytes >= signed(bytes)
    }

    /// Takes another permit of the same budget over.
    pub(crate) fn join(&mut self, mut other: MemoryPermit) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

/// See [`MemoryBudget::open_channel`].
#[derive(Debug)]
pub(crate) struct OpenChannel {
    semaphore: Arc<Semaphore>,
    bytes: i64,
}

impl Drop for OpenChannel {
    fn drop(&mut self) {
        self.semaphore.grow(self.bytes);
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        if self.bytes != 0 {
            self.semaphore.release(self.bytes);
        }
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const MIB: usize = 1 << 20;

    /// Of a channel that had nothing the last time.
    fn idle() -> SizeEstimate {
        let mut estimate = SizeEstimate::new();
        estimate.learn(100);
        estimate
    }

    fn in_use(budget: &MemoryBudget) -> usize {
        usize::try_from(budget.0.in_use()).expect("not less than none")
    }

    #[test]
    fn a_loan_is_settled_and_goes_back() {
        let budget = MemoryBudget::new(64 * MIB);
        let mut estimate = SizeEstimate::new();
        assert_eq!(estimate.bytes, 4 * MIB);
        // What an answer took, and what is borrowed for the next one.
        for (answer, next) in [
            (0, SMALL_ANSWER),
            (MIB, 4 * MIB),
            (9 * MIB, 9 * MIB),
            (100, SMALL_ANSWER),
            (5 * MIB, 9 * MIB),
        ] {
            let mut permit = budget.try_acquire(&estimate).expect("room");
            permit.settle(answer);
            estimate.learn(answer);
            assert_eq!(in_use(&budget), answer);
            drop(permit);
            assert_eq!(in_use(&budget), 0);
            assert_eq!(estimate.bytes, next);
        }
    }

    #[test]
    fn idle_channels_are_read_at_once_however_many_they_are() {
        let budget = MemoryBudget::new(64 * MIB);
        let idle = idle();
        let loans: Vec<_> = (0..1000).map(|_| budget.try_acquire(&idle)).collect();
        assert!(loans.iter().all(Option::is_some));
    }

    #[test]
    fn open_channels_take_a_part_of_the_budget_but_leave_half_of_it() {
        let budget = MemoryBudget::new(MIB);
        let channels: Vec<_> = (0..1000).map(|_| budget.open_channel()).collect();
        assert_eq!(budget.0.total(), signed(MIB / 2));
        let permit = budget.try_acquire(&SizeEstimate::new()).expect("alone");
        assert!(permit.covers(MIB / 2) && !permit.covers(MIB));
        drop(channels);
        drop(permit);
        let permit = budget.try_acquire(&SizeEstimate::new()).expect("alone");
        assert!(permit.covers(MIB));
        assert_eq!(in_use(&budget), MIB);
    }

    #[test]
    fn a_loan_grows_while_there_is_room() {
        let budget = MemoryBudget::new(8 * MIB);
        let room = Room::new();
        let idle = idle();
        room.enter(budget.try_acquire(&idle).expect("room"));
        room.make(SMALL_ANSWER).expect("what it has");
        assert_eq!(in_use(&budget), SMALL_ANSWER);
        room.make(3 * MIB).expect("room");
        assert_eq!((in_use(&budget), room.refused()), (3 * MIB, None));
        let other = budget.try_acquire(&SizeEstimate::new()).expect("room");
        room.make(5 * MIB).expect_err("no room");
        assert_eq!((in_use(&budget), room.refused()), (7 * MIB, Some(5 * MIB)));
        drop(other);
        // It is larger than all there is, which it may have.
        room.make(100 * MIB).expect("alone");
        assert_eq!(in_use(&budget), 8 * MIB);
        drop(room.leave().expect("the permit"));
        assert_eq!(in_use(&budget), 0);
        room.make(100 * MIB).expect("none of the worker's reads");
    }

    #[test]
    fn a_loan_grows_past_nobody() {
        let budget = MemoryBudget::new(8 * MIB);
        let closing = Stop::new();
        let room = Room::new();
        room.enter(budget.try_acquire(&idle()).expect("room"));
        let half = budget.try_acquire(&SizeEstimate::new()).expect("room");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| budget.acquire(&SizeEstimate::new(), &closing));
            while !budget.0.has_queue() {
                thread::yield_now();
            }
            room.make(MIB).expect_err("somebody waits");
            drop(half);
            assert!(waiter.join().expect("waiter").is_some());
        });
    }

    #[test]
    fn the_index_of_records_is_counted_where_there_is_room() {
        let budget = MemoryBudget::new(8 * MIB);
        // Of 4 MiB each, and 4 MiB for others or none.
        for (others, body, index, counted) in [
            (false, MIB, MIB, 2 * MIB),
            (true, MIB, MIB, 2 * MIB),
            (false, 4 * MIB, MIB, 5 * MIB),
            (true, 4 * MIB, MIB, 4 * MIB),
            // A debt, which the body alone is as well.
            (true, 5 * MIB, MIB, 5 * MIB),
            (false, 10 * MIB, MIB, 11 * MIB),
        ] {
            let mut permit = budget.try_acquire(&SizeEstimate::new()).expect("room");
            let others = others.then(|| budget.try_acquire(&SizeEstimate::new()).expect("room"));
            permit.settle_with(index, body);
            drop(others);
            assert_eq!(in_use(&budget), counted, "{body} and {index}");
            assert_eq!(permit.covers(body + index), counted == body + index);
            assert!(permit.covers(body) && !permit.covers(counted + 1));
        }
        assert_eq!(in_use(&budget), 0);
    }

    #[test]
    fn joined_loans_go_back_together() {
        let budget = MemoryBudget::new(64 * MIB);
        let mut first = budget.try_acquire(&SizeEstimate::new()).expect("room");
        let mut second = budget.try_acquire(&SizeEstimate::new()).expect("room");
        first.settle(2);
        second.settle(3);
        first.join(second);
        assert_eq!(in_use(&budget), 5);
        drop(first);
        assert_eq!(in_use(&budget), 0);
    }

    #[test]
    fn a_batch_larger_than_the_budget_gets_through_alone() {
        let budget = MemoryBudget::new(10);
        let closing = Stop::new();
        let mut permit = budget.acquire(&SizeEstimate::new(), &closing).expect("all");
        permit.settle(1000);
        let mut estimate = SizeEstimate::new();
        estimate.learn(8 * MIB);
        assert!(budget.try_acquire(&estimate).is_none());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| budget.acquire(&estimate, &closing).expect("all"));
            while !budget.0.has_queue() {
                thread::yield_now();
            }
            drop(permit);
            let permit = waiter.join().expect("waiter");
            assert_eq!(in_use(&budget), 10);
            drop(permit);
        });
        assert_eq!(in_use(&budget), 0);
    }

    #[test]
    fn closing_ends_the_wait() {
        let budget = MemoryBudget::new(MIB);
        let closing = Stop::new();
        let _all = budget.try_acquire(&SizeEstimate::new()).expect("room");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| budget.acquire(&SizeEstimate::new(), &closing));
            closing.trigger();
            assert!(waiter.join().expect("waiter").is_none());
        });
        assert_eq!(in_use(&budget), MIB);
    }
}
