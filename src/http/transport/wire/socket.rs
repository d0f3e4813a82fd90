//! [`Socket`]: a TCP socket whose calls end in time, with few calls.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::clock;

/// Of the time that is left, so that an address which does not answer leaves
/// some for the next one.
const LEAST_SHARE: Duration = Duration::from_millis(10);

/// A connected socket. `within` is how long a call may take, none for ever;
/// what takes longer is [`ErrorKind::TimedOut`].
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    reads: Limit,
    writes: Limit,
}

impl Socket {
    /// To the first of the addresses that answers: each but the last has half
    /// of the time that is left.
    pub(crate) fn connect(
        addresses: &[SocketAddr],
        within: Option<Duration>,
        no_delay: bool,
    ) -> io::Result<Socket> {
        let due = within.map(|within| clock::after(clock::now(), within));
        let mut failed = ErrorKind::AddrNotAvailable.into();
        for (index, address) in addresses.iter().enumerate() {
            let left = due.map(|due| due.saturating_duration_since(clock::now()));
            let is_last = index + 1 == addresses.len();
            let share = left.map(|left| if is_last { left } else { left / 2 });
            match connect(address, share) {
                Ok(stream) => return Socket::new(stream, no_delay),
                Err(error) => {
                    log::debug!("{address}: {error}");
                    failed = error;
                }
            }
        }
        Err(failed)
    }

    fn new(stream: TcpStream, no_delay: bool) -> io::Result<Socket> {
        stream.set_nodelay(no_delay)?;
        Ok(Socket {
            stream,
            reads: Limit::default(),
            writes: Limit::default(),
        })
    }

    /// Some bytes; none at the end.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        mut within: Option<Duration>,
    ) -> io::Result<usize> {
        let due = within.map(|within| clock::after(clock::now(), within));
        loop {
            self.reads
                .set(within, |limit| self.stream.set_read_timeout(limit))?;
            match self.stream.read(buffer).map_err(timed_out) {
                // By a signal, as a profiler sends: Linux goes on by itself only
                // where there is no timeout.
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    within = due.map(|due| due.saturating_duration_since(clock::now()));
                    if within.is_some_and(|left| left.is_zero()) {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                read => return read,
            }
        }
    }

    /// All bytes; each part of them that the system takes may take so long.
    pub(crate) fn write(&mut self, bytes: &[u8], within: Option<Duration>) -> io::Result<()> {
        self.writes
            .set(within, |limit| self.stream.set_write_timeout(limit))?;
        self.stream.write_all(bytes).map_err(timed_out)
    }

    /// Whether the other end has neither closed the connection nor sent what
    /// nobody asked for.
    pub(crate) fn is_quiet(&self) -> bool {
        let look = || {
            self.stream.set_nonblocking(true)?;
            let read = (&self.stream).read(&mut [0]);
            self.stream.set_nonblocking(false)?;
            read
        };
        look().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

fn connect(address: &SocketAddr, within: Option<Duration>) -> io::Result<TcpStream> {
    match within {
        Some(within) => TcpStream::connect_timeout(address, within.max(LEAST_SHARE)),
        None => TcpStream::connect(address),
    }
}

/// A timeout is said in two ways, by system.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
        _ => error,
    }
}

/// How long the system lets a call take.
///
/// Each call has a little less time than the one before, and setting that is a
/// call of its own. So it is set to a little more, and kept while it is neither
/// less than what is wanted nor much more.
#[derive(Debug, Default)]
struct Limit(Option<Duration>);

impl Limit {
    /// A call ends late by less than one part in so many of the time it had.
    const LATE: u32 = 32;

    fn set(
        &mut self,
        wanted: Option<Duration>,
        set: impl FnOnce(Option<Duration>) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.serves(wanted) {
            return Ok(());
        }
        let limit = wanted.map(|wanted| wanted.saturating_add(wanted / (2 * Limit::LATE)));
        match set(limit) {
            Ok(()) => self.0 = limit,
            // macOS, once the other end has closed: reading tells what came.
            Err(error) if error.kind() == ErrorKind::InvalidInput => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn serves(&self, wanted: Option<Duration>) -> bool {
        match (self.0, wanted) {
            (None, None) => true,
            (Some(limit), Some(wanted)) => {
                (wanted..=wanted.saturating_add(wanted / Limit::LATE)).contains(&limit)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const MINUTE: Option<Duration> = Some(Duration::from_secs(60));

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    fn pair() -> (Socket, TcpStream) {
        let (listener, address) = listener();
        let socket = Socket::connect(&[address], MINUTE, true).expect("a connection");
        let (peer, _) = listener.accept().expect("the other end");
        (socket, peer)
    }

    /// What the limit is set to for each of these, in milliseconds.
    fn set(wanted: &[Option<u64>]) -> Vec<Option<u64>> {
        let (mut limit, mut all) = (Limit::default(), Vec::new());
        for wanted in wanted {
            let set = |to: Option<Duration>| {
                all.push(to.map(|time| time.as_millis() as u64));
                Ok(())
            };
            limit
                .set(wanted.map(Duration::from_millis), set)
                .expect("set");
        }
        all
    }

    #[test]
    fn a_limit_is_set_when_it_would_end_a_call_early_or_late() {
        assert_eq!(set(&[None, None]), []);
        assert_eq!(set(&[Some(64_000), None]), [Some(65_000), None]);
        let (one, other) = (Some(64_000), Some(65_000));
        assert_eq!(set(&[one, one, Some(63_999), Some(64_999)]), [other]);
        assert_eq!(set(&[one, Some(63_031), Some(65_000)]), [other]);
        assert_eq!(set(&[one, Some(63_000)]), [other, Some(63_984)], "late");
        assert_eq!(set(&[one, Some(65_001)]), [other, Some(66_016)], "early");
    }

    #[test]
    fn what_could_not_be_set_is_set_again() {
        let mut limit = Limit::default();
        let refused = limit.set(MINUTE, |_| Err(ErrorKind::InvalidInput.into()));
        refused.expect("the call tells more");
        limit
            .set(MINUTE, |_| Err(ErrorKind::NotConnected.into()))
            .expect_err("tried again");
    }

    #[test]
    fn a_read_ends_in_time_and_not_before() {
        let (mut socket, _peer) = pair();
        for millis in [80, 40] {
            let (began, within) = (clock::now(), Duration::from_millis(millis));
            let error = socket.read(&mut [0], Some(within)).expect_err("silence");
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert!(clock::now() - began >= within);
        }
    }

    #[test]
    fn a_write_that_nobody_reads_ends_in_time() {
        let (mut socket, _peer) = pair();
        let large = vec![0; 64 << 20];
        let error = socket.write(&large, Some(Duration::from_millis(50)));
        assert_eq!(error.expect_err("full").kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn an_address_that_does_not_answer_is_passed_over() {
        let (gone, nobody) = listener();
        drop(gone);
        let (_listener, somebody) = listener();
        let connect = |addresses: &[SocketAddr]| Socket::connect(addresses, MINUTE, true);
        let socket = connect(&[nobody, somebody]).expect("the second");
        assert_eq!(socket.stream.peer_addr().expect("an address"), somebody);
        assert!(socket.stream.nodelay().expect("an option"));
        let error = connect(&[nobody]).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        connect(&[]).expect_err("no address");
    }

    #[test]
    fn what_nobody_asked_for_is_not_quiet() {
        let (mut socket, mut peer) = pair();
        assert!(socket.is_quiet());
        peer.write_all(b"!").expect("sent");
        socket.stream.peek(&mut [0]).expect("it has come");
        assert!(!socket.is_quiet());
        // And the socket waits again.
        peer.write_all(b"?").expect("sent");
        assert_eq!(socket.read(&mut [0], MINUTE).expect("a byte"), 1);
    }
}
