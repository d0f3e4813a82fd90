//! The thread that talks to the service about the session: connect,
//! heartbeats, the last report.
//!
//! It decides nothing: the session's loop says when and what, and never waits
//! for an answer, so that a slow one holds up nothing else.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use log::{debug, warn};

use crate::error::TunnelError;
use crate::http::TunnelApi;
use crate::http::retry::Patience;
use crate::protocol::{Channel, ClientConfig, ConnectRequest, HeartbeatRequest, ShutdownRequest};
use crate::sync::stop::Stop;
use crate::sync::{catch_panic, threads};
use crate::worker::context::Event;

/// What the loop asks for.
pub(crate) enum Call {
    /// Report these channels.
    Beat(Vec<Channel>),
    /// Report these channels, if any, and leave.
    Leave {
        report: Vec<Channel>,
        /// How long somebody waits for it.
        within: Duration,
    },
}

/// The thread's own data.
pub(crate) struct Heartbeat {
    pub(crate) api: Arc<dyn TunnelApi>,
    pub(crate) tunnel_id: String,
    pub(crate) client: ClientConfig,
    /// How long one attempt of a heartbeat may take.
    pub(crate) attempt_timeout: Duration,
    /// Nobody waits for us any more.
    pub(crate) hang_up: Stop,
    pub(crate) events: Sender<Event>,
}

impl Heartbeat {
    /// Starts the thread, which connects and then does what it is asked for,
    /// until the sender is dropped.
    pub(crate) fn spawn(self) -> Result<Sender<Call>, TunnelError> {
        let (sender, calls) = unbounded();
        let clock = self.hang_up.clock().clone();
        threads::spawn(&clock, "tunnel-heartbeat", move || self.run(&calls)).map_err(|error| {
            TunnelError::client("the heartbeat thread could not be started").with_source(error)
        })?;
        Ok(sender)
    }

    fn run(self, calls: &Receiver<Call>) {
        let connected = flatten(catch_panic::catch_panic(|| self.connect()));
        let client_id = connected.as_ref().ok().cloned();
        self.send(Event::Connected(connected));
        let Some(client_id) = client_id else {
            return;
        };
        while let Ok(call) = self.hang_up.clock().recv(calls, None) {
            match call {
                // Too late for anything but the farewell.
                Call::Beat(_) if self.hang_up.is_triggered() => {}
                Call::Beat(channels) => {
                    let patience = Patience {
                        attempt: self.attempt_timeout,
                        in_all: Duration::MAX,
                    };
                    let beat = || self.beat(&client_id, channels, patience);
                    let answer = flatten(catch_panic::catch_panic(beat));
                    self.send(Event::Beat(answer));
                }
                Call::Leave { report, within } => {
                    self.leave(&client_id, report, within);
                    self.send(Event::Left);
                    return;
                }
            }
        }
        if self.hang_up.is_triggered() {
            debug!("tunnel {}: session dropped", self.tunnel_id);
        }
    }

    fn connect(&self) -> Result<String, TunnelError> {
        let request = ConnectRequest {
            tunnel_id: self.tunnel_id.clone(),
            client_config: Some(self.client.clone()),
        };
        Ok(self.api.connect(&request, &self.hang_up)?.message.client_id)
    }

    fn beat(
        &self,
        client_id: &str,
        channels: Vec<Channel>,
        patience: Patience,
    ) -> Result<Vec<Channel>, TunnelError> {
        let request = HeartbeatRequest {
            tunnel_id: self.tunnel_id.clone(),
            client_id: client_id.to_owned(),
            channels,
        };
        let answer = self.api.heartbeat(&request, patience, &self.hang_up)?;
        Ok(answer.message.channels)
    }

    /// Both requests are a courtesy: without them the service finds out by
    /// its timeout. Once nobody waits any more one is enough: with the
    /// shutdown the service takes all channels back. So the report leaves it
    /// half of the time.
    fn leave(&self, client_id: &str, report: Vec<Channel>, within: Duration) {
        let patience = Patience {
            attempt: self.attempt_timeout.min(within / 2),
            in_all: within / 2,
        };
        if !report.is_empty()
            && !self.hang_up.is_triggered()
            && let Err(error) = flatten(catch_panic::catch_panic(|| {
                self.beat(client_id, report, patience)
            }))
        {
            warn!("tunnel {}: last report not sent: {error}", self.tunnel_id);
        }
        let request = ShutdownRequest {
            tunnel_id: self.tunnel_id.clone(),
            client_id: client_id.to_owned(),
        };
        let shutdown = || self.api.shutdown(&request, &self.hang_up).map(|_| ());
        if let Err(error) = flatten(catch_panic::catch_panic(shutdown)) {
            warn!("tunnel {}: shutdown not told: {error}", self.tunnel_id);
        }
    }

    fn send(&self, event: Event) {
        let _ = self.events.send(event);
    }
}

fn flatten<T>(result: Result<Result<T, TunnelError>, TunnelError>) -> Result<T, TunnelError> {
    result.and_then(|result| result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TunnelClient;
    use crate::http::test_server::{Step, TestServer};
    use crate::protocol::ConnectResponse;
    use prost::Message;

    fn heartbeat(server: &TestServer, hang_up: &Stop, events: Sender<Event>) -> Heartbeat {
        let client = TunnelClient::new(&server.url(), "instance", "id", "secret");
        Heartbeat {
            api: client.expect("client").api().clone(),
            tunnel_id: "tunnel".to_owned(),
            client: ClientConfig::default(),
            attempt_timeout: Duration::from_secs(60),
            hang_up: hang_up.clone(),
            events,
        }
    }

    fn connected() -> Step {
        let client_id = "client".to_owned();
        Step::Answer(200, "", ConnectResponse { client_id }.encode_to_vec())
    }

    #[test]
    fn a_report_that_is_not_taken_leaves_time_for_the_farewell() {
        let busy = || Step::Answer(503, "", Vec::new());
        let server = TestServer::start(std::iter::once(connected()).chain((0..40).map(|_| busy())));
        let (events, receiver) = unbounded();
        let hang_up = Stop::new();
        let calls = heartbeat(&server, &hang_up, events)
            .spawn()
            .expect("a thread");
        assert!(matches!(receiver.recv(), Ok(Event::Connected(Ok(_)))));
        let (report, within) = (vec![Channel::default()], Duration::from_secs(1));
        calls
            .send(Call::Leave { report, within })
            .expect("it listens");
        let mut reports = 0;
        while server.next_request().uri != "/tunnel/shutdown" {
            reports += 1;
        }
        // The connect among them; the first pauses take half a second.
        assert!((2..=6).contains(&reports), "{reports}");
        hang_up.trigger();
        assert!(matches!(receiver.recv(), Ok(Event::Left)));
    }

    #[test]
    fn once_nobody_waits_the_farewell_is_all_that_is_sent() {
        let server = TestServer::start([connected(), Step::Answer(200, "", Vec::new())]);
        let (events, receiver) = unbounded();
        let hang_up = Stop::new();
        let heartbeat = heartbeat(&server, &hang_up, events);
        let calls = heartbeat.spawn().expect("a thread");
        assert!(matches!(receiver.recv(), Ok(Event::Connected(Ok(_)))));
        hang_up.trigger();
        calls.send(Call::Beat(Vec::new())).expect("it listens");
        let report = vec![Channel::default()];
        let within = Duration::from_secs(1);
        calls
            .send(Call::Leave { report, within })
            .expect("it listens");
        assert!(matches!(receiver.recv(), Ok(Event::Left)));
        let requests = server.requests();
        let uris: Vec<&str> = requests.iter().map(|r| r.uri.as_str()).collect();
        assert_eq!(uris, ["/tunnel/connect", "/tunnel/shutdown"]);
    }
}
