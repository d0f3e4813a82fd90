//! [`Emulator`]: the handle on a running server.

use std::sync::Arc;
use tablestore_tunnel::_wire::{client_error, client_error_from, secret};

use super::clock::EmulatorClock;
use super::engine::Engine;
use super::faults::{Fault, FaultStatus};
use super::ledger::Ledger;
use super::server::Server;
use super::settings::Settings;
use super::table::{Table, TableSpec};
use super::witness::Witness;
use tablestore_tunnel::TunnelError;

/// A running emulator. Clones are the same one.
///
/// Serves until [`Emulator::stop`] is called or the last clone is dropped. All
/// methods may be called from any thread; none waits for a request.
#[derive(Clone, Debug)]
pub struct Emulator {
    engine: Arc<Engine>,
    server: Arc<Server>,
}

impl Emulator {
    pub(super) fn start(
        port: u16,
        clock: EmulatorClock,
        settings: Settings,
    ) -> Result<Emulator, TunnelError> {
        let engine = Arc::new(Engine::new(settings, clock));
        let server = Server::start(port, Arc::clone(&engine)).map_err(|error| {
            client_error_from(format!("cannot serve on 127.0.0.1:{port}"), error)
        })?;
        Ok(Emulator {
            engine,
            server: Arc::new(server),
        })
    }

    /// Where it serves, as `http://127.0.0.1:<port>`.
    pub fn endpoint(&self) -> &str {
        self.server.endpoint()
    }

    /// The name of its instance.
    pub fn instance(&self) -> &str {
        self.engine.service().settings().instance()
    }

    /// The id of the access key that it accepts.
    pub fn access_key_id(&self) -> &str {
        self.engine.access_key().credentials().access_key_id()
    }

    /// The secret of that access key.
    pub fn access_key_secret(&self) -> &str {
        secret(self.engine.access_key().credentials())
    }

    /// Its clock.
    pub fn clock(&self) -> &EmulatorClock {
        self.engine.service().clock()
    }

    /// Creates a table. Its change log begins now; a table need not be told
    /// to have one.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if a table of that name exists or the spec has no
    /// primary key.
    pub fn create_table(&self, spec: TableSpec) -> Result<Table, TunnelError> {
        self.engine.create_table(spec)
    }

    /// A handle on a table that exists.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if there is no such table.
    pub fn table(&self, name: &str) -> Result<Table, TunnelError> {
        Table::open(self.engine.service(), name)
    }

    /// Drops a table with all that is on it: its tunnels are gone, and their
    /// clients are told so with the next request (`OTSParameterInvalid`). A
    /// new table of that name may follow; handles on the old one are dead.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if there is no such table.
    pub fn drop_table(&self, name: &str) -> Result<(), TunnelError> {
        let service = self.engine.service();
        let dropped = service.command(|state, now| state.drop_table(name, now));
        dropped.map_err(|error| client_error(error.to_string()))
    }

    /// Makes a tunnel expired now, as if its log had not been read in time:
    /// all that consumes it is answered with `OTSTunnelExpired`. It is still
    /// listed, and deleted after 30 days of the emulator's clock.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if there is no tunnel of that id.
    pub fn expire_tunnel(&self, tunnel_id: &str) -> Result<(), TunnelError> {
        let service = self.engine.service();
        let expired = service.command(|state, now| state.expire_tunnel(tunnel_id, now));
        expired.map_err(|error| client_error(error.to_string()))
    }

    /// Takes down what consumers have dealt with.
    pub fn witness(&self) -> Witness {
        self.engine.witness()
    }

    /// Arms a fault: it counts the requests from now on.
    pub fn fault(&self, fault: Fault) {
        self.engine.arm([fault]);
    }

    /// The faults that it was given since the last
    /// [`Emulator::clear_faults`], with how often each was hit.
    pub fn faults(&self) -> Vec<FaultStatus> {
        self.engine.service().faults()
    }

    /// Disarms all faults that are still to come, and forgets the others.
    pub fn clear_faults(&self) {
        self.engine.clear_faults();
    }

    /// What happened so far, for [`Ledger::verdict`] to judge.
    pub fn ledger(&self) -> Ledger {
        self.engine.ledger()
    }

    /// Stops serving: connections are closed, requests that wait for a delay
    /// are given up, and all threads have ended when this returns. What is
    /// stored can still be looked at. Every call but the first does nothing.
    pub fn stop(&self) {
        self.server.stop();
    }
}
