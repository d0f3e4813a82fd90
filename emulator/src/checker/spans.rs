//! [`Spans`]: a set of positions, as the ranges that they make up.

use std::collections::BTreeMap;
use std::ops::Range;

/// Ranges that neither overlap nor touch, by where they begin.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans(BTreeMap<u64, u64>);

impl Spans {
    pub(super) fn insert(&mut self, span: Range<u64>) {
        if span.is_empty() {
            return;
        }
        let (mut start, mut end) = (span.start, span.end);
        // From the back, so that each is the last one that can touch.
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

    pub(super) fn contains(&self, span: &Range<u64>) -> bool {
        span.is_empty() || self.missing(span.clone()).is_empty()
    }

    pub(super) fn overlaps(&self, span: &Range<u64>) -> bool {
        !span.is_empty()
            && self
                .last_from(span.end - 1)
                .is_some_and(|(_, last)| last > span.start)
    }

    /// What of a range is not in the set.
    pub(super) fn missing(&self, span: Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut at = span.start;
        let first = self.last_from(at).map_or(at, |(first, _)| first);
        for (start, end) in self.0.range(first..span.end.max(first)) {
            if *start > at {
                missing.push(at..*start);
            }
            at = at.max(*end);
        }
        if at < span.end {
            missing.push(at..span.end);
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Against a plain set of numbers.
    #[test]
    fn is_a_set_of_positions() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..500 {
            let (mut spans, mut set) = (Spans::default(), BTreeSet::new());
            for _ in 0..random.usize(0..8) {
                let start = random.u64(0..30);
                let span = start..start + random.u64(0..6);
                set.extend(span.clone());
                spans.insert(span);
            }
            let start = random.u64(0..30);
            let probe = start..start + random.u64(0..12);
            let missing: Vec<u64> = spans.missing(probe.clone()).into_iter().flatten().collect();
            let wanted: Vec<u64> = probe.clone().filter(|n| !set.contains(n)).collect();
            assert_eq!(missing, wanted, "{spans:?} {probe:?}");
            assert_eq!(spans.contains(&probe), wanted.is_empty());
            let overlaps = probe.clone().any(|n| set.contains(&n));
            assert_eq!(spans.overlaps(&probe), overlaps, "{spans:?} {probe:?}");
            let touching = spans.0.iter().zip(spans.0.iter().skip(1));
            assert!(touching.into_iter().all(|((_, end), (next, _))| end < next));
        }
    }
}
