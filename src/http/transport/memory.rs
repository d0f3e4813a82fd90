//! [`Memory`]: the memory of a response body.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

use crate::sync::buffer_pool::{Buffer, MIN_BYTES, capacity_for};

/// Initialized bytes, so that a reused buffer need not be zeroed before it is filled.
pub(crate) enum Memory {
    Heap(Vec<u8>),
    /// An anonymous mapping, which returns to the system as soon as it is dropped. The C
    /// library would keep the memory: it can only return the end of a heap, and its threads
    /// share heaps.
    Map(MmapMut),
}

impl Memory {
    /// Allocates zeroed memory for at least `len` bytes.
    pub(crate) fn new(len: usize) -> Memory {
        if len < MIN_BYTES {
            return Memory::Heap(vec![0; len]);
        }
        let capacity = capacity_for(len);
        // The system limits the number of mappings, so fall back to the heap.
        map(capacity).unwrap_or_else(|| Memory::Heap(vec![0; capacity]))
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
    fn large_buffers_are_mappings() {
        for (len, capacity, is_map) in [
            (0, 0, false),
            (MIN_BYTES - 1, MIN_BYTES - 1, false),
            (MIN_BYTES, MIN_BYTES, true),
            (MIN_BYTES + 1, 2 * MIN_BYTES, true),
        ] {
            let memory = Memory::new(len);
            assert_eq!(matches!(memory, Memory::Map(_)), is_map, "{len}");
            assert_eq!(memory.bytes(), capacity, "{len}");
            assert!(memory.iter().all(|byte| *byte == 0), "{len}");
        }
    }
}
