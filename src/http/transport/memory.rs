//! [`Memory`]: where the body of an answer lies.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

use crate::sync::buffer_pool::{Buffer, MIN_BYTES, capacity_for};

/// Bytes, all of which have a value, so that none needs to be cleared.
pub(crate) enum Memory {
    Heap(Vec<u8>),
    /// A map of its own goes back to the system as soon as it is dropped. The C
    /// library would keep it: its threads share some heaps, of which only the
    /// end goes back.
    Map(MmapMut),
}

impl Memory {
    /// With room for so many.
    pub(crate) fn new(len: usize) -> Memory {
        if len < MIN_BYTES {
            return Memory::Heap(vec![0; len]);
        }
        let room = capacity_for(len);
        // The system has a limit to the number of maps.
        map(room).unwrap_or_else(|| Memory::Heap(vec![0; room]))
    }
}

fn map(len: usize) -> Option<Memory> {
    MmapMut::map_anon(len).ok().map(Memory::Map)
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::Heap(Vec::new())
    }
}

impl Buffer for Memory {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Memory::Heap(bytes) => bytes,
            Memory::Map(bytes) => bytes,
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Memory::Heap(bytes) => bytes,
            Memory::Map(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_ones_are_maps() {
        for (len, room, is_map) in [
            (0, 0, false),
            (MIN_BYTES - 1, MIN_BYTES - 1, false),
            (MIN_BYTES, MIN_BYTES, true),
            (MIN_BYTES + 1, 2 * MIN_BYTES, true),
        ] {
            let memory = Memory::new(len);
            assert_eq!(matches!(memory, Memory::Map(_)), is_map, "{len}");
            assert_eq!(memory.bytes(), room, "{len}");
            assert!(memory.iter().all(|byte| *byte == 0), "{len}");
        }
    }
}
