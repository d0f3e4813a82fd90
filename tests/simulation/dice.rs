//! [`Dice`]: everything random in a world, from its seed.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;

/// Random choices. Clones share one sequence: which thread draws next is decided by the
/// scheduler, and so by the seed as well.
#[derive(Clone, Debug)]
pub(crate) struct Dice(Arc<Mutex<Rng>>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(Arc::new(Mutex::new(Rng::with_seed(seed))))
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn chance(&self, probability: f64) -> bool {
        self.draw(|rng| rng.f64() < probability)
    }

    pub(crate) fn up_to(&self, range: Range<u64>) -> u64 {
        self.draw(|rng| rng.u64(range))
    }

    pub(crate) fn index(&self, len: usize) -> usize {
        self.draw(|rng| rng.usize(..len))
    }

    pub(crate) fn pick<T: Clone>(&self, from: &[T]) -> T {
        from[self.index(from.len())].clone()
    }

    /// A duration whose order of magnitude is random as well.
    pub(crate) fn millis(&self, range: Range<u64>) -> Duration {
        let (low, high) = ((range.start.max(1)) as f64, range.end as f64);
        let exponent = self.draw(Rng::f64);
        Duration::from_millis((low * (high / low).powf(exponent)) as u64)
    }
}
