//! [`ReadBatch`]: what one callback gets, of one read or of several joined.

use std::sync::Arc;
use std::{iter, mem};

use crate::error::TunnelError;
use crate::limits::memory::MemoryPermit;
use crate::limits::parallel::ParallelPermit;
use crate::record::{self, RawBatch, Record};

/// Responses of one channel, in order, with what they hold until they are processed.
#[derive(Debug)]
pub(crate) struct ReadBatch {
    before: Vec<RawBatch>,
    last: RawBatch,
    memory: MemoryPermit,
    parallel_permit: Option<Arc<ParallelPermit>>,
}

impl ReadBatch {
    pub(crate) fn new(
        batch: RawBatch,
        memory: MemoryPermit,
        parallel_permit: Option<Arc<ParallelPermit>>,
    ) -> ReadBatch {
        ReadBatch {
            before: Vec::new(),
            last: batch,
            memory,
            parallel_permit,
        }
    }

    /// Joins the next response.
    pub(crate) fn join(&mut self, batch: RawBatch, memory: MemoryPermit) {
        self.before.push(mem::replace(&mut self.last, batch));
        self.memory.join(memory);
    }

    /// How many responses there are.
    pub(crate) fn reads(&self) -> usize {
        self.before.len() + 1
    }

    pub(crate) fn bytes(&self) -> usize {
        self.batches().map(|batch| batch.body.len()).sum()
    }

    pub(crate) fn record_count(&self) -> usize {
        self.batches().map(|batch| batch.record_count).sum()
    }

    /// Decodes and checks all records.
    pub(crate) fn records(&self) -> Result<Vec<Record<'_>>, TunnelError> {
        let mut records = Vec::new();
        for batch in self.batches() {
            batch.append_records(&mut records)?;
        }
        Ok(records)
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

    /// The parallel permit that it was read with.
    pub(crate) fn parallel_permit(&self) -> Option<&Arc<ParallelPermit>> {
        self.parallel_permit.as_ref()
    }

    fn batches(&self) -> impl Iterator<Item = &RawBatch> + Clone {
        self.before.iter().chain(iter::once(&self.last))
    }
}

/// How much memory the records of a response take beside its body.
pub(crate) fn index_bytes(batch: &RawBatch) -> usize {
    batch.record_count.saturating_mul(size_of::<Record<'_>>())
}
