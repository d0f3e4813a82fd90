//! [`DecodeCache`]: what makes checking the rows of a batch fast.

use super::prefix_table::PrefixTable;
use super::sums::Sums;

/// What the rows of a batch so far have shown, and what is still to be compared
/// of them.
#[derive(Debug)]
pub(crate) struct DecodeCache<'a> {
    pub(crate) heads: PrefixTable<'a>,
    pub(crate) sums: Sums,
}

/// Runs `check` with help. If it finds a error, or a sum turns out to be wrong, it
/// is run once more without: then it tells the first error, and where it is.
pub(crate) fn with<'a, T, E>(
    mut check: impl FnMut(&mut Option<DecodeCache<'a>>) -> Result<T, E>,
) -> Result<T, E> {
    let mut help = Some(DecodeCache {
        heads: PrefixTable::new(),
        sums: Sums::new(),
    });
    match check(&mut help) {
        Ok(checked) if help.is_none_or(|mut help| help.sums.are_right()) => Ok(checked),
        _ => check(&mut None),
    }
}
