//! The link of ureq's chain that opens and drives TCP connections, in place of
//! ureq's own.
//!
//! A request's head and body go out in one call, when its answer is waited for;
//! an idle connection has no buffers.

use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Error, Timeout};

use super::lent::{Lent, Stock};
use super::link::Link;
use super::socket::Socket;

/// Opens connections, where an earlier link (a proxy's) has not.
///
/// They are not registered for the shutdown of their agent, which nobody else
/// has and nobody shuts down.
#[derive(Debug)]
pub(crate) struct TcpConnector(pub(crate) Arc<Stock>);

impl<In: Transport> Connector<In> for TcpConnector {
    type Out = Link;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Link>, Error> {
        if let Some(chained) = chained {
            return Ok(Some(Link::Other(Box::new(chained))));
        }
        let within = time(details.timeout)?;
        let socket = Socket::connect(&details.addrs, within, details.config.no_delay())
            .map_err(|error| failure(error, details.timeout.reason))?;
        Ok(Some(Link::Tcp(Tcp::new(socket, self.0.clone()))))
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Tcp {
    socket: Socket,
    buffers: Lent,
    /// Since it was last asked whether it is open.
    was_used: bool,
}

impl Tcp {
    fn new(socket: Socket, stock: Arc<Stock>) -> Tcp {
        Tcp {
            socket,
            buffers: Lent::new(stock),
            was_used: false,
        }
    }

    /// Some bytes, past the buffer, which is empty.
    pub(crate) fn read_into(
        &mut self,
        buffer: &mut [u8],
        timeout: NextTimeout,
    ) -> Result<usize, Error> {
        self.flush(timeout)?;
        let timeout = timeout.for_read();
        self.was_used = true;
        self.socket
            .read(buffer, time(timeout)?)
            .map_err(|error| failure(error, timeout.reason))
    }

    /// Sends what waits.
    fn flush(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let waiting = self.buffers.waiting();
        if waiting.is_empty() {
            return Ok(());
        }
        let timeout = timeout.for_write();
        self.was_used = true;
        self.socket
            .write(waiting, time(timeout)?)
            .map_err(|error| failure(error, timeout.reason))?;
        self.buffers.sent();
        Ok(())
    }
}

impl Transport for Tcp {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    /// Keeps it: more may follow, and at the end an answer is waited for.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        match self.buffers.keep(amount) {
            true => Ok(()),
            false => self.flush(timeout),
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.flush(timeout)?;
        if self.buffers.is_full() {
            let size = self.buffers.input().len();
            return Err(Error::LargeResponseHeader(size, size));
        }
        let timeout = timeout.for_read();
        let read = self
            .socket
            .read(self.buffers.input_append_buf(), time(timeout)?)
            .map_err(|error| failure(error, timeout.reason))?;
        self.was_used = true;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    /// Asked twice from one request to the next: when the connection becomes
    /// idle, just after it has been read from, and before it is used again,
    /// when the other end may have closed it. The first time it is not looked at.
    fn is_open(&mut self) -> bool {
        self.buffers.let_go();
        mem::take(&mut self.was_used) || self.socket.is_quiet()
    }
}

/// How long a call may take.
fn time(timeout: NextTimeout) -> Result<Option<Duration>, Error> {
    match timeout.after.is_zero() {
        true => Err(Error::Timeout(timeout.reason)),
        false => Ok(timeout.not_zero().map(|time| *time)),
    }
}

fn failure(error: io::Error, reason: Timeout) -> Error {
    match error.kind() {
        io::ErrorKind::TimedOut => Error::Timeout(reason),
        _ => Error::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};

    struct Pair {
        tcp: Tcp,
        peer: TcpStream,
        stock: Arc<Stock>,
    }

    fn pair() -> Pair {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let socket = Socket::connect(&[address], None, true).expect("a connection");
        let (peer, _) = listener.accept().expect("the other end");
        let stock = Arc::<Stock>::default();
        let tcp = Tcp::new(socket, stock.clone());
        Pair { tcp, peer, stock }
    }

    fn within(time: Duration) -> NextTimeout {
        NextTimeout {
            after: time.into(),
            ..NextTimeout::default()
        }
    }

    fn minute() -> NextTimeout {
        within(Duration::from_secs(60))
    }

    fn send(tcp: &mut Tcp, bytes: &[u8]) {
        tcp.buffers().output()[..bytes.len()].copy_from_slice(bytes);
        tcp.transmit_output(bytes.len(), minute()).expect("kept");
    }

    fn take(tcp: &mut Tcp) -> Vec<u8> {
        assert!(tcp.await_input(minute()).expect("an answer"));
        let input = tcp.buffers().input().to_vec();
        tcp.buffers().input_consume(input.len());
        input
    }

    #[test]
    fn head_and_body_go_out_when_the_answer_is_waited_for() {
        let Pair {
            mut tcp, mut peer, ..
        } = pair();
        send(&mut tcp, b"head ");
        send(&mut tcp, b"body");
        peer.set_nonblocking(true).expect("set");
        let early = peer.read(&mut [0]).expect_err("nothing yet");
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        peer.set_nonblocking(false).expect("set");
        let server = std::thread::spawn(move || {
            let mut request = [0; 9];
            peer.read_exact(&mut request).expect("a request");
            peer.write_all(b"answer").expect("sent");
            request
        });
        assert_eq!(take(&mut tcp), b"answer");
        assert_eq!(&server.join().expect("server"), b"head body");
    }

    #[test]
    fn a_large_request_goes_out_in_parts() {
        let Pair {
            mut tcp, mut peer, ..
        } = pair();
        let server = std::thread::spawn(move || {
            let mut request = vec![0; 100 * 1000];
            peer.read_exact(&mut request).expect("a request");
            peer.write_all(b"answer").expect("sent");
            request
        });
        for n in 0..100 {
            send(&mut tcp, &[n; 1000]);
        }
        assert_eq!(take(&mut tcp), b"answer");
        let request = server.join().expect("server");
        assert!(
            request
                .iter()
                .enumerate()
                .all(|(i, n)| i / 1000 == usize::from(*n))
        );
    }

    #[test]
    fn an_idle_connection_has_no_buffers() {
        let Pair {
            mut tcp,
            mut peer,
            stock,
        } = pair();
        peer.write_all(b"answer").expect("sent");
        take(&mut tcp);
        assert_eq!(format!("{stock:?}"), "Stock(0)");
        assert!(tcp.is_open());
        assert_eq!(format!("{stock:?}"), "Stock(1)");
    }

    #[test]
    fn a_connection_that_was_closed_meanwhile_is_not_open() {
        let Pair {
            mut tcp, mut peer, ..
        } = pair();
        peer.write_all(b"answer").expect("sent");
        take(&mut tcp);
        assert!(tcp.is_open(), "becomes idle");
        assert!(tcp.is_open(), "used again");
        drop(peer);
        // Comes once the other end has closed it.
        assert!(!tcp.await_input(minute()).expect("the end"));
        assert!(tcp.is_open(), "looked at just now");
        assert!(!tcp.is_open());
    }

    #[test]
    fn a_timeout_says_what_for_and_comes_in_time() {
        let Pair {
            mut tcp,
            peer: _peer,
            ..
        } = pair();
        let timeout = NextTimeout {
            reason: Timeout::RecvResponse,
            ..within(Duration::from_millis(50))
        };
        let began = clock::now();
        let error = tcp.await_input(timeout).expect_err("silence");
        assert!(
            matches!(error, Error::Timeout(Timeout::RecvResponse)),
            "{error}"
        );
        assert!(clock::now() - began >= Duration::from_millis(50));
        let error = tcp.await_input(within(Duration::ZERO)).expect_err("over");
        assert!(matches!(error, Error::Timeout(Timeout::Global)), "{error}");
    }

    #[test]
    fn a_head_without_end_is_refused() {
        let Pair {
            mut tcp, mut peer, ..
        } = pair();
        let sender = std::thread::spawn(move || {
            let _ = peer.write_all(&[b'a'; 1 << 20]);
        });
        let error = loop {
            match tcp.await_input(minute()) {
                Ok(progress) => assert!(progress),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::LargeResponseHeader(..)), "{error}");
        drop(tcp);
        sender.join().expect("sender");
    }
}
