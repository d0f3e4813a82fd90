//! Whether the report of a shutdown is true.

use tablestore_emulator::{EventKind, Ledger};
use tablestore_tunnel::{ChannelReport, FINISH_TAG, ShutdownReport};

use super::{ConsumerId, Inner, Notes, Opening};

impl Notes {
    /// `is_exact`: nothing failed that could make the client know less than the service.
    pub(crate) fn reported(
        &self,
        consumer: ConsumerId,
        report: &ShutdownReport,
        ledger: &Ledger,
        is_exact: bool,
    ) {
        let mut inner = self.lock();
        for channel in &report.channels {
            if let Some(problem) = inner.untrue(consumer, channel, ledger, is_exact) {
                inner.broken.push(format!(
                    "the report of consumer {consumer} on channel {}: {problem}",
                    channel.channel_id
                ));
            }
        }
    }
}

impl Inner {
    fn untrue(
        &self,
        consumer: ConsumerId,
        report: &ChannelReport,
        ledger: &Ledger,
        is_exact: bool,
    ) -> Option<String> {
        let delivered = report.last_delivered.as_deref();
        let openings = self.openings.iter().rev();
        let mut openings = openings
            .filter(|opening| opening.consumer == consumer && opening.channel == report.channel_id);
        let last = openings.clone().next();
        // An abandoned channel may be one that was about to be opened again.
        if let Some(last) = last.filter(|last| last.is_open && !report.is_abandoned) {
            let really = last.batches.last().map(|batch| batch.token.as_str());
            if delivered != really {
                return Some("another batch was delivered last".to_owned());
            }
        }
        let delivered = delivered?;
        // Only an empty batch is in no opening: it is not given to the callback.
        let opening = openings
            .find(|opening| opening.batches.iter().any(|batch| batch.token == delivered))?;
        let place = (opening.tunnel.clone(), opening.channel.clone());
        let position = |token: &str| self.wire.position(&place, token);
        let finished = report.last_finished.as_deref().and_then(position);
        if finished.is_some_and(|finished| finished > opening.finished()) {
            return Some(format!(
                "{finished:?} finished, really {}",
                opening.finished()
            ));
        }
        let saves = saves(ledger, opening);
        let last_saved = report.last_saved.as_deref();
        if let Some(token) = last_saved
            && let Some(position) = position(token)
            && !saves.contains(&Some(position))
            && !(token == FINISH_TAG && saves.contains(&None))
        {
            return Some(format!("{position} saved, really {saves:?}"));
        }
        let stored = match saves.last() {
            // Finished: nothing comes again.
            Some(None) => u64::MAX,
            Some(Some(position)) => *position,
            None => opening.start,
        };
        let again = opening.delivered().saturating_sub(stored);
        let told = report.records_to_redeliver?;
        let wrong = told < again || (is_exact && !report.is_abandoned && told != again);
        wrong.then(|| format!("{told} records to redeliver, really {again}"))
    }
}

/// The positions that were saved for the channel, counted from its first record.
fn saves(ledger: &Ledger, opening: &Opening) -> Vec<Option<u64>> {
    let mut start = 0;
    let mut saves = Vec::new();
    let is_own =
        |tunnel: &str, channel: &str| tunnel == opening.tunnel && channel == opening.channel;
    for event in ledger.events() {
        match &event.kind {
            EventKind::ChannelAdded {
                tunnel,
                channel,
                start: first,
                ..
            } if is_own(tunnel, channel) => start = *first,
            EventKind::Saved {
                tunnel,
                channel,
                position,
                ..
            } if is_own(tunnel, channel) => saves.push(position.map(|at| at - start)),
            _ => {}
        }
    }
    saves
}
