//! The thread that sends the requests of a session: connect, heartbeats, the end.
//!
//! It decides nothing: the session's loop, on the heartbeat thread, says when and what,
//! and never waits for an answer, so that a slow one holds up nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{debug, warn};

use crate::clock::{self, Clock, Queue, Stop};
use crate::error::{ErrorClass, TunnelError};
use crate::http::retry::Schedule;
use crate::http::{Attempt, TunnelApi};
use crate::policy::{Reaction, Request, reaction};
use crate::protocol::{Channel, ClientConfig, ConnectRequest, HeartbeatRequest, ShutdownRequest};
use crate::sync::catch_panic::catch_panic;
use crate::worker::context::Event;
use crate::worker::status::failures::full_text;

/// What the loop asks for.
pub(crate) enum Call {
    /// Report these channels.
    Heartbeat {
        channels: Vec<Channel>,
        /// An attempt before this one has failed.
        is_retry: bool,
    },
    /// Nobody waits for the session any more: give it back.
    Leave,
}

/// How the session talks to the service.
#[derive(Clone)]
pub(crate) struct SessionRequests {
    pub(crate) api: Arc<dyn TunnelApi>,
    pub(crate) tunnel_id: String,
    /// How long one attempt of a heartbeat may take.
    pub(crate) attempt_timeout: Duration,
    /// Nobody waits for us any more.
    pub(crate) hang_up: Stop,
    /// The session is being given back: no further heartbeat.
    pub(crate) leaving: Stop,
    /// By which a daemon counts the threads that still send requests.
    #[expect(dead_code, reason = "held to be counted")]
    pub(crate) at_work: Arc<()>,
}

/// The thread's own data.
pub(crate) struct RequestThread {
    pub(crate) requests: SessionRequests,
    pub(crate) client: ClientConfig,
    /// For how long a connect is tried again; not at all for a daemon, which does that
    /// itself.
    pub(crate) connect_again_for: Duration,
    pub(crate) events: Queue<Event>,
}

impl RequestThread {
    /// Starts the thread, which connects and then does what it is asked for, until the
    /// queue is closed.
    pub(crate) fn spawn(self) -> Result<Queue<Call>, TunnelError> {
        let clock = self.requests.hang_up.clock().clone();
        let queue = Queue::new(&clock);
        let calls = queue.clone();
        let spawned = clock::spawn(&clock, "tunnel-requests", move || {
            let _ended = TellEnd(self.events.clone());
            self.run(&calls);
        });
        spawned.map_err(|error| {
            TunnelError::client("the thread of the session's requests could not be started")
                .with_source(error)
                .with_class(ErrorClass::Passing)
        })?;
        Ok(queue)
    }

    fn run(&self, calls: &Queue<Call>) {
        let connected = flatten(catch_panic(|| self.connect()));
        let client_id = connected.as_ref().ok().cloned();
        self.send(Event::Connected(connected));
        let Some(client_id) = client_id else {
            return;
        };
        let requests = &self.requests;
        while let Ok(call) = calls.pop(None) {
            match call {
                // Too late for anything but the end.
                Call::Heartbeat { .. } if requests.is_over() => {}
                Call::Heartbeat { channels, is_retry } => {
                    let attempt = Attempt {
                        timeout: requests.attempt_timeout,
                        on_new_connection: is_retry,
                    };
                    let answer = requests.heartbeat(&client_id, channels, attempt);
                    self.send(Event::Heartbeat(answer));
                }
                Call::Leave => {
                    requests.leave(&client_id, Vec::new(), LEAVE_TIME);
                    return;
                }
            }
        }
        if requests.hang_up.is_triggered() {
            debug!("tunnel {}: session dropped", requests.tunnel_id);
        }
    }

    fn connect(&self) -> Result<String, TunnelError> {
        let request = ConnectRequest {
            tunnel_id: self.requests.tunnel_id.clone(),
            client_config: Some(self.client.clone()),
        };
        let stop = &self.requests.hang_up;
        let began = stop.clock().now();
        let schedule = Schedule {
            give_up: self.connect_again_for,
            ..Schedule::META
        };
        let mut retries = 0;
        loop {
            let error = match self.requests.api.connect(&request) {
                Ok(answer) => return Ok(answer.message.client_id),
                Err(error) => error,
            };
            let again = Request::Call {
                is_repeatable: true,
            };
            let elapsed = stop.clock().now().saturating_duration_since(began);
            let pause = schedule.pause(retries, elapsed, fastrand::f64());
            match (reaction(error.class(), again), pause) {
                (Reaction::Retry, Some(pause)) if !stop.wait_for(pause) => retries += 1,
                _ => return Err(error),
            }
        }
    }

    fn send(&self, event: Event) {
        if let Event::Connected(Err(error)) | Event::Heartbeat(Err(error)) = &event {
            // Printed here, where it may hang: its causes may be the program's.
            full_text(error);
        }
        let _ = self.events.push(event);
    }
}

/// Tells the loop that the thread has ended, however that came: without it the session
/// would only find out when its lease is over.
struct TellEnd(Queue<Event>);

impl Drop for TellEnd {
    fn drop(&mut self) {
        let _ = self.0.push(Event::RequestThreadEnded);
    }
}

/// How long the requests at the end of a session may take, if nothing is unsaved.
pub(crate) const LEAVE_TIME: Duration = Duration::from_secs(3);

impl SessionRequests {
    fn is_over(&self) -> bool {
        self.hang_up.is_triggered() || self.leaving.is_triggered()
    }

    fn heartbeat(
        &self,
        client_id: &str,
        channels: Vec<Channel>,
        attempt: Attempt,
    ) -> Result<Vec<Channel>, TunnelError> {
        let request = HeartbeatRequest {
            tunnel_id: self.tunnel_id.clone(),
            client_id: client_id.to_owned(),
            channels,
        };
        let heartbeat = || self.api.heartbeat(&request, attempt);
        let answer = flatten(catch_panic(heartbeat))?;
        Ok(answer.message.channels)
    }

    /// Sends the last report, if there is something to report, and gives the session
    /// back, within that time. Without the report the service still takes all channels
    /// back, so it gets one attempt and half of the time.
    pub(crate) fn leave(&self, client_id: &str, report: Vec<Channel>, within: Duration) {
        self.leaving.trigger();
        let until = clock::after(clock::now(), within);
        if !report.is_empty() {
            let attempt = Attempt {
                timeout: self.attempt_timeout.min(within / 2),
                on_new_connection: false,
            };
            if let Err(error) = self.heartbeat(client_id, report, attempt) {
                warn!("tunnel {}: last report not sent: {error}", self.tunnel_id);
            }
        }
        if let Err(error) = self.shut_down(client_id, until) {
            warn!(
                "tunnel {}: the service was not told of the shutdown, it gives the channels to \
                 others after the heartbeat timeout: {error}",
                self.tunnel_id
            );
        }
    }

    /// Repeats the shutdown request until it is answered or the time is over. Requests
    /// go by the machine's time, and so does this.
    fn shut_down(&self, client_id: &str, until: Instant) -> Result<(), TunnelError> {
        let request = ShutdownRequest {
            tunnel_id: self.tunnel_id.clone(),
            client_id: client_id.to_owned(),
        };
        let pauses = Schedule::META.endless();
        let clock = Clock::system();
        let mut retries = 0;
        loop {
            let left = until.saturating_duration_since(clock::now());
            let attempt = Attempt {
                timeout: left.max(MIN_LEAVE_ATTEMPT),
                on_new_connection: retries > 0,
            };
            let shutdown = || self.api.shutdown(&request, attempt);
            let error = match flatten(catch_panic(shutdown)) {
                Ok(_) => return Ok(()),
                // The service does not know us, so it has nothing to take back.
                Err(error) if error.class() == ErrorClass::Gone => return Ok(()),
                Err(error) => error,
            };
            let again = Request::Call {
                is_repeatable: true,
            };
            let left = until.saturating_duration_since(clock::now());
            let pause = pauses.pause(retries, Duration::ZERO, fastrand::f64());
            match (reaction(error.class(), again), pause) {
                (Reaction::Retry, Some(pause)) if pause < left => {
                    clock.sleep(pause);
                    retries += 1;
                }
                _ => return Err(error),
            }
        }
    }
}

/// The least time for the shutdown request, however late it is.
const MIN_LEAVE_ATTEMPT: Duration = Duration::from_millis(500);

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

    fn requests(server: &TestServer, hang_up: &Stop) -> SessionRequests {
        let client = TunnelClient::new(&server.url(), "instance", "id", "secret");
        SessionRequests {
            api: client.expect("client").api().clone(),
            tunnel_id: "tunnel".to_owned(),
            attempt_timeout: Duration::from_secs(60),
            hang_up: hang_up.clone(),
            leaving: Stop::new(&Clock::system()),
            at_work: Arc::default(),
        }
    }

    fn heartbeat(server: &TestServer, hang_up: &Stop, events: Queue<Event>) -> RequestThread {
        RequestThread {
            requests: requests(server, hang_up),
            client: ClientConfig::default(),
            connect_again_for: Duration::ZERO,
            events,
        }
    }

    fn connected() -> Step {
        let client_id = "client".to_owned();
        Step::Answer(200, "", ConnectResponse { client_id }.encode_to_vec())
    }

    fn busy() -> Step {
        Step::Answer(503, "", Vec::new())
    }

    fn uris(server: &TestServer) -> Vec<String> {
        let requests = server.requests().into_iter();
        requests.map(|request| request.uri).collect()
    }

    #[test]
    fn a_report_that_fails_leaves_time_for_the_shutdown_request() {
        let server = TestServer::start([busy(), busy(), Step::Answer(200, "", Vec::new())]);
        let requests = requests(&server, &Stop::new(&Clock::system()));
        requests.leave("client", vec![Channel::default()], LEAVE_TIME);
        let expected = ["/tunnel/heartbeat", "/tunnel/shutdown", "/tunnel/shutdown"];
        assert_eq!(uris(&server), expected);
    }

    #[test]
    fn leaving_an_unreachable_service_ends_in_time() {
        let server = TestServer::start(std::iter::repeat_with(busy).take(100));
        let began = clock::now();
        let within = Duration::from_millis(300);
        requests(&server, &Stop::new(&Clock::system())).leave("client", Vec::new(), within);
        assert!(clock::now() - began < Duration::from_secs(10));
        assert!(uris(&server).len() >= 2);
    }

    #[test]
    fn a_heartbeat_is_one_attempt() {
        let server = TestServer::start([connected(), busy()]);
        let events = Queue::new(&Clock::system());
        let calls = heartbeat(&server, &Stop::new(&Clock::system()), events.clone()).spawn();
        let calls = calls.expect("a thread");
        assert!(matches!(events.pop(None), Ok(Event::Connected(Ok(_)))));
        let call = Call::Heartbeat {
            channels: Vec::new(),
            is_retry: false,
        };
        calls.push(call).ok().expect("open");
        assert!(matches!(events.pop(None), Ok(Event::Heartbeat(Err(_)))));
        calls.close();
        assert!(matches!(events.pop(None), Ok(Event::RequestThreadEnded)));
        assert_eq!(uris(&server), ["/tunnel/connect", "/tunnel/heartbeat"]);
    }

    #[test]
    fn once_nobody_waits_only_the_shutdown_request_is_sent() {
        let server = TestServer::start([connected(), Step::Answer(200, "", Vec::new())]);
        let events = Queue::new(&Clock::system());
        let hang_up = Stop::new(&Clock::system());
        let calls = heartbeat(&server, &hang_up, events.clone()).spawn();
        let calls = calls.expect("a thread");
        assert!(matches!(events.pop(None), Ok(Event::Connected(Ok(_)))));
        hang_up.trigger();
        let call = Call::Heartbeat {
            channels: Vec::new(),
            is_retry: false,
        };
        calls.push(call).ok().expect("open");
        calls.push(Call::Leave).ok().expect("open");
        assert!(matches!(events.pop(None), Ok(Event::RequestThreadEnded)));
        assert_eq!(uris(&server), ["/tunnel/connect", "/tunnel/shutdown"]);
    }
}
