//! One seed, from its plan to its verdict.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tablestore_emulator::Ledger;
use tablestore_tunnel::_simulation::{self as simulation, Options, Outcome};

use crate::dice::Dice;
use crate::notes::Notes;
use crate::plan::Plan;
use crate::world::World;
use crate::{judge, story};

/// More are a loop without an end.
const MOST_STEPS: u64 = 2_000_000;

/// How long a thread takes to act on what is known, where nothing stalls.
const REACTION: Duration = Duration::from_millis(10);

/// What a seed has come to.
pub(crate) struct Verdict {
    /// Why it has failed.
    pub(crate) failure: Option<String>,
    /// Of everything that happened. The same for every run of the seed.
    pub(crate) hash: u64,
    pub(crate) outcome: Outcome,
    /// What the service has seen.
    pub(crate) ledger: Option<Ledger>,
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
    let built: Arc<Mutex<Option<Arc<World>>>> = Arc::default();
    let filled = Arc::clone(&built);
    let notes = Arc::new(Notes::new(REACTION + plan.longest_stall * 4));
    if !plan.longest_stall.is_zero() {
        notes.has_stalls();
    }
    let outcome = simulation::run(seed, options, move || {
        match World::build(seed, plan, &dice, &notes) {
            Ok(world) => {
                let world = Arc::new(world);
                *lock(&filled) = Some(Arc::clone(&world));
                story::tell(&world);
            }
            Err(error) => panic!("the world cannot be built: {error}"),
        }
    });
    let world = lock(&built).take();
    let broken = world.as_ref().and_then(|world| {
        // A world that was torn down has no end to judge.
        let broken = world.notes.broken();
        broken.or_else(|| outcome.failure.is_none().then(|| judge::broken(world))?)
    });
    let ledger = world.map(|world| world.engine.ledger());
    let mut hasher = DefaultHasher::new();
    outcome.hash.hash(&mut hasher);
    ledger.as_ref().map(lines).hash(&mut hasher);
    Verdict {
        failure: broken.or_else(|| outcome.failure.clone()),
        hash: hasher.finish(),
        outcome,
        ledger,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lines(ledger: &Ledger) -> Vec<u8> {
    let mut lines = Vec::new();
    // Writing to memory cannot fail.
    let _ = ledger.write_json_lines(&mut lines);
    lines
}
