//! A worker on the emulator, whose channels are suspended and resumed.

use std::error::Error;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use tablestore_emulator::{Emulator, Table};
use tablestore_tunnel::{
    CreateTunnelRequest, DescribeTunnelRequest, RunningDaemon, SimpleProcessFactory, TunnelClient,
    TunnelError, TunnelType, TunnelWorkerConfig, TunnelWorkerDaemon,
};

use crate::orders;

/// The time limit of each step.
const MAX_WAIT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

pub(crate) struct Consumer {
    orders: Table,
    running: RunningDaemon,
}

impl Consumer {
    /// Starts the worker, and waits until it has delivered the first records.
    pub(crate) fn start(
        emulator: &Emulator,
        tunnel_client: &TunnelClient,
        tunnel: &DescribeTunnelRequest,
    ) -> Result<Consumer, Box<dyn Error>> {
        let orders = orders::create(emulator, &tunnel.table_name, 0)?;
        let (table_name, tunnel_name) = (&tunnel.table_name, &tunnel.tunnel_name);
        let req = CreateTunnelRequest::new(table_name, tunnel_name, TunnelType::Stream);
        let tunnel_id = tunnel_client.create_tunnel(&req)?.tunnel_id;
        let factory = SimpleProcessFactory::new(|_, _| Ok(()));
        let work_config = TunnelWorkerConfig::builder(factory)
            .heartbeat_interval(Duration::from_secs(5))
            .build()?;
        let daemon = TunnelWorkerDaemon::new(tunnel_client.clone(), tunnel_id, work_config);
        let running = daemon.spawn()?;
        let consumer = Consumer { orders, running };
        consumer.change(0..40)?;
        consumer.wait_for("the first records", |consumer| consumer.delivered() == 40)?;
        Ok(consumer)
    }

    /// Waits until the worker has released its channels, and changes the table:
    /// nothing is delivered.
    pub(crate) fn show_suspended(&self) -> Result<(), Box<dyn Error>> {
        self.wait_for("the worker to release its channels", |consumer| {
            consumer.channels() == 0
        })?;
        self.change(40..80)?;
        println!(
            "while suspended: delivered {} of 80 records",
            self.delivered()
        );
        Ok(())
    }

    /// Waits until the worker has delivered all changes.
    pub(crate) fn show_resumed(&self) -> Result<(), Box<dyn Error>> {
        self.wait_for("the remaining records", |consumer| {
            consumer.delivered() == 80
        })?;
        println!(
            "after resuming: delivered {} of 80 records",
            self.delivered()
        );
        Ok(())
    }

    pub(crate) fn close(self) -> Result<(), TunnelError> {
        self.running.close()?;
        Ok(())
    }

    fn change(&self, changes: Range<usize>) -> Result<(), TunnelError> {
        for n in changes {
            orders::change(&self.orders, n)?;
        }
        Ok(())
    }

    fn delivered(&self) -> u64 {
        self.running.daemon().snapshot().done.records
    }

    fn channels(&self) -> usize {
        self.running.daemon().snapshot().channels.len()
    }

    fn wait_for(&self, what: &str, condition: impl Fn(&Consumer) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + MAX_WAIT;
        while !condition(self) {
            if Instant::now() > deadline {
                return Err(format!("timed out waiting for {what}"));
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}
