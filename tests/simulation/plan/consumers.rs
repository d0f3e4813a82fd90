//! Configurations, and the consumers that use them.

use std::time::Duration;

use super::Weather;
use crate::dice::Dice;

/// Who saves checkpoints, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commits {
    /// The worker.
    Every(Duration),
    /// The callback.
    Inline,
    /// Another thread, after a while.
    Late(Duration),
    /// Nobody, before everything is to recover.
    Never,
}

/// How often heartbeats are sent, and for how long a session lives without one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heartbeats {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// What a worker configuration is built with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) heartbeats: Heartbeats,
    pub(crate) pool_threads: usize,
    pub(crate) memory_budget: usize,
    pub(crate) max_channel_parallel: Option<usize>,
    pub(crate) manual_release: bool,
    pub(crate) reads_per_round: usize,
    pub(crate) pipe: usize,
    pub(crate) sync_read: bool,
    pub(crate) always_call_back: bool,
    pub(crate) binary: bool,
    pub(crate) commits: Commits,
    /// Sometimes an older token is committed first, which must be refused, or the
    /// program goes back on purpose.
    pub(crate) commits_out_of_order: bool,
    pub(crate) rewinds: bool,
    pub(crate) longest_pause: Duration,
    pub(crate) process_attempts: u32,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) stuck_after: Duration,
    pub(crate) closing_channel_detect: bool,
    pub(crate) own_checkpointer: bool,
    pub(crate) own_dialer: bool,
    pub(crate) observer: bool,
    /// The longest callback where all is well.
    pub(crate) callback: Duration,
}

impl Config {
    /// How many batches with records a channel may have at a time, the one in the callback
    /// included, if that can be seen from the requests.
    pub(crate) fn most_batches(&self) -> Option<usize> {
        let most = match self.sync_read || self.manual_release {
            true => 1,
            false => self.pipe + 2,
        };
        Some(most).filter(|_| self.reads_per_round == 1)
    }
}

/// What consumes a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A daemon whose `run` is called on a thread of the world.
    Run,
    /// A daemon on its own thread, which ends with its handle.
    Spawn,
    /// One worker, which is not replaced.
    Worker,
}

/// How a consumer is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Close,
    Within(Duration),
    /// Two threads at the same time.
    Twice(Duration),
    /// The next callback does it.
    InCallback,
    /// The handle is dropped.
    Drop,
}

#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub(crate) tunnel: usize,
    pub(crate) config: usize,
    pub(crate) kind: Kind,
    pub(crate) start: Duration,
    pub(crate) end: Option<(Duration, Ending)>,
}

pub(super) fn configs(dice: &Dice, weather: Weather, activity: Duration) -> Vec<Config> {
    let count = dice.pick(&[1, 1, 2]);
    (0..count)
        .map(|_| config(dice, weather, activity))
        .collect()
}

fn config(dice: &Dice, weather: Weather, activity: Duration) -> Config {
    let max_channel_parallel = dice.pick(&[None, None, None, Some(1), Some(2)]);
    let user = weather.user_code_fails();
    Config {
        heartbeats: heartbeats(dice),
        pool_threads: dice.pick(&[1, 2, 4]),
        memory_budget: dice.pick(&[1, 2_000, 300_000, 256 << 20]),
        max_channel_parallel,
        manual_release: max_channel_parallel.is_some() && dice.chance(0.4),
        reads_per_round: dice.pick(&[1, 1, 3]),
        pipe: dice.index(4),
        sync_read: dice.chance(0.2),
        always_call_back: dice.chance(0.2),
        binary: dice.chance(0.2),
        commits: commits(dice, weather, activity),
        commits_out_of_order: user && dice.chance(0.3),
        rewinds: user && dice.chance(0.1),
        longest_pause: dice.pick(&[100, 1_000, 5_000].map(Duration::from_millis)),
        process_attempts: dice.pick(&[1, 3]),
        shutdown_timeout: dice.pick(&[500, 5_000, 25_000].map(Duration::from_millis)),
        stuck_after: dice.pick(&[Duration::from_secs(2), Duration::from_secs(300)]),
        closing_channel_detect: dice.chance(0.5),
        own_checkpointer: user && dice.chance(0.3),
        own_dialer: user && dice.chance(0.3),
        observer: dice.chance(0.5),
        callback: dice.pick(&[0, 20, 300].map(Duration::from_millis)),
    }
}

fn heartbeats(dice: &Dice) -> Heartbeats {
    let (interval, timeout) = dice.pick(&[
        (300, 3_000),
        (1_000, 10_000),
        (1_000, 10_000),
        (5_000, 30_000),
        (30_000, 300_000),
    ]);
    Heartbeats {
        interval: Duration::from_millis(interval),
        timeout: Duration::from_millis(timeout),
    }
}

fn commits(dice: &Dice, weather: Weather, activity: Duration) -> Commits {
    let by_worker = [0, 100, 2_000, 10_000].map(|ms| Commits::Every(Duration::from_millis(ms)));
    match dice.index(10) {
        0 => Commits::Inline,
        1 if weather != Weather::Quiet => Commits::Late(dice.millis(10..5_000)),
        2 if weather.user_code_fails() => Commits::Never,
        3 => Commits::Every(activity * 10),
        _ => dice.pick(&by_worker),
    }
}

pub(super) fn draw(
    dice: &Dice,
    tunnels: usize,
    configs: &[Config],
    activity: Duration,
) -> Vec<Consumer> {
    let count = tunnels.max(1 + dice.index(4));
    let draw = |n| consumer(dice, n % tunnels, configs, activity);
    (0..count).map(draw).collect()
}

fn consumer(dice: &Dice, tunnel: usize, configs: &[Config], activity: Duration) -> Consumer {
    let start = match dice.chance(0.5) {
        true => Duration::ZERO,
        false => activity.mul_f64(0.5 * fraction(dice)),
    };
    let config = dice.index(configs.len());
    let kind = dice.pick(&[Kind::Run, Kind::Run, Kind::Spawn, Kind::Spawn, Kind::Worker]);
    let end = start + (activity - start).mul_f64(fraction(dice));
    let ends = dice.chance(0.6);
    Consumer {
        tunnel,
        config,
        kind,
        start,
        end: ends.then(|| (end, ending(dice, kind))),
    }
}

fn ending(dice: &Dice, kind: Kind) -> Ending {
    let deadline = dice.millis(1..30_000);
    let mut endings = vec![
        Ending::Close,
        Ending::Close,
        Ending::Within(deadline),
        Ending::Twice(deadline),
        Ending::InCallback,
    ];
    if kind == Kind::Spawn {
        endings.push(Ending::Drop);
    }
    dice.pick(&endings)
}

/// A consumer that finishes what the others of the tunnel have left.
pub(crate) fn rescuer(tunnel: usize, config: usize) -> Consumer {
    Consumer {
        tunnel,
        config,
        kind: Kind::Spawn,
        start: Duration::ZERO,
        end: None,
    }
}

pub(super) fn fraction(dice: &Dice) -> f64 {
    dice.up_to(0..1_000) as f64 / 1_000.0
}
