//! [`Reply`]: an answer on its way out.

use super::access;
use super::service::Call;
use crate::control;
use crate::failure::Failure;
use crate::fault::plan::Strikes;

/// An answer, and what becomes of its connection.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// How many bytes more than there are the head announces.
    pub(super) length_off_by: i64,
    pub(super) end: End,
    /// What a log is to say of it.
    pub(super) about: String,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The answer goes out, and the next request may come.
    Keep,
    /// The answer goes out; closed.
    Last,
    /// No answer; closed.
    Close,
    /// No answer; reset.
    Reset,
    /// Half an answer; closed.
    Cut,
    /// Half an answer; reset.
    ResetMidway,
}

impl Reply {
    /// An action's answer.
    pub(super) fn message(request_id: &str, body: Vec<u8>) -> Reply {
        let headers = vec![
            ("x-ots-requestid", request_id.to_owned()),
            ("x-ots-contenttype", "protocol buffer".to_owned()),
            ("Content-Type", "application/x-protobuf".to_owned()),
        ];
        Reply::new(200, headers, body)
    }

    /// An action's answer that is an error.
    pub(super) fn failure(request_id: &str, failure: &Failure) -> Reply {
        let status = failure.status;
        Reply {
            status,
            ..Reply::message(request_id, failure.to_body())
        }
    }

    /// An answer of the control API.
    pub(super) fn control(answer: control::Answer) -> Reply {
        let headers = vec![("Content-Type", answer.content_type.to_owned())];
        Reply::new(answer.status, headers, answer.body)
    }

    fn new(status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Reply {
        Reply {
            status,
            headers,
            body,
            length_off_by: 0,
            end: End::Keep,
            about: String::new(),
        }
    }

    /// With what a log is to say of it.
    pub(super) fn about(self, call: &Call, strikes: &Strikes, records: usize) -> Reply {
        let about = access::about(call, strikes, records);
        Reply { about, ..self }
    }

    /// An old answer in its place, if there is one.
    pub(super) fn or_old(self, old: Option<&Vec<u8>>) -> Reply {
        let body = old.cloned();
        Reply {
            body: body.unwrap_or(self.body),
            ..self
        }
    }

    /// The same answer with a body that is no error, but another.
    pub(super) fn with_body(self, body: Vec<u8>) -> Reply {
        Reply {
            status: 200,
            body,
            ..self
        }
    }

    /// Announces a length that is not the body's.
    pub(super) fn announcing(self, off_by: i64) -> Reply {
        let end = if off_by > 0 { End::Last } else { self.end };
        Reply {
            length_off_by: off_by,
            end,
            ..self
        }
    }

    /// The same, with another end.
    pub(super) fn ending(self, end: End) -> Reply {
        Reply { end, ..self }
    }

    /// The head of the answer.
    pub(super) fn head(&self) -> Vec<u8> {
        let (status, reason) = (self.status, reason(self.status));
        let length = (self.body.len() as u64).saturating_add_signed(self.length_off_by);
        let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.extend(["Content-Length: ", &length.to_string(), "\r\n\r\n"]);
        head.into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
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
