//! Faults of the service: every effect of the emulator, at any action.

use std::time::Duration;

use tablestore_emulator::{Action, Fault, FaultTarget, Notice};

use crate::dice::Dice;

/// The actions of a consumer.
const ACTIONS: [Action; 6] = [
    Action::Connect,
    Action::Heartbeat,
    Action::Shutdown,
    Action::GetCheckpoint,
    Action::ReadRecords,
    Action::Checkpoint,
];

/// Status and code of errors; an empty code is the error of a gateway.
const ERRORS: [(u16, &str); 16] = [
    (503, "OTSTunnelServerUnavailable"),
    (503, "OTSServerBusy"),
    (500, "OTSInternalServerError"),
    (503, "OTSTimeout"),
    (408, ""),
    (429, ""),
    (502, ""),
    (400, "OTSNobodyKnowsThis"),
    (403, "OTSAuthFailed"),
    (401, ""),
    (410, "OTSResourceGone"),
    (400, "OTSSequenceNumberNotMatch"),
    (400, "OTSParameterInvalid"),
    (403, "OTSPermissionDenied"),
    (400, "OTSTunnelExpired"),
    (302, ""),
];

pub(super) fn draw(dice: &Dice) -> Fault {
    let action = dice.pick(&ACTIONS);
    let target = target(dice, action);
    match dice.index(12) {
        0..=3 => failing(dice, target),
        4 | 5 => target.delay(dice.millis(10..90_000)),
        6 | 7 => spoiled(dice, target),
        8 => target.duplicate(),
        9 => target.expire(),
        10 => target.jump(dice.millis(10..60_000)),
        _ => of_action(dice, action),
    }
}

fn target(dice: &Dice, action: Action) -> FaultTarget {
    let mut target = match dice.chance(0.2) {
        true => Fault::on_any(),
        false => Fault::on(action),
    };
    target = match dice.index(3) {
        0 => target.nth(1 + dice.up_to(0..10)),
        1 => target.times(1 + dice.up_to(0..12)),
        _ => target
            .chance(dice.pick(&[0.05, 0.3, 1.0]), dice.up_to(0..1_000))
            .times(30),
    };
    match dice.chance(0.5) {
        true => target.after(),
        false => target,
    }
}

fn failing(dice: &Dice, target: FaultTarget) -> Fault {
    match dice.index(5) {
        0 => target.reset(),
        1 => target.close(),
        _ => {
            let (status, code) = dice.pick(&ERRORS);
            target.fail(status, code, "a fault")
        }
    }
}

fn spoiled(dice: &Dice, target: FaultTarget) -> Fault {
    match dice.index(5) {
        0 => target.cut(),
        1 => target.reset_midway(),
        2 => target.garbage(),
        3 => target.length(dice.pick(&[-3, -1, 1, 100])),
        _ => target.empty(),
    }
}

/// What only makes sense at some actions. An old answer to a read or to a checkpoint
/// would deceive any client.
fn of_action(dice: &Dice, action: Action) -> Fault {
    let notices = [Notice::Missing, Notice::Close, Notice::Terminated];
    match action {
        Action::ReadRecords => Fault::on(action).record(1 + dice.up_to(0..40)).split(),
        _ if dice.chance(0.5) => Fault::on(Action::Heartbeat)
            .nth(1 + dice.up_to(0..6))
            .take_all(dice.pick(&notices)),
        _ => Fault::on(Action::Heartbeat)
            .nth(2 + dice.up_to(0..6))
            .times(2)
            .stale(1 + dice.up_to(0..3)),
    }
}

/// What the network does to one request, as a fault that hits just this request. The
/// checker of the emulator then knows which answers have not arrived.
pub(crate) fn of_network(dice: &Dice, action: Action) -> Fault {
    let target = Fault::on(action);
    let long = Duration::from_millis(dice.up_to(200..90_000));
    match dice.index(8) {
        0 => target.reset(),
        1 => target.close(),
        2 => target.after().reset(),
        3 => target.after().close(),
        4 => target.cut(),
        5 => target.reset_midway(),
        6 => target.delay(long),
        _ => target.after().delay(long),
    }
}
