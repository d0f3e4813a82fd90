//! [`Assignment`]: which client has which channel.
//!
//! Pure bookkeeping by index: ids, tokens and times are the tunnel's business.
//!
//! The version protocol, as the clients' merge rule wants it: whoever ends a
//! tenure raises the version by one (the server with OPEN to CLOSING, the
//! client with its CLOSE or TERMINATED, the server again when a client has
//! vanished); handing out keeps the number. So OPEN v0, CLOSING v1, client
//! CLOSE v2, OPEN v2.
//!
//! The balance: each of C live clients may have N / C of the N channels there
//! are to read, and N % C of them one more. A client with more gives some back
//! (CLOSING) at its own heartbeat; one with fewer takes from the free ones at
//! its own. A heartbeat therefore costs what the client itself holds, not what
//! the tunnel has.

use std::collections::{BTreeMap, BTreeSet};

use super::ChannelStatus;

/// Number of a client, in the order of connecting; never reused.
pub(crate) type ClientNumber = u64;

/// Where a channel is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its parents are not read to their end yet.
    Wait,
    /// To be read; no client ever had it.
    Fresh,
    /// A client has it.
    Open,
    /// A client has it and was asked to give it back.
    Closing,
    /// To be read; given back by a client or taken from a vanished one.
    Closed,
}

/// What is known of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) phase: Phase,
    pub(crate) version: i64,
    pub(crate) holder: Option<ClientNumber>,
    /// Kept from being handed out, by Schedule.
    pub(crate) suspended: bool,
    /// Read to its end: never handed out again.
    pub(crate) done: bool,
}

impl Slot {
    /// Whether a client should have this channel.
    fn eligible(&self) -> bool {
        self.phase != Phase::Wait && !self.suspended && !self.done
    }

    /// The channel's status as the meta API shows it.
    pub(crate) fn status(&self) -> ChannelStatus {
        match self.phase {
            _ if self.done => ChannelStatus::Terminated,
            _ if self.suspended => ChannelStatus::Closing,
            Phase::Wait => ChannelStatus::Wait,
            Phase::Fresh | Phase::Open => ChannelStatus::Open,
            Phase::Closing => ChannelStatus::Closing,
            Phase::Closed => ChannelStatus::Close,
        }
    }

    fn is_load(&self) -> bool {
        self.eligible() && self.phase == Phase::Open
    }
}

/// A client's report on a channel that it ends its tenure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) channel: usize,
    pub(crate) version: i64,
}

#[derive(Debug, Default)]
struct Client {
    held: BTreeSet<usize>,
    /// How many of those are open and to be read.
    load: usize,
}

/// Which client has which channel.
#[derive(Debug, Default)]
pub(crate) struct Assignment {
    slots: Vec<Slot>,
    clients: BTreeMap<ClientNumber, Client>,
    free: BTreeSet<usize>,
    eligible: usize,
    /// How many clients have each load, so that the balance needs no scan.
    loads: BTreeMap<usize, usize>,
    /// What channels became since that was last asked for.
    changed: Vec<(usize, Slot)>,
}

impl Assignment {
    /// Adds a waiting channel and gives its index.
    pub(crate) fn add(&mut self) -> usize {
        self.slots.push(Slot {
            phase: Phase::Wait,
            version: 0,
            holder: None,
            suspended: false,
            done: false,
        });
        self.slots.len() - 1
    }

    pub(crate) fn slot(&self, channel: usize) -> Slot {
        self.slots[channel]
    }

    /// What channels became since the last call, in order.
    pub(crate) fn take_changed(&mut self) -> Vec<(usize, Slot)> {
        std::mem::take(&mut self.changed)
    }

    /// The channels that a client has, by index.
    pub(crate) fn held(&self, client: ClientNumber) -> impl Iterator<Item = usize> + '_ {
        let held = self.clients.get(&client).map(|client| client.held.iter());
        held.into_iter().flatten().copied()
    }

    /// Its parents are read to their end: the channel can be handed out.
    pub(crate) fn ready(&mut self, channel: usize) {
        if self.slots[channel].phase == Phase::Wait {
            self.change(channel, |slot| slot.phase = Phase::Fresh);
        }
    }

    /// Read to its end. The holder keeps it until it reports.
    pub(crate) fn done(&mut self, channel: usize) {
        self.change(channel, |slot| slot.done = true);
    }

    /// As [`Assignment::done`], and the holder loses it at once.
    pub(crate) fn terminate(&mut self, channel: usize) {
        self.change(channel, |slot| {
            slot.done = true;
            slot.version += 1;
            slot.phase = Phase::Closed;
            slot.holder = None;
        });
    }

    /// The holder loses the channel at once, which is free then.
    pub(crate) fn seize(&mut self, channel: usize) {
        self.change(channel, |slot| {
            slot.version += 1;
            slot.phase = Phase::Closed;
            slot.holder = None;
        });
    }

    /// Takes the channel from its holder, if it has one, and keeps it back.
    pub(crate) fn suspend(&mut self, channel: usize) {
        self.change(channel, |slot| {
            slot.suspended = true;
            if slot.phase == Phase::Open {
                slot.phase = Phase::Closing;
                slot.version += 1;
            }
        });
    }

    /// Ends [`Assignment::suspend`].
    pub(crate) fn resume(&mut self, channel: usize) {
        self.change(channel, |slot| slot.suspended = false);
    }

    /// A client begins to take part in the balance.
    pub(crate) fn join(&mut self, client: ClientNumber) {
        if self.clients.insert(client, Client::default()).is_none() {
            *self.loads.entry(0).or_default() += 1;
        }
    }

    /// A client is gone: what it had is to be handed out again.
    pub(crate) fn leave(&mut self, client: ClientNumber) {
        let held: Vec<usize> = self.held(client).collect();
        for channel in held {
            self.change(channel, |slot| {
                slot.phase = Phase::Closed;
                slot.version += 1;
                slot.holder = None;
            });
        }
        if let Some(gone) = self.clients.remove(&client) {
            self.forget_load(gone.load);
        }
    }

    /// A client's heartbeat: takes its reports and gives it its share.
    pub(crate) fn heartbeat(&mut self, client: ClientNumber, reports: &[Ended]) {
        for report in reports {
            if self.accepts(client, *report) {
                self.change(report.channel, |slot| {
                    slot.phase = Phase::Closed;
                    slot.version = report.version;
                    slot.holder = None;
                });
            }
        }
        self.give_back(client);
        self.take(client);
    }

    /// Whether a report counts: of the holder, and newer than what is known.
    /// On a tie the server's word stands, and the client raises again.
    pub(crate) fn accepts(&self, client: ClientNumber, report: Ended) -> bool {
        let slot = self.slots[report.channel];
        slot.holder == Some(client) && report.version > slot.version
    }

    fn give_back(&mut self, client: ClientNumber) {
        let (floor, extra) = self.share();
        let load = self.load(client);
        let keep = floor + usize::from(self.clients_above(floor) <= extra);
        if load <= keep {
            return;
        }
        let open = |channel: &usize| self.slots[*channel].is_load();
        let held: Vec<usize> = self.held(client).filter(open).collect();
        for channel in held.into_iter().rev().take(load - keep) {
            self.change(channel, |slot| {
                slot.phase = Phase::Closing;
                slot.version += 1;
            });
        }
    }

    fn take(&mut self, client: ClientNumber) {
        let (floor, extra) = self.share();
        let load = self.load(client);
        let above = self.clients_above(floor);
        let want = match load {
            load if load < floor => floor - load + usize::from(above < extra),
            load if load == floor => usize::from(above < extra),
            _ => 0,
        };
        let taken: Vec<usize> = self.free.iter().copied().take(want).collect();
        for channel in taken {
            self.change(channel, |slot| {
                slot.phase = Phase::Open;
                slot.holder = Some(client);
            });
        }
    }

    /// What every client may have, and how many may have one more.
    fn share(&self) -> (usize, usize) {
        let clients = self.clients.len().max(1);
        (self.eligible / clients, self.eligible % clients)
    }

    fn load(&self, client: ClientNumber) -> usize {
        self.clients.get(&client).map_or(0, |client| client.load)
    }

    fn clients_above(&self, load: usize) -> usize {
        self.loads.range(load + 1..).map(|(_, count)| count).sum()
    }

    /// The only way a slot changes: what is counted over the slots is taken
    /// out before and put in after, so that the counts cannot drift.
    fn change(&mut self, channel: usize, change: impl FnOnce(&mut Slot)) {
        let before = self.slots[channel];
        let mut after = before;
        change(&mut after);
        if after == before {
            return;
        }
        self.uncount(channel, before);
        self.slots[channel] = after;
        self.count(channel, after);
        self.changed.push((channel, after));
    }

    fn uncount(&mut self, channel: usize, slot: Slot) {
        self.eligible -= usize::from(slot.eligible());
        self.free.remove(&channel);
        if let Some(holder) = slot.holder {
            if let Some(client) = self.clients.get_mut(&holder) {
                client.held.remove(&channel);
            }
            if slot.is_load() {
                self.set_load(holder, |load| load - 1);
            }
        }
    }

    fn count(&mut self, channel: usize, slot: Slot) {
        self.eligible += usize::from(slot.eligible());
        match slot.holder {
            None if slot.eligible() => {
                self.free.insert(channel);
            }
            None => {}
            Some(holder) => {
                if let Some(client) = self.clients.get_mut(&holder) {
                    client.held.insert(channel);
                }
                if slot.is_load() {
                    self.set_load(holder, |load| load + 1);
                }
            }
        }
    }

    fn set_load(&mut self, client: ClientNumber, change: impl FnOnce(usize) -> usize) {
        let Some(entry) = self.clients.get_mut(&client) else {
            return;
        };
        let before = entry.load;
        entry.load = change(before);
        let after = entry.load;
        self.forget_load(before);
        *self.loads.entry(after).or_default() += 1;
    }

    fn forget_load(&mut self, load: usize) {
        if let Some(count) = self.loads.get_mut(&load) {
            *count -= 1;
            if *count == 0 {
                self.loads.remove(&load);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(channels: usize, clients: u64) -> Assignment {
        let mut assignment = Assignment::default();
        for _ in 0..channels {
            let channel = assignment.add();
            assignment.ready(channel);
        }
        (0..clients).for_each(|client| assignment.join(client));
        assignment
    }

    fn held(assignment: &Assignment, client: u64) -> Vec<usize> {
        assignment.held(client).collect()
    }

    /// Beats every client until nothing changes; each closes what it is told.
    fn settle(assignment: &mut Assignment, clients: &[u64]) {
        loop {
            assignment.take_changed();
            for client in clients {
                let closed: Vec<Ended> = assignment
                    .held(*client)
                    .map(|channel| (channel, assignment.slot(channel)))
                    .filter(|(_, slot)| slot.phase == Phase::Closing)
                    .map(|(channel, slot)| Ended {
                        channel,
                        version: slot.version + 1,
                    })
                    .collect();
                assignment.heartbeat(*client, &closed);
            }
            if assignment.take_changed().is_empty() {
                return;
            }
        }
    }

    fn loads(assignment: &Assignment, clients: &[u64]) -> Vec<usize> {
        clients
            .iter()
            .map(|client| held(assignment, *client).len())
            .collect()
    }

    #[test]
    fn the_version_sequence_of_a_move() {
        let mut assignment = of(1, 1);
        let state = |assignment: &Assignment| {
            let slot = assignment.slot(0);
            (slot.phase, slot.version, slot.holder)
        };
        assignment.heartbeat(0, &[]);
        assert_eq!(state(&assignment), (Phase::Open, 0, Some(0)));
        assignment.suspend(0);
        assert_eq!(state(&assignment), (Phase::Closing, 1, Some(0)));
        let ended = |version| Ended {
            channel: 0,
            version,
        };
        // A tie: the server's word stands.
        assignment.heartbeat(0, &[ended(1)]);
        assert_eq!(state(&assignment), (Phase::Closing, 1, Some(0)));
        assignment.heartbeat(0, &[ended(2)]);
        assert_eq!(state(&assignment), (Phase::Closed, 2, None));
        assignment.resume(0);
        assignment.heartbeat(0, &[]);
        assert_eq!(state(&assignment), (Phase::Open, 2, Some(0)));
        // A report of one who does not have it is nothing.
        assignment.join(1);
        assert!(!assignment.accepts(1, ended(9)));
        assignment.leave(0);
        assert_eq!(state(&assignment), (Phase::Closed, 3, None));
        assignment.heartbeat(1, &[]);
        assert_eq!(state(&assignment), (Phase::Open, 3, Some(1)));
    }

    #[test]
    fn a_new_client_gets_its_share_and_a_gone_ones_share_is_taken() {
        let mut assignment = of(7, 1);
        settle(&mut assignment, &[0]);
        assert_eq!(loads(&assignment, &[0]), [7]);
        assignment.join(1);
        assignment.join(2);
        settle(&mut assignment, &[0, 1, 2]);
        assert_eq!(loads(&assignment, &[0, 1, 2]), [3, 2, 2]);
        assignment.leave(0);
        settle(&mut assignment, &[1, 2]);
        assert_eq!(loads(&assignment, &[1, 2]), [4, 3]);
    }

    #[test]
    fn every_size_settles_evenly_and_whole() {
        for channels in 0..12 {
            for clients in 1..6_u64 {
                let mut assignment = of(channels, 1);
                settle(&mut assignment, &[0]);
                (1..clients).for_each(|client| assignment.join(client));
                let all: Vec<u64> = (0..clients).collect();
                settle(&mut assignment, &all);
                let loads = loads(&assignment, &all);
                assert_eq!(loads.iter().sum::<usize>(), channels);
                let (most, least) = (loads.iter().max(), loads.iter().min());
                assert!(
                    most.zip(least)
                        .is_some_and(|(most, least)| most - least <= 1)
                );
            }
        }
    }

    #[test]
    fn what_is_done_waits_or_is_suspended_is_not_handed_out() {
        let mut assignment = of(3, 1);
        let waiting = assignment.add();
        assignment.done(0);
        assignment.suspend(1);
        assignment.heartbeat(0, &[]);
        assert_eq!(held(&assignment, 0), [2]);
        assignment.ready(waiting);
        assignment.heartbeat(0, &[]);
        assert_eq!(held(&assignment, 0), [2, waiting]);
        assignment.terminate(2);
        assert_eq!(held(&assignment, 0), [waiting]);
    }

    #[test]
    fn a_finished_channel_stays_with_its_holder_until_that_reports() {
        let mut assignment = of(1, 1);
        assignment.heartbeat(0, &[]);
        assignment.done(0);
        assignment.heartbeat(0, &[]);
        assert_eq!(held(&assignment, 0), [0]);
        let report = Ended {
            channel: 0,
            version: 1,
        };
        assignment.heartbeat(0, &[report]);
        assignment.heartbeat(0, &[]);
        assert!(held(&assignment, 0).is_empty());
    }

    #[test]
    fn a_heartbeat_among_many_channels_and_clients_is_cheap() {
        let mut assignment = of(10_000, 1_000);
        let all: Vec<u64> = (0..1_000).collect();
        settle(&mut assignment, &all);
        assert!(loads(&assignment, &all).iter().all(|load| *load == 10));
        // 100 000 beats; a scan of the channels in each would take minutes.
        for round in 0..100_000 {
            assignment.heartbeat(round % 1_000, &[]);
        }
        assert!(assignment.take_changed().is_empty());
    }
}
