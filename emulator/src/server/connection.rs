//! One connection: request after request, until one side closes it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::SockRef;
use time::OffsetDateTime;

use crate::control;
use crate::engine::Engine;
use crate::protocol::{End, Failure, Head, MAX_BODY, MAX_HEAD, Reply, Request, access_log};
use crate::service::Step;
use crate::stop::Stop;

/// Up to this size, head and body are sent with one write.
const ONE_WRITE: usize = 16 << 10;

/// How long, and how many bytes, are still read after a request was rejected before
/// its end.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 << 20;

/// The thread of one connection.
pub(super) struct Connection {
    stream: TcpStream,
    engine: Arc<Engine>,
    stop: Stop,
    /// Bytes that were read but not used yet: the beginning of the next request.
    buffer: Vec<u8>,
    /// Whether the connection ends with a reset. The reset is sent when the last
    /// handle on the socket is dropped; a shutdown before would prevent it.
    resets: bool,
}

/// Why a request could not be read.
enum ReadError {
    /// The connection is broken, so the request cannot be answered.
    Io,
    /// The request is answered with an error, and the connection is closed.
    Refused(Failure),
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> ReadError {
        ReadError::Io
    }
}

impl Connection {
    pub(super) fn new(stream: TcpStream, engine: Arc<Engine>, stop: Stop) -> Connection {
        Connection {
            stream,
            engine,
            stop,
            buffer: Vec::new(),
            resets: false,
        }
    }

    pub(super) fn run(mut self) {
        while self.serve_one() {}
        if !self.resets {
            // An error means that the client has closed the connection.
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }

    /// Serves one request. Returns false if the connection has ended.
    fn serve_one(&mut self) -> bool {
        let (reply, keep, refused) = match self.read_request() {
            Ok(Some(request)) => {
                let keep = request.head.keeps_alive();
                (self.answer(&request), keep, false)
            }
            Ok(None) | Err(ReadError::Io) => return false,
            Err(ReadError::Refused(failure)) => (self.engine.refuse(&failure), false, true),
        };
        let written = self.write(&reply);
        if written.is_ok() && refused {
            // An error means that the client has closed the connection.
            let _ = self.linger();
        }
        written.is_ok() && keep && reply.end == End::Keep
    }

    /// Answers a request, and waits where the engine says so. If the server is
    /// stopped meanwhile, the request is given up.
    fn answer(&self, request: &Request) -> Reply {
        let begun = Instant::now();
        let mut step = self.engine.handle(request, OffsetDateTime::now_utc());
        let reply = loop {
            step = match step {
                Step::Answer(reply) => break reply,
                Step::Wait { delay, then } if self.stop.wait_for(delay) => {
                    Step::Answer(then.abandon())
                }
                Step::Wait { then, .. } => self.engine.resume(then),
            };
        };
        access_log::log(&request.head, &reply, begun.elapsed());
        reply
    }

    /// Reads and drops bytes for a while. If a socket is closed while it has unread
    /// bytes, it sends a reset, and the client may lose the answer.
    fn linger(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        self.stream.set_read_timeout(Some(LINGER))?;
        let mut rest = (&self.stream).take(LINGER_BYTES);
        io::copy(&mut rest, &mut io::sink()).map(|_| ())
    }

    /// The next request; `None` if the client has closed the connection.
    fn read_request(&mut self) -> Result<Option<Request>, ReadError> {
        let Some(head) = self.read_head()? else {
            return Ok(None);
        };
        let refused = |message| ReadError::Refused(Failure::invalid(message));
        let length = head.body_length().map_err(refused)?;
        let limit = match control::is_control(&head.path) {
            true => control::MAX_BODY,
            false => MAX_BODY,
        };
        if length > limit {
            let message =
                format!("The size of POST data is too large: {length} bytes, {limit} are allowed.");
            let failure = Failure::new(413, "OTSRequestBodyTooLarge", message);
            return Err(ReadError::Refused(failure));
        }
        if head.expects_continue() && self.buffer.len() < length {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        while self.buffer.len() < length {
            if self.fill()? == 0 {
                return Err(ReadError::Io);
            }
        }
        let rest = self.buffer.split_off(length);
        let body = std::mem::replace(&mut self.buffer, rest);
        Ok(Some(Request { head, body }))
    }

    fn read_head(&mut self) -> Result<Option<Head>, ReadError> {
        loop {
            let refused = |message| ReadError::Refused(Failure::invalid(message));
            if let Some((head, length)) = Head::parse(&self.buffer).map_err(refused)? {
                self.buffer.drain(..length);
                return Ok(Some(head));
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(refused("the head of the request is too long".to_owned()));
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 16 << 10];
        let read = self.stream.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..read]);
        Ok(read)
    }

    fn write(&mut self, reply: &Reply) -> io::Result<()> {
        let (head, body) = reply.to_wire();
        self.send(&head, body)?;
        if reply.end.resets() {
            self.resets = true;
            // Closing with no time to linger sends a reset.
            SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
        }
        Ok(())
    }

    fn send(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        if body.len() <= ONE_WRITE {
            return self.stream.write_all(&[head, body].concat());
        }
        self.stream.write_all(head)?;
        self.stream.write_all(body)
    }
}
