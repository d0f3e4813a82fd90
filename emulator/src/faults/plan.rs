//! [`FaultPlan`]: the armed faults, and which of them hit each request.

use std::collections::{HashMap, VecDeque};

use super::target::{Chance, FaultTarget};
use super::{Effect, Fault};
use crate::protocol::Action;
use crate::protocol::Scope;
use crate::state::Id;

/// An armed fault, and how often it has hit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FaultStatus {
    /// Its number. Faults are numbered from 1 in the order in which they were
    /// armed.
    pub id: u64,
    /// The fault.
    pub fault: Fault,
    /// How many matching requests, or writes, were counted, up to the last one
    /// that was hit.
    pub seen: u64,
    /// How many of them were hit.
    pub hits: u64,
    /// Whether it will never hit again.
    pub over: bool,
}

/// The armed faults, and those that are over.
#[derive(Debug, Default)]
pub(crate) struct FaultPlan {
    armed: Vec<Armed>,
    added: u64,
    answers: AnswerHistory,
}

#[derive(Debug)]
struct Armed {
    id: u64,
    fault: Fault,
    seen: u64,
    hits: u64,
    /// The random numbers for its chance.
    draws: fastrand::Rng,
    /// How many records were counted, by channel or partition.
    records: HashMap<Id, u64>,
}

/// The effects that hit one request, in the order in which the faults were armed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Hits {
    pub(crate) before: Vec<Effect>,
    pub(crate) after: Vec<Effect>,
    /// The old answer that replaces the new one.
    pub(crate) stale: Option<Vec<u8>>,
}

impl FaultPlan {
    pub(crate) fn add(&mut self, fault: Fault) -> u64 {
        self.added += 1;
        let seed = fault.target.chance.map_or(0, |chance| chance.seed);
        self.armed.push(Armed {
            id: self.added,
            fault,
            seen: 0,
            hits: 0,
            draws: fastrand::Rng::with_seed(seed),
            records: HashMap::new(),
        });
        self.added
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
        self.answers = AnswerHistory::default();
    }

    /// Disarms a fault; returns whether it was there.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.armed.len();
        self.armed.retain(|armed| armed.id != id);
        self.armed.len() < before
    }

    pub(crate) fn list(&self) -> Vec<FaultStatus> {
        self.armed.iter().map(Armed::status).collect()
    }

    /// Counts a request, and returns the effects that hit it.
    pub(crate) fn on_request(&mut self, action: Action, scope: &Scope) -> Hits {
        let mut hits = Hits::default();
        for armed in &mut self.armed {
            if armed.is_over()
                || !armed.fault.target.matches(action, scope)
                || !armed.count_request()
            {
                continue;
            }
            if let Effect::Stale(back) = armed.fault.effect {
                hits.stale = self.answers.recall(action, scope, back);
            }
            let side = match armed.fault.target.after {
                true => &mut hits.after,
                false => &mut hits.before,
            };
            side.push(armed.fault.effect.clone());
        }
        hits
    }

    /// Counts the records in an answer, and returns the effects that they trigger.
    pub(crate) fn on_records(&mut self, action: Action, scope: &Scope, records: usize) -> Hits {
        let mut hits = Hits::default();
        let Some(channel) = &scope.channel else {
            return hits;
        };
        for armed in &mut self.armed {
            if !armed.fault.target.matches(action, scope) || !armed.count_records(channel, records)
            {
                continue;
            }
            if let Effect::Stale(back) = armed.fault.effect {
                hits.stale = self.answers.recall(action, scope, back);
            }
            hits.after.push(armed.fault.effect.clone());
        }
        hits
    }

    /// Counts a write to a table, by the number of records in each partition.
    /// Returns the effects and the partitions that they hit.
    pub(crate) fn on_write(
        &mut self,
        table: &str,
        partitions: &[(Id, usize)],
    ) -> Vec<(Id, Effect)> {
        let armed = self.armed.iter_mut();
        let on_table = armed.filter(|armed| armed.fault.is_on_write(table));
        on_table
            .flat_map(|armed| armed.count_write(partitions))
            .collect()
    }

    /// Keeps an answer if a fault may need it later.
    pub(crate) fn remember_answer(&mut self, action: Action, scope: &Scope, body: &[u8]) {
        let backs = self
            .armed
            .iter()
            .filter_map(|armed| match armed.fault.effect {
                Effect::Stale(back) if !armed.is_over() => {
                    armed.fault.target.matches(action, scope).then_some(back)
                }
                _ => None,
            });
        let keep = backs.max().unwrap_or(0);
        self.answers.keep(action, scope, body, keep);
    }
}

impl Armed {
    fn status(&self) -> FaultStatus {
        FaultStatus {
            id: self.id,
            fault: self.fault.clone(),
            seen: self.seen,
            hits: self.hits,
            over: self.is_over(),
        }
    }

    fn is_over(&self) -> bool {
        self.hits >= self.fault.target.limit()
    }

    /// Counts a request, and returns whether it is hit.
    fn count_request(&mut self) -> bool {
        self.seen += 1;
        let FaultTarget {
            nth,
            chance,
            record,
            ..
        } = self.fault.target;
        let hit = record.is_none() && self.seen >= nth && self.draw(chance);
        self.hits += u64::from(hit);
        hit
    }

    fn draw(&mut self, chance: Option<Chance>) -> bool {
        // Random numbers are below 1, so that a probability of 1 always hits.
        chance.is_none_or(|chance| self.draws.f64() < chance.probability)
    }

    /// Counts records, and returns whether the nth record is among them.
    fn count_records(&mut self, key: &Id, records: usize) -> bool {
        let nth = self.fault.target.record.filter(|_| !self.is_over());
        let Some(nth) = nth else { return false };
        let count = self.records.entry(key.clone()).or_default();
        let before = *count;
        *count += records as u64;
        let hit = before < nth && nth <= *count;
        self.hits += u64::from(hit);
        hit
    }

    /// Counts a write, and returns its effects.
    fn count_write(&mut self, partitions: &[(Id, usize)]) -> Vec<(Id, Effect)> {
        let matches = |(id, _): &&(Id, usize)| self.fault.target.matches_partition(id);
        let matching: Vec<&(Id, usize)> = partitions.iter().filter(matches).collect();
        if matching.is_empty() || self.is_over() {
            return Vec::new();
        }
        if self.count_request() {
            // A hit splits one partition, however many a bulk writes to.
            return vec![(matching[0].0.clone(), self.fault.effect.clone())];
        }
        let mut hits = Vec::new();
        for (id, records) in matching {
            if self.count_records(id, *records) {
                hits.push((id.clone(), self.fault.effect.clone()));
            }
        }
        hits
    }
}

/// Old answers of each kind of request, newest first.
#[derive(Debug, Default)]
struct AnswerHistory(HashMap<(Action, Scope), VecDeque<Vec<u8>>>);

impl AnswerHistory {
    fn recall(&self, action: Action, scope: &Scope, back: u64) -> Option<Vec<u8>> {
        let kept = self.0.get(&(action, scope.clone()))?;
        kept.get(usize::try_from(back).ok()?.checked_sub(1)?)
            .cloned()
    }

    fn keep(&mut self, action: Action, scope: &Scope, body: &[u8], keep: u64) {
        if keep == 0 {
            return;
        }
        let kept = self.0.entry((action, scope.clone())).or_default();
        kept.push_front(body.to_vec());
        kept.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(fault: Fault, requests: usize, scope: &Scope) -> Vec<usize> {
        let mut plan = FaultPlan::default();
        plan.add(fault);
        let hits: Vec<usize> = (1..=requests)
            .filter(|_| plan.on_request(Action::ReadRecords, scope) != Hits::default())
            .collect();
        assert_eq!(plan.list()[0].hits, hits.len() as u64);
        hits
    }

    fn on() -> FaultTarget {
        Fault::on(Action::ReadRecords)
    }

    #[test]
    fn faults_hit_from_the_nth_request_and_as_often_as_configured() {
        let scope = Scope::default();
        assert_eq!(hits(on().reset(), 4, &scope), [1]);
        assert_eq!(hits(on().nth(3).times(2).reset(), 6, &scope), [3, 4]);
        assert_eq!(hits(Fault::on_any().nth(2).reset(), 4, &scope), [2]);
        assert!(hits(on().times(0).reset(), 3, &scope).is_empty());
        assert!(hits(Fault::on(Action::List).reset(), 3, &scope).is_empty());
        assert!(hits(Fault::on_write("t").split(), 3, &scope).is_empty());
    }

    #[test]
    fn a_chance_hits_the_same_requests_for_the_same_seed() {
        let scope = Scope::default();
        let drawn = |probability, seed| hits(on().chance(probability, seed).reset(), 1_000, &scope);
        assert_eq!(drawn(0.1, 1), drawn(0.1, 1));
        assert_ne!(drawn(0.1, 1), drawn(0.1, 2));
        let count = drawn(0.1, 1).len();
        assert!((50..200).contains(&count), "{count}");
        assert_eq!(drawn(1.0, 1).len(), 1_000);
        assert_eq!(drawn(f64::NAN, 1).len(), 0);
        let some = on().chance(0.5, 3).nth(10).times(4).reset();
        let some = hits(some, 1_000, &scope);
        assert_eq!(some.len(), 4);
        assert!(some[0] >= 10);
    }

    #[test]
    fn faults_hit_only_matching_clients_and_channels() {
        let scope = Scope {
            client: Some("host_a_0f".into()),
            channel: Some("c".into()),
            ..Scope::default()
        };
        assert_eq!(hits(on().client("host_a").reset(), 1, &scope), [1]);
        assert_eq!(hits(on().client("host_a_0f").reset(), 1, &scope), [1]);
        assert!(hits(on().client("host").reset(), 1, &scope).is_empty());
        assert_eq!(hits(on().channel("c").reset(), 1, &scope), [1]);
        assert!(hits(on().channel("d").reset(), 1, &scope).is_empty());
    }

    #[test]
    fn a_cut_always_comes_after_the_request() {
        let mut plan = FaultPlan::default();
        plan.add(Fault::on(Action::List).before().cut());
        let hits = plan.on_request(Action::List, &Scope::default());
        assert_eq!(hits.after, [Effect::Cut]);
    }

    #[test]
    fn records_are_counted_for_each_channel() {
        let mut plan = FaultPlan::default();
        plan.add(on().record(10).times(2).split());
        let mut read = |channel: &str, records| {
            let scope = Scope::channel("t", "a", channel);
            assert_eq!(
                plan.on_request(Action::ReadRecords, &scope),
                Hits::default()
            );
            plan.on_records(Action::ReadRecords, &scope, records)
                .after
                .len()
        };
        assert_eq!(read("c", 9), 0);
        assert_eq!(read("d", 9), 0);
        assert_eq!(read("c", 5), 1, "the 10th of c");
        assert_eq!(read("c", 5), 0);
        assert_eq!(read("d", 1), 1, "the 10th of d");
        assert_eq!(read("e", 99), 0, "only twice");
    }

    #[test]
    fn writes_are_counted_for_each_partition() {
        let mut plan = FaultPlan::default();
        plan.add(Fault::on_write("t").record(10).split());
        plan.add(Fault::on_write("t").channel("q_0001").nth(2).split());
        let (p, q) = (Id::from("p"), Id::from("q"));
        let mut written = |table: &str, partitions: &[(Id, usize)]| -> Vec<Id> {
            let hit = plan.on_write(table, partitions);
            hit.into_iter().map(|(partition, _)| partition).collect()
        };
        assert!(written("t", &[(p.clone(), 9), (q.clone(), 9)]).is_empty());
        assert!(written("u", &[(p.clone(), 9)]).is_empty());
        assert_eq!(written("t", &[(p.clone(), 1)]), [p]);
        assert_eq!(written("t", &[(q.clone(), 1)]), [q]);
    }

    #[test]
    fn old_answers_are_kept_while_a_fault_wants_them() {
        let mut plan = FaultPlan::default();
        let scope = Scope::client("t", "a");
        plan.remember_answer(Action::Heartbeat, &scope, b"0");
        plan.add(Fault::on(Action::Heartbeat).nth(3).stale(2));
        for answer in [b"1", b"2"] {
            assert_eq!(plan.on_request(Action::Heartbeat, &scope).stale, None);
            plan.remember_answer(Action::Heartbeat, &scope, answer);
        }
        let hits = plan.on_request(Action::Heartbeat, &scope);
        assert_eq!(hits.after, [Effect::Stale(2)]);
        assert_eq!(hits.stale.as_deref(), Some(b"1".as_slice()));
    }
}
