//! [`EmulatorBuilder`]: how an emulator is started.

use std::time::Duration;

use super::clock::EmulatorClock;
use super::engine::Engine;
use super::handle::Emulator;
use super::protocol::AccessKey;
use super::settings::Settings;
use super::state::TrimmedRead;
use tablestore_tunnel::Credentials;
use tablestore_tunnel::TunnelError;

/// Starts an [`Emulator`]. Made by [`Emulator::builder`].
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
    /// The port on 127.0.0.1. Defaults to 0, any free one.
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

    /// The access key that is accepted and may do everything. Defaults to
    /// `emulator-key` and `emulator-secret`.
    pub fn access_key(
        mut self,
        id: impl Into<String>,
        secret: impl Into<String>,
    ) -> EmulatorBuilder {
        self.settings.auth.access_key = AccessKey::new(Credentials::new(id, secret));
        self
    }

    /// Accepts one more access key, which may need a security token and may
    /// be allowed to do a part of everything only. Defaults to none.
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

    /// What random ids are made from: the same seed and the same requests
    /// give the same ids. Defaults to 0.
    pub fn seed(mut self, seed: u64) -> EmulatorBuilder {
        self.settings.state.seed = seed;
        self
    }

    /// The clock. Defaults to [`EmulatorClock::system`].
    pub fn clock(mut self, clock: EmulatorClock) -> EmulatorBuilder {
        self.clock = clock;
        self
    }

    /// How many records one read gives at most. 0 is taken as 1. Defaults to
    /// 5000.
    ///
    /// The service documents no limit; this and
    /// [`EmulatorBuilder::batch_bytes`] are those of its range reads.
    pub fn batch_rows(mut self, rows: usize) -> EmulatorBuilder {
        self.settings.state.page.rows = rows.max(1);
        self
    }

    /// How many bytes of records one read gives at most, except that one
    /// record is always given. Defaults to 4 MiB.
    pub fn batch_bytes(mut self, bytes: usize) -> EmulatorBuilder {
        self.settings.state.page.bytes = bytes;
        self
    }

    /// How many rows of a partition one base channel has at most. 0 is taken
    /// as 1. Defaults to 50 000.
    pub fn base_split_rows(mut self, rows: usize) -> EmulatorBuilder {
        self.settings.state.base_split_rows = rows.max(1);
        self
    }

    /// How long a new tunnel shows the stage `InitBaseDataAndStreamShard` and
    /// no channels. A first heartbeat ends it at once. Defaults to 500 ms.
    pub fn warm_up(mut self, warm_up: Duration) -> EmulatorBuilder {
        self.settings.state.warm_up = warm_up;
        self
    }

    /// How long a client may be silent, whatever it asks for when it connects.
    /// Defaults to what it asks for, or 300 s if it asks for nothing.
    pub fn client_timeout(mut self, timeout: Duration) -> EmulatorBuilder {
        self.settings.state.client_timeout = Some(timeout);
        self
    }

    /// How long a change stays in the log of its table, which bounds how late
    /// it can be read and how early a tunnel may start. For tables that do
    /// [not say themselves](super::TableSpec::retention). Defaults to 7 days,
    /// the longest that the service allows.
    pub fn retention(mut self, retention: Duration) -> EmulatorBuilder {
        self.settings.retention = retention;
        self
    }

    /// What becomes of a read whose place is no longer in the log. Defaults to
    /// [`TrimmedRead::Fail`].
    pub fn trimmed_read(mut self, trimmed_read: TrimmedRead) -> EmulatorBuilder {
        self.settings.state.trimmed_read = trimmed_read;
        self
    }

    /// How far the date of a request may be from the machine's clock. Defaults
    /// to 15 minutes.
    pub fn clock_skew(mut self, skew: Duration) -> EmulatorBuilder {
        self.settings.auth.clock_skew = skew;
        self
    }

    /// Whether sequence numbers count an epoch that grows with each split.
    /// Defaults to false: today's service always says 0.
    pub fn epoch_grows(mut self, grows: bool) -> EmulatorBuilder {
        self.settings.epoch_grows = grows;
        self
    }

    /// Whether reading a channel and its checkpoint, and saving one, is
    /// refused with `OTSResourceGone` to all but the client that has the
    /// channel. Defaults to false: the service answers anyone.
    pub fn owners_only(mut self, owners_only: bool) -> EmulatorBuilder {
        self.settings.state.owners_only = owners_only;
        self
    }

    /// How many events the ledger keeps, the newest; a heartbeat counts as one
    /// more for each 16 channels in it. 0 keeps none. Defaults to 250 000, which
    /// is some 200 MB at most.
    pub fn ledger_limit(mut self, events: usize) -> EmulatorBuilder {
        self.settings.ledger_limit = events;
        self
    }

    /// Binds the port and serves, in threads of its own.
    ///
    /// # Errors
    ///
    /// `OTSClientError` if the port cannot be bound or a thread not started.
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
