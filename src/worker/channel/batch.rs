//! [`ReadBatch`]: what one callback gets, of one read or of several joined.

use std::sync::Arc;
use std::{iter, mem};

use crate::error::TunnelError;
use crate::limits::memory::MemoryPermit;
use crate::limits::parallel::ParallelPermit;
use crate::record::{self, Checked, RawBatch, Record};
use crate::sync::buffer_pool::BufferPool;

/// Answers of one channel, in order, with what they hold on to. Their bodies
/// stay as they came.
#[derive(Debug)]
pub(crate) struct ReadBatch {
    before: Vec<RawBatch>,
    last: RawBatch,
    claim: Claim,
    /// All records, if they were decoded before their turn.
    checked: Option<Vec<Checked>>,
}

/// What a batch holds on to until it is done.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) permit: MemoryPermit,
    pub(crate) parallel_permit: Option<Arc<ParallelPermit>>,
}

impl ReadBatch {
    pub(crate) fn new(batch: RawBatch, claim: Claim) -> ReadBatch {
        ReadBatch {
            before: Vec::new(),
            last: batch,
            claim,
            checked: None,
        }
    }

    /// Joins the next answer.
    pub(crate) fn join(&mut self, batch: RawBatch, permit: MemoryPermit) {
        self.before.push(mem::replace(&mut self.last, batch));
        self.claim.permit.join(permit);
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

    /// Decodes before its turn, if the permit has room for what that makes. What
    /// is damaged stays as it came: it fails in its turn, after all before it.
    pub(crate) fn decode_ahead(&mut self, spare: &BufferPool<Vec<Checked>>) {
        let whole = self.bytes().saturating_add(self.index_bytes());
        if self.claim.permit.covers(whole) {
            self.checked = self.check(spare).ok();
        }
    }

    fn check(&self, spare: &BufferPool<Vec<Checked>>) -> Result<Vec<Checked>, TunnelError> {
        let bytes = self.record_count() * size_of::<Checked>();
        let mut checked = spare.take(bytes).unwrap_or_default();
        for batch in self.batches() {
            batch.append_checked(&mut checked)?;
        }
        Ok(checked)
    }

    /// All records, decoded and checked: now, unless they are already.
    pub(crate) fn records(
        &self,
        spare: &BufferPool<Vec<Record<'static>>>,
    ) -> Result<Vec<Record<'_>>, TunnelError> {
        let mut records: Vec<Record<'_>> = spare.take(self.index_bytes()).unwrap_or_default();
        let Some(checked) = &self.checked else {
            for batch in self.batches() {
                batch.append_records(&mut records)?;
            }
            return Ok(records);
        };
        let mut checked = checked.iter();
        for batch in self.batches() {
            let of_batch = checked.by_ref().take(batch.record_count);
            records.extend(of_batch.map(|checked| batch.lend(checked)));
        }
        Ok(records)
    }

    /// Lets go of everything; what was decoded before its turn is used again.
    pub(crate) fn drop_later(self, spare: &BufferPool<Vec<Checked>>) {
        if let Some(mut checked) = self.checked {
            checked.clear();
            spare.put(checked);
        }
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

    /// The id of the last request, and the token that reading goes on from; once.
    pub(crate) fn take_names(&mut self) -> (String, Arc<str>) {
        let last = &mut self.last;
        let token = mem::take(&mut last.next_token);
        (mem::take(&mut last.request_id), token.into())
    }

    /// The place that it holds on to.
    pub(crate) fn parallel_permit(&self) -> Option<&Arc<ParallelPermit>> {
        self.claim.parallel_permit.as_ref()
    }

    #[cfg(test)]
    pub(crate) fn is_decoded(&self) -> bool {
        self.checked.is_some()
    }

    fn batches(&self) -> impl Iterator<Item = &RawBatch> + Clone {
        self.before.iter().chain(iter::once(&self.last))
    }
}

/// How much memory the records of an answer take beside its body.
pub(crate) fn index_bytes(batch: &RawBatch) -> usize {
    batch.record_count.saturating_mul(size_of::<Record<'_>>())
}
