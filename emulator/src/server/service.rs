//! From a request to an answer: admission, faults, the core, the ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use time::OffsetDateTime;

use super::access;
use super::auth;
use super::reply::Reply;
use super::request::Request as HttpRequest;
use crate::action::Action;
use crate::actions::{self, Answer, Request};
use crate::clock::Timestamp;
use crate::control::{self, Control};
use crate::core::Core;
use crate::core::ids::Id;
use crate::failure::Failure;
use crate::fault::Effect;
use crate::fault::plan::Strikes;
use crate::handle::Shared;
use crate::ledger::EventKind;
use crate::scope::Scope;
use crate::stop::Stop;

/// Answers requests; shared by all connections.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) shared: Arc<Shared>,
    pub(super) stop: Stop,
    control: Control,
    requests: AtomicU64,
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: Id,
    pub(super) action: Action,
    pub(super) scope: Scope,
}

/// What carries an action out.
type Run<Q, A> = fn(&mut Core, Q, Timestamp) -> Result<A, Failure>;

/// A request that was carried out.
struct Done {
    reply: Reply,
    /// What the records of the answer bring.
    late: Strikes,
    records: usize,
}

impl Service {
    pub(super) fn new(shared: Arc<Shared>, stop: Stop) -> Service {
        Service {
            control: Control::new(Arc::clone(&shared)),
            shared,
            stop,
            requests: AtomicU64::new(0),
        }
    }

    /// The answer to a request.
    pub(super) fn answer(&self, request: &HttpRequest) -> Reply {
        let begun = Instant::now();
        let reply = if control::is_control(&request.head.path) {
            Reply::control(self.control.answer(request))
        } else {
            match self.admit(request) {
                Ok(action) => self.dispatch(action, &request.body),
                Err(failure) => self.refuse(&failure),
            }
        };
        access::log(&request.head, &reply, begun);
        reply
    }

    /// The answer to what does not get as far as an action.
    pub(super) fn refuse(&self, failure: &Failure) -> Reply {
        let id = self.request_id();
        self.note_refusal(&id, None, failure);
        Reply::failure(&id, failure)
    }

    fn admit(&self, request: &HttpRequest) -> Result<Action, Failure> {
        if request.head.method != "POST" {
            let method = &request.head.method;
            let message = format!(
                "method {method} is not allowed: actions are sent with POST; GET /_emulator/ lists the control API"
            );
            return Err(Failure::new(405, "OTSMethodNotAllowed", message));
        }
        let action = Action::from_uri(&request.head.path);
        let action = action.ok_or_else(|| unknown(&request.head.path))?;
        auth::check(
            request,
            action,
            &self.shared.settings,
            OffsetDateTime::now_utc(),
        )?;
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

    fn call<Q: Request, A: Answer>(&self, action: Action, body: &[u8], run: Run<Q, A>) -> Reply {
        let Ok(request) = Q::decode(body) else {
            return self.refuse(&Failure::invalid("the body is not the action's message"));
        };
        let call = Call {
            id: self.request_id(),
            action,
            scope: request.scope(),
        };
        let strikes = self.receive(&call);
        if let Some(reply) = self.prevented(&call, &strikes.before) {
            return reply.about(&call, &strikes, 0);
        }
        let mut done = self.carry_out(&call, request, run);
        let late = std::mem::take(&mut done.late);
        let mut reply = done.reply;
        for effect in strikes.after.iter().chain(&late.after) {
            self.note_fault(&call, effect, true);
            reply = match effect {
                // Decoded before, so it can be again.
                Effect::Duplicate => match Q::decode(body) {
                    Ok(again) => self.carry_out(&call, again, run).reply,
                    Err(_) => reply,
                },
                Effect::Stale(_) => reply.or_old(strikes.stale.as_ref().or(late.stale.as_ref())),
                _ => self.spoil(&call, effect, reply),
            };
        }
        reply.about(&call, &strikes, done.records)
    }

    fn receive(&self, call: &Call) -> Strikes {
        let scope = call.scope.clone();
        let event = EventKind::Received {
            request_id: call.id.clone(),
            action: call.action,
            tunnel: scope.tunnel,
            client: scope.client,
            channel: scope.channel,
        };
        let (mut core, now) = self.shared.enter();
        core.ledger.record(now, event);
        core.faults.strike(call.action, &call.scope)
    }

    fn carry_out<Q, A: Answer>(&self, call: &Call, request: Q, run: Run<Q, A>) -> Done {
        let (result, late, records) = {
            let (mut core, now) = self.shared.enter();
            core.ledger.on_behalf_of(Some(&call.id));
            let result = run(&mut core, request, now);
            core.ledger.on_behalf_of(None);
            let answered = answered(&call.id, Some(call.action), result.as_ref().err());
            core.ledger.record(now, answered);
            let records = result.as_ref().map_or(0, Answer::records);
            let late = core.faults.read(call.action, &call.scope, records);
            (result, late, records)
        };
        let reply = match result {
            Ok(answer) => Reply::message(&call.id, answer.into_body()),
            Err(failure) => Reply::failure(&call.id, &failure),
        };
        if reply.status == 200 {
            let faults = &mut self.shared.core.lock().faults;
            faults.remember(call.action, &call.scope, &reply.body);
        }
        Done {
            reply,
            late,
            records,
        }
    }

    pub(super) fn note_refusal(&self, id: &Id, action: Option<Action>, failure: &Failure) {
        let (mut core, now) = self.shared.enter();
        core.ledger.record(now, answered(id, action, Some(failure)));
    }

    /// Shaped like the service's; counts, so that it repeats.
    fn request_id(&self) -> Id {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("00000000-0000-4000-8000-{number:012x}").into()
    }
}

/// The data API's operations come here, for example.
fn unknown(path: &str) -> Failure {
    Failure::invalid(format!(
        "unknown operation: {path}; the emulator serves the Tunnel Service (/tunnel/create and so on), tables and rows are written under /_emulator/"
    ))
}

fn answered(id: &Id, action: Option<Action>, failure: Option<&Failure>) -> EventKind {
    EventKind::Answered {
        request_id: id.clone(),
        action,
        status: failure.map_or(200, |failure| failure.status),
        code: failure.map(|failure| failure.code.clone().into_owned()),
    }
}
