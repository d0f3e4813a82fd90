//! The program's own code: callbacks and everything else that it can bring, well behaved
//! or not.
//!
//! - this file: [`Temper`], how it behaves.
//! - [`processor`]: factory, processors and callbacks.
//! - [`committer`]: commits by the program.
//! - [`parts`]: checkpointer, dialer, credentials and observer.

mod committer;
mod parts;
mod processor;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tablestore_tunnel::_simulation as simulation;

pub(crate) use self::committer::Committer;
pub(crate) use self::parts::{Dialer, Keys, Observer, OwnCheckpointer};
pub(crate) use self::processor::Factory;
use crate::dice::Dice;
use crate::logging::ON_PURPOSE;

/// How a call of user code ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    Fails,
    Panics,
}

/// How user code behaves, until everything is to recover.
#[derive(Debug)]
pub(crate) struct Temper {
    dice: Dice,
    misbehaves: bool,
    is_calm: AtomicBool,
    /// The credentials provider fails before that time.
    no_keys: Mutex<Duration>,
}

impl Temper {
    pub(crate) fn new(dice: Dice, misbehaves: bool) -> Temper {
        Temper {
            dice,
            misbehaves,
            is_calm: AtomicBool::new(false),
            no_keys: Mutex::default(),
        }
    }

    pub(crate) fn dice(&self) -> &Dice {
        &self.dice
    }

    pub(crate) fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Relaxed)
    }

    pub(crate) fn withhold_keys_for(&self, time: Duration) {
        let mut no_keys = self.no_keys.lock().unwrap_or_else(PoisonError::into_inner);
        *no_keys = simulation::now() + time;
    }

    fn has_keys(&self) -> bool {
        check_no_lock("the credentials provider");
        let no_keys = *self.no_keys.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_calm() || simulation::now() >= no_keys
    }

    /// Whether something of that probability goes wrong now.
    fn strikes(&self, probability: f64) -> bool {
        check_no_lock("user code");
        self.misbehaves && !self.is_calm() && self.dice.chance(probability)
    }

    /// Takes its time, and sometimes hangs; then fails sometimes.
    fn live(&self) -> Mood {
        if self.strikes(0.1) {
            simulation::sleep(self.dice.millis(1..3_000));
        }
        if self.strikes(0.01) {
            self.hang();
        }
        match (self.strikes(0.05), self.dice.chance(0.3)) {
            (false, _) => Mood::Well,
            (true, false) => Mood::Fails,
            (true, true) => Mood::Panics,
        }
    }

    /// As [`live`](Self::live), of work that is slow and fails often.
    fn labour(&self) -> Mood {
        if self.strikes(0.2) {
            simulation::sleep(self.dice.millis(1..3_000));
            return Mood::Fails;
        }
        self.live()
    }

    /// For some minutes, but not when everything is to recover.
    fn hang(&self) {
        let until = simulation::now() + self.dice.millis(20_000..300_000);
        while simulation::now() < until && !self.is_calm() {
            simulation::sleep(Duration::from_millis(500));
        }
    }
}

/// No lock of the crate is held while user code or a request runs.
pub(crate) fn check_no_lock(what: &str) {
    let locks = simulation::held_locks();
    if locks > 0 {
        simulation::fail(format!("{what} runs while {locks} locks are held"));
    }
}

/// A panic that the world causes.
fn panic_on_purpose() -> ! {
    panic!("{ON_PURPOSE}")
}
