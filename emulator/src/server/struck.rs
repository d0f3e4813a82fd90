//! A request that faults hit: before it is carried out, and its answer.

use std::time::Duration;

use super::reply::{End, Reply};
use super::service::{Call, Service};
use crate::failure::Failure;
use crate::fault::{Effect, harm};
use crate::ledger::EventKind;

/// A field of a kind that no message has.
const GARBAGE: [u8; 32] = [0x0F; 32];

impl Service {
    /// Lets faults happen before a request is carried out; the reply of the
    /// first that ends it.
    pub(super) fn prevented(&self, call: &Call, effects: &[Effect]) -> Option<Reply> {
        let ends = effects.iter().map(|effect| {
            self.note_fault(call, effect, false);
            self.prevent(call, effect)
        });
        ends.flatten().next()
    }

    fn prevent(&self, call: &Call, effect: &Effect) -> Option<Reply> {
        let without_answer = |end| Some(Reply::message(&call.id, Vec::new()).ending(end));
        match effect {
            Effect::Delay(delay) if self.waited(*delay) => None,
            Effect::Delay(_) | Effect::Close => without_answer(End::Close),
            Effect::Reset => without_answer(End::Reset),
            Effect::Fail {
                status,
                code,
                message,
            } => Some(self.fail(call, *status, code, message)),
            _ => {
                self.inflict(call, effect);
                None
            }
        }
    }

    /// Lets a fault happen to the answer.
    pub(super) fn spoil(&self, call: &Call, effect: &Effect, answer: Reply) -> Reply {
        match effect {
            Effect::Delay(delay) if self.waited(*delay) => answer,
            Effect::Delay(_) | Effect::Close => answer.ending(End::Close),
            Effect::Reset => answer.ending(End::Reset),
            Effect::Cut => answer.ending(End::Cut),
            Effect::ResetMidway => answer.ending(End::ResetMidway),
            Effect::Garbage => answer.with_body(GARBAGE.to_vec()),
            Effect::Empty => answer.with_body(Vec::new()),
            Effect::Length(off_by) => answer.announcing(*off_by),
            Effect::Fail {
                status,
                code,
                message,
            } => self.fail(call, *status, code, message),
            _ => {
                self.inflict(call, effect);
                answer
            }
        }
    }

    /// Whether the time passed; false when the server was stopped.
    fn waited(&self, delay: Duration) -> bool {
        !self.stop.wait_for(delay)
    }

    fn fail(&self, call: &Call, status: u16, code: &str, message: &str) -> Reply {
        let failure = Failure::new(status, code.to_owned(), message);
        self.note_refusal(&call.id, Some(call.action), &failure);
        Reply::failure(&call.id, &failure)
    }

    fn inflict(&self, call: &Call, effect: &Effect) {
        let mut core = self.shared.core.lock();
        harm::inflict(&mut core, &self.shared.clock, &call.scope, effect);
    }

    pub(super) fn note_fault(&self, call: &Call, effect: &Effect, carried_out: bool) {
        let event = EventKind::Faulted {
            request_id: call.id.clone(),
            action: call.action,
            effect: effect.to_string(),
            carried_out,
            answer_suffers: effect.spoils_answer(),
        };
        let (mut core, now) = self.shared.enter();
        core.ledger.record(now, event);
    }
}
