//! Faults as JSON, for the control API.

use std::ops::Not;

use serde::{Deserialize, Serialize};

use super::target::{Chance, FaultTarget, On};
use super::{Effect, Fault};
use crate::protocol::Action;

/// The word for all actions.
pub(super) const ANY: &str = "any";

/// A fault as JSON. Missing fields have the defaults of the Rust API.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultJson {
    /// An action, or `any`. `None` for a fault at writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    write: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nth: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    /// Replaces a number of times that is too large for many JSON parsers.
    #[serde(default, skip_serializing_if = "Not::not")]
    forever: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    chance: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(default, skip_serializing_if = "Not::not")]
    after: bool,
    effect: Option<Effect>,
}

impl From<&Fault> for FaultJson {
    fn from(fault: &Fault) -> FaultJson {
        let target = fault.target.clone();
        let (on, write) = match target.on {
            On::Action(action) => (Some(action.to_string()), None),
            On::Any => (Some(ANY.to_owned()), None),
            On::Write(table) => (None, Some(table)),
        };
        FaultJson {
            on,
            write,
            nth: (target.nth > 1).then_some(target.nth),
            times: target.times.filter(|times| *times != u64::MAX),
            forever: target.times == Some(u64::MAX),
            chance: target.chance.map(|chance| chance.probability),
            seed: target.chance.map(|chance| chance.seed),
            record: target.record,
            client: target.client,
            channel: target.channel,
            after: target.after,
            effect: Some(fault.effect.clone()),
        }
    }
}

impl FaultJson {
    /// The fault, or the reason why it is invalid.
    pub(crate) fn into_fault(self) -> Result<Fault, String> {
        let mut target = FaultTarget::new(on(self.on, self.write)?);
        target.nth = self.nth.unwrap_or(1).max(1);
        target.times = if self.forever {
            Some(u64::MAX)
        } else {
            self.times
        };
        target.chance = chance(self.chance, self.seed)?;
        target.record = self.record.map(|record| record.max(1));
        target.client = self.client;
        target.channel = self.channel;
        target.after = self.after;
        let effect = self.effect.ok_or("a fault needs an effect, as \"reset\"")?;
        let fault = target.with(effect);
        fault.check().map(|()| fault)
    }
}

fn on(on: Option<String>, write: Option<String>) -> Result<On, String> {
    match (on, write) {
        (Some(name), None) if name == ANY => Ok(On::Any),
        (Some(name), None) => action(&name).map(On::Action),
        (None, Some(table)) => Ok(On::Write(table)),
        _ => Err("a fault needs either on (an action, or \"any\") or write (a table)".to_owned()),
    }
}

/// The action with a name.
pub(super) fn action(name: &str) -> Result<Action, String> {
    let found = Action::from_name(name);
    found.ok_or_else(|| format!("no action is called {name:?}; there are {}", actions()))
}

/// The names of all actions, for error messages.
pub(super) fn actions() -> String {
    Action::ALL.map(|action| action.to_string()).join(", ")
}

/// A probability with its seed, if there is one.
fn chance(probability: Option<f64>, seed: Option<u64>) -> Result<Option<Chance>, String> {
    match (probability, seed) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err("seed needs chance, which is missing".to_owned()),
        (Some(probability), _) if !(0.0..=1.0).contains(&probability) => {
            Err("chance must be a number from 0 to 1".to_owned())
        }
        (Some(probability), seed) => Ok(Some(Chance {
            probability,
            seed: seed.unwrap_or(0),
        })),
    }
}

impl Fault {
    /// Rejects combinations that have no meaning. The builder accepts them, and
    /// they have no effect.
    pub(super) fn check(&self) -> Result<(), String> {
        let FaultTarget {
            on, nth, chance, ..
        } = &self.target;
        let status = match self.effect {
            Effect::Fail { status, .. } => status,
            _ => 200,
        };
        if !(100..=999).contains(&status) {
            return Err(format!(
                "{status} is no HTTP status; give one from 100 to 999"
            ));
        }
        let has_records = matches!(on, On::Write(_) | On::Action(Action::ReadRecords));
        if matches!(on, On::Write(_)) && !self.effect.fits_write() {
            return Err("write can be used with split and jump only".to_owned());
        }
        if self.target.record.is_some() && !has_records {
            return Err("record can be used with readrecords and write only".to_owned());
        }
        if self.target.record.is_some() && (*nth > 1 || chance.is_some()) {
            return Err("record replaces nth and chance; leave those out".to_owned());
        }
        Ok(())
    }
}
