//! Which runnable thread is next.

use fastrand::Rng;

/// How a run chooses.
#[derive(Debug)]
pub(super) enum Policy {
    /// At a scheduling point, another runnable thread goes on with the given chance.
    Random { preemption: f64 },
    /// The runnable thread with the highest priority goes on (PCT: probabilistic
    /// concurrency testing). The priorities are random. At a few points, with the chance
    /// `change`, the priority of the running thread becomes the lowest.
    Priorities {
        of: Vec<i64>,
        lowest: i64,
        change: f64,
    },
    /// As `Random`, but the thread that has waited longest goes on.
    Fair { preemption: f64 },
}

/// What the policy needs to know about a runnable thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) index: usize,
    /// The step at which it last had the turn.
    pub(super) last_turn: u64,
}

/// After so many steps in a row, a thread with priority is assumed to wait in a loop for
/// another thread.
const LONGEST_TURN: u64 = 2000;

impl Policy {
    /// The policy of a run, chosen by its seed.
    pub(super) fn new(rng: &mut Rng, preemption: f64) -> Policy {
        if preemption > 0.0 && rng.u8(..4) == 0 {
            // From 2 to 200 changes in 10 000 steps.
            let change = 0.0002 * 100_f64.powf(rng.f64());
            let (of, lowest) = (Vec::new(), 0);
            return Policy::Priorities { of, lowest, change };
        }
        // Some faults need long stretches without a switch, others need many switches.
        let factor = [0.2, 1.0, 1.0, 4.0][rng.usize(..4)];
        let preemption = (preemption * factor).min(1.0);
        Policy::Random { preemption }
    }

    pub(super) fn add_thread(&mut self, rng: &mut Rng) {
        if let Policy::Priorities { of, .. } = self {
            of.push(rng.i64(1..i64::MAX));
        }
    }

    /// Whether to choose again, although the thread `current` could go on.
    pub(super) fn reconsiders(&mut self, rng: &mut Rng, current: usize, turn: u64) -> bool {
        match self {
            Policy::Random { preemption } | Policy::Fair { preemption } => rng.f64() < *preemption,
            Policy::Priorities { change, .. } => {
                if rng.f64() < *change || turn > LONGEST_TURN {
                    self.yields(current);
                }
                true
            }
        }
    }

    /// The thread lets others go first.
    pub(super) fn yields(&mut self, current: usize) {
        if let Policy::Priorities { of, lowest, .. } = self {
            *lowest -= 1;
            of[current] = *lowest;
        }
    }

    /// The position of the next thread. There is at least one candidate.
    pub(super) fn choose(&self, rng: &mut Rng, candidates: &[Candidate]) -> usize {
        let positions = 0..candidates.len();
        let chosen = match self {
            Policy::Random { .. } => Some(rng.usize(positions)),
            Policy::Priorities { of, .. } => positions.max_by_key(|&at| of[candidates[at].index]),
            Policy::Fair { .. } => positions.min_by_key(|&at| candidates[at].last_turn),
        };
        chosen.unwrap_or_default()
    }
}
