//! [`Emulator`]: the handle on a running server.

use std::sync::Arc;
use tablestore_tunnel::_wire::{client_error, client_error_from, secret};

use parking_lot::{Mutex, MutexGuard};

use super::builder::EmulatorBuilder;
use super::clock::{EmulatorClock, Timestamp};
use super::core::Core;
use super::fault::{Fault, FaultStatus};
use super::ledger::Ledger;
use super::server::Server;
use super::settings::Settings;
use super::table::{Table, TableSpec};
use tablestore_tunnel::TunnelError;

/// A running emulator. Clones are the same one.
///
/// Serves until [`Emulator::stop`] is called or the last clone is dropped. All
/// methods may be called from any thread; none waits for a request.
#[derive(Clone, Debug)]
pub struct Emulator {
    shared: Arc<Shared>,
    server: Arc<Server>,
}

/// What the handle, the tables and the server's threads share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Held for the bookkeeping of one call, never while a socket is used.
    pub(super) core: Mutex<Core>,
    pub(super) clock: EmulatorClock,
    pub(super) settings: Settings,
}

impl Shared {
    /// The core, and the time of what is done to it, which is read under the
    /// lock: so times are in the order of the ledger and of the logs.
    pub(super) fn enter(&self) -> (MutexGuard<'_, Core>, Timestamp) {
        let mut core = self.core.lock();
        let now = self.clock.now();
        // Read second: no move that `now` has seen is left out.
        core.ledger.clock_moved(now, self.clock.moved());
        (core, now)
    }
}

impl Emulator {
    /// A builder with the defaults.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::new()
    }

    pub(super) fn start(
        port: u16,
        clock: EmulatorClock,
        settings: Settings,
    ) -> Result<Emulator, TunnelError> {
        let shared = Arc::new(Shared {
            core: Mutex::new(Core::new(settings.clone(), clock.moved())),
            clock,
            settings,
        });
        let server = Server::start(port, Arc::clone(&shared)).map_err(|error| {
            client_error_from(format!("cannot serve on 127.0.0.1:{port}"), error)
        })?;
        Ok(Emulator {
            shared,
            server: Arc::new(server),
        })
    }

    /// Where it serves, as `http://127.0.0.1:<port>`.
    pub fn endpoint(&self) -> &str {
        self.server.endpoint()
    }

    /// The name of its instance.
    pub fn instance(&self) -> &str {
        &self.shared.settings.instance
    }

    /// The id of the access key that it accepts.
    pub fn access_key_id(&self) -> &str {
        self.shared
            .settings
            .access_key
            .credentials()
            .access_key_id()
    }

    /// The secret of that access key.
    pub fn access_key_secret(&self) -> &str {
        secret(self.shared.settings.access_key.credentials())
    }

    /// Its clock.
    pub fn clock(&self) -> &EmulatorClock {
        &self.shared.clock
    }

    /// Creates a table. Its change log begins now; a table need not be told
    /// to have one.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if a table of that name exists or the spec has no
    /// primary key.
    pub fn create_table(&self, spec: TableSpec) -> Result<Table, TunnelError> {
        Table::create(&self.shared, spec)
    }

    /// A handle on a table that exists.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if there is no such table.
    pub fn table(&self, name: &str) -> Result<Table, TunnelError> {
        Table::open(&self.shared, name)
    }

    /// Drops a table with all that is on it: its tunnels are gone, and their
    /// clients are told so with the next request (`OTSParameterInvalid`). A
    /// new table of that name may follow; handles on the old one are dead.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if there is no such table.
    pub fn drop_table(&self, name: &str) -> Result<(), TunnelError> {
        let (mut core, now) = self.shared.enter();
        let dropped = core.drop_table(name, now);
        dropped.map_err(|failure| client_error(failure.message))
    }

    /// Makes a tunnel expired now, as if its log had not been read in time:
    /// all that consumes it is answered with `OTSTunnelExpired`. It is still
    /// listed, and deleted after 30 days of the emulator's clock.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if there is no tunnel of that id.
    pub fn expire_tunnel(&self, tunnel_id: &str) -> Result<(), TunnelError> {
        let (mut core, now) = self.shared.enter();
        let expired = core.expire_tunnel(tunnel_id, now);
        expired.map_err(|failure| client_error(failure.message))
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Arms a fault: it counts the requests from now on.
    pub fn fault(&self, fault: Fault) {
        self.shared.core.lock().faults.add(fault);
    }

    /// The faults that it was given since the last
    /// [`Emulator::clear_faults`], with how often each was hit.
    pub fn faults(&self) -> Vec<FaultStatus> {
        self.shared.core.lock().faults.list()
    }

    /// Disarms all faults that are still to come, and forgets the others.
    pub fn clear_faults(&self) {
        self.shared.core.lock().faults.clear();
    }

    /// What happened so far, for [`Ledger::verdict`] to judge.
    pub fn ledger(&self) -> Ledger {
        self.shared.core.lock().ledger.copy()
    }

    /// Stops serving: connections are closed, requests that wait for a delay
    /// are given up, and all threads have ended when this returns. What is
    /// stored can still be looked at. Every call but the first does nothing.
    pub fn stop(&self) {
        self.server.stop();
    }
}
