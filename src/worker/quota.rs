//! How many channels of a worker read and process at once.
//!
//! A channel takes a place before it reads, and the place is given back when
//! the last batch read with it is done. As long as nobody waits for a place a
//! channel keeps its own and reads ahead; when somebody does, it first
//! finishes what it has read and then queues up behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::latest::Latest;
use super::permits::Permits;
use crate::stop::Stop;

/// The places of one worker. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Quota(Arc<Permits>);

impl Quota {
    pub(crate) fn new(places: usize) -> Quota {
        Quota(Arc::new(Permits::new(places)))
    }

    fn take(&self, closing: &Stop, queued: impl FnOnce()) -> Option<Place> {
        self.0.take(1, closing, queued)?;
        Some(Place {
            places: self.0.clone(),
            is_held: AtomicBool::new(true),
        })
    }

    fn is_wanted(&self) -> bool {
        self.0.has_queue()
    }
}

/// One place, until it is released or dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Permits>,
    is_held: AtomicBool,
}

impl Place {
    /// Gives the place back; false if that was done before.
    pub(crate) fn release(&self) -> bool {
        let was_held = self.is_held.swap(false, Ordering::AcqRel);
        if was_held {
            self.places.give(1);
        }
        was_held
    }

    fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Acquire)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.release();
    }
}

/// One channel's part in the quota. Its reader comes and goes; the batches
/// that it reads hold the place as well.
#[derive(Debug)]
pub(crate) struct ChannelQuota {
    /// None: unlimited.
    quota: Option<Quota>,
    /// The callback gives the place back.
    is_manual: bool,
    /// What the reader holds.
    place: Latest<Arc<Place>>,
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
            place: Latest::new(),
        }
    }

    /// Asks for a place to read with.
    pub(crate) fn enter(&self) -> Entry {
        let Some(quota) = &self.quota else {
            return Entry::Free;
        };
        match self.place.take() {
            Some(place) if place.is_held() && (self.is_manual || !quota.is_wanted()) => {
                self.place.give_back(place);
                Entry::Free
            }
            _ => Entry::Queue,
        }
    }

    /// Waits for a new place; false when `closing` is fired. Calls `queued` if
    /// there is none at once, when others can see that somebody waits.
    pub(crate) fn queue_up(&self, closing: &Stop, queued: impl FnOnce()) -> bool {
        let Some(quota) = &self.quota else {
            return true;
        };
        let Some(place) = quota.take(closing, queued) else {
            return false;
        };
        self.place.set(Arc::new(place));
        // Either this sees the stop, or who closes sees the place: see `end`.
        if closing.is_fired() {
            self.leave();
            return false;
        }
        true
    }

    /// The place that a batch holds until it is done.
    pub(crate) fn place(&self) -> Option<Arc<Place>> {
        let place = self.place.take()?;
        self.place.give_back(place.clone());
        Some(place)
    }

    /// The reader pauses; `processed` when a callback will get what it read.
    pub(crate) fn pause(&self, processed: bool) {
        // A place that the callback gives back stays taken until it does; but
        // without a callback nobody would.
        if !(self.is_manual && processed) {
            self.leave();
        }
    }

    /// The reader reads no more; its batches still hold the place.
    pub(crate) fn leave(&self) {
        drop(self.place.take());
    }

    /// The channel is closed: a read that is still on its way counts for
    /// nothing. To be called after the stop of [`queue_up`](Self::queue_up)
    /// has been fired.
    pub(crate) fn end(&self) {
        if let Some(place) = self.place.take() {
            place.release();
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
        assert!(channel.place().is_none());
        assert!(channel.queue_up(&Stop::new(), || ()));
    }

    #[test]
    fn a_place_goes_back_when_reader_and_batches_are_done_with_it() {
        let quota = Quota::new(2);
        let (channel, closing) = pair(&quota, false);
        assert_eq!(channel.enter(), Entry::Queue);
        assert!(channel.queue_up(&closing, || ()));
        assert_eq!(channel.enter(), Entry::Free, "reads ahead");
        let batch = channel.place();
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
            assert_eq!(first.enter(), Entry::Queue, "and the place is given back");
            assert!(waiter.join().expect("waiter"));
        });
        assert_eq!(quota.0.in_use(), 1);
    }

    #[test]
    fn a_place_released_by_hand_is_gone_once() {
        let quota = Quota::new(1);
        let (channel, closing) = pair(&quota, true);
        assert!(channel.queue_up(&closing, || ()));
        let batch = channel.place().expect("a place");
        channel.pause(true);
        assert_eq!(channel.enter(), Entry::Free, "kept for the callback");
        assert!(batch.release());
        assert!(!batch.release());
        assert_eq!(quota.0.in_use(), 0);
        assert_eq!(channel.enter(), Entry::Queue);
        assert!(channel.queue_up(&closing, || ()));
        assert!(
            !batch.release(),
            "an old handle has no power over a new place"
        );
        channel.pause(false);
        assert_eq!(quota.0.in_use(), 0, "nobody else would give it back");
    }

    #[test]
    fn the_end_of_a_channel_gives_its_place_back() {
        let quota = Quota::new(1);
        let (channel, closing) = pair(&quota, true);
        assert!(channel.queue_up(&closing, || ()));
        closing.fire();
        channel.end();
        assert_eq!(quota.0.in_use(), 0);
        assert!(!channel.queue_up(&closing, || ()));
        assert_eq!(quota.0.in_use(), 0);
    }
}
