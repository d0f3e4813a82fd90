//! Limits how many channels of a worker read and process at the same time.
//!
//! A channel acquires a permit before it reads. The permit is released when the last batch
//! that was read with it has been processed. As long as no other channel waits for a
//! permit, the channel keeps its permit and reads ahead. If another channel waits, the
//! channel processes what it has read, and then waits in the queue for a new permit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::semaphore::Semaphore;
use crate::sync::latest::Latest;
use crate::sync::stop::Stop;

/// The permits of one worker. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Quota(Arc<Semaphore>);

impl Quota {
    pub(crate) fn new(permits: usize) -> Quota {
        Quota(Arc::new(Semaphore::new(permits)))
    }

    fn acquire(&self, closing: &Stop, queued: impl FnOnce()) -> Option<ParallelPermit> {
        self.0.acquire(1, closing, queued)?;
        Some(ParallelPermit {
            permits: self.0.clone(),
            is_held: AtomicBool::new(true),
        })
    }

    fn is_wanted(&self) -> bool {
        self.0.has_queue()
    }
}

/// One permit, until it is released or dropped.
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

    fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Acquire)
    }
}

impl Drop for ParallelPermit {
    fn drop(&mut self) {
        self.release();
    }
}

/// The share of one channel in the quota. The permit is shared by the channel's reader,
/// while it reads, and by the batches that it has read.
#[derive(Debug)]
pub(crate) struct ChannelQuota {
    /// `None` if unlimited.
    quota: Option<Quota>,
    /// Whether the callback releases the permit.
    is_manual: bool,
    /// The permit that the reader holds.
    permit: Latest<Arc<ParallelPermit>>,
}

/// The result of [`ChannelQuota::enter`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The reader may read.
    Free,
    /// The reader has to wait until everything it has read is processed, and then call
    /// [`ChannelQuota::queue_up`].
    Queue,
}

impl ChannelQuota {
    pub(crate) fn new(quota: Option<Quota>, is_manual: bool) -> ChannelQuota {
        ChannelQuota {
            quota,
            is_manual,
            permit: Latest::new(),
        }
    }

    /// Checks whether the reader may read with the permit that it holds.
    pub(crate) fn enter(&self) -> Entry {
        let Some(quota) = &self.quota else {
            return Entry::Free;
        };
        match self.permit.take() {
            Some(permit) if permit.is_held() && (self.is_manual || !quota.is_wanted()) => {
                self.permit.give_back(permit);
                Entry::Free
            }
            // This drops the reader's permit. The waiting channel gets it as soon as the
            // batches that share it are processed.
            _ => Entry::Queue,
        }
    }

    /// Waits for a new permit; returns false if `closing` is triggered first.
    ///
    /// If no permit is free, calls `queued` once the other channels can see that this one
    /// waits.
    pub(crate) fn queue_up(&self, closing: &Stop, queued: impl FnOnce()) -> bool {
        let Some(quota) = &self.quota else {
            return true;
        };
        let Some(permit) = quota.acquire(closing, queued) else {
            return false;
        };
        self.permit.set(Arc::new(permit));
        // The closing thread triggers the stop before it calls `end`. So either this
        // thread sees the stop, or `end` sees the permit; it is released in any case.
        if closing.is_triggered() {
            self.leave();
            return false;
        }
        true
    }

    /// The permit for a batch to hold until it is processed.
    pub(crate) fn permit(&self) -> Option<Arc<ParallelPermit>> {
        let permit = self.permit.take()?;
        self.permit.give_back(permit.clone());
        Some(permit)
    }

    /// Drops the reader's permit during a pause. `processed` is whether a callback will
    /// receive the records that were read.
    pub(crate) fn pause(&self, processed: bool) {
        // A permit that the callback releases has to stay acquired until then. But
        // without a callback, nothing else would release it.
        if !(self.is_manual && processed) {
            self.leave();
        }
    }

    /// Drops the reader's permit at its end. Its batches still hold theirs.
    pub(crate) fn leave(&self) {
        drop(self.permit.take());
    }

    /// Releases the permit when the channel is closed, even if a read is in flight.
    ///
    /// Call this after the stop that was passed to [`queue_up`](Self::queue_up) has been
    /// triggered.
    pub(crate) fn end(&self) {
        if let Some(permit) = self.permit.take() {
            permit.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(quota: &Quota, is_manual: bool) -> (ChannelQuota, Stop) {
        (
            ChannelQuota::new(Some(quota.clone()), is_manual),
            Stop::new(),
        )
    }

    #[test]
    fn a_channel_without_a_quota_always_reads() {
        let channel = ChannelQuota::new(None, false);
        assert_eq!(channel.enter(), Entry::Free);
        assert!(channel.permit().is_none());
        assert!(channel.queue_up(&Stop::new(), || ()));
    }

    #[test]
    fn a_permit_is_released_when_reader_and_batches_have_dropped_it() {
        let quota = Quota::new(2);
        let (channel, closing) = pair(&quota, false);
        assert_eq!(channel.enter(), Entry::Queue);
        assert!(channel.queue_up(&closing, || ()));
        assert_eq!(channel.enter(), Entry::Free, "reads ahead");
        let batch = channel.permit();
        channel.pause(true);
        assert_eq!(quota.0.in_use(), 1, "the batch has it");
        drop(batch);
        assert_eq!(quota.0.in_use(), 0);
        assert_eq!(channel.enter(), Entry::Queue);
    }

    #[test]
    fn a_permit_that_others_wait_for_is_not_kept() {
        let quota = Quota::new(1);
        let (first, closing) = pair(&quota, false);
        let (second, _) = pair(&quota, false);
        assert!(first.queue_up(&closing, || ()));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| second.queue_up(&closing, || ()));
            while !quota.is_wanted() {
                std::thread::yield_now();
            }
            assert_eq!(first.enter(), Entry::Queue, "and the permit is released");
            assert!(waiter.join().expect("waiter"));
        });
        assert_eq!(quota.0.in_use(), 1);
    }

    #[test]
    fn a_permit_is_released_by_the_callback_only_once() {
        let quota = Quota::new(1);
        let (channel, closing) = pair(&quota, true);
        assert!(channel.queue_up(&closing, || ()));
        let batch = channel.permit().expect("a permit");
        channel.pause(true);
        assert_eq!(channel.enter(), Entry::Free, "kept for the callback");
        assert!(batch.release());
        assert!(!batch.release());
        assert_eq!(quota.0.in_use(), 0);
        assert_eq!(channel.enter(), Entry::Queue);
        assert!(channel.queue_up(&closing, || ()));
        assert!(
            !batch.release(),
            "an old handle cannot release a new permit"
        );
        channel.pause(false);
        assert_eq!(quota.0.in_use(), 0, "nothing else would release it");
    }

    #[test]
    fn closing_a_channel_releases_its_permit() {
        let quota = Quota::new(1);
        let (channel, closing) = pair(&quota, true);
        assert!(channel.queue_up(&closing, || ()));
        closing.trigger();
        channel.end();
        assert_eq!(quota.0.in_use(), 0);
        assert!(!channel.queue_up(&closing, || ()));
        assert_eq!(quota.0.in_use(), 0);
    }
}
