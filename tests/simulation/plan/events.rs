//! What happens in a world, and when.

use std::time::Duration;

use tablestore_emulator::Fault;

use super::consumers::fraction;
use super::{Table, Weather, faults};
use crate::dice::Dice;

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) at: Duration,
    pub(crate) what: Happening,
}

#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// New rows.
    Write {
        table: usize,
        rows: usize,
    },
    /// An update and a deletion of an existing row.
    Change {
        table: usize,
    },
    Split {
        table: usize,
    },
    Merge {
        table: usize,
    },
    /// A fault of the service.
    Fault(Fault),
    /// No request gets through for a while.
    Outage(Duration),
    /// The credentials provider fails for a while.
    NoCredentials(Duration),
    /// The machine is suspended, and may wake up without a network.
    Suspend(Duration),
    /// The service's clock moves.
    Jump(Duration),
    /// Somebody asks consumers how they are.
    Ask,
}

pub(super) fn draw(
    dice: &Dice,
    weather: Weather,
    tables: &[Table],
    activity: Duration,
) -> Vec<Event> {
    let mut all: Vec<Happening> = Vec::new();
    for _ in 0..2 + dice.index(8) {
        all.push(of_table(dice, dice.index(tables.len())));
    }
    for _ in 0..dice.index(4) {
        all.push(Happening::Ask);
    }
    if weather.user_code_fails() && dice.chance(0.3) {
        all.push(Happening::NoCredentials(dice.millis(100..20_000)));
    }
    if weather.service_fails() {
        for _ in 0..1 + dice.index(6) {
            all.push(Happening::Fault(faults::draw(dice)));
        }
        all.extend(of_machines(dice));
    }
    let at = |what| Event {
        at: activity.mul_f64(fraction(dice)),
        what,
    };
    let mut events: Vec<Event> = all.into_iter().map(at).collect();
    events.sort_by_key(|event| event.at);
    events
}

fn of_table(dice: &Dice, table: usize) -> Happening {
    match dice.index(10) {
        0..=4 => Happening::Write {
            table,
            rows: dice.pick(&[1, 5, 30]),
        },
        5 | 6 => Happening::Change { table },
        7 | 8 => Happening::Split { table },
        _ => Happening::Merge { table },
    }
}

fn of_machines(dice: &Dice) -> Vec<Happening> {
    match dice.index(6) {
        0 => {
            let suspend = |_| Happening::Suspend(dice.millis(1_000..600_000));
            (0..1 + dice.index(4)).map(suspend).collect()
        }
        1 => vec![Happening::Jump(dice.millis(1_000..400_000))],
        2 | 3 => vec![Happening::Outage(dice.millis(100..40_000))],
        _ => Vec::new(),
    }
}
