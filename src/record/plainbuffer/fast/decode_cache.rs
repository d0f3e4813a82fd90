//! [`DecodeCache`]: the state of the fast path, shared by the rows of a batch.

use super::prefix_table::PrefixTable;
use super::sums::Sums;

/// The cell prefixes of the rows so far, and their checksums that are not compared yet.
#[derive(Debug)]
pub(crate) struct DecodeCache<'a> {
    pub(crate) prefixes: PrefixTable<'a>,
    pub(crate) sums: Sums,
}

/// Runs `check` with a cache. If it fails, or if a deferred checksum is wrong, runs it
/// again without a cache.
///
/// The second run uses the slow path only, which finds the first error and its exact
/// offset. The cache therefore never changes a result.
pub(crate) fn with<'a, T, E>(
    mut check: impl FnMut(&mut Option<DecodeCache<'a>>) -> Result<T, E>,
) -> Result<T, E> {
    let mut cache = Some(DecodeCache {
        prefixes: PrefixTable::new(),
        sums: Sums::new(),
    });
    match check(&mut cache) {
        Ok(checked) if cache.is_none_or(|mut cache| cache.sums.are_right()) => Ok(checked),
        _ => check(&mut None),
    }
}
