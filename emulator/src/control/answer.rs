//! [`Answer`] and [`Refusal`]: the answer to a call, or the error.

use serde::Serialize;
use serde_json::json;

use crate::protocol::Reply;
use crate::state::StateError;
use tablestore_tunnel::TunnelError;

/// An answer of the control API.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Answer {
    /// A value as JSON, with line breaks for readers.
    pub(super) fn json<T: Serialize>(value: &T) -> Result<Answer, Refusal> {
        let mut body = serde_json::to_vec_pretty(value).map_err(Refusal::internal)?;
        body.push(b'\n');
        Ok(Answer::new("application/json", body))
    }

    /// One JSON value in each line.
    pub(super) fn lines<T: Serialize>(
        values: impl IntoIterator<Item = T>,
    ) -> Result<Answer, Refusal> {
        let mut body = Vec::new();
        for value in values {
            serde_json::to_writer(&mut body, &value).map_err(Refusal::internal)?;
            body.push(b'\n');
        }
        Ok(Answer::new("application/x-ndjson", body))
    }

    pub(super) fn text(text: String) -> Answer {
        Answer::new("text/plain; charset=utf-8", text.into_bytes())
    }

    /// The answer to a call that has no result.
    pub(super) fn done() -> Result<Answer, Refusal> {
        Answer::json(&json!({"ok": true}))
    }

    /// The same answer with the status 201.
    pub(super) fn created(self) -> Answer {
        Answer {
            status: 201,
            ..self
        }
    }

    pub(super) fn into_reply(self) -> Reply {
        let headers = vec![("Content-Type", self.content_type.to_owned())];
        Reply::new(self.status, headers, self.body)
    }

    fn new(content_type: &'static str, body: Vec<u8>) -> Answer {
        Answer {
            status: 200,
            content_type,
            body,
        }
    }
}

/// Why a call was rejected, in a sentence that says how to correct it.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    message: String,
}

impl Refusal {
    /// The request is wrong.
    pub(super) fn bad(message: impl Into<String>) -> Refusal {
        Refusal::new(400, message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Refusal {
        Refusal::new(403, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Refusal {
        Refusal::new(404, message)
    }

    pub(super) fn method(message: impl Into<String>) -> Refusal {
        Refusal::new(405, message)
    }

    /// The request contradicts the current state.
    pub(super) fn conflict(error: &TunnelError) -> Refusal {
        Refusal::new(409, error.message())
    }

    fn internal(error: serde_json::Error) -> Refusal {
        Refusal::new(
            500,
            format!("the answer cannot be written as JSON: {error}"),
        )
    }

    fn new(status: u16, message: impl Into<String>) -> Refusal {
        Refusal {
            status,
            message: message.into(),
        }
    }

    pub(super) fn into_answer(self) -> Answer {
        let body = json!({"error": self.message});
        Answer {
            status: self.status,
            ..Answer::new("application/json", format!("{body}\n").into_bytes())
        }
    }
}

impl From<StateError> for Refusal {
    /// The path or the body names something that does not exist.
    fn from(error: StateError) -> Refusal {
        Refusal::bad(error.to_string())
    }
}
