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

/// How long to wait after a connection could not be accepted.
const RECOVERY: Duration = Duration::from_millis(20);

/// A listener and its connections. Dropping it stops them.
#[derive(Debug)]
pub(super) struct Server {
    endpoint: String,
    address: SocketAddr,
    stop: Stop,
    peers: Arc<Mutex<Peers>>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

/// The connections that are open.
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

    /// Ends all threads; they have ended when the first call returns.
    pub(super) fn stop(&self) {
        let acceptor = self.acceptor.lock().take();
        let Some(acceptor) = acceptor else { return };
        self.stop.trigger();
        // What is accepted after the signal is not served: this wakes it.
        drop(TcpStream::connect(self.address));
        join(acceptor);
        let open = std::mem::take(&mut self.peers.lock().open);
        for peer in open.values() {
            // An error means that it is closed already.
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

/// A panic of a thread has been reported by the panic hook already.
fn join(thread: JoinHandle<()>) {
    let _ = thread.join();
}

/// The thread that waits for connections.
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
                log::warn!("emulator: a connection was not served: {error}");
                // No file descriptors, mostly; they come back.
                self.stop.wait_for(RECOVERY);
            }
        }
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let kept = stream.try_clone()?;
        let connection = Connection::new(stream, Arc::clone(&self.engine), self.stop.clone());
        // Held until the thread is in the list, so that it cannot leave before.
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
