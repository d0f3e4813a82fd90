//! Drives an example on the emulator: creates a table with rows, changes it, and
//! closes the daemon when every record has been delivered.
//!
//! On a real instance nothing of this happens: other programs change the table,
//! and Ctrl-C closes the daemon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tablestore_emulator::Table;
use tablestore_tunnel::{TunnelError, TunnelWorkerDaemon, WorkerState};

use crate::orders;
use crate::service::Service;

/// How long to wait for the last changes to be delivered.
const MAX_WAIT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What is written to the table.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// The number of rows that exist before the tunnel is created.
    pub(crate) rows: usize,
    /// The number of changes that follow.
    pub(crate) changes: usize,
    /// The pause after each change.
    pub(crate) pause: Duration,
}

pub(crate) struct Demo {
    plan: Plan,
    /// `None` on a real instance.
    table: Option<Table>,
    has_failed: Arc<AtomicBool>,
}

impl Demo {
    /// Creates the table on the emulator; does nothing on a real instance.
    pub(crate) fn prepare(service: &Service, name: &str, plan: Plan) -> Result<Demo, TunnelError> {
        let create = |emulator| orders::create(emulator, name, plan.rows);
        Ok(Demo {
            plan,
            table: service.emulator.as_ref().map(create).transpose()?,
            has_failed: Arc::default(),
        })
    }

    /// Starts to change the table. Closes the daemon when every record has been
    /// delivered.
    pub(crate) fn start(&self, daemon: &TunnelWorkerDaemon) {
        let Some(table) = self.table.clone() else {
            return;
        };
        let (plan, daemon, has_failed) = (self.plan, daemon.clone(), self.has_failed.clone());
        thread::spawn(move || {
            let changed = change(&table, plan);
            let is_delivered = wait_until_delivered(&daemon, plan);
            has_failed.store(changed.is_err() || !is_delivered, Ordering::Relaxed);
            daemon.close();
        });
    }

    /// Returns the number of delivered records as text, or an error if it does
    /// not match the number of written records.
    pub(crate) fn finish(&self, daemon: &TunnelWorkerDaemon) -> Result<String, String> {
        let delivered = daemon.snapshot().done.records;
        let written = self.plan.written();
        if self.table.is_none() {
            return Ok(format!("delivered {delivered} records"));
        }
        // After Ctrl-C fewer records are fine: the rest stays in the tunnel.
        if self.has_failed.load(Ordering::Relaxed) || delivered > written {
            return Err(format!("delivered {delivered}, written {written}"));
        }
        Ok(format!("delivered {delivered} of {written} records"))
    }
}

impl Plan {
    fn written(self) -> u64 {
        (self.rows + self.changes) as u64
    }
}

fn change(table: &Table, plan: Plan) -> Result<(), TunnelError> {
    for n in 0..plan.changes {
        orders::change(table, n)?;
        thread::sleep(plan.pause);
    }
    Ok(())
}

/// Returns whether every record was delivered in time. Also returns true if the
/// daemon was closed by Ctrl-C.
fn wait_until_delivered(daemon: &TunnelWorkerDaemon, plan: Plan) -> bool {
    let deadline = Instant::now() + MAX_WAIT;
    while Instant::now() < deadline {
        let snapshot = daemon.snapshot();
        let is_delivered = snapshot.done.records >= plan.written();
        if is_delivered || snapshot.state == WorkerState::Ended {
            return true;
        }
        thread::sleep(POLL_INTERVAL);
    }
    false
}
