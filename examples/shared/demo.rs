//! What happens on the emulator while an example consumes: a table has some
//! rows and gets changes, and when all of that is delivered, the daemon is
//! closed. A real table changes by itself, and Ctrl-C closes the daemon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tablestore_emulator::Table;
use tablestore_tunnel::{TunnelError, TunnelWorkerDaemon, WorkerState};

use crate::orders;
use crate::service::Service;

/// How long to wait for what was written last.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// How much happens to the table.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Rows that are there before the tunnel is.
    pub(crate) rows: usize,
    /// Changes afterwards,
    pub(crate) changes: usize,
    /// with so much time between two of them.
    pub(crate) pause: Duration,
}

pub(crate) struct Demo {
    plan: Plan,
    /// None on a real instance.
    table: Option<Table>,
    gave_up: Arc<AtomicBool>,
}

impl Demo {
    /// Makes the table, if this is the emulator.
    pub(crate) fn prepare(service: &Service, name: &str, plan: Plan) -> Result<Demo, TunnelError> {
        let create = |emulator| orders::create(emulator, name, plan.rows);
        Ok(Demo {
            plan,
            table: service.emulator.as_ref().map(create).transpose()?,
            gave_up: Arc::default(),
        })
    }

    /// Begins to change the table; closes the daemon when all is delivered.
    pub(crate) fn begin(&self, daemon: &TunnelWorkerDaemon) {
        let Some(table) = self.table.clone() else {
            return;
        };
        let (plan, daemon, gave_up) = (self.plan, daemon.clone(), self.gave_up.clone());
        thread::spawn(move || {
            let changed = change(&table, plan);
            let delivered = wait_until_delivered(&daemon, plan);
            gave_up.store(changed.is_err() || !delivered, Ordering::Relaxed);
            daemon.close();
        });
    }

    /// How much was delivered; an error if that is not what was written.
    pub(crate) fn finish(&self, daemon: &TunnelWorkerDaemon) -> Result<String, String> {
        let delivered = daemon.snapshot().done.records;
        let written = self.plan.written();
        if self.table.is_none() {
            return Ok(format!("delivered {delivered} records"));
        }
        // Less is no error after Ctrl-C: the rest stays in the tunnel.
        if self.gave_up.load(Ordering::Relaxed) || delivered > written {
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

/// Whether all was delivered in time, or somebody else has closed the daemon.
fn wait_until_delivered(daemon: &TunnelWorkerDaemon, plan: Plan) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let snapshot = daemon.snapshot();
        let is_delivered = snapshot.done.records >= plan.written();
        if is_delivered || snapshot.state == WorkerState::Ended {
            return true;
        }
        thread::sleep(LOOK);
    }
    false
}
