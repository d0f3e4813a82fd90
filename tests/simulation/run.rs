//! One seed, from its plan to its verdict.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use tablestore_tunnel::_simulation::{self as simulation, Options, Outcome};

use crate::dice::Dice;
use crate::notes::Notes;
use crate::plan::Plan;
use crate::world::World;
use crate::{judge, logging, story};

/// More are a loop without an end.
const MOST_STEPS: u64 = 2_000_000;

/// What a seed has come to.
pub(crate) struct Verdict {
    /// Why it has failed.
    pub(crate) failure: Option<String>,
    /// Of everything that happened. The same for every run of the seed.
    pub(crate) hash: u64,
    pub(crate) outcome: Outcome,
}

/// Filled on simulated threads, and read when they have ended.
#[derive(Default)]
struct Results {
    broken: Option<String>,
    ledger_hash: u64,
    world: Option<Arc<World>>,
}

pub(crate) fn run(seed: u64, trace: bool) -> Verdict {
    let dice = Dice::new(seed);
    let plan = Plan::draw(&dice);
    if trace {
        println!("{plan:#?}");
    }
    let options = Options {
        max_steps: MOST_STEPS,
        preemption: plan.preemption,
        stalls: plan.stalls,
        longest_stall: plan.longest_stall,
        thread_failures: plan.thread_failures,
        trace,
    };
    let results = Arc::new(Mutex::new(Results::default()));
    let filled = Arc::clone(&results);
    let notes = Arc::new(Notes::default());
    let outcome = simulation::run(seed, options, move || {
        match World::build(seed, plan, &dice, &notes) {
            Ok(world) => {
                let world = Arc::new(world);
                let lock = || filled.lock().unwrap_or_else(PoisonError::into_inner);
                lock().world = Some(Arc::clone(&world));
                story::tell(&world);
            }
            Err(error) => panic!("the world cannot be built: {error}"),
        }
    });
    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(world) = results.world.take() {
        results.broken = world.notes.broken();
        // Without its threads, a world that failed has no end to judge.
        if outcome.failure.is_none() && results.broken.is_none() {
            results.broken = judge::broken(&world);
        }
        results.ledger_hash = hash_of_ledger(&world);
    }
    let mut hasher = DefaultHasher::new();
    (outcome.hash, results.ledger_hash).hash(&mut hasher);
    Verdict {
        failure: results.broken.take().or(outcome.failure.clone()),
        hash: hasher.finish(),
        outcome,
    }
}

fn hash_of_ledger(world: &World) -> u64 {
    let mut lines = Vec::new();
    let written = world.engine.ledger().write_json_lines(&mut lines);
    logging::note(|| format!("{written:?}"));
    let mut hasher = DefaultHasher::new();
    lines.hash(&mut hasher);
    hasher.finish()
}
