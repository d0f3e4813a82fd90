//! The bodies of answers: each in one buffer, which is used again.

use std::io::Read;
use std::mem;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use bytes::Bytes;
use ureq::Body;
use ureq::http::Response;

use super::memory::Memory;
use super::wire::Rest;
use crate::sync::buffer_pool::BufferPool;

/// What is kept for later reads: some answers of the largest
/// usual size. How many batches wait goes up and down by as much under full load.
const MOST_SPARE: usize = 64 << 20;

/// From here on a body is read past the HTTP client.
const LARGE: usize = 16 << 10;

/// Of all clients of the process: whose answer was in a buffer makes no difference,
/// and what each kept for itself would add up.
static SPARE: LazyLock<Arc<BufferPool<Memory>>> =
    LazyLock::new(|| Arc::new(BufferPool::new(MOST_SPARE)));

/// Reads bodies.
pub(crate) struct Bodies(Arc<BufferPool<Memory>>);

/// The memory of a body, which goes back when its last record is dropped.
struct Buffer {
    memory: Memory,
    /// So many of its bytes are the body.
    len: usize,
    spare: Arc<BufferPool<Memory>>,
}

impl Bodies {
    pub(crate) fn new() -> Bodies {
        Bodies(SPARE.clone())
    }

    /// The whole body. By `due` if the answer came over a connection of ours;
    /// else the HTTP client minds the time.
    pub(crate) fn read(
        &self,
        response: Response<Body>,
        limit: usize,
        due: Option<Instant>,
    ) -> Result<Bytes, ureq::Error> {
        let announced = response.body().content_length();
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(ureq::Error::BodyExceedsLimit(limit as u64));
        }
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
        // To its end, after which the connection goes back to the pool.
        let _ = reader.read(&mut [0])?;
        Ok(Bytes::from_owner(buffer))
    }

    fn buffer(&self, len: usize) -> Buffer {
        let memory = self.0.take(len);
        Buffer {
            memory: memory.unwrap_or_else(|| Memory::new(len)),
            len,
            spare: self.0.clone(),
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
        self.spare.put(mem::take(&mut self.memory));
    }
}
