//! Limits how many channels of a worker read and process at the same time.
//!
//! A channel acquires a permit before it reads. The permit is released when the last batch
//! that was read with it has been processed. As long as no other channel waits for a
//! permit, the channel keeps its permit and reads ahead. If another channel waits, the
//! channel processes what it has read, and then waits in the queue for a new permit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::semaphore::{Semaphore, Ticket, Wake};

/// The permits of one worker. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Quota(Arc<Semaphore>);

/// A place in the queue for a permit.
pub(crate) struct ParallelTicket(Ticket, Quota);

impl Quota {
    pub(crate) fn new(permits: usize) -> Quota {
        Quota(Arc::new(Semaphore::new(permits)))
    }

    /// A permit, or a ticket for one.
    pub(crate) fn acquire(
        &self,
        wake: &Arc<dyn Wake>,
    ) -> Result<Arc<ParallelPermit>, ParallelTicket> {
        match self.0.acquire(1, wake) {
            Ok(_) => Ok(self.permit()),
            Err(ticket) => Err(ParallelTicket(ticket, self.clone())),
        }
    }

    /// Whether another channel waits for a permit.
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.has_queue()
    }

    fn permit(&self) -> Arc<ParallelPermit> {
        Arc::new(ParallelPermit {
            permits: self.0.clone(),
            is_held: AtomicBool::new(true),
        })
    }
}

impl ParallelTicket {
    /// The permit, once it is granted.
    pub(crate) fn take(&self) -> Option<Arc<ParallelPermit>> {
        self.0.take().map(|_| self.1.permit())
    }
}

/// One permit, until it is released or dropped. It is shared by the channel's reader,
/// while it reads, and by the batches that it has read.
#[derive(Debug)]
pub(crate) struct ParallelPermit {
    permits: Arc<Semaphore>,
    is_held: AtomicBool,
}

impl ParallelPermit {
    /// Releases the permit; returns false if it was released before.
    pub(crate) fn release(&self) -> bool {
        let was_held = self.is_held.swap(false, Ordering::AcqRel);
        if was_held {
            self.permits.release(1);
        }
        was_held
    }

    /// Whether it has not been released.
    pub(crate) fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Acquire)
    }
}

impl Drop for ParallelPermit {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::super::semaphore::tests::nobody;
    use super::*;

    #[test]
    fn a_permit_is_released_when_the_last_who_shares_it_is_gone() {
        let quota = Quota::new(1);
        let permit = quota.acquire(&nobody()).ok().expect("a permit");
        let batch = permit.clone();
        let ticket = quota.acquire(&nobody()).expect_err("none is free");
        assert!(quota.is_wanted());
        drop(permit);
        assert!(ticket.take().is_none(), "the batch has it");
        drop(batch);
        assert!(ticket.take().is_some());
        assert_eq!(quota.0.in_use(), 0);
    }

    #[test]
    fn a_permit_is_released_only_once() {
        let quota = Quota::new(1);
        let old = quota.acquire(&nobody()).ok().expect("a permit");
        assert!(old.release());
        let new = quota.acquire(&nobody()).ok().expect("it is free");
        assert!(!old.release() && !old.is_held());
        assert!(new.is_held());
        assert_eq!(quota.0.in_use(), 1);
    }
}
