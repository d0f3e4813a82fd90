//! [`EmulatorBuilder`]: settings and start of an emulator.

use std::time::Duration;

use super::clock::EmulatorClock;
use super::engine::Engine;
use super::handle::Emulator;
use super::protocol::AccessKey;
use super::settings::Settings;
use super::state::TrimmedRead;
use tablestore_tunnel::Credentials;
use tablestore_tunnel::TunnelError;

/// Starts an [`Emulator`]. [`Emulator::builder`] makes it.
#[derive(Clone, Debug)]
pub struct EmulatorBuilder {
    port: u16,
    clock: EmulatorClock,
    settings: Settings,
}

impl Emulator {
    /// A builder with the defaults.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder {
            port: 0,
            clock: EmulatorClock::system(),
            settings: Settings::default(),
        }
    }
}

impl EmulatorBuilder {
    /// The port on 127.0.0.1; 0 means any free port. Defaults to 0.
    pub fn port(mut self, port: u16) -> EmulatorBuilder {
        self.port = port;
        self
    }

    /// The name of the instance. Defaults to `emulator`.
    pub fn instance(mut self, instance: impl Into<String>) -> EmulatorBuilder {
        let instance = instance.into();
        self.settings.auth.instance.clone_from(&instance);
        self.settings.state.instance = instance;
        self
    }

    /// The access key that has all permissions. Defaults to `emulator-key` and
    /// `emulator-secret`.
    pub fn access_key(
        mut self,
        id: impl Into<String>,
        secret: impl Into<String>,
    ) -> EmulatorBuilder {
        self.settings.auth.access_key = AccessKey::new(Credentials::new(id, secret));
        self
    }

    /// Accepts another access key, which may need a security token and may have
    /// fewer permissions. Defaults to no other keys.
    ///
    /// ```
    /// use tablestore_tunnel::Credentials;
    /// use tablestore_emulator::{AccessKey, Emulator, Permission};
    ///
    /// let temporary = Credentials::new("STS.id", "secret").security_token("token");
    /// let reader = AccessKey::new(temporary)
    ///     .allow_only([Permission::DescribeTunnel, Permission::ConsumeTunnel]);
    /// let emulator = Emulator::builder().key(reader).start()?;
    /// # Ok::<(), tablestore_tunnel::TunnelError>(())
    /// ```
    pub fn key(mut self, key: AccessKey) -> EmulatorBuilder {
        self.settings.auth.more_keys.push(key);
        self
    }

    /// The seed of random ids. The same seed and the same requests give the same
    /// ids. Defaults to 0.
    pub fn seed(mut self, seed: u64) -> EmulatorBuilder {
        self.settings.state.seed = seed;
        self
    }

    /// The clock. Defaults to [`EmulatorClock::system`].
    pub fn clock(mut self, clock: EmulatorClock) -> EmulatorBuilder {
        self.clock = clock;
        self
    }

    /// The largest number of records in one read. 0 means 1. Defaults to 5000.
    ///
    /// The service documents no limit for these reads. The defaults here and of
    /// [`EmulatorBuilder::batch_bytes`] are the limits of its range reads.
    pub fn batch_rows(mut self, rows: usize) -> EmulatorBuilder {
        self.settings.state.page.rows = rows.max(1);
        self
    }

    /// The largest number of bytes of records in one read. A read returns at least
    /// one record, however large. Defaults to 4 MiB.
    pub fn batch_bytes(mut self, bytes: usize) -> EmulatorBuilder {
        self.settings.state.page.bytes = bytes;
        self
    }

    /// The largest number of rows in one base channel. 0 means 1. Defaults to
    /// 50 000.
    pub fn base_split_rows(mut self, rows: usize) -> EmulatorBuilder {
        self.settings.state.base_split_rows = rows.max(1);
        self
    }

    /// How long a new tunnel shows the stage `InitBaseDataAndStreamShard` and no
    /// channels. The first heartbeat ends this time immediately, also that of
    /// [`Duration::MAX`]. Zero ends it with the next request. Defaults to 500 ms.
    pub fn warm_up(mut self, warm_up: Duration) -> EmulatorBuilder {
        self.settings.state.warm_up = warm_up;
        self
    }

    /// The timeout of all clients, instead of the timeouts that they ask for.
    /// With zero, a client is gone as soon as the clock moves; with [`Duration::MAX`],
    /// never. Defaults to the timeout that the client asks for, or to 300 s if it asks
    /// for none.
    pub fn client_timeout(mut self, timeout: Duration) -> EmulatorBuilder {
        self.settings.state.client_timeout = Some(timeout);
        self
    }

    /// How long changes stay in the log of their table, unless the table has its
    /// [own retention](super::TableSpec::retention). It limits how late changes can
    /// be read and how early a tunnel may start. With zero, a change is dropped as soon as
    /// the clock moves; with [`Duration::MAX`], never. Defaults to 7 days, the longest
    /// retention of the service.
    pub fn retention(mut self, retention: Duration) -> EmulatorBuilder {
        self.settings.retention = retention;
        self
    }

    /// How a read is answered whose position is no longer in the log. Defaults to
    /// [`TrimmedRead::Fail`].
    pub fn trimmed_read(mut self, trimmed_read: TrimmedRead) -> EmulatorBuilder {
        self.settings.state.trimmed_read = trimmed_read;
        self
    }

    /// How far the date of a request may be from the machine's clock.
    /// [`Duration::MAX`] accepts any date. Defaults to 15 minutes.
    pub fn clock_skew(mut self, skew: Duration) -> EmulatorBuilder {
        self.settings.auth.clock_skew = skew;
        self
    }

    /// Whether sequence numbers have an epoch that grows with each split. Defaults to
    /// false, because the epoch of today's service is always 0.
    pub fn epoch_grows(mut self, grows: bool) -> EmulatorBuilder {
        self.settings.epoch_grows = grows;
        self
    }

    /// Whether only the client that holds a channel may read it, and fetch and save
    /// its checkpoint. Other clients get `OTSResourceGone`. Defaults to false, because
    /// the service answers any client.
    pub fn owners_only(mut self, owners_only: bool) -> EmulatorBuilder {
        self.settings.state.owners_only = owners_only;
        self
    }

    /// How many events the ledger keeps; older events are dropped. A heartbeat counts
    /// as one more event for each 16 channels in it. 0 keeps no events. Defaults to
    /// 250 000, which take at most about 200 MB.
    pub fn ledger_limit(mut self, events: usize) -> EmulatorBuilder {
        self.settings.ledger_limit = events;
        self
    }

    /// Binds the port and starts the threads that serve.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if the port cannot be bound or a thread cannot be started.
    pub fn start(self) -> Result<Emulator, TunnelError> {
        Emulator::start(self.port, self.clock, self.settings)
    }

    /// An emulator without a server, to call from a simulation. The port has no
    /// meaning for it.
    #[doc(hidden)]
    pub fn engine(self) -> Engine {
        Engine::new(self.settings, self.clock)
    }
}
