//! [`Round`]: what one callback gets, of one read or of several joined.

use std::iter;
use std::sync::Arc;

use super::budget::Loan;
use super::quota::Place;
use crate::error::TunnelError;
use crate::record::{self, RawBatch, Record};
use crate::spare::Spare;

/// Answers of one channel, in order, with what they hold on to. Their bodies
/// stay as they came.
#[derive(Debug)]
pub(crate) struct Round {
    before: Vec<RawBatch>,
    last: RawBatch,
    claim: Claim,
    /// All records, if they were decoded before their turn.
    decoded: Option<Vec<Record>>,
}

/// What a batch holds on to until it is done.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) loan: Loan,
    pub(crate) place: Option<Arc<Place>>,
}

impl Round {
    pub(crate) fn new(batch: RawBatch, claim: Claim) -> Round {
        Round {
            before: Vec::new(),
            last: batch,
            claim,
            decoded: None,
        }
    }

    /// Joins the next answer.
    pub(crate) fn join(&mut self, batch: RawBatch, loan: Loan) {
        self.before.push(std::mem::replace(&mut self.last, batch));
        self.claim.loan.join(loan);
    }

    /// How many answers there are.
    pub(crate) fn reads(&self) -> usize {
        self.before.len() + 1
    }

    pub(crate) fn bytes(&self) -> usize {
        self.batches().map(|batch| batch.body.len()).sum()
    }

    pub(crate) fn record_count(&self) -> usize {
        self.batches().map(|batch| batch.record_count).sum()
    }

    /// Decodes before its turn, if the loan has room for what that makes. What
    /// is damaged stays as it came: it fails in its turn, after all before it.
    pub(crate) fn decode_ahead(&mut self, spare: &Spare<Vec<Record>>) {
        let whole = self.bytes().saturating_add(self.index_bytes());
        if self.claim.loan.covers(whole) {
            self.decoded = self.decode(spare).ok();
        }
    }

    /// All records, decoded and checked: now, unless they are already.
    pub(crate) fn records(
        &mut self,
        spare: &Spare<Vec<Record>>,
    ) -> Result<Vec<Record>, TunnelError> {
        match self.decoded.take() {
            Some(records) => Ok(records),
            None => self.decode(spare),
        }
    }

    /// See [`RawBatch::append_records`].
    fn decode(&self, spare: &Spare<Vec<Record>>) -> Result<Vec<Record>, TunnelError> {
        let mut records = spare.take(self.index_bytes()).unwrap_or_default();
        for batch in self.batches() {
            batch.append_records(&mut records)?;
        }
        Ok(records)
    }

    /// How much memory its records take beside the bodies.
    fn index_bytes(&self) -> usize {
        let each = self.batches().map(index_bytes);
        each.fold(0, usize::saturating_add)
    }

    /// All records as one batch of bytes; see [`record::binary_records`].
    pub(crate) fn binary_records(&self) -> Result<Vec<u8>, TunnelError> {
        record::binary_records(self.batches())
    }

    /// The answer that reading goes on from, and what all of them hold.
    pub(crate) fn into_last(self) -> (RawBatch, Claim) {
        (self.last, self.claim)
    }

    #[cfg(test)]
    pub(crate) fn is_decoded(&self) -> bool {
        self.decoded.is_some()
    }

    fn batches(&self) -> impl Iterator<Item = &RawBatch> + Clone {
        self.before.iter().chain(iter::once(&self.last))
    }
}

/// How much memory the records of an answer take beside its body.
pub(crate) fn index_bytes(batch: &RawBatch) -> usize {
    batch.record_count.saturating_mul(size_of::<Record>())
}
