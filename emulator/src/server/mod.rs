//! The HTTP server: a thin shell of sockets and threads around the engine.
//!
//! Files, in reading order:
//!
//! - this file: the listener, and stopping all threads.
//! - [`connection`]: one connection, request after request.

mod connection;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use self::connection::Connection;
use super::engine::Engine;
use crate::stop::Stop;

/// How long to wait after an error of accepting a connection.
const RECOVERY: Duration = Duration::from_millis(20);

/// A listener and its connections. Dropping it ends their threads.
#[derive(Debug)]
pub(super) struct Server {
    endpoint: String,
    address: SocketAddr,
    stop: Stop,
    peers: Arc<Mutex<Peers>>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

/// The open connections.
#[derive(Debug, Default)]
struct Peers {
    opened: u64,
    open: HashMap<u64, Peer>,
}

#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    thread: JoinHandle<()>,
}

impl Server {
    pub(super) fn start(port: u16, engine: Arc<Engine>) -> io::Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let stop = Stop::default();
        let peers = Arc::default();
        let acceptor = Acceptor {
            listener,
            stop: stop.clone(),
            peers: Arc::clone(&peers),
            engine,
        };
        let thread = Builder::new()
            .name("emulator-accept".to_owned())
            .spawn(move || acceptor.run())?;
        Ok(Server {
            endpoint: format!("http://{address}"),
            address,
            stop,
            peers,
            acceptor: Mutex::new(Some(thread)),
        })
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Ends all threads. They have ended when the first call returns.
    pub(super) fn stop(&self) {
        let acceptor = self.acceptor.lock().take();
        let Some(acceptor) = acceptor else { return };
        self.stop.trigger();
        // This wakes the acceptor. Connections after the signal are not served.
        drop(TcpStream::connect(self.address));
        join(acceptor);
        let open = std::mem::take(&mut self.peers.lock().open);
        for peer in open.values() {
            // An error means that the connection is closed already.
            let _ = peer.stream.shutdown(Shutdown::Both);
        }
        open.into_values().for_each(|peer| join(peer.thread));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits for the end of a thread. The panic hook has reported its panic, if any.
fn join(thread: JoinHandle<()>) {
    let _ = thread.join();
}

/// The thread that accepts connections.
struct Acceptor {
    listener: TcpListener,
    stop: Stop,
    peers: Arc<Mutex<Peers>>,
    engine: Arc<Engine>,
}

impl Acceptor {
    fn run(self) {
        for stream in self.listener.incoming() {
            if self.stop.is_triggered() {
                return;
            }
            if let Err(error) = stream.and_then(|stream| self.serve(stream)) {
                log::warn!("a connection was not served: {error}");
                // Mostly there are no free file descriptors, and later there are.
                self.stop.wait_for(RECOVERY);
            }
        }
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let kept = stream.try_clone()?;
        let connection = Connection::new(stream, Arc::clone(&self.engine), self.stop.clone());
        // The lock is held until the thread is in the list, so that the thread
        // cannot remove itself earlier.
        let mut peers = self.peers.lock();
        let number = peers.opened;
        peers.opened += 1;
        let leaving = Arc::clone(&self.peers);
        let thread = Builder::new()
            .name(format!("emulator-conn-{number}"))
            .spawn(move || {
                connection.run();
                let left = leaving.lock().open.remove(&number);
                drop(left);
            })?;
        let stream = kept;
        peers.open.insert(number, Peer { stream, thread });
        Ok(())
    }
}
