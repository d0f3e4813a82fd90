//! [`Proxy`]: stands between clients and the emulator. It counts connections,
//! alters bytes of answers, and can be away for a time.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::probes::Result;

/// What is looked for in answers, and what stands there instead: a text of
/// which one bit has changed.
const RIGHT: &[u8] = b"intact";
const WRONG: &[u8] = b"inTact";

/// As [`WRONG`], as delivered.
pub(crate) const ALTERED: &str = "inTact";
pub(crate) const INTACT: &str = "intact";

pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    emulator: SocketAddr,
    stop: AtomicBool,
    connections: AtomicUsize,
    /// How many values are still to be altered.
    to_alter: AtomicUsize,
    altered: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub(crate) fn start(emulator: SocketAddr) -> Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let shared = Arc::new(Shared {
            emulator,
            stop: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            to_alter: AtomicUsize::new(0),
            altered: AtomicUsize::new(0),
            open: Mutex::default(),
        });
        let mut proxy = Proxy {
            address: listener.local_addr()?,
            shared,
            acceptor: None,
        };
        proxy.serve(listener);
        Ok(proxy)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Alters the next values that hold [`INTACT`].
    pub(crate) fn alter(&self, values: usize) {
        self.shared.to_alter.store(values, Ordering::SeqCst);
    }

    pub(crate) fn altered(&self) -> usize {
        self.shared.altered.load(Ordering::SeqCst)
    }

    /// Closes all connections and refuses new ones for a time.
    pub(crate) fn refuse(&mut self, time: Duration) -> Result<()> {
        self.close();
        thread::sleep(time);
        let listener = TcpListener::bind(self.address)?;
        self.serve(listener);
        Ok(())
    }

    fn serve(&mut self, listener: TcpListener) {
        self.shared.stop.store(false, Ordering::SeqCst);
        let shared = Arc::clone(&self.shared);
        self.acceptor = Some(thread::spawn(move || shared.accept(&listener)));
    }

    fn close(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the acceptor; what it accepts now is not served.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            // It does not panic, and there would be nothing to do about it.
            let _ = acceptor.join();
        }
        for stream in self.shared.open().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            // A connection that breaks is its client's to deal with.
            let _ = client.and_then(|client| self.pass_on(client));
        }
    }

    fn pass_on(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let emulator = TcpStream::connect(self.emulator)?;
        client.set_nodelay(true)?;
        emulator.set_nodelay(true)?;
        self.open().push(client.try_clone()?);
        let (request_from, request_to) = (client.try_clone()?, emulator.try_clone()?);
        thread::spawn(move || copy(request_from, request_to, |_| ()));
        let shared = Arc::clone(self);
        thread::spawn(move || copy(emulator, client, |bytes| shared.alter(bytes)));
        Ok(())
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A value that two reads cut apart is left alone, and not counted.
    fn alter(&self, bytes: &mut [u8]) {
        let mut from = 0;
        while let Some(at) = find(&bytes[from..]) {
            from += at + RIGHT.len();
            let take = |left: usize| left.checked_sub(1);
            let wanted = self
                .to_alter
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
            if wanted.is_err() {
                return;
            }
            bytes[from - RIGHT.len()..from].copy_from_slice(WRONG);
            self.altered.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn find(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(RIGHT.len())
        .position(|window| window == RIGHT)
}

/// Until one side has enough; then both have. An error is an end as well.
fn copy(mut from: TcpStream, mut to: TcpStream, mut change: impl FnMut(&mut [u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        change(&mut buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
