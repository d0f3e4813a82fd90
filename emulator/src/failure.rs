//! [`Failure`]: an answer that is an error, with the service's codes.

use std::borrow::Cow;

use prost::Message;

use tablestore_tunnel::_wire::protocol as p;

/// An error answer: HTTP status, code and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) code: Cow<'static, str>,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(
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

    pub(super) fn invalid(message: impl Into<String>) -> Failure {
        Failure::new(400, "OTSParameterInvalid", message)
    }

    pub(super) fn no_tunnel(name: &str) -> Failure {
        // Terraform's provider looks for exactly these words.
        Failure::invalid(format!("tunnel not exist: {name}"))
    }

    pub(super) fn no_table(name: &str) -> Failure {
        Failure::invalid(format!("table not exist: {name}"))
    }

    pub(super) fn no_channel(id: &str) -> Failure {
        Failure::invalid(format!("channel not exist: {id}"))
    }

    pub(super) fn exists(name: &str) -> Failure {
        Failure::new(
            409,
            "OTSTunnelExist",
            format!("tunnel already exists: {name}"),
        )
    }

    pub(super) fn gone(client: &str) -> Failure {
        let message = format!("client is unknown, timed out or shut down: {client}");
        Failure::new(410, "OTSResourceGone", message)
    }

    pub(super) fn sequence(stored: i64, sent: i64) -> Failure {
        let message = format!("sequence number {sent} does not follow the stored {stored}");
        Failure::new(400, "OTSSequenceNumberNotMatch", message)
    }

    /// The log that the tunnel still needs is gone.
    pub(super) fn expired(name: &str) -> Failure {
        let message = format!("tunnel {name} is expired: a part of its log was not read in time");
        Failure::new(400, "OTSTunnelExpired", message)
    }

    /// The words of the service's documentation, which clients look for.
    pub(super) fn trimmed() -> Failure {
        Failure::new(
            503,
            "OTSTunnelServerUnavailable",
            "OTSTrimmedDataAccess Requested stream data is already trimmed or does not exist.",
        )
    }

    pub(super) fn auth(message: impl Into<String>) -> Failure {
        Failure::new(403, "OTSAuthFailed", message)
    }

    pub(super) fn denied(message: impl Into<String>) -> Failure {
        Failure::new(403, "OTSPermissionDenied", message)
    }

    /// The body of the answer. The tunnel id stays out of it: Java clients
    /// read that field as something else and then lose the code.
    pub(super) fn to_body(&self) -> Vec<u8> {
        let error = p::Error {
            code: self.code.clone().into_owned(),
            message: Some(self.message.clone()),
            tunnel_id: None,
        };
        error.encode_to_vec()
    }
}
