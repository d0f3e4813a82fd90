//! [`Failure`]: an error answer with the service's status and code.

use std::borrow::Cow;

use prost::Message;

use tablestore_tunnel::_wire::protocol as p;

/// An error answer: HTTP status, code and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Failure {
        Failure {
            status,
            code: code.into(),
            message: message.into(),
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Failure {
        Failure::new(400, "OTSParameterInvalid", message)
    }

    pub(crate) fn auth(message: impl Into<String>) -> Failure {
        Failure::new(403, "OTSAuthFailed", message)
    }

    pub(crate) fn denied(message: impl Into<String>) -> Failure {
        Failure::new(403, "OTSPermissionDenied", message)
    }

    /// The body of the answer. It leaves out the tunnel id, because Java clients
    /// read that field as something else and then lose the code.
    pub(crate) fn to_body(&self) -> Vec<u8> {
        let error = p::Error {
            code: self.code.clone().into_owned(),
            message: Some(self.message.clone()),
            tunnel_id: None,
        };
        error.encode_to_vec()
    }
}
