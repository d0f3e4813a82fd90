//! STAND-IN of the simulation's facade: real threads and real time, run faster.
//! Thrown away when the scheduler is merged.
#![allow(
    missing_docs,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::allow_attributes
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, LazyLock, Mutex};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

pub use crate::http::transport::simulated::{
    SimFailure, SimRequest, SimResponse, Transport, client,
};

pub const SPEED: u32 = 20;

pub struct Options {
    pub max_steps: u64,
    pub preemption: f64,
    pub stalls: f64,
    pub longest_stall: Duration,
    pub trace: bool,
}

#[derive(Debug)]
pub struct Outcome {
    pub failure: Option<String>,
    pub steps: u64,
    pub elapsed: Duration,
    pub threads_started: usize,
    pub most_threads: usize,
    pub hash: u64,
    pub trace: Vec<String>,
}

struct State {
    began: Instant,
    suspended: Duration,
    live: Vec<String>,
    started: usize,
    most: usize,
    failure: Option<String>,
    trace: Option<Vec<String>>,
}

static STATE: LazyLock<Mutex<State>> = LazyLock::new(|| {
    Mutex::new(State {
        began: Instant::now(),
        suspended: Duration::ZERO,
        live: Vec::new(),
        started: 0,
        most: 0,
        failure: None,
        trace: None,
    })
});
static ENDED: Condvar = Condvar::new();

pub fn run(_seed: u64, options: Options, main: impl FnOnce() + Send + 'static) -> Outcome {
    {
        let mut state = STATE.lock().unwrap();
        *state = State {
            began: Instant::now(),
            suspended: Duration::ZERO,
            live: Vec::new(),
            started: 0,
            most: 0,
            failure: None,
            trace: options.trace.then(Vec::new),
        };
    }
    spawn("main", main);
    let mut state = STATE.lock().unwrap();
    while !state.live.is_empty() {
        state = ENDED.wait(state).unwrap();
    }
    Outcome {
        failure: state.failure.take(),
        steps: 0,
        elapsed: state.began.elapsed() * SPEED,
        threads_started: state.started,
        most_threads: state.most,
        hash: 0,
        trace: state.trace.take().unwrap_or_default(),
    }
}

pub fn spawn(name: &str, f: impl FnOnce() + Send + 'static) {
    let name = name.to_owned();
    {
        let mut state = STATE.lock().unwrap();
        state.live.push(name.clone());
        state.started += 1;
        state.most = state.most.max(state.live.len());
    }
    let builder = std::thread::Builder::new().name(name.clone());
    builder
        .spawn(move || {
            let panicked = catch_unwind(AssertUnwindSafe(f)).is_err();
            let mut state = STATE.lock().unwrap();
            let at = state.live.iter().position(|live| *live == name).unwrap();
            state.live.remove(at);
            if panicked {
                state.failure = Some(format!("{name} panicked"));
            }
            ENDED.notify_all();
        })
        .unwrap();
}

pub fn sleep(d: Duration) {
    std::thread::sleep(d / SPEED);
}

pub fn now() -> Duration {
    STATE.lock().unwrap().began.elapsed() * SPEED
}

pub fn utc() -> OffsetDateTime {
    let suspended = STATE.lock().unwrap().suspended;
    crate::clock::utc() + suspended
}

pub fn suspend(d: Duration) {
    STATE.lock().unwrap().suspended += d;
}

pub fn stop_stalls() {}

pub fn live_threads() -> Vec<String> {
    STATE.lock().unwrap().live.clone()
}

pub fn note(text: String) {
    let mut state = STATE.lock().unwrap();
    let elapsed = state.began.elapsed() * SPEED;
    let name = std::thread::current().name().unwrap_or("?").to_owned();
    if let Some(trace) = &mut state.trace {
        trace.push(format!("{:>10.3} {name:<20} {text}", elapsed.as_secs_f64()));
    }
}
