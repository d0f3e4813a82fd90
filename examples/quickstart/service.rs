//! The service to consume from: a real instance, or an emulator with a table of orders.

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tablestore_emulator::{Emulator, Table};
use tablestore_tunnel::{Credentials, TunnelClient, TunnelConfig, TunnelError, TunnelWorkerDaemon};

use crate::orders;
use crate::tally::Tally;

/// How long the writer runs.
const WRITE_TIME: Duration = Duration::from_secs(12);
/// How long to wait for the last changes to be delivered.
const MAX_WAIT: Duration = Duration::from_secs(60);

pub(crate) enum Service {
    Real {
        endpoint: String,
        instance: String,
        table: String,
        tunnel: String,
    },
    Emulated {
        emulator: Emulator,
        orders: Table,
    },
}

impl Service {
    /// Returns the instance named by the environment, or starts an emulator.
    pub(crate) fn from_env(tally: &Tally) -> Result<Service, Box<dyn Error>> {
        let Ok(endpoint) = env::var("OTS_ENDPOINT") else {
            return Service::emulated(tally);
        };
        let mut arguments = env::args().skip(1);
        let mut argument = |what| arguments.next().ok_or(format!("missing argument: {what}"));
        Ok(Service::Real {
            endpoint,
            instance: env::var("OTS_INSTANCE").map_err(|_| "OTS_INSTANCE is not set")?,
            table: argument("table")?,
            tunnel: argument("tunnel")?,
        })
    }

    fn emulated(tally: &Tally) -> Result<Service, Box<dyn Error>> {
        let emulator = Emulator::builder().start()?;
        let orders = orders::create(&emulator, tally)?;
        println!("an emulator serves at {}", emulator.endpoint());
        Ok(Service::Emulated { emulator, orders })
    }

    pub(crate) fn client(&self) -> Result<TunnelClient, TunnelError> {
        match self {
            Service::Real {
                endpoint, instance, ..
            } => TunnelClient::with_config(
                endpoint,
                instance,
                Credentials::from_env()?,
                TunnelConfig::default(),
            ),
            Service::Emulated { emulator, .. } => TunnelClient::new(
                emulator.endpoint(),
                emulator.instance(),
                emulator.access_key_id(),
                emulator.access_key_secret(),
            ),
        }
    }

    pub(crate) fn table_name(&self) -> &str {
        match self {
            Service::Real { table, .. } => table,
            Service::Emulated { orders, .. } => orders.name(),
        }
    }

    pub(crate) fn tunnel_name(&self) -> &str {
        match self {
            Service::Real { tunnel, .. } => tunnel,
            Service::Emulated { .. } => "quickstart",
        }
    }

    /// Starts a thread that changes the emulated table for a while, waits until
    /// every change has been delivered, and closes the daemon.
    ///
    /// Returns `None` on a real instance.
    pub(crate) fn start_writer(
        &self,
        tally: &Arc<Tally>,
        daemon: &TunnelWorkerDaemon,
    ) -> Option<JoinHandle<Result<(), TunnelError>>> {
        let Service::Emulated { orders, .. } = self else {
            return None;
        };
        let (orders, tally, daemon) = (orders.clone(), tally.clone(), daemon.clone());
        Some(thread::spawn(move || {
            let result = orders::keep_changing(&orders, &tally, Instant::now() + WRITE_TIME);
            tally.wait_until_complete(MAX_WAIT);
            let report = daemon.close();
            println!("closed, every checkpoint saved: {}", report.is_clean());
            result
        }))
    }
}
