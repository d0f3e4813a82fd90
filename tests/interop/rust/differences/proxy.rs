//! [`Proxy`]: a proxy between clients and the emulator. It counts connections, alters
//! bytes in responses, and can refuse connections for a time.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::probes::Result;

/// The text that the proxy searches for in responses.
pub(crate) const INTACT: &str = "intact";
/// The text that replaces [`INTACT`]. It differs in one bit.
pub(crate) const ALTERED: &str = "inTact";

pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    emulator: SocketAddr,
    stop: AtomicBool,
    connections: AtomicUsize,
    /// The number of values left to alter.
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

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Alters the next `values` values that contain [`INTACT`].
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
        // Wakes the acceptor, which does not serve this connection.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            // A panic of the acceptor would not matter any more.
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
            // A broken connection is left to its client.
            let _ = client.and_then(|client| self.forward(client));
        }
    }

    fn forward(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
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

    /// Alters values in a part of a response. A value that is split between two reads
    /// is neither altered nor counted.
    fn alter(&self, bytes: &mut [u8]) {
        let mut from = 0;
        while let Some(at) = find(&bytes[from..]) {
            from += at + INTACT.len();
            let decrement = |left: usize| left.checked_sub(1);
            let left = self
                .to_alter
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, decrement);
            if left.is_err() {
                return;
            }
            bytes[from - INTACT.len()..from].copy_from_slice(ALTERED.as_bytes());
            self.altered.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn find(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(INTACT.len())
        .position(|window| window == INTACT.as_bytes())
}

/// Copies until one side ends or fails, and then shuts down both.
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
