//! The memory budget: limits the bytes that are read and not yet processed, over all
//! workers of a configuration.
//!
//! The life of a permit:
//!
//! 1. Before a read, the reader acquires a permit for its [`SizeEstimate`]. The estimate
//!    is small after an empty response, so any number of idle channels can be polled at
//!    the same time.
//! 2. When the response headers announce a larger body, the permit grows, but only if
//!    that needs no wait. Otherwise the reader drops the response unread, releases its
//!    permit, waits for a large enough permit, and reads again. A reader with a permit
//!    therefore never waits for more, which excludes deadlocks.
//! 3. After the read, the permit shrinks to the actual size.
//! 4. When the batch is dropped, the rest is released.
//!
//! A response without a length, or larger than the whole budget, makes the free bytes
//! negative, and later reads wait until they are positive again. No permit requests more
//! than the whole budget, so even an oversized batch is read as soon as no other batch is
//! in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::semaphore::Semaphore;
use crate::error::TunnelError;
use crate::sync::stop::Stop;

/// The usual upper limit of the service for one response, in bytes.
const FULL_RESPONSE: usize = 4 << 20;
/// Estimate after a small response, in bytes. Larger than a response without records, and
/// small enough that a more precise estimate would not pay.
const SMALL_RESPONSE: usize = 64 << 10;

/// Memory of an open channel itself, in bytes: the touched part of its thread's stack, the
/// C library's data for the thread, and the queues. Measured: 56 KiB for an idle channel,
/// 72 KiB for a busy one (docs/performance.md).
const CHANNEL: usize = 64 << 10;

/// The memory budget of a configuration. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct MemoryBudget(Arc<Semaphore>);

impl MemoryBudget {
    pub(crate) fn new(bytes: usize) -> MemoryBudget {
        MemoryBudget(Arc::new(Semaphore::new(bytes)))
    }

    /// Waits for a permit for one response; `None` if `closing` is triggered first.
    pub(crate) fn acquire(&self, estimate: &SizeEstimate, closing: &Stop) -> Option<MemoryPermit> {
        let bytes = self.0.acquire(signed(estimate.bytes), closing, || ())?;
        Some(self.permit(bytes))
    }

    /// A permit for one response, if it is available without waiting.
    pub(crate) fn try_acquire(&self, estimate: &SizeEstimate) -> Option<MemoryPermit> {
        let bytes = self.0.try_acquire(signed(estimate.bytes))?;
        Some(self.permit(bytes))
    }

    /// Reserves the memory of an open channel itself, until the result is dropped. That
    /// memory is not available for responses. However many channels are open, they leave
    /// half of the budget for responses.
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

/// The expected size of the next response of a channel.
#[derive(Debug)]
pub(crate) struct SizeEstimate {
    bytes: usize,
    largest: usize,
}

impl SizeEstimate {
    /// The estimate for a channel that has not been read yet. Most channels have records
    /// then, so it is a full response.
    pub(crate) fn new() -> SizeEstimate {
        SizeEstimate {
            bytes: FULL_RESPONSE,
            largest: FULL_RESPONSE,
        }
    }

    /// Updates the estimate after a response of this size, or after such a response was
    /// rejected for lack of memory.
    ///
    /// After a small response, the next one is probably small as well. After any other,
    /// it may be as large as the largest so far.
    pub(crate) fn learn(&mut self, bytes: usize) {
        self.largest = self.largest.max(bytes);
        self.bytes = match bytes <= SMALL_RESPONSE {
            true => SMALL_RESPONSE,
            false => self.largest,
        };
    }
}

/// A slot for the permit of the read in flight. The HTTP layer grows the permit there as
/// soon as it knows the size of the response.
#[derive(Debug)]
pub(crate) struct Room {
    /// Only [`leave`](Room::leave) takes it out, so that a connection of the program
    /// that reads on another thread cannot make it disappear.
    permit: Mutex<Option<MemoryPermit>>,
    /// Size of the response that did not fit into the budget; 0 if there was none.
    rejected: AtomicUsize,
}

impl Room {
    pub(crate) fn new() -> Room {
        Room {
            permit: Mutex::new(None),
            rejected: AtomicUsize::new(0),
        }
    }

    /// Stores the permit at the start of a read.
    pub(crate) fn enter(&self, permit: MemoryPermit) {
        self.rejected.store(0, Ordering::Relaxed);
        let before = self.permit.lock().replace(permit);
        drop(before);
    }

    /// Takes the permit at the end of the read.
    pub(crate) fn leave(&self) -> Option<MemoryPermit> {
        self.permit.lock().take()
    }

    /// The size of the rejected response; `None` if the read did not fail for that reason.
    pub(crate) fn refused(&self) -> Option<usize> {
        Some(self.rejected.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }

    /// Grows the permit for a response of this size, without waiting.
    ///
    /// # Errors
    ///
    /// If the budget has not enough free bytes. The read then has to be abandoned.
    pub(crate) fn make(&self, bytes: usize) -> Result<(), TunnelError> {
        let fits = match &mut *self.permit.lock() {
            Some(permit) => permit.grow(bytes),
            // No read of a worker is in flight: the program reads the channel itself, and
            // such reads are not limited.
            None => true,
        };
        if fits {
            return Ok(());
        }
        self.rejected.store(bytes, Ordering::Relaxed);
        Err(TunnelError::client(
            "the response does not fit into the memory budget now; it will be read again later",
        ))
    }
}

/// Bytes of the budget, released when dropped.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    semaphore: Arc<Semaphore>,
    bytes: i64,
}

impl MemoryPermit {
    /// Grows the permit to `bytes`, but at most to the whole budget, if that needs no
    /// wait. Returns whether the permit is large enough.
    fn grow(&mut self, bytes: usize) -> bool {
        let missing = signed(bytes).min(self.semaphore.total()) - self.bytes;
        if missing <= 0 {
            return true;
        }
        let acquired = self.semaphore.try_acquire(missing);
        self.bytes += acquired.unwrap_or_default();
        acquired.is_some()
    }

    /// Sets the permit to the actual size of the response.
    pub(crate) fn settle(&mut self, bytes: usize) {
        let bytes = signed(bytes);
        // Negative if the response is larger than the permit: then this takes bytes,
        // without waiting, because the response is in memory already.
        let unused = self.bytes - bytes;
        self.bytes = bytes;
        self.semaphore.release(unused);
    }

    /// Like [`settle`](Self::settle), and adds `index` bytes for the index of the records
    /// if that needs no wait.
    pub(crate) fn settle_with(&mut self, index: usize, body: usize) {
        let whole = body.saturating_add(index);
        match self.grow(whole) {
            true => self.settle(whole),
            false => self.settle(body),
        }
    }

    /// Whether the permit covers at least `bytes`.
    pub(crate) fn covers(&self, bytes: usize) -> bool {
        self.bytes >= signed(bytes)
    }

    /// Adds another permit of the same budget to this one.
    pub(crate) fn join(&mut self, mut other: MemoryPermit) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

/// The reservation of [`MemoryBudget::open_channel`], released when dropped.
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

    /// The estimate for a channel whose last response was empty.
    fn idle() -> SizeEstimate {
        let mut estimate = SizeEstimate::new();
        estimate.learn(100);
        estimate
    }

    fn in_use(budget: &MemoryBudget) -> usize {
        usize::try_from(budget.0.in_use()).expect("not less than none")
    }

    #[test]
    fn a_permit_is_settled_and_released() {
        let budget = MemoryBudget::new(64 * MIB);
        let mut estimate = SizeEstimate::new();
        assert_eq!(estimate.bytes, 4 * MIB);
        // The size of a response, and the estimate for the next one.
        for (response, next) in [
            (0, SMALL_RESPONSE),
            (MIB, 4 * MIB),
            (9 * MIB, 9 * MIB),
            (100, SMALL_RESPONSE),
            (5 * MIB, 9 * MIB),
        ] {
            let mut permit = budget.try_acquire(&estimate).expect("free bytes");
            permit.settle(response);
            estimate.learn(response);
            assert_eq!(in_use(&budget), response);
            drop(permit);
            assert_eq!(in_use(&budget), 0);
            assert_eq!(estimate.bytes, next);
        }
    }

    #[test]
    fn any_number_of_idle_channels_can_be_read_at_the_same_time() {
        let budget = MemoryBudget::new(64 * MIB);
        let idle = idle();
        let permits: Vec<_> = (0..1000).map(|_| budget.try_acquire(&idle)).collect();
        assert!(permits.iter().all(Option::is_some));
    }

    #[test]
    fn open_channels_leave_half_of_the_budget_for_responses() {
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
    fn a_permit_grows_while_bytes_are_free() {
        let budget = MemoryBudget::new(8 * MIB);
        let room = Room::new();
        let idle = idle();
        room.enter(budget.try_acquire(&idle).expect("free bytes"));
        room.make(SMALL_RESPONSE).expect("large enough already");
        assert_eq!(in_use(&budget), SMALL_RESPONSE);
        room.make(3 * MIB).expect("free bytes");
        assert_eq!((in_use(&budget), room.refused()), (3 * MIB, None));
        let other = budget
            .try_acquire(&SizeEstimate::new())
            .expect("free bytes");
        room.make(5 * MIB).expect_err("no room");
        assert_eq!((in_use(&budget), room.refused()), (7 * MIB, Some(5 * MIB)));
        drop(other);
        // The response is larger than the budget, and the permit gets all of it.
        room.make(100 * MIB).expect("alone");
        assert_eq!(in_use(&budget), 8 * MIB);
        drop(room.leave().expect("the permit"));
        assert_eq!(in_use(&budget), 0);
        room.make(100 * MIB).expect("no read of a worker");
    }

    #[test]
    fn a_permit_does_not_grow_while_others_wait() {
        let budget = MemoryBudget::new(8 * MIB);
        let closing = Stop::new();
        let room = Room::new();
        room.enter(budget.try_acquire(&idle()).expect("free bytes"));
        let half = budget
            .try_acquire(&SizeEstimate::new())
            .expect("free bytes");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| budget.acquire(&SizeEstimate::new(), &closing));
            while !budget.0.has_queue() {
                thread::yield_now();
            }
            room.make(MIB).expect_err("another reader waits");
            drop(half);
            assert!(waiter.join().expect("waiter").is_some());
        });
    }

    #[test]
    fn the_record_index_is_counted_if_it_fits() {
        let budget = MemoryBudget::new(8 * MIB);
        // Each permit is for 4 MiB, and others have 4 MiB or nothing.
        for (others, body, index, counted) in [
            (false, MIB, MIB, 2 * MIB),
            (true, MIB, MIB, 2 * MIB),
            (false, 4 * MIB, MIB, 5 * MIB),
            (true, 4 * MIB, MIB, 4 * MIB),
            // The body alone exceeds the free bytes.
            (true, 5 * MIB, MIB, 5 * MIB),
            (false, 10 * MIB, MIB, 11 * MIB),
        ] {
            let mut permit = budget
                .try_acquire(&SizeEstimate::new())
                .expect("free bytes");
            let others = others.then(|| {
                budget
                    .try_acquire(&SizeEstimate::new())
                    .expect("free bytes")
            });
            permit.settle_with(index, body);
            drop(others);
            assert_eq!(in_use(&budget), counted, "{body} and {index}");
            assert_eq!(permit.covers(body + index), counted == body + index);
            assert!(permit.covers(body) && !permit.covers(counted + 1));
        }
        assert_eq!(in_use(&budget), 0);
    }

    #[test]
    fn joined_permits_are_released_together() {
        let budget = MemoryBudget::new(64 * MIB);
        let mut first = budget
            .try_acquire(&SizeEstimate::new())
            .expect("free bytes");
        let mut second = budget
            .try_acquire(&SizeEstimate::new())
            .expect("free bytes");
        first.settle(2);
        second.settle(3);
        first.join(second);
        assert_eq!(in_use(&budget), 5);
        drop(first);
        assert_eq!(in_use(&budget), 0);
    }

    #[test]
    fn a_batch_larger_than_the_budget_is_read_alone() {
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
    fn closing_ends_the_wait_for_a_permit() {
        let budget = MemoryBudget::new(MIB);
        let closing = Stop::new();
        let _all = budget
            .try_acquire(&SizeEstimate::new())
            .expect("free bytes");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| budget.acquire(&SizeEstimate::new(), &closing));
            closing.trigger();
            assert!(waiter.join().expect("waiter").is_none());
        });
        assert_eq!(in_use(&budget), MIB);
    }
}
