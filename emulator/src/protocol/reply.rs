//! [`Reply`]: an answer, and the end of its connection.

use super::Failure;

/// An answer, and what happens to the connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Names and values, without the length of the body.
    pub headers: Vec<(&'static str, String)>,
    /// The body, also if it is not sent in full.
    pub body: Vec<u8>,
    /// Added to the length of the body that the head announces.
    pub length_off_by: i64,
    /// How much is sent, and what happens to the connection.
    pub end: End,
    /// Details of the request for the access log.
    pub(crate) details: String,
}

/// How much of an answer is sent, and what happens to the connection.
///
/// Complete: the faults do no more than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The answer is sent, and the next request may follow.
    Keep,
    /// The answer is sent, and the connection is closed.
    Last,
    /// Nothing is sent, and the connection is closed.
    Close,
    /// Nothing is sent, and the connection is reset.
    Reset,
    /// Half of the answer is sent, and the connection is closed.
    Cut,
    /// Half of the answer is sent, and the connection is reset.
    ResetMidway,
}

impl End {
    /// Whether the connection ends with a reset.
    pub fn resets(self) -> bool {
        matches!(self, End::Reset | End::ResetMidway)
    }
}

impl Reply {
    /// The answer to an action.
    pub(crate) fn message(request_id: &str, body: Vec<u8>) -> Reply {
        let headers = vec![
            ("x-ots-requestid", request_id.to_owned()),
            ("x-ots-contenttype", "protocol buffer".to_owned()),
            ("Content-Type", "application/x-protobuf".to_owned()),
        ];
        Reply::new(200, headers, body)
    }

    /// The error answer to an action.
    pub(crate) fn failure(request_id: &str, failure: &Failure) -> Reply {
        let status = failure.status;
        Reply {
            status,
            ..Reply::message(request_id, failure.to_body())
        }
    }

    pub(crate) fn new(status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Reply {
        Reply {
            status,
            headers,
            body,
            length_off_by: 0,
            end: End::Keep,
            details: String::new(),
        }
    }

    /// The same answer with an older body, if there is one.
    pub(crate) fn or_stale(self, stale: Option<&Vec<u8>>) -> Reply {
        let body = stale.cloned();
        Reply {
            body: body.unwrap_or(self.body),
            ..self
        }
    }

    /// A successful answer with another body.
    pub(crate) fn with_body(self, body: Vec<u8>) -> Reply {
        Reply {
            status: 200,
            body,
            ..self
        }
    }

    /// The same answer, whose head announces a wrong length.
    pub(crate) fn with_wrong_length(self, off_by: i64) -> Reply {
        let end = if off_by > 0 { End::Last } else { self.end };
        Reply {
            length_off_by: off_by,
            end,
            ..self
        }
    }

    /// The same answer with another end.
    pub(crate) fn ending(self, end: End) -> Reply {
        Reply { end, ..self }
    }

    /// The bytes that are sent, as a part of the head and a part of the body.
    pub fn to_wire(&self) -> (Vec<u8>, &[u8]) {
        let mut head = self.head();
        let body = &self.body[..];
        match (self.end, body.len()) {
            (End::Keep | End::Last, _) => (head, body),
            (End::Close | End::Reset, _) => (Vec::new(), &[]),
            // An answer without a body is cut in its head.
            (End::Cut | End::ResetMidway, 0) => {
                head.truncate(head.len() / 2);
                (head, body)
            }
            (End::Cut | End::ResetMidway, length) => (head, &body[..length / 2]),
        }
    }

    fn head(&self) -> Vec<u8> {
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
