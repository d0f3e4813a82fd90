//! Reads response bodies, each into one pooled buffer.

use std::io::Read;
use std::mem;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use bytes::Bytes;
use ureq::Body;
use ureq::http::Response;

use super::exchange::Incoming;
use super::memory::Memory;
use super::wire::Rest;
use crate::sync::buffer_pool::BufferPool;

/// Maximum total size of pooled buffers, in bytes. That is several of the largest common
/// responses: under full load, the number of batches in memory varies by as much.
const MAX_POOLED_BYTES: usize = 64 << 20;

/// Bodies of this size in bytes or more are read directly from the connection,
/// bypassing the buffers of the HTTP client.
const LARGE: usize = 16 << 10;

/// Shared by all clients of the process. Buffers are interchangeable, and a pool for each
/// client would multiply the idle memory.
static POOL: LazyLock<Arc<BufferPool<Memory>>> =
    LazyLock::new(|| Arc::new(BufferPool::new(MAX_POOLED_BYTES)));

/// Reads response bodies into pooled buffers.
pub(crate) struct Bodies(Arc<BufferPool<Memory>>);

/// The memory of a body. Returns to the pool when the last record of the body is dropped.
struct Buffer {
    memory: Memory,
    /// Length of the body; the capacity of `memory` may be larger.
    len: usize,
    pool: Arc<BufferPool<Memory>>,
}

impl Bodies {
    pub(crate) fn new() -> Bodies {
        // Nothing of one simulation may be left for the next.
        if cfg!(simulation) {
            return Bodies(Arc::new(BufferPool::new(MAX_POOLED_BYTES)));
        }
        Bodies(POOL.clone())
    }

    /// Reads the whole body.
    ///
    /// `due` is the deadline if the response came over a connection of this crate.
    /// Otherwise the HTTP client enforces the timeout.
    pub(crate) fn read(
        &self,
        incoming: Incoming,
        limit: usize,
        due: Option<Instant>,
    ) -> Result<Bytes, ureq::Error> {
        let announced = incoming.announced();
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(ureq::Error::BodyExceedsLimit(limit as u64));
        }
        match incoming {
            Incoming::Http(response) => self.read_http(response, limit, due),
            #[cfg(simulation)]
            Incoming::Simulated(answer) => {
                let len = answer.announced as usize;
                self.read_announced(&mut answer.into_reader()?, len)
            }
        }
    }

    fn read_http(
        &self,
        response: Response<Body>,
        limit: usize,
        due: Option<Instant>,
    ) -> Result<Bytes, ureq::Error> {
        let announced = response.body().content_length();
        let len = announced.unwrap_or_default() as usize;
        if let Some(due) = due
            && len >= LARGE
        {
            return self.read_large(response, len, due);
        }
        let body = response.into_body().into_with_config();
        let mut reader = body.limit(limit as u64).reader();
        match announced {
            Some(_) => self.read_announced(&mut reader, len),
            // Without a length, the size of a pooled buffer cannot be chosen.
            None => {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes)?;
                Ok(bytes.into())
            }
        }
    }

    fn read_large(
        &self,
        response: Response<Body>,
        len: usize,
        due: Instant,
    ) -> Result<Bytes, ureq::Error> {
        let mut rest = Rest::of(response).ok_or(ureq::Error::ConnectionFailed)?;
        let mut buffer = self.buffer(len);
        rest.read_exact(buffer.body(), due)?;
        rest.keep();
        Ok(Bytes::from_owner(buffer))
    }

    fn read_announced(&self, reader: &mut impl Read, len: usize) -> Result<Bytes, ureq::Error> {
        let mut buffer = self.buffer(len);
        reader.read_exact(buffer.body())?;
        // The HTTP client reuses the connection only after it has seen the end of the body.
        let _ = reader.read(&mut [0])?;
        Ok(Bytes::from_owner(buffer))
    }

    fn buffer(&self, len: usize) -> Buffer {
        let memory = self.0.take(len);
        Buffer {
            memory: memory.unwrap_or_else(|| Memory::new(len)),
            len,
            pool: self.0.clone(),
        }
    }
}

impl Buffer {
    fn body(&mut self) -> &mut [u8] {
        self.memory.get_mut(..self.len).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.put(mem::take(&mut self.memory));
    }
}
