//! Rules on the end of a run: records that nobody read or processed.

use std::ops::Range;

use super::Rule;
use super::consuming::list;
use super::judge::{Judge, Subject, Track};
use crate::ledger::Event;

impl<'a> Judge<'a> {
    /// Findings refer to the `last` event, because no event shows a missing record.
    pub(super) fn check_end(&mut self, last: &'a Event) {
        let mut tracks: Vec<_> = std::mem::take(&mut self.tracks).into_iter().collect();
        tracks.sort_by_key(|(key, _)| *key);
        for ((tunnel, channel), track) in tracks {
            let Some(extent) = self.extent(&track) else {
                continue;
            };
            let subject = Subject {
                tunnel,
                client: None,
                channel: Some(channel),
            };
            let unread = track.read.missing(extent.clone());
            let unprocessed = track.processed.missing(extent);
            if !unread.is_empty() {
                self.violation(last, Rule::NeverRead, subject, list(&unread));
            } else if !unprocessed.is_empty() && self.is_witnessed(&track) {
                self.violation(last, Rule::NeverProcessed, subject, list(&unprocessed));
            }
        }
    }

    /// The positions that must have been read, if the channel has ended.
    fn extent(&self, track: &Track<'a>) -> Option<Range<u64>> {
        let (start, end, partition) = track.extent?;
        // A channel that was ended by hand need not be read to its end.
        let stopped = track.terminated && !track.end_read;
        let over = track.finished_saved || (self.checker.complete && !stopped);
        let logged = partition.and_then(|partition| self.logs.get(partition).copied());
        let end = match track.read_to {
            // A backfill ends before the end of its log.
            Some(read_to) if track.end_read => read_to,
            _ => end.max(logged.unwrap_or(end)),
        };
        // Trimmed records cannot be read any more.
        let trimmed = partition.and_then(|partition| self.trims.get(partition).copied());
        let start = trimmed.unwrap_or(start).max(start);
        over.then_some(start..end.max(start))
    }

    /// Whether all readers of a channel report which records they have processed.
    fn is_witnessed(&self, track: &Track<'a>) -> bool {
        let mut readers = track.readers.iter();
        readers.all(|reader| self.witnessed.contains(reader))
    }
}
