//! Commands of clients and on clients: connect, heartbeat, shut down, expire.

use std::time::Duration;

use super::event::ClientEvent;
use super::ids::Id;
use super::{ChannelState, ChannelStatus, Departure, State, StateError};
use crate::timestamp::Timestamp;

/// An order to hand out a channel, to keep it back, or to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelSwitch {
    Resume,
    Suspend,
    Terminate,
}

impl State {
    /// Adds a client to a tunnel. The settings may replace the timeout.
    pub(crate) fn connect(
        &mut self,
        tunnel: &str,
        tag: &str,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Id, StateError> {
        let parts = self.consuming(tunnel, now)?;
        let client = parts.ids.client(tag);
        let timeout = parts.settings.client_timeout.unwrap_or(timeout);
        parts.tunnel.sessions.connect(client.clone(), timeout, now);
        let event = ClientEvent::Connected {
            tunnel: parts.tunnel.id.clone(),
            client: client.clone(),
            timeout,
        };
        parts.events.push(now, event);
        Ok(client)
    }

    /// A client's heartbeat: applies its reports and returns the channels that
    /// it holds now.
    pub(crate) fn heartbeat(
        &mut self,
        tunnel: &str,
        client: &str,
        reports: Vec<ChannelState>,
        now: Timestamp,
    ) -> Result<Vec<ChannelState>, StateError> {
        let mut parts = self.consuming(tunnel, now)?;
        let answered = parts.tunnel.heartbeat(client, &reports, now)?;
        let event = ClientEvent::Heartbeat {
            tunnel: parts.tunnel.id.clone(),
            client: client.into(),
            reported: parts.tunnel.with_shared_ids(reports),
            answered: answered.clone(),
        };
        parts.report_changes(now);
        parts.events.push(now, event);
        Ok(answered)
    }

    /// Removes a client from a tunnel, also from an expired one. Its channels
    /// are handed out again.
    pub(crate) fn remove_client(
        &mut self,
        tunnel: &str,
        client: &str,
        why: Departure,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let mut parts = self.parts(tunnel, now)?;
        parts.tunnel.remove_client(client)?;
        let event = ClientEvent::Gone {
            tunnel: parts.tunnel.id.clone(),
            client: client.into(),
            why,
        };
        parts.events.push(now, event);
        parts.report_changes(now);
        Ok(())
    }

    /// Takes one channel, or all, from a client at its next heartbeat, whose
    /// answer shows the status `answered`, or leaves the channels out.
    pub(crate) fn take_at_heartbeat(
        &mut self,
        tunnel: &str,
        client: &str,
        channel: Option<&str>,
        answered: Option<ChannelStatus>,
    ) {
        if let Some(tunnel) = self.tunnels.get_mut(tunnel) {
            tunnel.take_at_heartbeat(client, channel, answered);
        }
    }

    /// Switches channels of a tunnel, or none if one of them is unknown.
    pub(crate) fn schedule(
        &mut self,
        tunnel: &str,
        switches: &[(&str, ChannelSwitch)],
        now: Timestamp,
    ) -> Result<(), StateError> {
        let mut parts = self.consuming(tunnel, now)?;
        let find =
            |(id, switch): &(&str, ChannelSwitch)| Ok((parts.tunnel.channel_index(id)?, *switch));
        let found: Vec<_> = switches.iter().map(find).collect::<Result<_, _>>()?;
        for (channel, switch) in found {
            match switch {
                ChannelSwitch::Resume => parts.tunnel.assignment.resume(channel),
                ChannelSwitch::Suspend => parts.tunnel.assignment.suspend(channel),
                ChannelSwitch::Terminate => parts.tunnel.terminate(channel, now),
            }
        }
        parts.report_changes(now);
        Ok(())
    }
}
