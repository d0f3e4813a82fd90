//! What is missing in the end: places that nobody read or dealt with.

use std::ops::Range;

use super::Rule;
use super::consuming::list;
use super::judge::{Judge, Track, Whom};
use crate::ledger::Event;

impl<'a> Judge<'a> {
    /// `last`: the last event, for what no event can be blamed for.
    pub(super) fn see_end(&mut self, last: &'a Event) {
        let mut tracks: Vec<_> = std::mem::take(&mut self.tracks).into_iter().collect();
        tracks.sort_by_key(|(key, _)| *key);
        for ((tunnel, channel), track) in tracks {
            let Some(extent) = self.extent(&track) else {
                continue;
            };
            let whom = Whom {
                tunnel,
                client: None,
                channel: Some(channel),
            };
            let unread = track.read.missing(extent.clone());
            let undone = track.processed.missing(extent);
            if !unread.is_empty() {
                self.violation(last, Rule::NeverRead, whom, list(&unread));
            } else if !undone.is_empty() && self.is_witnessed(&track) {
                self.violation(last, Rule::NeverProcessed, whom, list(&undone));
            }
        }
    }

    /// The places that must have been read, if the channel is over.
    fn extent(&self, track: &Track<'a>) -> Option<Range<u64>> {
        let (start, end, partition) = track.extent?;
        // What was ended by hand ends where it is.
        let stopped = track.terminated && !track.end_read;
        let over = track.finished_saved || (self.checker.complete && !stopped);
        let logged = partition.and_then(|partition| self.logs.get(partition).copied());
        let end = match track.read_to {
            // A backfill ends before its log does.
            Some(read_to) if track.end_read => read_to,
            _ => end.max(logged.unwrap_or(end)),
        };
        // What is gone from the log cannot be read any more.
        let trimmed = partition.and_then(|partition| self.trims.get(partition).copied());
        let start = trimmed.unwrap_or(start).max(start);
        over.then_some(start..end.max(start))
    }

    /// All who read it say what they have dealt with.
    fn is_witnessed(&self, track: &Track<'a>) -> bool {
        let mut readers = track.readers.iter();
        readers.all(|reader| self.witnessed.contains(reader))
    }
}
