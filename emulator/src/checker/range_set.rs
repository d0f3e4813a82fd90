//! [`RangeSet`]: a set of positions, stored as ranges.

use std::collections::BTreeMap;
use std::ops::Range;

/// Ranges that neither overlap nor touch, by their starts.
#[derive(Clone, Debug, Default)]
pub(super) struct RangeSet(BTreeMap<u64, u64>);

impl RangeSet {
    pub(super) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        // Backwards from the end, so each found range is the last one that can
        // touch the new one.
        while let Some((first, last)) = self.last_from(end).filter(|(_, last)| *last >= start) {
            self.0.remove(&first);
            start = start.min(first);
            end = end.max(last);
        }
        self.0.insert(start, end);
    }

    /// The last range that begins at or before a position.
    fn last_from(&self, position: u64) -> Option<(u64, u64)> {
        let found = self.0.range(..=position).next_back();
        found.map(|(first, last)| (*first, *last))
    }

    pub(super) fn contains(&self, range: &Range<u64>) -> bool {
        range.is_empty() || self.missing(range.clone()).is_empty()
    }

    pub(super) fn overlaps(&self, range: &Range<u64>) -> bool {
        !range.is_empty()
            && self
                .last_from(range.end - 1)
                .is_some_and(|(_, last)| last > range.start)
    }

    /// The parts of a range that are not in the set.
    pub(super) fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut at = range.start;
        let first = self.last_from(at).map_or(at, |(first, _)| first);
        for (start, end) in self.0.range(first..range.end.max(first)) {
            if *start > at {
                missing.push(at..*start);
            }
            at = at.max(*end);
        }
        if at < range.end {
            missing.push(at..range.end);
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Compared with a plain set of numbers.
    #[test]
    fn is_a_set_of_positions() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..500 {
            let (mut ranges, mut set) = (RangeSet::default(), BTreeSet::new());
            for _ in 0..random.usize(0..8) {
                let start = random.u64(0..30);
                let range = start..start + random.u64(0..6);
                set.extend(range.clone());
                ranges.insert(range);
            }
            let start = random.u64(0..30);
            let probe = start..start + random.u64(0..12);
            let missing: Vec<u64> = ranges
                .missing(probe.clone())
                .into_iter()
                .flatten()
                .collect();
            let wanted: Vec<u64> = probe.clone().filter(|n| !set.contains(n)).collect();
            assert_eq!(missing, wanted, "{ranges:?} {probe:?}");
            assert_eq!(ranges.contains(&probe), wanted.is_empty());
            let overlaps = probe.clone().any(|n| set.contains(&n));
            assert_eq!(ranges.overlaps(&probe), overlaps, "{ranges:?} {probe:?}");
            let touching = ranges.0.iter().zip(ranges.0.iter().skip(1));
            assert!(touching.into_iter().all(|((_, end), (next, _))| end < next));
        }
    }
}
