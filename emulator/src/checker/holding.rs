//! Requests, heartbeats and who has what: what a client may do depends on what
//! it was told before its request came in.

use std::collections::HashSet;

use time::OffsetDateTime;

use super::judge::{Client, Judge, Loss, Whom, since};
use super::{Rule, Severity};
use crate::ledger::{ChannelState, ChannelStatus, Departure, Event, EventKind};
use crate::protocol::Action;

/// The code that a client survives a heartbeat with, until its timeout.
const PASSING: &str = "OTSTunnelServerUnavailable";

impl<'a> Judge<'a> {
    pub(super) fn see_holding(&mut self, event: &'a Event) {
        match &event.kind {
            EventKind::Received {
                request_id,
                action,
                client: Some(client),
                channel,
                ..
            } => {
                if *action == Action::Heartbeat {
                    self.beats.insert(request_id, (client, event.time));
                }
                self.see_request(event, *action, client, channel.as_deref());
            }
            EventKind::Answered {
                request_id,
                status,
                code,
                ..
            } => self.see_answer(event, request_id, *status, code.as_deref()),
            EventKind::Connected {
                tunnel,
                client,
                timeout,
            } => {
                let now = self.steady(event);
                let connected = Client {
                    tunnel,
                    timeout: self.checker.heartbeat_limit.unwrap_or(*timeout),
                    last_beat: now,
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
            } => self.see_heartbeat(event, [tunnel, client], reported, answered),
            _ => {}
        }
    }

    fn see_request(
        &mut self,
        event: &'a Event,
        action: Action,
        client: &'a str,
        channel: Option<&'a str>,
    ) {
        let Some(known) = self.clients.get(client) else {
            return;
        };
        let whom = Whom {
            tunnel: known.tunnel,
            client: Some(client),
            channel,
        };
        if let Some(left) = known.left {
            let severity = self.within_grace(left, event);
            let detail = format!("{action}, {:?} after its goodbye", since(left, event));
            self.find(event, Rule::RequestAfterShutdown, severity, whom, detail);
            return;
        }
        self.see_silence(event, action, client, whom);
        if let Some(channel) = channel {
            self.see_channel_request(event, action, client, channel, whom);
        }
    }

    /// A client that goes on must beat, and one that is not answered must stop.
    fn see_silence(&mut self, event: &'a Event, action: Action, client: &'a str, whom: Whom<'a>) {
        let now = self.steady(event);
        let Some(known) = self.clients.get_mut(client) else {
            return;
        };
        let is_beat = action == Action::Heartbeat;
        let since = if is_beat {
            std::mem::replace(&mut known.last_beat, now)
        } else {
            known.last_lease
        };
        let (silent, timeout) = (now.saturating_sub(since), known.timeout);
        // Its goodbye a client owes however late it is.
        let broken = silent > timeout && action != Action::Shutdown;
        let noted = std::mem::replace(&mut known.gap_noted, broken && !is_beat);
        if broken && !noted {
            let what = if is_beat { "sent" } else { "answered" };
            let detail =
                format!("{action} when no heartbeat was {what} for {silent:?} of {timeout:?}");
            self.violation(event, Rule::HeartbeatGap, whom, detail);
        }
    }

    fn see_channel_request(
        &mut self,
        event: &'a Event,
        action: Action,
        client: &'a str,
        channel: &'a str,
        whom: Whom<'a>,
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
        let tenure = self.tenure(whom.tunnel, client, channel);
        match (tenure.given, tenure.lost) {
            (_, Some(loss)) => {
                let rule = if loss.by_itself {
                    after_close
                } else {
                    after_loss
                };
                let severity = self.within_grace(loss.time, event);
                let detail = format!("{action}, {:?} after", since(loss.time, event));
                self.find(event, rule, severity, whom, detail);
            }
            (false, None) if self.whole => {
                let detail = format!("{action} of a channel that it was never given");
                self.violation(event, not_owned, whom, detail);
            }
            _ => {}
        }
    }

    /// What came in shortly after may have been sent before.
    fn within_grace(&self, since: OffsetDateTime, event: &Event) -> Severity {
        if event.time - since > self.checker.grace {
            Severity::Violation
        } else {
            Severity::Remark
        }
    }

    fn see_answer(
        &mut self,
        event: &'a Event,
        request: &'a str,
        status: u16,
        code: Option<&'a str>,
    ) {
        let Some((client, _)) = self.beats.get(request).copied() else {
            return;
        };
        let is_passing = status >= 500 || code == Some(PASSING);
        if status != 200 && !is_passing {
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

    fn see_heartbeat(
        &mut self,
        event: &'a Event,
        [tunnel, client]: [&'a str; 2],
        reported: &'a [ChannelState],
        answered: &'a [ChannelState],
    ) {
        let heard = !self.is_faulted(event);
        for state in reported {
            self.see_report(event, client, state);
        }
        for state in answered {
            self.see_told(event, [tunnel, client], state, heard);
        }
        if heard {
            self.see_missing(event, client, answered);
            self.renew_lease(event, client);
        }
    }

    /// The lease counts from the sending, which was not after the coming in.
    fn renew_lease(&mut self, event: &'a Event, client: &'a str) {
        let now = self.steady(event);
        if let Some(client) = self.clients.get_mut(client) {
            client.last_lease = client.last_beat.min(now);
            client.gap_noted = false;
        }
    }

    fn see_report(&mut self, event: &'a Event, client: &'a str, state: &'a ChannelState) {
        let tunnel = self.clients.get(client).map(|client| client.tunnel);
        let Some(tunnel) = tunnel else { return };
        let channel = &*state.channel;
        let whom = Whom {
            tunnel,
            client: Some(client),
            channel: Some(channel),
        };
        let ends = !state.status.is_held();
        if state.status == ChannelStatus::Terminated && self.whole {
            self.judge_terminated(event, client, channel, whom);
        }
        self.judge_version(event, client, state, whom);
        self.tenure(tunnel, client, channel).reported = Some((state.version, state.status));
        if ends {
            self.lose([tunnel, client], channel, event.time, true);
            if let Some(client) = self.clients.get_mut(client) {
                client.held.remove(channel);
            }
        }
    }

    /// What the service says may be said back.
    fn judge_terminated(
        &mut self,
        event: &'a Event,
        client: &'a str,
        channel: &'a str,
        whom: Whom<'a>,
    ) {
        let told = self.tenure(whom.tunnel, client, channel).told;
        let echoes = told.is_some_and(|(_, status)| status == ChannelStatus::Terminated);
        if !echoes && !self.track(whom.tunnel, channel).finished_saved {
            let detail = "reported before finished was saved".to_owned();
            self.violation(event, Rule::TerminatedUnsaved, whom, detail);
        }
    }

    fn judge_version(
        &mut self,
        event: &'a Event,
        client: &'a str,
        state: &'a ChannelState,
        whom: Whom<'a>,
    ) {
        let (status, version) = (state.status, state.version);
        let tenure = self.tenure(whom.tunnel, client, &state.channel);
        let (told, reported) = (tenure.told, tenure.reported);
        let newest = told.max(reported).map(|(version, _)| version);
        let has_it = told.filter(|(_, told)| told.is_held() && tenure.lost.is_none());
        let (rule, severity) = match (newest, has_it) {
            (Some(newest), _) if version < newest => (Rule::VersionBackwards, Severity::Violation),
            (_, Some((told, _))) if !status.is_held() && version <= told => {
                // Said before, it may have crossed the channel's coming back.
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
        self.find(event, rule, severity, whom, detail);
    }

    /// A channel in an answer. What gives it to the client counts even if the
    /// answer may not have arrived; what takes it does not.
    fn see_told(
        &mut self,
        event: &'a Event,
        [tunnel, client]: [&'a str; 2],
        state: &'a ChannelState,
        heard: bool,
    ) {
        let channel = &*state.channel;
        if state.status.is_held() {
            let tenure = self.tenure(tunnel, client, channel);
            tenure.given = true;
            if tenure.lost.take().is_some() {
                tenure.begin_anew();
            }
            if let Some(client) = self.clients.get_mut(client) {
                client.held.insert(channel);
            }
        } else if heard {
            self.lose([tunnel, client], channel, event.time, false);
        }
        if heard {
            self.tenure(tunnel, client, channel).told = Some((state.version, state.status));
        }
    }

    /// Channels that the client had, and that the answer does not mention.
    fn see_missing(&mut self, event: &'a Event, client: &'a str, answered: &'a [ChannelState]) {
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
