//! A tunnel's heartbeats: what a client reports, and what it is told.

use super::assignment::{ClientNumber, Ended, Phase};
use super::ids::Id;
use super::tunnel::Tunnel;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::fault::Notice;
use tablestore_tunnel::_wire::protocol as p;

/// What a fault takes from a client at its next heartbeat.
#[derive(Debug)]
pub(super) struct Taking {
    client: Id,
    /// None: all that it has.
    channel: Option<Id>,
    notice: Notice,
}

impl Tunnel {
    /// A client's heartbeat; the answer is what it has now.
    pub(crate) fn beat(
        &mut self,
        client: &str,
        reports: &[p::Channel],
        now: Timestamp,
    ) -> Result<Vec<p::Channel>, Failure> {
        let beat = self.sessions.beat(client, now);
        let beat = beat.ok_or_else(|| Failure::gone(client))?;
        if beat.first {
            self.assignment.join(beat.client);
        }
        self.open();
        let ended: Vec<Ended> = reports
            .iter()
            .filter_map(|report| self.ended(report, now))
            .collect();
        self.assignment.beat(beat.client, &ended);
        let lost = self.taken_from(client, beat.client);
        Ok(self.held(beat.client).into_iter().chain(lost).collect())
    }

    pub(crate) fn take_at_beat(&mut self, client: &str, channel: Option<&str>, notice: Notice) {
        self.takings.push(Taking {
            client: client.into(),
            channel: channel.map(Id::from),
            notice,
        });
    }

    /// Lets faults take channels from a client; what the answer says of them.
    fn taken_from(&mut self, client: &str, number: ClientNumber) -> Vec<p::Channel> {
        let takings = self
            .takings
            .extract_if(.., |taking| *taking.client == *client);
        let takings: Vec<Taking> = takings.collect();
        let mut told = Vec::new();
        for Taking {
            channel, notice, ..
        } in takings
        {
            let is_meant = |held: &usize| {
                channel
                    .as_ref()
                    .is_none_or(|id| self.channels[*held].id == *id)
            };
            let held: Vec<usize> = self.assignment.held(number).filter(is_meant).collect();
            for held in held {
                self.assignment.seize(held);
                told.extend(self.told(held, notice));
            }
        }
        told
    }

    fn told(&self, channel: usize, notice: Notice) -> Option<p::Channel> {
        let status = match notice {
            Notice::Missing => return None,
            Notice::Close => p::ChannelStatus::Close,
            Notice::Terminated => p::ChannelStatus::Terminated,
        };
        Some(p::Channel {
            channel_id: self.channels[channel].id.to_string(),
            version: self.assignment.slot(channel).version,
            status: status.into(),
            detail: None,
        })
    }

    /// The report of a tenure's end, if it is one.
    fn ended(&mut self, report: &p::Channel, now: Timestamp) -> Option<Ended> {
        let channel = *self.by_id.get(report.channel_id.as_str())?;
        let ended = Ended {
            channel,
            version: report.version,
        };
        match report.status() {
            p::ChannelStatus::Close => Some(ended),
            p::ChannelStatus::Terminated => {
                let slot = self.assignment.slot(channel);
                let counts = slot
                    .holder
                    .is_some_and(|holder| self.assignment.accepts(holder, ended));
                // A client that never was at the end cannot have finished:
                // then it is a CLOSE, and the rest is read by another.
                if counts && self.channels[channel].end.is_some() {
                    self.finish(channel, now);
                }
                Some(ended)
            }
            p::ChannelStatus::Open | p::ChannelStatus::Closing => None,
        }
    }

    fn held(&self, client: u64) -> Vec<p::Channel> {
        self.assignment
            .held(client)
            .map(|channel| {
                let slot = self.assignment.slot(channel);
                let status = match slot.phase {
                    Phase::Closing => p::ChannelStatus::Closing,
                    _ => p::ChannelStatus::Open,
                };
                p::Channel {
                    channel_id: self.channels[channel].id.to_string(),
                    version: slot.version,
                    status: status.into(),
                    detail: None,
                }
            })
            .collect()
    }
}
