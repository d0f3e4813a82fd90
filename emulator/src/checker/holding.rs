//! Rules on requests, heartbeats and held channels. They depend on the answers
//! that a client had received before its request came in.

use std::collections::HashSet;

use time::OffsetDateTime;

use super::judge::{Client, Judge, Loss, Subject, since};
use super::{Rule, Severity};
use crate::ledger::{ChannelState, ChannelStatus, Departure, Event, EventKind};
use crate::protocol::Action;

/// The code of a failed heartbeat that ends the session. After any other the service
/// keeps the session until its timeout, so a client may go on.
pub(super) const SESSION_OVER: &str = "OTSResourceGone";

impl<'a> Judge<'a> {
    pub(super) fn visit_client(&mut self, event: &'a Event) {
        match &event.kind {
            EventKind::Received {
                request_id,
                action,
                client: Some(client),
                channel,
                ..
            } => {
                if *action == Action::Heartbeat {
                    self.heartbeats.insert(request_id, (client, event.time));
                }
                self.check_request(event, *action, client, channel.as_deref());
            }
            EventKind::Answered {
                request_id, code, ..
            } => self.visit_answer(event, request_id, code.as_deref()),
            EventKind::Connected {
                tunnel,
                client,
                timeout,
            } => {
                let now = self.unmoved_time(event);
                let connected = Client {
                    tunnel,
                    timeout: self.checker.heartbeat_limit.unwrap_or(*timeout),
                    last_heartbeat: now,
                    last_lease: now,
                    gap_noted: false,
                    left: None,
                    held: HashSet::new(),
                };
                self.clients.insert(client, connected);
            }
            EventKind::Gone {
                client,
                why: Departure::ShutDown,
                ..
            } => {
                if let Some(client) = self.clients.get_mut(&**client) {
                    client.left = Some(event.time);
                }
                self.lose_all(client, event.time);
            }
            EventKind::Heartbeat {
                tunnel,
                client,
                reported,
                answered,
            } => self.visit_heartbeat(event, [tunnel, client], reported, answered),
            _ => {}
        }
    }

    fn check_request(
        &mut self,
        event: &'a Event,
        action: Action,
        client: &'a str,
        channel: Option<&'a str>,
    ) {
        let Some(known) = self.clients.get(client) else {
            return;
        };
        let subject = Subject {
            tunnel: known.tunnel,
            client: Some(client),
            channel,
        };
        if let Some(left) = known.left {
            let severity = self.within_grace(left, event);
            let detail = format!("{action}, {:?} after its shutdown", since(left, event));
            self.report(event, Rule::RequestAfterShutdown, severity, subject, detail);
            return;
        }
        self.check_heartbeat_gap(event, action, client, subject);
        if let Some(channel) = channel {
            self.check_channel_request(event, action, client, channel, subject);
        }
    }

    /// Checks that an active client sends heartbeats, and that it stops if they are
    /// not answered.
    fn check_heartbeat_gap(
        &mut self,
        event: &'a Event,
        action: Action,
        client: &'a str,
        subject: Subject<'a>,
    ) {
        let now = self.unmoved_time(event);
        let Some(known) = self.clients.get_mut(client) else {
            return;
        };
        let is_heartbeat = action == Action::Heartbeat;
        let since = if is_heartbeat {
            std::mem::replace(&mut known.last_heartbeat, now)
        } else {
            known.last_lease
        };
        let (silent, timeout) = (now.saturating_sub(since), known.timeout);
        // A client should send its shutdown request even if it is late.
        let broken = silent > timeout && action != Action::Shutdown;
        let noted = std::mem::replace(&mut known.gap_noted, broken && !is_heartbeat);
        if broken && !noted {
            let what = if is_heartbeat { "sent" } else { "answered" };
            let detail = format!(
                "{action}, but no heartbeat was {what} for {silent:?}; the timeout is {timeout:?}"
            );
            self.violation(event, Rule::HeartbeatGap, subject, detail);
        }
    }

    fn check_channel_request(
        &mut self,
        event: &'a Event,
        action: Action,
        client: &'a str,
        channel: &'a str,
        subject: Subject<'a>,
    ) {
        let [not_owned, after_close, after_loss] = match action {
            Action::ReadRecords => [
                Rule::ReadNotOwned,
                Rule::ReadAfterClose,
                Rule::ReadAfterLoss,
            ],
            Action::Checkpoint => [
                Rule::SaveNotOwned,
                Rule::SaveAfterClose,
                Rule::SaveAfterLoss,
            ],
            _ => return,
        };
        let tenure = self.tenure(subject.tunnel, client, channel);
        match (tenure.given, tenure.lost) {
            (_, Some(loss)) => {
                let rule = if loss.by_itself {
                    after_close
                } else {
                    after_loss
                };
                let severity = self.within_grace(loss.time, event);
                let detail = format!("{action}, {:?} after", since(loss.time, event));
                self.report(event, rule, severity, subject, detail);
            }
            (false, None) if self.whole => {
                let detail = format!("{action} of a channel that was never assigned to it");
                self.violation(event, not_owned, subject, detail);
            }
            _ => {}
        }
    }

    /// A request that came in shortly after may have been sent before.
    fn within_grace(&self, since: OffsetDateTime, event: &Event) -> Severity {
        if event.time - since > self.checker.grace {
            Severity::Violation
        } else {
            Severity::Remark
        }
    }

    fn visit_answer(&mut self, event: &'a Event, request: &'a str, code: Option<&'a str>) {
        let Some((client, _)) = self.heartbeats.get(request).copied() else {
            return;
        };
        if code == Some(SESSION_OVER) && !self.kept_back.contains(request) {
            self.lose_all(client, event.time);
        }
    }

    fn lose_all(&mut self, client: &'a str, time: OffsetDateTime) {
        let Some(known) = self.clients.get_mut(client) else {
            return;
        };
        let tunnel = known.tunnel;
        for channel in std::mem::take(&mut known.held) {
            self.lose([tunnel, client], channel, time, false);
        }
    }

    fn lose(
        &mut self,
        [tunnel, client]: [&'a str; 2],
        channel: &'a str,
        time: OffsetDateTime,
        by_itself: bool,
    ) {
        let tenure = self.tenure(tunnel, client, channel);
        tenure.lost.get_or_insert(Loss { time, by_itself });
    }

    fn visit_heartbeat(
        &mut self,
        event: &'a Event,
        [tunnel, client]: [&'a str; 2],
        reported: &'a [ChannelState],
        answered: &'a [ChannelState],
    ) {
        let received = !self.is_faulted(event);
        for state in reported {
            // A fault delayed the heartbeat, and newer ones have overtaken it.
            let is_overtaken = !received && self.is_older(tunnel, client, state);
            if !is_overtaken {
                self.visit_report(event, client, state);
            }
        }
        for state in answered {
            self.visit_answered(event, [tunnel, client], state, received);
        }
        if received {
            self.visit_missing(event, client, answered);
            self.renew_lease(event, client);
        }
    }

    /// Renews the lease from the time at which the heartbeat came in, which is not
    /// before the time at which it was sent.
    fn renew_lease(&mut self, event: &'a Event, client: &'a str) {
        let now = self.unmoved_time(event);
        if let Some(client) = self.clients.get_mut(client) {
            client.last_lease = client.last_heartbeat.min(now);
            client.gap_noted = false;
        }
    }

    fn visit_report(&mut self, event: &'a Event, client: &'a str, state: &'a ChannelState) {
        let tunnel = self.clients.get(client).map(|client| client.tunnel);
        let Some(tunnel) = tunnel else { return };
        let channel = &*state.channel;
        let subject = Subject {
            tunnel,
            client: Some(client),
            channel: Some(channel),
        };
        let ends = !state.status.is_held();
        if state.status == ChannelStatus::Terminated && self.whole {
            self.check_terminated(event, client, channel, subject);
        }
        self.check_version(event, client, state, subject);
        self.tenure(tunnel, client, channel).reported = Some((state.version, state.status));
        if ends {
            self.lose([tunnel, client], channel, event.time, true);
            if let Some(client) = self.clients.get_mut(client) {
                client.held.remove(channel);
            }
        }
    }

    /// Whether the client has reported or got a newer version of the channel.
    fn is_older(&mut self, tunnel: &'a str, client: &'a str, state: &'a ChannelState) -> bool {
        let tenure = self.tenure(tunnel, client, &state.channel);
        let (answered, reported) = (tenure.answered_status, tenure.reported);
        let is_below = |(version, _)| state.version < version;
        // The channel has come back since then.
        let is_back = |(version, status): (i64, ChannelStatus)| {
            status.is_held() && !state.status.is_held() && state.version <= version
        };
        answered.max(reported).is_some_and(is_below) || answered.is_some_and(is_back)
    }

    /// A client may repeat the status TERMINATED of an answer.
    fn check_terminated(
        &mut self,
        event: &'a Event,
        client: &'a str,
        channel: &'a str,
        subject: Subject<'a>,
    ) {
        let answered_status = self.tenure(subject.tunnel, client, channel).answered_status;
        let echoes = answered_status.is_some_and(|(_, status)| status == ChannelStatus::Terminated);
        if !echoes && !self.track(subject.tunnel, channel).finished_saved {
            let detail = "reported before finished was saved".to_owned();
            self.violation(event, Rule::TerminatedUnsaved, subject, detail);
        }
    }

    fn check_version(
        &mut self,
        event: &'a Event,
        client: &'a str,
        state: &'a ChannelState,
        subject: Subject<'a>,
    ) {
        let (status, version) = (state.status, state.version);
        let tenure = self.tenure(subject.tunnel, client, &state.channel);
        let (answered_status, reported) = (tenure.answered_status, tenure.reported);
        let newest = answered_status.max(reported).map(|(version, _)| version);
        let has_it = answered_status
            .filter(|(_, answered_status)| answered_status.is_held() && tenure.lost.is_none());
        let (rule, severity) = match (newest, has_it) {
            (Some(newest), _) if version < newest => (Rule::VersionBackwards, Severity::Violation),
            (_, Some((answered_status, _))) if !status.is_held() && version <= answered_status => {
                // A repeated report may have crossed an answer that gives the
                // channel back.
                let repeats = reported == Some((version, status));
                let severity = if repeats {
                    Severity::Remark
                } else {
                    Severity::Violation
                };
                (Rule::VersionNotRaised, severity)
            }
            _ => return,
        };
        let before = newest.unwrap_or_default();
        let detail = format!("reported {status} v{version}, after v{before}");
        self.report(event, rule, severity, subject, detail);
    }

    /// A channel in an answer. If the answer may not have arrived, a new channel
    /// still counts, but a loss does not.
    fn visit_answered(
        &mut self,
        event: &'a Event,
        [tunnel, client]: [&'a str; 2],
        state: &'a ChannelState,
        received: bool,
    ) {
        let channel = &*state.channel;
        if state.status.is_held() {
            let tenure = self.tenure(tunnel, client, channel);
            tenure.given = true;
            if tenure.lost.take().is_some() {
                tenure.reset_positions();
            }
            if let Some(client) = self.clients.get_mut(client) {
                client.held.insert(channel);
            }
        } else if received {
            self.lose([tunnel, client], channel, event.time, false);
        }
        if received {
            self.tenure(tunnel, client, channel).answered_status =
                Some((state.version, state.status));
        }
    }

    /// Channels that the client held, and that the answer leaves out.
    fn visit_missing(&mut self, event: &'a Event, client: &'a str, answered: &'a [ChannelState]) {
        let Some(known) = self.clients.get_mut(client) else {
            return;
        };
        let held = answered.iter().filter(|state| state.status.is_held());
        let now: HashSet<&str> = held.map(|state| &*state.channel).collect();
        let missing: Vec<&str> = known.held.difference(&now).copied().collect();
        known.held = now;
        let tunnel = known.tunnel;
        for channel in missing {
            self.lose([tunnel, client], channel, event.time, false);
        }
    }
}
