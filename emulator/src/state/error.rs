//! [`StateError`]: why a command was rejected.
//!
//! The APIs above decide which status and code each error becomes.

use std::error::Error;
use std::fmt;

/// Why the state rejected a command or a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StateError {
    /// The request contradicts the table or the tunnel; the text says options.
    Invalid(String),
    NoTable(String),
    NoTunnel(String),
    NoChannel(String),
    TunnelExists(String),
    /// The client never connected, timed out or shut down.
    UnknownClient(String),
    /// The channel is not assigned to the client, and only owners may use it.
    NotOwner {
        channel: String,
        client: String,
    },
    /// A checkpoint's sequence number does not follow the stored one.
    SequenceNumber {
        stored: i64,
        sent: i64,
    },
    /// A part of the log that the tunnel needs is gone.
    TunnelExpired(String),
    /// The position of a read is no longer in the log.
    Trimmed,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateError::Invalid(message) => f.write_str(message),
            // Terraform's provider looks for exactly these words.
            StateError::NoTunnel(name) => write!(f, "tunnel not exist: {name}"),
            StateError::NoTable(name) => write!(f, "table not exist: {name}"),
            StateError::NoChannel(id) => write!(f, "channel not exist: {id}"),
            StateError::TunnelExists(name) => write!(f, "tunnel already exists: {name}"),
            StateError::UnknownClient(id) => {
                write!(f, "client is unknown, timed out or shut down: {id}")
            }
            StateError::NotOwner { channel, client } => {
                write!(f, "channel {channel} is not assigned to client {client}")
            }
            StateError::SequenceNumber { stored, sent } => {
                write!(
                    f,
                    "sequence number {sent} does not follow the stored {stored}"
                )
            }
            StateError::TunnelExpired(name) => write!(
                f,
                "tunnel {name} is expired: a part of its log was not read in time"
            ),
            // The words of the service's documentation, which clients look for.
            StateError::Trimmed => f.write_str(
                "OTSTrimmedDataAccess Requested stream data is already trimmed or does not exist.",
            ),
        }
    }
}

impl Error for StateError {}
