//! [`Spare`]: large buffers that are used again.
//!
//! A batch needs a buffer for the answer and one for the index of its records,
//! each of megabytes. From the allocator they would come as fresh pages, which
//! the system fills with zeros one by one, and go back batch by batch.

use parking_lot::Mutex;

/// Smaller ones are left to the allocator.
const LEAST_BYTES: usize = 64 << 10;

/// Buffers that nobody uses at the moment; the last that came is the first to
/// be taken, as it may still be in a cache.
#[derive(Debug)]
pub(crate) struct Spare<T> {
    /// Their lock is held to look at a few of them.
    buffers: Mutex<Vec<Vec<T>>>,
    /// How many bytes of them are kept.
    most_bytes: usize,
}

impl<T> Spare<T> {
    pub(crate) fn new(most_bytes: usize) -> Spare<T> {
        Spare {
            buffers: Mutex::new(Vec::new()),
            most_bytes,
        }
    }

    /// A buffer that has room for so many, but not much more: what is counted
    /// of it elsewhere is what is in it.
    pub(crate) fn take(&self, len: usize) -> Option<Vec<T>> {
        if len.saturating_mul(size_of::<T>()) < LEAST_BYTES {
            return None;
        }
        let most = room_for::<T>(len).saturating_add(len / 8);
        let mut buffers = self.buffers.lock();
        let fits = |buffer: &Vec<T>| (len..=most).contains(&buffer.capacity());
        let place = buffers.iter().rposition(fits)?;
        Some(buffers.remove(place))
    }

    /// Keeps a buffer for later, in place of older ones if need be.
    pub(crate) fn put(&self, buffer: Vec<T>) {
        if (LEAST_BYTES..=self.most_bytes).contains(&bytes(&buffer)) {
            let mut buffers = self.buffers.lock();
            buffers.push(buffer);
            let excess = excess(&buffers, self.most_bytes);
            let too_many: Vec<_> = buffers.drain(..excess).collect();
            drop(buffers);
            drop(too_many);
        }
    }
}

/// How much room to make for so many: the answers of a channel differ a little.
pub(crate) fn room_for<T>(len: usize) -> usize {
    let step = (LEAST_BYTES / size_of::<T>()).max(1);
    match len < step {
        true => len,
        false => len.next_multiple_of(step),
    }
}

/// How many of the oldest are too many.
fn excess<T>(buffers: &[Vec<T>], most_bytes: usize) -> usize {
    let newest = buffers.iter().rev().scan(0, |sum, buffer| {
        *sum += bytes(buffer);
        (*sum <= most_bytes).then_some(())
    });
    buffers.len() - newest.count()
}

fn bytes<T>(buffer: &Vec<T>) -> usize {
    buffer.capacity() * size_of::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn buffer(bytes: usize) -> Vec<u8> {
        Vec::with_capacity(bytes)
    }

    fn taken(spare: &Spare<u8>, len: usize) -> Option<usize> {
        spare.take(len).map(|buffer| buffer.capacity())
    }

    #[test]
    fn the_last_that_fits_is_taken_once() {
        let spare = Spare::new(64 * MIB);
        for mib in [1, 4, 2, 8] {
            spare.put(buffer(mib * MIB));
        }
        assert_eq!(taken(&spare, 4 * MIB), Some(4 * MIB));
        assert_eq!(taken(&spare, 4 * MIB), None, "not the one of 8 MiB");
        assert_eq!(taken(&spare, 2 * MIB - 100), Some(2 * MIB));
        assert_eq!(taken(&spare, 3 * MIB), None);
        assert_eq!(taken(&spare, 1 + MIB), None);
    }

    #[test]
    fn small_ones_are_not_kept() {
        let spare = Spare::new(64 * MIB);
        spare.put(buffer(1000));
        spare.put(buffer(MIB));
        assert_eq!(taken(&spare, 1000), None);
        assert_eq!(spare.buffers.lock().len(), 1);
    }

    #[test]
    fn the_oldest_go_first() {
        let spare = Spare::new(4 * MIB);
        for mib in [1, 2, 2, 5] {
            spare.put(buffer(mib * MIB));
        }
        assert_eq!(taken(&spare, MIB), None, "the last two fill it");
        assert_eq!(taken(&spare, 2 * MIB), Some(2 * MIB));
        assert_eq!(taken(&spare, 2 * MIB), Some(2 * MIB));
        assert_eq!(taken(&spare, 5 * MIB), None, "larger than all that is kept");
    }

    #[test]
    fn new_ones_have_room_for_a_little_more() {
        assert_eq!(room_for::<u8>(1), 1);
        assert_eq!(room_for::<u8>(LEAST_BYTES), LEAST_BYTES);
        assert_eq!(room_for::<u8>(LEAST_BYTES + 1), 2 * LEAST_BYTES);
        assert_eq!(room_for::<[u8; 100_000]>(3), 3);
    }
}
