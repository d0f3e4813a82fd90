//! [`PrefixTable`]: the prefixes of the cells of a batch.
//!
//! The rows of a batch mostly have the same columns in the same order, so most cells
//! start with a prefix that was already checked in an earlier row.

use std::slice;

use super::cell_prefix::CellPrefix;
use crate::record::plainbuffer::cell::Cell;

/// Maximum number of prefixes; few tables have as many columns.
///
/// A row with a cell that is not in the table is read twice: by the fast path up to that
/// cell, then by the slow path from the start.
const MAX_PREFIXES: usize = 256;

/// The prefixes of all cells seen so far, in an order that agrees with the rows.
///
/// The prefixes are on the heap. On the stack, they would be most of the stack that a
/// pool thread touches, and that memory would stay resident.
#[derive(Debug)]
pub(crate) struct PrefixTable<'a> {
    prefixes: Vec<CellPrefix<'a>>,
    /// Number of rows that were added, which identifies the current row.
    row: u32,
}

impl<'a> PrefixTable<'a> {
    pub(crate) fn new() -> PrefixTable<'a> {
        PrefixTable {
            prefixes: Vec::new(),
            row: 0,
        }
    }

    /// Iterates over the prefixes in the order of the columns.
    #[inline]
    pub(crate) fn iter(&self) -> slice::Iter<'_, CellPrefix<'a>> {
        self.prefixes.iter()
    }

    /// Starts a row, and returns the index of its first prefix.
    pub(crate) fn begin_row(&mut self) -> usize {
        self.row += 1;
        0
    }

    /// Adds the prefix of a valid cell, which starts at `bytes`.
    ///
    /// `index` is just past the prefix of the previous cell of the row, and is moved past
    /// the prefix of this cell.
    ///
    /// Rows may lack columns that other rows have. A new prefix is therefore inserted
    /// between the prefixes of its neighbors, so that the order converges to one that
    /// fits all rows. A column with several cells in a row has several prefixes.
    pub(crate) fn learn(&mut self, index: &mut usize, cell: &Cell<'a>, bytes: &'a [u8]) {
        let (prefixes, row) = (&mut self.prefixes, self.row);
        let Some(prefix) = CellPrefix::of(cell, bytes, row) else {
            return;
        };
        let mut after = prefixes.iter_mut().enumerate().skip(*index);
        if let Some((at, known)) = after.find(|(_, known)| known.is_same(&prefix)) {
            known.row = row;
            *index = at + 1;
            return;
        }
        if prefixes.len() == MAX_PREFIXES {
            return;
        }
        // The prefix is known, but earlier in the table, and this row has not used it:
        // it was inserted in the wrong order. Move it.
        let is_misplaced = |known: &CellPrefix<'_>| known.is_same(&prefix) && known.row != row;
        if let Some(at) = prefixes.iter().position(is_misplaced) {
            prefixes.remove(at);
            *index -= 1;
        }
        // Reserving the maximum makes this one allocation for each batch.
        prefixes.reserve_exact(MAX_PREFIXES - prefixes.len());
        prefixes.insert(*index, prefix);
        *index += 1;
    }
}
