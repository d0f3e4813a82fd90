//! The service without sockets, threads or sleeping: it answers requests and
//! keeps the state, the ledger and the fault plan.
//!
//! [`Service::handle`] is the one entry for requests. It does everything that
//! a request causes: the check of its signature, the faults that hit it, the
//! command on the state and the events in the ledger.
//!
//! Files, in reading order:
//!
//! - this file: [`Service`], shared by all threads and handles.
//! - [`instance`]: [`Instance`], the data under the lock.
//! - [`step`]: [`Step`] and [`Continuation`], an answer or a wait before it.
//! - [`call`]: from a request to an answer.
//! - [`effects`]: faults that change the state or the clock.

mod call;
mod effects;
mod instance;
mod step;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::{Mutex, MutexGuard};

pub(super) use self::instance::Instance;
pub use self::step::{Continuation, Step};
use super::clock::EmulatorClock;
use super::faults::{Fault, FaultStatus};
use super::ledger::{EventKind, Ledger};
use super::settings::Settings;
use super::state::{Change, Departure, Logged, RecordId, State, StateError};
use super::timestamp::Timestamp;

/// The service: its data behind a lock, its clock and its settings.
#[derive(Debug)]
pub(super) struct Service {
    /// Locked for one command at a time, never while a caller waits or sends.
    instance: Mutex<Instance>,
    clock: EmulatorClock,
    settings: Settings,
    /// How many request ids were used.
    requests: AtomicU64,
}

impl Service {
    pub(super) fn new(settings: Settings, clock: EmulatorClock) -> Service {
        Service {
            instance: Mutex::new(Instance::new(&settings, clock.moved())),
            clock,
            settings,
            requests: AtomicU64::new(0),
        }
    }

    pub(super) fn clock(&self) -> &EmulatorClock {
        &self.clock
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The data and the current time. The time is read under the lock, so that
    /// times are in the order of the ledger and of the logs.
    fn enter(&self) -> (MutexGuard<'_, Instance>, Timestamp) {
        let mut instance = self.instance.lock();
        let now = self.clock.now();
        // Read second, so that `now` contains no move that is left out here.
        instance.ledger.clock_moved(now, self.clock.moved());
        (instance, now)
    }

    /// Looks at the state as it was left by the last command.
    pub(super) fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(self.instance.lock().state())
    }

    /// Runs a command on the state and records its events.
    pub(super) fn command<R>(&self, command: impl FnOnce(&mut State, Timestamp) -> R) -> R {
        let (mut instance, now) = self.enter();
        instance.command(|state| command(state, now))
    }

    /// Writes rows to a table, and applies the faults on writes. The changes
    /// are made under the lock, from the time of writing.
    pub(super) fn write(
        &self,
        table: &str,
        changes: impl FnOnce(&State, Timestamp) -> Result<Vec<Change>, StateError>,
    ) -> Result<Vec<Logged>, StateError> {
        let (mut instance, now) = self.enter();
        let changes = changes(instance.state(), now)?;
        let logged = instance.command(|state| state.write(table, changes, now))?;
        effects::after_write(&mut instance, &self.clock, table, &logged);
        Ok(logged)
    }

    /// Removes a client from its tunnel as if it had been silent for too long.
    pub(super) fn expire_client(&self, tunnel: &str, client: &str) -> Result<(), StateError> {
        self.command(|state, now| state.remove_client(tunnel, client, Departure::Expired, now))
    }

    /// Records that a consumer has processed records. Nothing is recorded if
    /// there is no such tunnel or channel.
    pub(super) fn record_processed(
        &self,
        tunnel: &str,
        client: &str,
        channel: &str,
        records: Vec<RecordId>,
    ) {
        let (mut instance, now) = self.enter();
        let Some(positions) = instance.state().positions(tunnel, channel, records) else {
            return;
        };
        let [tunnel, client, channel] = [tunnel, client, channel].map(Arc::from);
        for run in positions.runs {
            let event = EventKind::Processed {
                tunnel: Arc::clone(&tunnel),
                client: Arc::clone(&client),
                channel: Arc::clone(&channel),
                from: run.start,
                to: run.end,
            };
            instance.ledger.record(now, event);
        }
        if positions.unknown > 0 {
            let event = EventKind::ProcessedUnknown {
                tunnel,
                client,
                channel,
                records: positions.unknown,
            };
            instance.ledger.record(now, event);
        }
    }

    /// Arms faults, and returns their numbers.
    pub(super) fn arm(&self, faults: impl IntoIterator<Item = Fault>) -> Vec<u64> {
        let plan = &mut self.instance.lock().faults;
        faults.into_iter().map(|fault| plan.add(fault)).collect()
    }

    pub(super) fn faults(&self) -> Vec<FaultStatus> {
        self.instance.lock().faults.list()
    }

    /// Disarms one fault; returns whether it was there.
    pub(super) fn disarm(&self, id: u64) -> bool {
        self.instance.lock().faults.remove(id)
    }

    pub(super) fn clear_faults(&self) {
        self.instance.lock().faults.clear();
    }

    /// A copy of the ledger.
    pub(super) fn ledger(&self) -> Ledger {
        self.instance.lock().ledger.copy()
    }

    /// A copy of the ledger from an order number on.
    pub(super) fn ledger_since(&self, order: u64) -> Ledger {
        self.instance.lock().ledger.since(order)
    }

    pub(super) fn clear_ledger(&self) {
        self.instance.lock().ledger.clear();
    }

    /// Forgets everything, as if the emulator had just been started. The clock
    /// goes on.
    pub(super) fn reset(&self) {
        let instance = Instance::new(&self.settings, self.clock.moved());
        *self.instance.lock() = instance;
    }
}
