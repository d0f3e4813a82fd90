//! From a request to an answer: who asks, what goes wrong, the core, the ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::auth;
use super::request::Request as HttpRequest;
use crate::emulator::action::Action;
use crate::emulator::actions::{self, Answer, Request};
use crate::emulator::clock::Timestamp;
use crate::emulator::core::Core;
use crate::emulator::core::ids::Id;
use crate::emulator::failure::Failure;
use crate::emulator::fault::{Effect, Strikes};
use crate::emulator::handle::Shared;
use crate::emulator::ledger::EventKind;
use crate::emulator::scope::Scope;
use crate::stop::Stop;

/// An answer on its way out.
#[derive(Debug)]
pub(super) struct Reply {
    status: u16,
    request_id: Id,
    pub(super) body: Vec<u8>,
    pub(super) end: End,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The answer goes out, and the next request may come.
    Keep,
    /// No answer; closed.
    Close,
    /// No answer; reset.
    Reset,
    /// Half an answer; closed.
    Cut,
}

impl Reply {
    /// The head of the answer.
    pub(super) fn head(&self) -> Vec<u8> {
        let (status, reason) = (self.status, reason(self.status));
        let (id, length) = (&self.request_id, self.body.len());
        format!(
            "HTTP/1.1 {status} {reason}\r\n\
             x-ots-requestid: {id}\r\n\
             x-ots-contenttype: protocol buffer\r\n\
             Content-Type: application/x-protobuf\r\n\
             Content-Length: {length}\r\n\r\n"
        )
        .into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        413 => "Payload Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

/// Answers requests; shared by all connections.
#[derive(Debug)]
pub(super) struct Service {
    shared: Arc<Shared>,
    stop: Stop,
    requests: AtomicU64,
}

/// A request that is being answered.
struct Call {
    id: Id,
    action: Action,
    scope: Scope,
}

impl Service {
    pub(super) fn new(shared: Arc<Shared>, stop: Stop) -> Service {
        Service {
            shared,
            stop,
            requests: AtomicU64::new(0),
        }
    }

    /// The answer to a request.
    pub(super) fn answer(&self, request: &HttpRequest) -> Reply {
        match self.admit(request) {
            Ok(action) => self.dispatch(action, &request.body),
            Err(failure) => self.refuse(&failure),
        }
    }

    /// The answer to what does not get as far as an action.
    pub(super) fn refuse(&self, failure: &Failure) -> Reply {
        let id = self.request_id();
        self.note_answer(&mut self.shared.core.lock(), &id, None, Some(failure));
        error_reply(id, failure)
    }

    fn admit(&self, request: &HttpRequest) -> Result<Action, Failure> {
        if request.head.method != "POST" {
            let message = format!("method {} is not allowed", request.head.method);
            return Err(Failure::new(405, "OTSMethodNotAllowed", message));
        }
        let action = Action::from_uri(&request.head.path);
        let action = action
            .ok_or_else(|| Failure::invalid(format!("unknown operation: {}", request.head.path)))?;
        auth::check(request, action, &self.shared.settings, crate::clock::utc())?;
        Ok(action)
    }

    fn dispatch(&self, action: Action, body: &[u8]) -> Reply {
        match action {
            Action::Create => self.call(action, body, actions::create::run),
            Action::Delete => self.call(action, body, actions::delete::run),
            Action::List => self.call(action, body, actions::list::run),
            Action::Describe => self.call(action, body, actions::describe::run),
            Action::Connect => self.call(action, body, actions::connect::run),
            Action::Heartbeat => self.call(action, body, actions::heartbeat::run),
            Action::Shutdown => self.call(action, body, actions::shutdown::run),
            Action::GetCheckpoint => self.call(action, body, actions::get_checkpoint::run),
            Action::ReadRecords => self.call(action, body, actions::read_records::run),
            Action::Checkpoint => self.call(action, body, actions::checkpoint::run),
            Action::GetRpo => self.call(action, body, actions::get_rpo::run),
            Action::GetRpoByOffset => self.call(action, body, actions::get_rpo_by_offset::run),
            Action::Schedule => self.call(action, body, actions::schedule::run),
        }
    }

    fn call<Q: Request, A: Answer>(
        &self,
        action: Action,
        body: &[u8],
        run: fn(&mut Core, Q, Timestamp) -> Result<A, Failure>,
    ) -> Reply {
        let Ok(request) = Q::decode(body) else {
            return self.refuse(&Failure::invalid("the body is not the action's message"));
        };
        let call = Call {
            id: self.request_id(),
            action,
            scope: request.scope(),
        };
        let strikes = self.receive(&call);
        if let Some(reply) = self.suffer(&call, &strikes.before, false) {
            return reply;
        }
        let reply = self.carry_out(&call, request, run);
        self.suffer_after(&call, &strikes.after, reply)
    }

    fn receive(&self, call: &Call) -> Strikes {
        let mut core = self.shared.core.lock();
        let scope = call.scope.clone();
        let event = EventKind::Received {
            request_id: call.id.clone(),
            action: call.action,
            tunnel: scope.tunnel,
            client: scope.client,
            channel: scope.channel,
        };
        core.ledger.record(self.shared.clock.now(), event);
        core.faults.strike(call.action, &call.scope)
    }

    fn carry_out<Q, A: Answer>(
        &self,
        call: &Call,
        request: Q,
        run: fn(&mut Core, Q, Timestamp) -> Result<A, Failure>,
    ) -> Reply {
        let result = {
            let mut core = self.shared.core.lock();
            let result = run(&mut core, request, self.shared.clock.now());
            self.note_answer(
                &mut core,
                &call.id,
                Some(call.action),
                result.as_ref().err(),
            );
            result
        };
        match result {
            Ok(answer) => reply(call.id.clone(), answer.into_body()),
            Err(failure) => error_reply(call.id.clone(), &failure),
        }
    }

    /// Lets the faults happen; the reply of one that ends the call.
    fn suffer(&self, call: &Call, effects: &[Effect], carried_out: bool) -> Option<Reply> {
        let ends = effects.iter().map(|effect| {
            self.note_fault(call, effect, carried_out);
            self.strike(call, effect)
        });
        ends.flatten().next()
    }

    fn suffer_after(&self, call: &Call, effects: &[Effect], reply: Reply) -> Reply {
        let Some(end) = self.suffer(call, effects, true) else {
            return reply;
        };
        match end.end {
            // What is cut is the real answer.
            End::Cut => Reply {
                end: End::Cut,
                ..reply
            },
            _ => end,
        }
    }

    fn strike(&self, call: &Call, effect: &Effect) -> Option<Reply> {
        let id = call.id.clone();
        let without_answer = |end| Reply {
            end,
            ..reply(call.id.clone(), Vec::new())
        };
        match effect {
            Effect::Delay(delay) => {
                let stopped = self.stop.wait_for(*delay);
                stopped.then(|| without_answer(End::Close))
            }
            Effect::Fail {
                status,
                code,
                message,
            } => {
                let failure = Failure::new(*status, code.clone(), message.clone());
                let mut core = self.shared.core.lock();
                self.note_answer(&mut core, &id, Some(call.action), Some(&failure));
                Some(error_reply(id, &failure))
            }
            Effect::Reset => Some(without_answer(End::Reset)),
            Effect::Close => Some(without_answer(End::Close)),
            Effect::Cut => Some(without_answer(End::Cut)),
            // A field of a kind that no message has.
            Effect::Garbage => Some(reply(id, vec![0x0F; 32])),
            Effect::Take(channel, notice) => {
                let mut core = self.shared.core.lock();
                core.take_at_beat(&call.scope, channel.as_deref(), *notice);
                None
            }
        }
    }

    fn note_fault(&self, call: &Call, effect: &Effect, carried_out: bool) {
        let event = EventKind::Faulted {
            request_id: call.id.clone(),
            action: call.action,
            effect: format!("{effect:?}"),
            carried_out,
        };
        let now = self.shared.clock.now();
        self.shared.core.lock().ledger.record(now, event);
    }

    fn note_answer(
        &self,
        core: &mut Core,
        id: &Id,
        action: Option<Action>,
        failure: Option<&Failure>,
    ) {
        let event = EventKind::Answered {
            request_id: id.clone(),
            action,
            status: failure.map_or(200, |failure| failure.status),
            code: failure.map(|failure| failure.code.clone().into_owned()),
        };
        core.ledger.record(self.shared.clock.now(), event);
    }

    /// Shaped like the service's; counts, so that it repeats.
    fn request_id(&self) -> Id {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("00000000-0000-4000-8000-{number:012x}").into()
    }
}

fn reply(request_id: Id, body: Vec<u8>) -> Reply {
    Reply {
        status: 200,
        request_id,
        body,
        end: End::Keep,
    }
}

fn error_reply(request_id: Id, failure: &Failure) -> Reply {
    Reply {
        status: failure.status,
        ..reply(request_id, failure.to_body())
    }
}
