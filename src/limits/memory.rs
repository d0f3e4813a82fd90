//! The memory budget: limits the bytes that are read and not yet processed, over all
//! workers of a configuration.
//!
//! Before a read, the reader acquires a permit of the size that it
//! [expects](SizeEstimate), which is little for an idle channel. When the head of the
//! response announces more, the permit grows, but only if that needs no wait. Otherwise
//! the reader drops the response unread, waits for a permit of that size, and reads
//! again. So nobody who holds a permit waits for more, which excludes deadlocks.
//!
//! When the response is there, the permit is [settled](MemoryPermit::settle): it then
//! covers the body and the index of its records, which the head does not announce. A
//! response without a length is not known before either. Both can make the free bytes
//! negative, once per reader, and later reads wait until they are positive again.
//!
//! No permit requests more than the whole budget, so even an oversized response is read
//! as soon as nothing else is in memory.

use std::sync::Arc;

use super::semaphore::{Semaphore, Ticket, Wake};

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

    /// A permit for so many bytes, or a ticket for one.
    pub(crate) fn acquire(
        &self,
        bytes: usize,
        wake: &Arc<dyn Wake>,
    ) -> Result<MemoryPermit, MemoryTicket> {
        match self.0.acquire(signed(bytes), wake) {
            Ok(bytes) => Ok(self.permit(bytes)),
            Err(ticket) => Err(MemoryTicket(ticket, self.clone())),
        }
    }

    /// A permit for nothing yet.
    pub(crate) fn empty_permit(&self) -> MemoryPermit {
        self.permit(0)
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

/// A place in the queue for memory.
pub(crate) struct MemoryTicket(Ticket, MemoryBudget);

impl MemoryTicket {
    /// The permit, once it is granted.
    pub(crate) fn take(&self) -> Option<MemoryPermit> {
        self.0.take().map(|bytes| self.1.permit(bytes))
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

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
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

/// Bytes of the budget, released when dropped.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    semaphore: Arc<Semaphore>,
    bytes: i64,
}

impl MemoryPermit {
    /// Grows the permit to `bytes`, but at most to the whole budget, if that needs no
    /// wait. Returns whether the permit is large enough.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let missing = signed(bytes).min(self.semaphore.total()) - self.bytes;
        if missing <= 0 {
            return true;
        }
        let acquired = self.semaphore.try_acquire(missing);
        self.bytes += acquired.unwrap_or_default();
        acquired.is_some()
    }

    /// Sets the permit to the actual size, without waiting, because it is in memory
    /// already.
    pub(crate) fn settle(&mut self, bytes: usize) {
        let bytes = signed(bytes);
        let unused = self.bytes - bytes;
        self.bytes = bytes;
        self.semaphore.release(unused);
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
impl MemoryBudget {
    /// The bytes that are taken now.
    pub(crate) fn in_use(&self) -> i64 {
        self.0.in_use()
    }
}

#[cfg(test)]
mod tests {
    use super::super::semaphore::tests::nobody;
    use super::*;

    const MIB: usize = 1 << 20;

    fn in_use(budget: &MemoryBudget) -> usize {
        usize::try_from(budget.in_use()).expect("not less than none")
    }

    #[test]
    fn a_permit_grows_while_bytes_are_free_and_is_settled() {
        let budget = MemoryBudget::new(8 * MIB);
        let mut permit = budget.empty_permit();
        assert!(permit.grow(3 * MIB));
        assert_eq!(in_use(&budget), 3 * MIB);
        let other = budget.acquire(4 * MIB, &nobody()).ok().expect("free bytes");
        assert!(!permit.grow(5 * MIB), "1 MiB is free");
        permit.settle(2 * MIB);
        assert_eq!(in_use(&budget), 6 * MIB);
        permit.settle(6 * MIB);
        assert_eq!(in_use(&budget), 10 * MIB, "it is in memory already");
        drop(other);
        // The response is larger than the budget, and the permit gets all of it.
        assert!(permit.grow(100 * MIB));
        assert_eq!(in_use(&budget), 8 * MIB);
        drop(permit);
        assert_eq!(in_use(&budget), 0);
    }

    #[test]
    fn a_permit_does_not_grow_while_others_wait() {
        let budget = MemoryBudget::new(8 * MIB);
        let half = budget.acquire(4 * MIB, &nobody()).ok().expect("free bytes");
        let ticket = budget.acquire(5 * MIB, &nobody()).expect_err("no room");
        assert!(!budget.empty_permit().grow(MIB), "another reader waits");
        drop(half);
        let permit = ticket.take().expect("it is its turn");
        assert_eq!(in_use(&budget), 5 * MIB);
        drop((permit, ticket));
        assert_eq!(in_use(&budget), 0);
    }

    #[test]
    fn any_number_of_idle_channels_can_be_read_at_the_same_time() {
        let budget = MemoryBudget::new(64 * MIB);
        let mut idle = SizeEstimate::new();
        idle.learn(100);
        let permits: Vec<_> = (0..1000)
            .map(|_| budget.acquire(idle.bytes(), &nobody()).ok())
            .collect();
        assert!(permits.iter().all(Option::is_some));
    }

    #[test]
    fn open_channels_leave_half_of_the_budget_for_responses() {
        let budget = MemoryBudget::new(MIB);
        let channels: Vec<_> = (0..1000).map(|_| budget.open_channel()).collect();
        assert_eq!(budget.0.total(), signed(MIB / 2));
        let permit = budget.acquire(4 * MIB, &nobody()).ok().expect("alone");
        assert_eq!(permit.bytes, signed(MIB / 2));
        drop(channels);
        drop(permit);
        let permit = budget.acquire(4 * MIB, &nobody()).ok().expect("alone");
        assert_eq!((permit.bytes, in_use(&budget)), (signed(MIB), MIB));
    }

    #[test]
    fn joined_permits_are_released_together() {
        let budget = MemoryBudget::new(64 * MIB);
        let (mut first, mut second) = (budget.empty_permit(), budget.empty_permit());
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
        let mut permit = budget.acquire(4 * MIB, &nobody()).ok().expect("all");
        permit.settle(1000);
        let ticket = budget.acquire(8 * MIB, &nobody()).expect_err("none");
        drop(permit);
        let permit = ticket.take().expect("all");
        assert_eq!(in_use(&budget), 10);
        drop(permit);
        assert_eq!(in_use(&budget), 0);
    }

    #[test]
    fn a_small_response_is_followed_by_small_ones_and_others_by_the_largest() {
        let mut estimate = SizeEstimate::new();
        assert_eq!(estimate.bytes(), 4 * MIB);
        for (response, next) in [
            (0, SMALL_RESPONSE),
            (MIB, 4 * MIB),
            (9 * MIB, 9 * MIB),
            (100, SMALL_RESPONSE),
            (5 * MIB, 9 * MIB),
        ] {
            estimate.learn(response);
            assert_eq!(estimate.bytes(), next);
        }
    }
}
