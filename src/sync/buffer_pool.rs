//! [`BufferPool`]: large buffers that are used again.
//!
//! A batch needs a buffer for the answer and one for the index of its records,
//! each of megabytes. Otherwise they would come as fresh pages, which the system
//! fills with zeros one by one, and go back batch by batch.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Smaller ones are left to the allocator.
pub(crate) const LEAST_BYTES: usize = 64 << 10;

/// So many times others are asked for until one that nobody took goes: a tenth
/// of a second under full load, minutes with a few idle channels.
const KEPT_FOR: u64 = 256;

/// What can be kept for later.
pub(crate) trait Buffer {
    /// How many bytes there is room for.
    fn bytes(&self) -> usize;
}

impl<T> Buffer for Vec<T> {
    fn bytes(&self) -> usize {
        self.capacity() * size_of::<T>()
    }
}

/// Buffers that nobody uses at the moment; the last that came is the first to
/// be taken, as it may still be in a cache.
///
/// What is kept and what is in use never add up to more than was once in use:
/// whoever finds nothing that fits, and makes a new one, has as much of what is
/// kept go before. So what bounds the buffers in use bounds all.
#[derive(Debug)]
pub(crate) struct BufferPool<B> {
    /// Its lock is held to look at a few of them.
    shelf: Mutex<Shelf<B>>,
    /// How many bytes of them are kept.
    most_bytes: usize,
}

#[derive(Debug)]
struct Shelf<B> {
    /// The oldest first.
    kept: VecDeque<Kept<B>>,
    /// How often one was asked for, which serves as a clock.
    asked: u64,
}

#[derive(Debug)]
struct Kept<B> {
    buffer: B,
    since: u64,
}

impl<B: Buffer> BufferPool<B> {
    pub(crate) fn new(most_bytes: usize) -> BufferPool<B> {
        let shelf = Shelf {
            kept: VecDeque::new(),
            asked: 0,
        };
        BufferPool {
            shelf: Mutex::new(shelf),
            most_bytes,
        }
    }

    /// A buffer that has room for so many bytes, but not much more: what is
    /// counted of it elsewhere is what is in it. If there is none, others make
    /// way for the one that the caller makes.
    pub(crate) fn take(&self, bytes: usize) -> Option<B> {
        let mut shelf = self.shelf.lock();
        let found = shelf.find(bytes);
        let needed = match found {
            None if bytes >= LEAST_BYTES => room_for(bytes),
            _ => 0,
        };
        let count = shelf.oldest(needed).max(shelf.unused());
        let gone: Vec<_> = shelf.kept.drain(..count).collect();
        drop(shelf);
        drop(gone);
        found
    }

    /// Keeps a buffer for later, in place of older ones if need be.
    pub(crate) fn put(&self, buffer: B) {
        if (LEAST_BYTES..=self.most_bytes).contains(&buffer.bytes()) {
            let mut shelf = self.shelf.lock();
            shelf.keep(buffer);
            let excess = shelf.bytes().saturating_sub(self.most_bytes);
            let count = shelf.oldest(excess);
            let gone: Vec<_> = shelf.kept.drain(..count).collect();
            drop(shelf);
            drop(gone);
        }
    }
}

impl<B: Buffer> Shelf<B> {
    fn keep(&mut self, buffer: B) {
        let since = self.asked;
        self.kept.push_back(Kept { buffer, since });
    }

    fn find(&mut self, bytes: usize) -> Option<B> {
        self.asked += 1;
        let most = room_for(bytes).saturating_add(bytes / 8);
        let fits = |kept: &Kept<B>| (bytes..=most).contains(&kept.buffer.bytes());
        let place = self.kept.iter().rposition(fits)?;
        self.kept.remove(place).map(|kept| kept.buffer)
    }

    fn bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.buffer.bytes()).sum()
    }

    /// How many of the oldest have so many bytes together, or else how many
    /// there are.
    fn oldest(&self, bytes: usize) -> usize {
        let mut sum = 0;
        let is_needed = |kept: &&Kept<B>| {
            let is_needed = sum < bytes;
            sum += kept.buffer.bytes();
            is_needed
        };
        self.kept.iter().take_while(is_needed).count()
    }

    /// How many lay there for long: others were enough since.
    fn unused(&self) -> usize {
        let is_unused = |kept: &&Kept<B>| self.asked - kept.since > KEPT_FOR;
        self.kept.iter().take_while(is_unused).count()
    }
}

/// How many bytes to make room for: the answers of a channel differ a little.
pub(crate) fn room_for(bytes: usize) -> usize {
    match bytes < LEAST_BYTES {
        true => bytes,
        false => bytes.checked_next_multiple_of(LEAST_BYTES).unwrap_or(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn buffer(bytes: usize) -> Vec<u8> {
        Vec::with_capacity(bytes)
    }

    fn taken(spare: &BufferPool<Vec<u8>>, bytes: usize) -> Option<usize> {
        spare.take(bytes).map(|buffer| buffer.capacity())
    }

    fn kept(spare: &BufferPool<Vec<u8>>) -> Vec<usize> {
        let shelf = spare.shelf.lock();
        shelf.kept.iter().map(|kept| kept.buffer.bytes()).collect()
    }

    #[test]
    fn the_last_that_fits_is_taken_once() {
        let spare = BufferPool::new(64 * MIB);
        for mib in [1, 2, 4, 2, 8] {
            spare.put(buffer(mib * MIB));
        }
        assert_eq!(taken(&spare, 4 * MIB), Some(4 * MIB));
        assert_eq!(taken(&spare, 2 * MIB - 100), Some(2 * MIB));
        assert_eq!(kept(&spare), [MIB, 2 * MIB, 8 * MIB], "the older one");
        assert_eq!(taken(&spare, 1 + MIB), None, "not the one of 2 MiB");
    }

    #[test]
    fn small_ones_are_not_kept() {
        let spare = BufferPool::new(64 * MIB);
        spare.put(buffer(1000));
        spare.put(buffer(MIB));
        assert_eq!(taken(&spare, 1000), None);
        assert_eq!(kept(&spare), [MIB]);
    }

    #[test]
    fn the_oldest_go_first() {
        let spare = BufferPool::new(4 * MIB);
        for mib in [1, 2, 2, 5] {
            spare.put(buffer(mib * MIB));
        }
        assert_eq!(kept(&spare), [2 * MIB, 2 * MIB], "5 are more than all");
    }

    #[test]
    fn the_oldest_make_way_for_a_new_one() {
        let spare = BufferPool::new(64 * MIB);
        for mib in [1, 2, 8, 1] {
            spare.put(buffer(mib * MIB));
        }
        assert_eq!(taken(&spare, 5 * MIB / 2), None);
        assert_eq!(kept(&spare), [8 * MIB, MIB], "3 MiB went for 2.5");
        assert_eq!(taken(&spare, 100 * MIB), None);
        assert_eq!(kept(&spare), [] as [usize; 0]);
    }

    #[test]
    fn no_more_is_there_than_was_once_in_use() {
        let spare = BufferPool::new(16 * MIB);
        let mut random = fastrand::Rng::with_seed(7);
        let (mut in_use, mut most) = (Vec::new(), 0);
        for _ in 0..10_000 {
            if random.usize(..16) < in_use.len() {
                spare.put(in_use.swap_remove(random.usize(..in_use.len())));
            } else {
                let bytes = random.usize(LEAST_BYTES..4 * MIB);
                let make = || buffer(room_for(bytes));
                in_use.push(spare.take(bytes).unwrap_or_else(make));
            }
            let now = in_use.iter().map(Buffer::bytes).sum();
            most = most.max(now);
            let kept: usize = kept(&spare).iter().sum();
            assert!(now + kept <= most, "{now} and {kept}, once {most}");
        }
    }

    #[test]
    fn what_nobody_took_for_long_goes() {
        let spare = BufferPool::new(64 * MIB);
        spare.put(buffer(2 * MIB));
        spare.put(buffer(MIB));
        for _ in 0..KEPT_FOR {
            let used = spare.take(MIB).expect("the newest");
            spare.put(used);
        }
        assert_eq!(kept(&spare), [2 * MIB, MIB]);
        assert_eq!(taken(&spare, 0), None);
        assert_eq!(kept(&spare), [MIB]);
    }

    #[test]
    fn new_ones_have_room_for_a_little_more() {
        assert_eq!(room_for(1), 1);
        assert_eq!(room_for(LEAST_BYTES), LEAST_BYTES);
        assert_eq!(room_for(LEAST_BYTES + 1), 2 * LEAST_BYTES);
    }
}
