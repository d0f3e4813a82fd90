//! How many channels of a worker read and process at once.
//!
//! A channel takes a permit before it reads, and the permit is given back when
//! the last batch read with it is done. As long as nobody waits for a permit a
//! channel keeps its own and reads ahead; when somebody does, it first
//! finishes what it has read and then queues up behind.

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
    /// Gives the permit back; false if that was done before.
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

/// One channel's part in the quota. Its reader comes and goes; the batches
/// that it reads hold the permit as well.
#[derive(Debug)]
pub(crate) struct ChannelQuota {
    /// None: unlimited.
    quota: Option<Quota>,
    /// The callback gives the permit back.
    is_manual: bool,
    /// What the reader holds.
    permit: Latest<Arc<ParallelPermit>>,
}

/// Whether the reader may read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Free,
    /// First everything that was read is to be processed, then
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

    /// Asks for a permit to read with.
    pub(crate) fn enter(&self) -> Entry {
        let Some(quota) = &self.quota else {
            return Entry::Free;
        };
        match self.permit.take() {
            Some(permit) if permit.is_held() && (self.is_manual || !quota.is_wanted()) => {
                self.permit.give_back(permit);
                Entry::Free
            }
            _ => Entry::Queue,
        }
    }

    /// Waits for a new permit; false when `closing` is fired. Calls `queued` if
    /// there is none at once, when others can see that somebody waits.
    pub(crate) fn queue_up(&self, closing: &Stop, queued: impl FnOnce()) -> bool {
        let Some(quota) = &self.quota else {
            return true;
        };
        let Some(permit) = quota.acquire(closing, queued) else {
            return false;
        };
        self.permit.set(Arc::new(permit));
        // Either this sees the stop, or who closes sees the permit: see `end`.
        if closing.is_triggered() {
            self.leave();
            return false;
        }
        true
    }

    /// The permit that a batch holds until it is done.
    pub(crate) fn permit(&self) -> Option<Arc<ParallelPermit>> {
        let permit = self.permit.take()?;
        self.permit.give_back(permit.clone());
        Some(permit)
    }

    /// The reader pauses; `processed` when a callback will get what it read.
    pub(crate) fn pause(&self, processed: bool) {
        // A permit that the callback gives back stays acquired until it does; but
        // without a callback nobody would.
        if !(self.is_manual && processed) {
            self.leave();
        }
    }

    /// The reader reads no more; its batches still hold the permit.
    pub(crate) fn leave(&self) {
        drop(self.permit.take());
    }

    /// The channel is closed: a read that is still on its way counts for
    /// nothing. To be called after the stop of [`queue_up`](Self::queue_up)
    /// has been fired.
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
    fn a_place_goes_back_when_reader_and_batches_are_done_with_it() {
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
    fn a_place_that_others_wait_for_is_not_kept() {
        let quota = Quota::new(1);
        let (first, closing) = pair(&quota, false);
        let (second, _) = pair(&quota, false);
        assert!(first.queue_up(&closing, || ()));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| second.queue_up(&closing, || ()));
            while !quota.is_wanted() {
                std::thread::yield_now();
            }
            assert_eq!(first.enter(), Entry::Queue, "and the permit is given back");
            assert!(waiter.join().expect("waiter"));
        });
        assert_eq!(quota.0.in_use(), 1);
    }

    #[test]
    fn a_place_released_by_hand_is_gone_once() {
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
            "an old handle has no power over a new permit"
        );
        channel.pause(false);
        assert_eq!(quota.0.in_use(), 0, "nobody else would give it back");
    }

    #[test]
    fn the_end_of_a_channel_gives_its_place_back() {
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
