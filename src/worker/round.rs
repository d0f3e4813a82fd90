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

    /// All records, decoded and checked; see [`RawBatch::append_records`].
    pub(crate) fn records(&self, spare: &Spare<Record>) -> Result<Vec<Record>, TunnelError> {
        let mut records = spare.take(self.record_count()).unwrap_or_default();
        for batch in self.batches() {
            batch.append_records(&mut records)?;
        }
        Ok(records)
    }

    /// All records as one batch of bytes; see [`record::binary_records`].
    pub(crate) fn binary_records(&self) -> Result<Vec<u8>, TunnelError> {
        record::binary_records(self.batches())
    }

    /// The answer that reading goes on from, and what all of them hold.
    pub(crate) fn into_last(self) -> (RawBatch, Claim) {
        (self.last, self.claim)
    }

    fn batches(&self) -> impl Iterator<Item = &RawBatch> + Clone {
        self.before.iter().chain(iter::once(&self.last))
    }
}
