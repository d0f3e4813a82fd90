//! One connection: request after request, until one side has enough.

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

/// Up to here head and body go out in one piece.
const ONE_WRITE: usize = 16 << 10;

/// How long, and how much, is read on after a request was refused unread.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 << 20;

/// The thread of one connection.
pub(super) struct Connection {
    stream: TcpStream,
    engine: Arc<Engine>,
    stop: Stop,
    /// What was read and is not consumed: the beginning of the next request.
    buffer: Vec<u8>,
    /// Closed by a reset, which an orderly shutdown would forestall: it goes
    /// out when the last handle on the socket is dropped.
    resets: bool,
}

/// How the reading of a request can fail.
enum Broken {
    /// There is no one to answer to.
    Io,
    /// It is answered, and then nothing more is read.
    Refused(Failure),
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Broken {
        Broken::Io
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
            // An error means that the client was faster.
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }

    /// Serves one request; false when the connection is over.
    fn serve_one(&mut self) -> bool {
        let (reply, keep, refused) = match self.read_request() {
            Ok(Some(request)) => {
                let keep = request.head.keeps_alive();
                (self.answer(&request), keep, false)
            }
            Ok(None) | Err(Broken::Io) => return false,
            Err(Broken::Refused(failure)) => (self.engine.refuse(&failure), false, true),
        };
        let written = self.write(&reply);
        if written.is_ok() && refused {
            // An error means that the client has gone.
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

    /// Reads on for a while and throws away: a socket that is closed while
    /// something is unread is reset, and the answer may be lost.
    fn linger(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        self.stream.set_read_timeout(Some(LINGER))?;
        let mut rest = (&self.stream).take(LINGER_BYTES);
        io::copy(&mut rest, &mut io::sink()).map(|_| ())
    }

    /// The next request; `None` when there is none any more.
    fn read_request(&mut self) -> Result<Option<Request>, Broken> {
        let Some(head) = self.read_head()? else {
            return Ok(None);
        };
        let refused = |message| Broken::Refused(Failure::invalid(message));
        let length = head.body_length().map_err(refused)?;
        let limit = match control::is_control(&head.path) {
            true => control::MAX_BODY,
            false => MAX_BODY,
        };
        if length > limit {
            let message =
                format!("The size of POST data is too large: {length} bytes, {limit} are allowed.");
            let failure = Failure::new(413, "OTSRequestBodyTooLarge", message);
            return Err(Broken::Refused(failure));
        }
        if head.expects_continue() && self.buffer.len() < length {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        while self.buffer.len() < length {
            if self.fill()? == 0 {
                return Err(Broken::Io);
            }
        }
        let rest = self.buffer.split_off(length);
        let body = std::mem::replace(&mut self.buffer, rest);
        Ok(Some(Request { head, body }))
    }

    fn read_head(&mut self) -> Result<Option<Head>, Broken> {
        loop {
            let refused = |message| Broken::Refused(Failure::invalid(message));
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
