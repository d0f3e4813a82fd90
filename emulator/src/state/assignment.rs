//! [`Assignment`]: which client holds which channel.
//!
//! Channels and clients are numbers here. The tunnel knows their ids, tokens and
//! times.
//!
//! Versions follow the rule by which clients merge heartbeats. Each side that
//! ends a tenure raises the version by one: the server when it turns OPEN into
//! CLOSING, the client when it reports CLOSE or TERMINATED, and the server again
//! when a client has vanished. Handing out a channel keeps its version. An
//! example is OPEN v0, CLOSING v1, CLOSE v2 by the client, OPEN v2.
//!
//! The balance: with C active clients and N channels to read, each client may
//! hold N / C channels, and N % C clients may hold one more. A client with more
//! channels gives some back (CLOSING) at its own heartbeat. A client with fewer
//! channels takes free ones at its own heartbeat. So the cost of a heartbeat
//! depends on the channels of its client, not on those of the tunnel.

use std::collections::{BTreeMap, BTreeSet};

use super::ChannelStatus;

/// Number of a client, in the order of connecting; never reused.
pub(crate) type ClientNumber = u64;

/// The phase of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its parents are not read to their ends yet.
    Wait,
    /// To be read; no client has held it yet.
    Fresh,
    /// A client holds it.
    Open,
    /// A client holds it and was asked to give it back.
    Closing,
    /// To be read; a client gave it back, or vanished.
    Closed,
}

/// The assignment of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) phase: Phase,
    pub(crate) version: i64,
    pub(crate) holder: Option<ClientNumber>,
    /// Schedule keeps it from being handed out.
    pub(crate) suspended: bool,
    /// Read to its end: never handed out again.
    pub(crate) done: bool,
}

impl Slot {
    /// Whether a client should hold this channel.
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

/// A client's report that its tenure of a channel has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) channel: usize,
    pub(crate) version: i64,
}

#[derive(Debug, Default)]
struct Client {
    held: BTreeSet<usize>,
    /// How many of them are open and to be read.
    load: usize,
}

/// Which client holds which channel.
#[derive(Debug, Default)]
pub(crate) struct Assignment {
    slots: Vec<Slot>,
    clients: BTreeMap<ClientNumber, Client>,
    free: BTreeSet<usize>,
    eligible: usize,
    /// How many clients have each load. Without it, the balance would scan all
    /// clients.
    loads: BTreeMap<usize, usize>,
    /// Slots that changed and were not taken yet.
    changed: Vec<(usize, Slot)>,
}

impl Assignment {
    /// Adds a waiting channel and returns its index.
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

    /// The slots that changed since the last call, in order.
    pub(crate) fn take_changed(&mut self) -> Vec<(usize, Slot)> {
        std::mem::take(&mut self.changed)
    }

    /// The indices of the channels that a client holds.
    pub(crate) fn held(&self, client: ClientNumber) -> impl Iterator<Item = usize> + '_ {
        let held = self.clients.get(&client).map(|client| client.held.iter());
        held.into_iter().flatten().copied()
    }

    /// Makes a channel ready to be handed out: its parents are read to their ends.
    pub(crate) fn ready(&mut self, channel: usize) {
        if self.slots[channel].phase == Phase::Wait {
            self.change(channel, |slot| slot.phase = Phase::Fresh);
        }
    }

    /// Marks a channel as read to its end. The holder keeps it until it reports.
    pub(crate) fn done(&mut self, channel: usize) {
        self.change(channel, |slot| slot.done = true);
    }

    /// As [`Assignment::done`], and takes the channel from its holder immediately.
    pub(crate) fn terminate(&mut self, channel: usize) {
        self.change(channel, |slot| {
            slot.done = true;
            slot.version = slot.version.saturating_add(1);
            slot.phase = Phase::Closed;
            slot.holder = None;
        });
    }

    /// Takes a channel from its holder immediately. The channel becomes free.
    pub(crate) fn seize(&mut self, channel: usize) {
        self.change(channel, |slot| {
            slot.version = slot.version.saturating_add(1);
            slot.phase = Phase::Closed;
            slot.holder = None;
        });
    }

    /// Asks the holder, if any, to give the channel back, and keeps the channel
    /// from being handed out.
    pub(crate) fn suspend(&mut self, channel: usize) {
        self.change(channel, |slot| {
            slot.suspended = true;
            if slot.phase == Phase::Open {
                slot.phase = Phase::Closing;
                slot.version = slot.version.saturating_add(1);
            }
        });
    }

    /// Ends [`Assignment::suspend`].
    pub(crate) fn resume(&mut self, channel: usize) {
        self.change(channel, |slot| slot.suspended = false);
    }

    /// Adds a client to the balance.
    pub(crate) fn join(&mut self, client: ClientNumber) {
        if self.clients.insert(client, Client::default()).is_none() {
            *self.loads.entry(0).or_default() += 1;
        }
    }

    /// Removes a client. Its channels become free.
    pub(crate) fn leave(&mut self, client: ClientNumber) {
        let held: Vec<usize> = self.held(client).collect();
        for channel in held {
            self.change(channel, |slot| {
                slot.phase = Phase::Closed;
                slot.version = slot.version.saturating_add(1);
                slot.holder = None;
            });
        }
        if let Some(gone) = self.clients.remove(&client) {
            self.forget_load(gone.load);
        }
    }

    /// A client's heartbeat: applies its reports and gives it its share.
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

    /// Whether a report counts: it comes from the holder and has a newer version.
    /// With equal versions the server's status stays, and the client raises the
    /// version again.
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
                slot.version = slot.version.saturating_add(1);
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

    /// How many channels each client may hold, and how many clients may hold one
    /// more.
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

    /// Changes a slot. All changes go through here: the old slot leaves the
    /// counts, and the new one enters them, so the counts stay right.
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

    /// Sends heartbeats of all clients until nothing changes. Clients close the
    /// channels that they are asked for.
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
    fn a_moved_channel_has_the_documented_versions() {
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
        // With equal versions the server's status stays.
        assignment.heartbeat(0, &[ended(1)]);
        assert_eq!(state(&assignment), (Phase::Closing, 1, Some(0)));
        assignment.heartbeat(0, &[ended(2)]);
        assert_eq!(state(&assignment), (Phase::Closed, 2, None));
        assignment.resume(0);
        assignment.heartbeat(0, &[]);
        assert_eq!(state(&assignment), (Phase::Open, 2, Some(0)));
        // The report of a client that does not hold the channel does not count.
        assignment.join(1);
        assert!(!assignment.accepts(1, ended(9)));
        assignment.leave(0);
        assert_eq!(state(&assignment), (Phase::Closed, 3, None));
        assignment.heartbeat(1, &[]);
        assert_eq!(state(&assignment), (Phase::Open, 3, Some(1)));
    }

    #[test]
    fn versions_of_clients_do_not_overflow() {
        for version in [i64::MAX, i64::MIN, -1, 0] {
            let mut assignment = of(1, 1);
            assignment.heartbeat(0, &[]);
            let channel = 0;
            assignment.heartbeat(0, &[Ended { channel, version }]);
            assignment.heartbeat(0, &[]);
            assignment.suspend(0);
            assignment.seize(0);
            assignment.resume(0);
            assignment.heartbeat(0, &[]);
            assignment.leave(0);
            assignment.terminate(0);
            assert_eq!(version == i64::MAX, assignment.slot(0).version == i64::MAX);
        }
    }

    #[test]
    fn a_new_client_gets_its_share_and_others_take_over_a_removed_clients_share() {
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
    fn channels_of_any_number_are_spread_evenly() {
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
    fn finished_waiting_and_suspended_channels_are_not_handed_out() {
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
    fn a_finished_channel_stays_with_its_holder_until_the_holder_reports() {
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
        // If each of these 100 000 heartbeats scanned the channels, they would take
        // minutes.
        for round in 0..100_000 {
            assignment.heartbeat(round % 1_000, &[]);
        }
        assert!(assignment.take_changed().is_empty());
    }
}
