//! The HTTP status and the service's code for each error of the state.

use crate::protocol::Failure;
use crate::state::StateError;

impl From<StateError> for Failure {
    fn from(error: StateError) -> Failure {
        let (status, code) = match &error {
            StateError::Invalid(_)
            | StateError::NoTable(_)
            | StateError::NoTunnel(_)
            | StateError::NoChannel(_) => (400, "OTSParameterInvalid"),
            StateError::TunnelExists(_) => (409, "OTSTunnelExist"),
            StateError::UnknownClient(_) | StateError::NotOwner { .. } => (410, "OTSResourceGone"),
            StateError::SequenceNumber { .. } => (400, "OTSSequenceNumberNotMatch"),
            StateError::TunnelExpired(_) => (400, "OTSTunnelExpired"),
            StateError::Trimmed => (503, "OTSTunnelServerUnavailable"),
        };
        Failure::new(status, code, error.to_string())
    }
}
