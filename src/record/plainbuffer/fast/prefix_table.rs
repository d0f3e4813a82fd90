//! [`PrefixTable`]: what the cells of a batch begin with.
//!
//! The rows of a batch mostly have the same columns in the same order, so what a
//! cell begins with has mostly been looked at before.

use std::slice;

use super::cell_prefix::CellPrefix;
use crate::record::plainbuffer::cell::Cell;

/// More than a table usually has columns. Cells that are not among these are read
/// without help, and their rows walked twice: once as far as they are known, then
/// from the start.
const PLACES: usize = 256;

/// The beginnings of all cells that there were so far, in an order in which they
/// were. On the heap: they would be most of what a thread touches of its stack.
#[derive(Debug)]
pub(crate) struct PrefixTable<'a> {
    heads: Vec<CellPrefix<'a>>,
    /// Counts the rows that something is learned from.
    row: u32,
}

impl<'a> PrefixTable<'a> {
    pub(crate) fn new() -> PrefixTable<'a> {
        PrefixTable {
            heads: Vec::new(),
            row: 0,
        }
    }

    /// In their order.
    #[inline]
    pub(crate) fn iter(&self) -> slice::Iter<'_, CellPrefix<'a>> {
        self.heads.iter()
    }

    /// The first place in a further row to learn from.
    pub(crate) fn begin_row(&mut self) -> usize {
        self.row += 1;
        0
    }

    /// Keeps the beginning of a cell that was found in order; `bytes` begin with it.
    /// `place` is behind those of the cells before it in the same row, and then
    /// behind this one.
    ///
    /// A row need not have all columns that others have: what is new goes between
    /// what is known, so that they come to an order that all rows fit into. A column
    /// that has several cells in a row has several places.
    pub(crate) fn learn(&mut self, place: &mut usize, cell: &Cell<'a>, bytes: &'a [u8]) {
        let (heads, row) = (&mut self.heads, self.row);
        let Some(head) = CellPrefix::of(cell, bytes, row) else {
            return;
        };
        let mut behind = heads.iter_mut().enumerate().skip(*place);
        if let Some((at, known)) = behind.find(|(_, known)| known.is_same(&head)) {
            known.row = row;
            *place = at + 1;
            return;
        }
        if heads.len() == PLACES {
            return;
        }
        // One that this row has no cell for was at the wrong place.
        let is_wrong = |known: &CellPrefix<'_>| known.is_same(&head) && known.row != row;
        if let Some(at) = heads.iter().position(is_wrong) {
            heads.remove(at);
            *place -= 1;
        }
        // Once, however many there will be.
        heads.reserve_exact(PLACES - heads.len());
        heads.insert(*place, head);
        *place += 1;
    }
}
