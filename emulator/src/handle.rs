//! [`Emulator`]: the handle on a running emulator.

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

/// A running emulator. Clones are handles on the same emulator.
///
/// It serves until [`Emulator::stop`] is called or the last clone is dropped. All
/// methods may be called from any thread, and none waits for a request.
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

    /// The endpoint that clients connect to, as `http://127.0.0.1:<port>`.
    pub fn endpoint(&self) -> &str {
        self.server.endpoint()
    }

    /// The name of the instance.
    pub fn instance(&self) -> &str {
        self.engine.service().settings().instance()
    }

    /// The id of the access key that the emulator accepts.
    pub fn access_key_id(&self) -> &str {
        self.engine.access_key().credentials().access_key_id()
    }

    /// The secret of that access key.
    pub fn access_key_secret(&self) -> &str {
        secret(self.engine.access_key().credentials())
    }

    /// The emulator's clock.
    pub fn clock(&self) -> &EmulatorClock {
        self.engine.service().clock()
    }

    /// Creates a table. Every table has a change log, which begins now.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if a table of that name exists or the spec has no
    /// primary key.
    pub fn create_table(&self, spec: TableSpec) -> Result<Table, TunnelError> {
        self.engine.create_table(spec)
    }

    /// A handle on an existing table.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if there is no such table.
    pub fn table(&self, name: &str) -> Result<Table, TunnelError> {
        Table::open(self.engine.service(), name)
    }

    /// Drops a table and its tunnels. The next requests of their clients are
    /// answered with `OTSParameterInvalid`. A new table may have the same name, but
    /// handles on the old table do not work any more.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if there is no such table.
    pub fn drop_table(&self, name: &str) -> Result<(), TunnelError> {
        let service = self.engine.service();
        let dropped = service.command(|state, now| state.drop_table(name, now));
        dropped.map_err(|error| client_error(error.to_string()))
    }

    /// Makes a tunnel expired, as if its log had not been read in time. Every
    /// request that consumes it is answered with `OTSTunnelExpired`. The tunnel is
    /// still listed, and it is deleted after 30 days of the emulator's clock.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if there is no tunnel with that id.
    pub fn expire_tunnel(&self, tunnel_id: &str) -> Result<(), TunnelError> {
        let service = self.engine.service();
        let expired = service.command(|state, now| state.expire_tunnel(tunnel_id, now));
        expired.map_err(|error| client_error(error.to_string()))
    }

    /// A witness, which notes the records that consumers have processed.
    pub fn witness(&self) -> Witness {
        self.engine.witness()
    }

    /// Arms a fault. It counts requests from now on.
    pub fn fault(&self, fault: Fault) {
        self.engine.arm([fault]);
    }

    /// The faults that were armed since the last [`Emulator::clear_faults`], with
    /// the number of their hits.
    pub fn faults(&self) -> Vec<FaultStatus> {
        self.engine.service().faults()
    }

    /// Disarms all faults, and forgets those that are over.
    pub fn clear_faults(&self) {
        self.engine.clear_faults();
    }

    /// A copy of everything that happened so far. [`Ledger::verdict`] judges it.
    pub fn ledger(&self) -> Ledger {
        self.engine.ledger()
    }

    /// Stops serving: closes all connections, and gives up requests that wait for a
    /// delay. All threads have ended when this returns. Tables and the ledger can
    /// still be read. Only the first call has an effect.
    pub fn stop(&self) {
        self.server.stop();
    }
}
