//! [`Engine`]: an emulator without sockets, threads or sleeping.
//!
//! The server reads requests from sockets and passes them to
//! [`Engine::handle`]. A simulation can call the same function with a virtual
//! clock.

use std::sync::Arc;

use time::OffsetDateTime;

use super::clock::EmulatorClock;
use super::control::{self, Control};
use super::faults::Fault;
use super::ledger::Ledger;
use super::protocol::{AccessKey, Failure, Reply, Request};
use super::service::{Continuation, Service, Step};
use super::settings::Settings;
use super::table::{Table, TableSpec};
use super::witness::Witness;
use tablestore_tunnel::TunnelError;

/// An emulator without a server: its caller passes requests to it.
///
/// All methods may be called from any thread. None of them waits: a fault that
/// delays a request makes [`Engine::handle`] return [`Step::Wait`].
///
/// ```
/// use tablestore_emulator::_core::{Request, Step};
/// use tablestore_emulator::Emulator;
/// use time::OffsetDateTime;
///
/// let engine = Emulator::builder().engine();
/// let bytes = b"GET /_emulator/health HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// let (request, length) = Request::parse(bytes)?.ok_or("not complete")?;
/// assert_eq!(length, bytes.len());
/// let mut step = engine.handle(&request, OffsetDateTime::now_utc());
/// let reply = loop {
///     step = match step {
///         Step::Answer(reply) => break reply,
///         Step::Wait { delay, then } => {
///             // A server sleeps here, and a simulation moves its clock.
///             println!("delayed by {delay:?}");
///             engine.resume(then)
///         }
///     };
/// };
/// let (head, body) = reply.to_wire();
/// assert!(head.starts_with(b"HTTP/1.1 200 OK") && !body.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    service: Arc<Service>,
    control: Control,
}

impl Engine {
    pub(super) fn new(settings: Settings, clock: EmulatorClock) -> Engine {
        let service = Arc::new(Service::new(settings, clock));
        Engine {
            control: Control::new(Arc::clone(&service)),
            service,
        }
    }

    /// Answers a request of the tunnel API or of the control API, or says how
    /// long to wait before the request goes on.
    ///
    /// `wall` is the machine's time, which the dates of requests are compared
    /// with. Everything else follows the emulator's clock. A simulation makes that
    /// clock from its own one, with `EmulatorClock::from`. The engine reads the
    /// clock itself, because a fault may move the clock within a request, and
    /// because the ledger must be in the order of its times.
    pub fn handle(&self, request: &Request, wall: OffsetDateTime) -> Step {
        if control::is_control(&request.head.path) {
            return Step::Answer(self.control.answer(request));
        }
        self.service.handle(request, wall)
    }

    /// Goes on with a request whose delay is over. A fault may delay it again.
    pub fn resume(&self, continuation: Continuation) -> Step {
        self.service.resume(continuation)
    }

    /// As [`Emulator::create_table`](crate::Emulator::create_table).
    ///
    /// # Errors
    ///
    /// `OTSClientError` if the table exists or the spec is wrong.
    pub fn create_table(&self, spec: TableSpec) -> Result<Table, TunnelError> {
        Table::create(&self.service, spec)
    }

    /// Arms faults, and returns their numbers.
    pub fn arm(&self, faults: impl IntoIterator<Item = Fault>) -> Vec<u64> {
        self.service.arm(faults)
    }

    /// Disarms all faults, and forgets those that are over.
    pub fn clear_faults(&self) {
        self.service.clear_faults();
    }

    /// A copy of the ledger.
    pub fn ledger(&self) -> Ledger {
        self.service.ledger()
    }

    /// Notes which records consumers have processed.
    pub fn witness(&self) -> Witness {
        Witness::new(&self.service)
    }

    /// The answer to a request that cannot be read.
    pub(super) fn refuse(&self, failure: &Failure) -> Reply {
        self.service.refuse(failure)
    }

    /// Tables, faults and the ledger, for the handles of the Rust API.
    pub(super) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The key that users of the handle sign with.
    pub(super) fn access_key(&self) -> &AccessKey {
        &self.service.settings().auth.access_key
    }
}
