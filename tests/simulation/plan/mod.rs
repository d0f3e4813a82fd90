//! [`Plan`]: what a world consists of and what happens in it, drawn from the seed.
//!
//! - [`consumers`]: configurations and the consumers that use them.
//! - [`events`]: what happens when.
//! - [`faults`]: faults of the service.

mod consumers;
mod events;
mod faults;

use std::time::Duration;

use tablestore_tunnel::TunnelType;

pub(crate) use self::consumers::{Commits, Config, Consumer, Ending, Kind, rescuer};
pub(crate) use self::events::{Event, Happening};
pub(crate) use self::faults::of_network;
use crate::dice::Dice;

/// How much goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Nothing: no record may come twice.
    Quiet,
    /// The program's own code.
    UserCode,
    /// The network and the service.
    Service,
    Both,
}

impl Weather {
    pub(crate) fn user_code_fails(self) -> bool {
        matches!(self, Weather::UserCode | Weather::Both)
    }

    pub(crate) fn service_fails(self) -> bool {
        matches!(self, Weather::Service | Weather::Both)
    }
}

/// A tunnel, and the number of rows that its table has before.
#[derive(Clone, Debug)]
pub(crate) struct Tunnel {
    pub(crate) table: usize,
    pub(crate) kind: TunnelType,
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) partitions: u32,
    pub(crate) rows: usize,
}

/// What the emulator is built with.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) batch_rows: usize,
    pub(crate) base_split_rows: usize,
    pub(crate) owners_only: bool,
    pub(crate) warm_up: Duration,
}

/// Requests are on their way for up to this long, each way.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) latency: Duration,
    /// Of a request that is lost, or whose answer is, while faults last.
    pub(crate) loss: f64,
    pub(crate) request_timeout: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) weather: Weather,
    pub(crate) service: Service,
    pub(crate) network: Network,
    pub(crate) tables: Vec<Table>,
    pub(crate) tunnels: Vec<Tunnel>,
    pub(crate) configs: Vec<Config>,
    pub(crate) consumers: Vec<Consumer>,
    /// In the order of their times.
    pub(crate) events: Vec<Event>,
    /// Until then, things happen and fail. Afterwards everything must recover.
    pub(crate) activity: Duration,
    pub(crate) preemption: f64,
    pub(crate) stalls: f64,
    pub(crate) longest_stall: Duration,
    /// Chance that the system starts no thread.
    pub(crate) thread_failures: f64,
}

impl Plan {
    pub(crate) fn draw(dice: &Dice) -> Plan {
        use Weather::{Both, Quiet, Service, UserCode};
        let weather = dice.pick(&[Quiet, Quiet, UserCode, Service, Both, Both]);
        let tables = tables(dice);
        let tunnels = tunnels(dice, tables.len());
        let activity = dice.millis(5_000..60_000);
        let configs = consumers::configs(dice, weather, activity);
        let consumers = consumers::draw(dice, tunnels.len(), &configs, activity);
        let (stalls, longest_stall) = match dice.index(3) {
            0 => (0.0, Duration::ZERO),
            1 => (0.000_5, Duration::from_millis(50)),
            _ => (0.000_2, Duration::from_millis(500)),
        };
        Plan {
            weather,
            service: service(dice),
            network: network(dice, weather),
            events: events::draw(dice, weather, &tables, activity),
            tables,
            tunnels,
            configs,
            consumers,
            activity,
            preemption: dice.pick(&[0.02, 0.1, 0.3, 0.7]),
            stalls,
            longest_stall,
            thread_failures: match weather {
                Both => dice.pick(&[0.0, 0.0, 0.02]),
                _ => 0.0,
            },
        }
    }
}

fn tables(dice: &Dice) -> Vec<Table> {
    let count = dice.pick(&[1, 1, 1, 2]);
    let draw = |_| Table {
        partitions: dice.pick(&[1, 1, 2, 3, 6]),
        rows: dice.pick(&[0, 3, 20, 60]),
    };
    (0..count).map(draw).collect()
}

fn tunnels(dice: &Dice, tables: usize) -> Vec<Tunnel> {
    use TunnelType::{BaseAndStream, BaseData, Stream};
    let count = tables + dice.index(2);
    let draw = |n| Tunnel {
        table: if n < tables { n } else { dice.index(tables) },
        kind: dice.pick(&[Stream, Stream, BaseAndStream, BaseData]),
    };
    (0..count).map(draw).collect()
}

fn service(dice: &Dice) -> Service {
    Service {
        batch_rows: dice.pick(&[1, 3, 10, 50]),
        base_split_rows: dice.pick(&[7, 25, 1_000]),
        owners_only: dice.chance(0.3),
        warm_up: dice.pick(&[Duration::ZERO, Duration::from_millis(500)]),
    }
}

fn network(dice: &Dice, weather: Weather) -> Network {
    let losses: &[f64] = match weather.service_fails() {
        true => &[0.0, 0.01, 0.05, 0.2],
        false => &[0.0],
    };
    Network {
        latency: dice.millis(1..40),
        loss: dice.pick(losses),
        request_timeout: dice.pick(&[2, 10, 60].map(Duration::from_secs)),
    }
}
