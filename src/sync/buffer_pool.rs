//! [`BufferPool`]: reuses large buffers.
//!
//! A batch needs a buffer of several megabytes for the response. The allocator would
//! return it to the system after each batch and request it anew for the next, and the
//! system has to zero every new page.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Minimum size of a pooled buffer in bytes. Smaller ones are left to the allocator.
pub(crate) const MIN_BYTES: usize = 64 << 10;

/// Number of requests after which an unused buffer is freed. That is a tenth of a second
/// under full load, and minutes with a few idle channels.
const MAX_AGE: u64 = 256;

/// A buffer that can be pooled.
pub(crate) trait Buffer {
    /// Capacity in bytes.
    fn bytes(&self) -> usize;
}

/// Buffers that are not in use. The buffer that was returned last is reused first,
/// because it may still be in a CPU cache.
///
/// Pooled buffers and buffers in use together never exceed the largest amount that was
/// ever in use: if no pooled buffer fits, and the caller allocates a new one, the same
/// number of bytes is freed from the pool first. A limit for the buffers in use is
/// therefore a limit for all.
#[derive(Debug)]
pub(crate) struct BufferPool<B> {
    /// The lock is held only to search a few entries. Buffers are freed without it,
    /// because returning megabytes to the system takes time.
    free_list: Mutex<FreeList<B>>,
    /// Maximum total size of the pooled buffers, in bytes.
    max_bytes: usize,
}

#[derive(Debug)]
struct FreeList<B> {
    /// Ordered by the time of return, oldest first.
    buffers: VecDeque<Idle<B>>,
    /// Number of requests so far, which serves as a clock.
    requests: u64,
}

#[derive(Debug)]
struct Idle<B> {
    buffer: B,
    since: u64,
}

impl<B: Buffer> BufferPool<B> {
    pub(crate) fn new(max_bytes: usize) -> BufferPool<B> {
        let free_list = FreeList {
            buffers: VecDeque::new(),
            requests: 0,
        };
        BufferPool {
            free_list: Mutex::new(free_list),
            max_bytes,
        }
    }

    /// Takes a buffer with a capacity of at least `bytes`, but not much more, because the
    /// memory budget counts the content of a buffer, not its capacity.
    ///
    /// If none fits, frees enough of the oldest buffers for the one that the caller will
    /// allocate.
    pub(crate) fn take(&self, bytes: usize) -> Option<B> {
        let mut free_list = self.free_list.lock();
        let found = free_list.find(bytes);
        // Freed before the caller allocates, so that the new buffer replaces the old ones
        // instead of adding to the peak.
        let needed = match found {
            None if bytes >= MIN_BYTES => capacity_for(bytes),
            _ => 0,
        };
        let count = free_list.oldest(needed).max(free_list.unused());
        let to_free: Vec<_> = free_list.buffers.drain(..count).collect();
        drop(free_list);
        drop(to_free);
        found
    }

    /// Returns a buffer to the pool. If the pool is full, frees the oldest buffers.
    pub(crate) fn put(&self, buffer: B) {
        if (MIN_BYTES..=self.max_bytes).contains(&buffer.bytes()) {
            let mut free_list = self.free_list.lock();
            free_list.push(buffer);
            let excess = free_list.bytes().saturating_sub(self.max_bytes);
            let count = free_list.oldest(excess);
            let to_free: Vec<_> = free_list.buffers.drain(..count).collect();
            drop(free_list);
            drop(to_free);
        }
    }
}

impl<B: Buffer> FreeList<B> {
    fn push(&mut self, buffer: B) {
        let since = self.requests;
        self.buffers.push_back(Idle { buffer, since });
    }

    fn find(&mut self, bytes: usize) -> Option<B> {
        self.requests += 1;
        // A much larger buffer would waste memory now, and be missing for the next large
        // response.
        let max = capacity_for(bytes).saturating_add(bytes / 8);
        let fits = |idle: &Idle<B>| (bytes..=max).contains(&idle.buffer.bytes());
        let index = self.buffers.iter().rposition(fits)?;
        self.buffers.remove(index).map(|idle| idle.buffer)
    }

    fn bytes(&self) -> usize {
        self.buffers.iter().map(|idle| idle.buffer.bytes()).sum()
    }

    /// Number of oldest buffers that together have at least `bytes`; all buffers if the
    /// pool has less.
    fn oldest(&self, bytes: usize) -> usize {
        let mut sum = 0;
        let is_needed = |idle: &&Idle<B>| {
            let is_needed = sum < bytes;
            sum += idle.buffer.bytes();
            is_needed
        };
        self.buffers.iter().take_while(is_needed).count()
    }

    /// Number of buffers that were not needed for [`MAX_AGE`] requests.
    fn unused(&self) -> usize {
        let is_unused = |idle: &&Idle<B>| self.requests - idle.since > MAX_AGE;
        self.buffers.iter().take_while(is_unused).count()
    }
}

/// The capacity to allocate for `bytes`. Rounded up, because the responses of a channel
/// differ a little in size, and the next one should fit as well.
pub(crate) fn capacity_for(bytes: usize) -> usize {
    match bytes < MIN_BYTES {
        true => bytes,
        false => bytes.checked_next_multiple_of(MIN_BYTES).unwrap_or(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    impl Buffer for Vec<u8> {
        fn bytes(&self) -> usize {
            self.capacity()
        }
    }

    fn buffer(bytes: usize) -> Vec<u8> {
        Vec::with_capacity(bytes)
    }

    fn take_bytes(pool: &BufferPool<Vec<u8>>, bytes: usize) -> Option<usize> {
        pool.take(bytes).map(|buffer| buffer.capacity())
    }

    fn pooled(pool: &BufferPool<Vec<u8>>) -> Vec<usize> {
        let free_list = pool.free_list.lock();
        free_list
            .buffers
            .iter()
            .map(|idle| idle.buffer.bytes())
            .collect()
    }

    #[test]
    fn the_newest_buffer_that_fits_is_taken_once() {
        let pool = BufferPool::new(64 * MIB);
        for mib in [1, 2, 4, 2, 8] {
            pool.put(buffer(mib * MIB));
        }
        assert_eq!(take_bytes(&pool, 4 * MIB), Some(4 * MIB));
        assert_eq!(take_bytes(&pool, 2 * MIB - 100), Some(2 * MIB));
        assert_eq!(pooled(&pool), [MIB, 2 * MIB, 8 * MIB], "the older one");
        assert_eq!(take_bytes(&pool, 1 + MIB), None, "not the one of 2 MiB");
    }

    #[test]
    fn small_buffers_are_not_pooled() {
        let pool = BufferPool::new(64 * MIB);
        pool.put(buffer(1000));
        pool.put(buffer(MIB));
        assert_eq!(take_bytes(&pool, 1000), None);
        assert_eq!(pooled(&pool), [MIB]);
    }

    #[test]
    fn the_oldest_buffers_are_freed_first() {
        let pool = BufferPool::new(4 * MIB);
        for mib in [1, 2, 2, 5] {
            pool.put(buffer(mib * MIB));
        }
        assert_eq!(
            pooled(&pool),
            [2 * MIB, 2 * MIB],
            "5 MiB exceed the maximum"
        );
    }

    #[test]
    fn the_oldest_buffers_are_freed_for_a_new_one() {
        let pool = BufferPool::new(64 * MIB);
        for mib in [1, 2, 8, 1] {
            pool.put(buffer(mib * MIB));
        }
        assert_eq!(take_bytes(&pool, 5 * MIB / 2), None);
        assert_eq!(pooled(&pool), [8 * MIB, MIB], "3 MiB were freed for 2.5");
        assert_eq!(take_bytes(&pool, 100 * MIB), None);
        assert_eq!(pooled(&pool), [] as [usize; 0]);
    }

    #[test]
    fn the_total_never_exceeds_the_peak_in_use() {
        let pool = BufferPool::new(16 * MIB);
        let mut random = fastrand::Rng::with_seed(7);
        let (mut in_use, mut peak) = (Vec::new(), 0);
        for _ in 0..10_000 {
            if random.usize(..16) < in_use.len() {
                pool.put(in_use.swap_remove(random.usize(..in_use.len())));
            } else {
                let bytes = random.usize(MIN_BYTES..4 * MIB);
                let make = || buffer(capacity_for(bytes));
                in_use.push(pool.take(bytes).unwrap_or_else(make));
            }
            let now = in_use.iter().map(Buffer::bytes).sum();
            peak = peak.max(now);
            let pooled: usize = pooled(&pool).iter().sum();
            assert!(now + pooled <= peak, "{now} and {pooled}, once {peak}");
        }
    }

    #[test]
    fn long_unused_buffers_are_freed() {
        let pool = BufferPool::new(64 * MIB);
        pool.put(buffer(2 * MIB));
        pool.put(buffer(MIB));
        for _ in 0..MAX_AGE {
            let used = pool.take(MIB).expect("the newest");
            pool.put(used);
        }
        assert_eq!(pooled(&pool), [2 * MIB, MIB]);
        assert_eq!(take_bytes(&pool, 0), None);
        assert_eq!(pooled(&pool), [MIB]);
    }

    #[test]
    fn the_capacity_of_large_buffers_is_rounded_up() {
        assert_eq!(capacity_for(1), 1);
        assert_eq!(capacity_for(MIN_BYTES), MIN_BYTES);
        assert_eq!(capacity_for(MIN_BYTES + 1), 2 * MIN_BYTES);
    }
}
