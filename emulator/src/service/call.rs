//! From a request to an answer: the signature, faults, the state, the ledger.

use std::sync::atomic::Ordering;
use std::time::Duration;

use time::OffsetDateTime;

use super::{Continuation, Service, Step, effects};
use crate::faults::{Effect, Hits};
use crate::ledger::EventKind;
use crate::protocol::{Action, End, Failure, Reply, Request, Scope, access_log, check_auth};
use crate::state::Id;
use crate::tunnel_api::{self, Operation};

/// A field of a kind that no message has.
const GARBAGE: [u8; 32] = [0x0F; 32];

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Call {
    id: Id,
    action: Action,
    scope: Scope,
    operation: Box<dyn Operation>,
}

/// A request, and how far it has come.
#[derive(Debug)]
pub(super) struct Pending {
    call: Call,
    /// The faults that hit the request itself.
    hits: Hits,
    /// How many faults were applied before the request was carried out.
    applied_before: usize,
    /// How many faults were applied to the answer, those of `Done` included.
    applied_after: usize,
    /// The result, once the request is carried out.
    done: Option<Done>,
}

/// The result of a request that was carried out.
#[derive(Debug)]
struct Done {
    reply: Reply,
    /// The faults that are due because of the records in the answer.
    hits: Hits,
    records: usize,
}

/// What a fault does to a request that is not carried out yet.
enum Before {
    GoOn,
    Wait(Duration),
    End(Reply),
}

impl Service {
    /// Answers a request, or says how long to wait before it goes on.
    ///
    /// `wall` is the machine's time. The dates that clients sign are compared
    /// with it; everything else follows the emulator's own clock, which is read
    /// under the lock so that the ledger is in the order of its times.
    pub(crate) fn handle(&self, request: &Request, wall: OffsetDateTime) -> Step {
        match self.admit(request, wall) {
            Ok(call) => self.begin(call),
            Err(failure) => Step::Answer(self.refuse(&failure)),
        }
    }

    /// Goes on with a request whose delay is over.
    pub(crate) fn resume(&self, continuation: Continuation) -> Step {
        self.proceed(continuation.0)
    }

    /// The answer to a request that names no action or that cannot be read.
    pub(crate) fn refuse(&self, failure: &Failure) -> Reply {
        let id = self.request_id();
        self.record_failure(&id, None, failure);
        Reply::failure(&id, failure)
    }

    fn admit(&self, request: &Request, wall: OffsetDateTime) -> Result<Call, Failure> {
        let (method, path) = (&request.head.method, &request.head.path);
        if method != "POST" {
            let message = format!(
                "method {method} is not allowed: actions are sent with POST; GET /_emulator/ lists the control API"
            );
            return Err(Failure::new(405, "OTSMethodNotAllowed", message));
        }
        let action = Action::from_uri(path).ok_or_else(|| unknown_operation(path))?;
        check_auth(request, action, &self.settings.auth, wall)?;
        let operation = tunnel_api::decode(action, &request.body);
        let operation =
            operation.ok_or_else(|| Failure::invalid("the body is not the action's message"))?;
        Ok(Call {
            id: self.request_id(),
            action,
            scope: operation.scope(),
            operation,
        })
    }

    /// Records that a request came in, and finds the faults that hit it.
    fn begin(&self, call: Call) -> Step {
        let scope = call.scope.clone();
        let event = EventKind::Received {
            request_id: call.id.clone(),
            action: call.action,
            tunnel: scope.tunnel,
            client: scope.client,
            channel: scope.channel,
        };
        let hits = {
            let (mut instance, now) = self.enter();
            instance.ledger.record(now, event);
            instance.faults.on_request(call.action, &call.scope)
        };
        self.proceed(Box::new(Pending {
            call,
            hits,
            applied_before: 0,
            applied_after: 0,
            done: None,
        }))
    }

    /// Goes on with a request until it is answered or has to wait.
    fn proceed(&self, mut pending: Box<Pending>) -> Step {
        while let Some(effect) = pending.next_before() {
            self.record_fault(&pending.call, &effect, false);
            match self.apply_before(&pending.call, &effect) {
                Before::GoOn => {}
                Before::Wait(delay) => return wait(delay, pending),
                Before::End(reply) => return Step::Answer(pending.finished(reply, 0)),
            }
        }
        let mut done = match pending.done.take() {
            Some(done) => done,
            None => self.carry_out(&pending.call),
        };
        while let Some(effect) = pending.next_after(&done) {
            self.record_fault(&pending.call, &effect, true);
            if let Effect::Delay(delay) = effect {
                pending.done = Some(done);
                return wait(delay, pending);
            }
            done.reply = match effect {
                Effect::Duplicate => self.carry_out(&pending.call).reply,
                Effect::Stale(_) => {
                    let stale = pending.hits.stale.as_ref();
                    done.reply.or_stale(stale.or(done.hits.stale.as_ref()))
                }
                _ => self.spoil(&pending.call, &effect, done.reply),
            };
        }
        Step::Answer(pending.finished(done.reply, done.records))
    }

    fn carry_out(&self, call: &Call) -> Done {
        let (result, hits, records) = {
            let (mut instance, now) = self.enter();
            instance.ledger.set_request(Some(&call.id));
            let result = instance.command(|state| call.operation.run(state, now));
            instance.ledger.set_request(None);
            let answered = answered(&call.id, Some(call.action), result.as_ref().err());
            instance.ledger.record(now, answered);
            let records = result.as_ref().map_or(0, |answer| answer.records());
            let faults = &mut instance.faults;
            let hits = faults.on_records(call.action, &call.scope, records);
            (result, hits, records)
        };
        let reply = match result {
            Ok(answer) => Reply::message(&call.id, answer.to_body()),
            Err(failure) => Reply::failure(&call.id, &failure),
        };
        if reply.status == 200 {
            let faults = &mut self.instance.lock().faults;
            faults.remember_answer(call.action, &call.scope, &reply.body);
        }
        Done {
            reply,
            hits,
            records,
        }
    }

    /// Applies a fault before the request is carried out.
    fn apply_before(&self, call: &Call, effect: &Effect) -> Before {
        let without_answer = |end| Before::End(Reply::message(&call.id, Vec::new()).ending(end));
        match effect {
            Effect::Delay(delay) => Before::Wait(*delay),
            Effect::Close => without_answer(End::Close),
            Effect::Reset => without_answer(End::Reset),
            Effect::Fail {
                status,
                code,
                message,
            } => Before::End(self.fail(call, *status, code, message)),
            _ => {
                self.apply_to_state(call, effect);
                Before::GoOn
            }
        }
    }

    /// Applies a fault to the answer.
    fn spoil(&self, call: &Call, effect: &Effect, answer: Reply) -> Reply {
        match effect {
            Effect::Close => answer.ending(End::Close),
            Effect::Reset => answer.ending(End::Reset),
            Effect::Cut => answer.ending(End::Cut),
            Effect::ResetMidway => answer.ending(End::ResetMidway),
            Effect::Garbage => answer.with_body(GARBAGE.to_vec()),
            Effect::Empty => answer.with_body(Vec::new()),
            Effect::Length(off_by) => answer.with_wrong_length(*off_by),
            Effect::Fail {
                status,
                code,
                message,
            } => self.fail(call, *status, code, message),
            _ => {
                self.apply_to_state(call, effect);
                answer
            }
        }
    }

    fn fail(&self, call: &Call, status: u16, code: &str, message: &str) -> Reply {
        let failure = Failure::new(status, code.to_owned(), message);
        self.record_failure(&call.id, Some(call.action), &failure);
        Reply::failure(&call.id, &failure)
    }

    fn apply_to_state(&self, call: &Call, effect: &Effect) {
        let mut instance = self.instance.lock();
        effects::apply(&mut instance, &self.clock, &call.scope, effect);
    }

    fn record_failure(&self, id: &Id, action: Option<Action>, failure: &Failure) {
        let (mut instance, now) = self.enter();
        let event = answered(id, action, Some(failure));
        instance.ledger.record(now, event);
    }

    fn record_fault(&self, call: &Call, effect: &Effect, carried_out: bool) {
        let event = EventKind::Faulted {
            request_id: call.id.clone(),
            action: call.action,
            effect: effect.to_string(),
            carried_out,
            answer_suffers: effect.affects_answer(),
        };
        let (mut instance, now) = self.enter();
        instance.ledger.record(now, event);
    }

    /// An id in the service's format. It counts, so that every run has the
    /// same ids.
    fn request_id(&self) -> Id {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("00000000-0000-4000-8000-{number:012x}").into()
    }
}

impl Pending {
    fn next_before(&mut self) -> Option<Effect> {
        let effect = self.hits.before.get(self.applied_before)?.clone();
        self.applied_before += 1;
        Some(effect)
    }

    fn next_after(&mut self, done: &Done) -> Option<Effect> {
        let mut effects = self.hits.after.iter().chain(&done.hits.after);
        let effect = effects.nth(self.applied_after)?.clone();
        self.applied_after += 1;
        Some(effect)
    }

    /// The reply with the details for the access log.
    fn finished(&self, reply: Reply, records: usize) -> Reply {
        let faults = self.hits.before.iter().chain(&self.hits.after);
        let faults = faults.map(ToString::to_string);
        let details = access_log::details(&self.call.scope, records, faults);
        Reply { details, ..reply }
    }

    /// The reply so far, of a request that is given up.
    pub(super) fn abandoned(mut self) -> Reply {
        let (reply, records) = match self.done.take() {
            Some(done) => (done.reply, done.records),
            None => (Reply::message(&self.call.id, Vec::new()), 0),
        };
        self.finished(reply, records)
    }
}

fn wait(delay: Duration, pending: Box<Pending>) -> Step {
    let then = Continuation(pending);
    Step::Wait { delay, then }
}

/// Operations of the data API end here, for example.
fn unknown_operation(path: &str) -> Failure {
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
