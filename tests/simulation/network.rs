//! [`Network`]: the way between consumers and the service, in virtual time.
//!
//! What the network does to a request is mostly done as a fault of the emulator that hits
//! only this request: its ledger then shows which answers have not arrived.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tablestore_emulator::_core::{Continuation, End, Engine, Reply, Request, Step};
use tablestore_emulator::Action;
use tablestore_tunnel::_simulation::{
    self as simulation, SimFailure, SimRequest, SimResponse, Transport,
};

use crate::dice::Dice;
use crate::logging::note;
use crate::notes::{ConsumerId, Notes};
use crate::plan::{self, of_network};
use crate::user::check_no_lock;

/// The header with the id of a request.
const REQUEST_ID: &str = "x-ots-requestid";

/// The number of the client that makes tunnels, before anything fails.
pub(crate) const NOBODY: ConsumerId = usize::MAX;

/// One network for all consumers of a world.
pub(crate) struct Network {
    pub(crate) engine: Arc<Engine>,
    pub(crate) notes: Arc<Notes>,
    plan: plan::Network,
    dice: Dice,
    /// Nothing fails any more.
    is_calm: AtomicBool,
    /// No request gets through before that time.
    outage: Mutex<Duration>,
}

/// A consumer's access to the network.
pub(crate) struct Port {
    pub(crate) network: Arc<Network>,
    pub(crate) consumer: ConsumerId,
}

/// The time that a request has, and what it is.
struct Exchange<'a> {
    request: &'a SimRequest<'a>,
    action: Action,
    sent: Duration,
    until: Duration,
}

impl Network {
    pub(crate) fn new(
        engine: Arc<Engine>,
        notes: Arc<Notes>,
        plan: plan::Network,
        dice: Dice,
    ) -> Network {
        Network {
            engine,
            notes,
            plan,
            dice,
            is_calm: AtomicBool::new(false),
            outage: Mutex::default(),
        }
    }

    pub(crate) fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    /// No request gets through for that long.
    pub(crate) fn fail_for(&self, time: Duration) {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        *outage = simulation::now() + time;
    }

    /// A random part of the longest latency.
    fn latency(&self) -> Duration {
        self.plan
            .latency
            .mul_f64(self.dice.up_to(0..101) as f64 / 100.0)
    }

    fn is_down(&self) -> bool {
        let outage = *self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        !self.is_calm.load(Ordering::Relaxed) && simulation::now() < outage
    }

    fn loses_one(&self) -> bool {
        !self.is_calm.load(Ordering::Relaxed) && self.dice.chance(self.plan.loss)
    }

    /// What a request meets that never gets to the service.
    fn lost(&self, exchange: &Exchange<'_>) -> SimFailure {
        use SimFailure::{ConnectTimeout, HostNotFound, Refused, Reset, Timeout};
        let failure = self
            .dice
            .pick(&[Refused, HostNotFound, Reset, ConnectTimeout, Timeout]);
        if matches!(failure, ConnectTimeout | Timeout) {
            sleep_until(exchange.until);
        }
        failure
    }

    /// Hands a request to the service, and waits for its reply. If the time is over
    /// before, the service goes on by itself.
    fn serve(&self, exchange: &Exchange<'_>, loses: bool) -> Result<Reply, SimFailure> {
        if loses {
            // It hits the next request of the action, which is this one: nobody else runs
            // in between.
            self.engine.arm([of_network(&self.dice, exchange.action)]);
        }
        let mut step = self
            .engine
            .handle(&exchange.request.to_emulator(), simulation::utc());
        loop {
            match step {
                Step::Answer(reply) => return Ok(reply),
                Step::Wait { delay, then } => {
                    let left = exchange.until.saturating_sub(simulation::now());
                    if delay > left {
                        self.go_on_alone(delay, then);
                        sleep_until(exchange.until);
                        return Err(SimFailure::Timeout);
                    }
                    simulation::sleep(delay);
                    step = self.engine.resume(then);
                }
            }
        }
    }

    fn go_on_alone(&self, mut delay: Duration, mut then: Continuation) {
        let engine = Arc::clone(&self.engine);
        simulation::spawn("world-service", move || {
            loop {
                simulation::sleep(delay);
                match engine.resume(then) {
                    Step::Answer(_) => return,
                    Step::Wait { delay: d, then: t } => (delay, then) = (d, t),
                }
            }
        });
    }
}

/// Rewrites a request for the emulator.
trait ToEmulator {
    fn to_emulator(&self) -> Request;
}

impl ToEmulator for SimRequest<'_> {
    fn to_emulator(&self) -> Request {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
        Request::new(self.method, self.path, headers, self.body.to_vec())
    }
}

impl Transport for Port {
    fn send(&self, request: SimRequest<'_>) -> Result<SimResponse, SimFailure> {
        check_no_lock("a request");
        let network = &self.network;
        let action = Action::ALL.into_iter();
        let action = action.clone().find(|action| action.uri() == request.path);
        let exchange = Exchange {
            action: action.unwrap_or(Action::List),
            sent: simulation::now(),
            until: simulation::now() + request.timeout,
            request: &request,
        };
        network.notes.sending(exchange.action, request.body);
        note(|| format!("consumer {} sends {}", self.consumer, exchange.action));
        let sent = self.exchange(&exchange);
        if let (Action::Heartbeat, Ok(head)) = (exchange.action, &sent) {
            network.notes.beat_answered(request.body, head.status);
        }
        note(|| {
            let action = exchange.action;
            match &sent {
                Ok(head) => format!("consumer {}: {action}: {}", self.consumer, head.status),
                Err(failure) => format!("consumer {}: {action}: {failure:?}", self.consumer),
            }
        });
        sent
    }
}

impl Port {
    fn exchange(&self, exchange: &Exchange<'_>) -> Result<SimResponse, SimFailure> {
        let network = &self.network;
        simulation::sleep(network.latency());
        if network.is_down() {
            return Err(network.lost(exchange));
        }
        let loses = self.consumer != NOBODY && network.loses_one();
        let reply = network.serve(exchange, loses)?;
        simulation::sleep(network.latency());
        match reply.end {
            End::Close => Err(SimFailure::Closed),
            End::Reset => Err(SimFailure::Reset),
            // Cut in the middle of its head.
            End::Cut | End::ResetMidway if reply.body.is_empty() => Err(SimFailure::Closed),
            _ => Ok(self.response(exchange, reply)),
        }
    }

    fn response(&self, exchange: &Exchange<'_>, reply: Reply) -> SimResponse {
        let announced = (reply.body.len() as u64).saturating_add_signed(reply.length_off_by);
        let is_whole = matches!(reply.end, End::Keep | End::Last) && reply.length_off_by == 0;
        if is_whole && reply.status == 200 {
            let notes = &self.network.notes;
            let request = exchange.request.body;
            let request = (request, exchange.sent);
            notes.answered(self.consumer, exchange.action, request, &reply.body);
            let id = reply.headers.iter().find(|(name, _)| *name == REQUEST_ID);
            notes.arrived(id.map(|(_, id)| id.as_str()).unwrap_or_default());
        }
        if is_whole && reply.status == 410 && exchange.action == Action::Heartbeat {
            let notes = &self.network.notes;
            notes.refused(exchange.request.body, &reply.body);
        }
        let names = reply.headers.iter();
        let headers = names.map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let is_read = exchange.action == Action::ReadRecords;
        let unread = Unread {
            notes: Arc::clone(&self.network.notes),
            request: is_read.then(|| exchange.request.body.to_vec()),
        };
        SimResponse {
            status: reply.status,
            headers: headers.collect(),
            announced,
            body: Box::new(move || {
                unread.was_read();
                let (_, body) = reply.to_wire();
                match reply.end {
                    End::ResetMidway => Err(SimFailure::Reset),
                    _ => Ok(body.to_vec()),
                }
            }),
        }
    }
}

/// Notes, if it is dropped, that nobody has read the body.
struct Unread {
    notes: Arc<Notes>,
    request: Option<Vec<u8>>,
}

impl Unread {
    fn was_read(mut self) {
        self.request = None;
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        if let Some(request) = &self.request {
            self.notes.dropped_unread(request);
        }
    }
}

fn sleep_until(time: Duration) {
    simulation::sleep(time.saturating_sub(simulation::now()));
}
