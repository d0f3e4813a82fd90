//! Requests and answers of the meta API, as users see them.
//!
//! In reading order:
//!
//! - [`tunnel`]: a tunnel, and how to create, list, describe and delete one.
//! - [`start`]: where in the change log a tunnel starts and ends.
//! - [`channel`]: a channel of a tunnel.
//! - [`schedule`]: changing the status of channels by hand.
//! - [`rpo`]: how far a tunnel has been consumed, in more detail.
//! - [`consume`]: single reads and checkpoints, without a worker.
//! - [`redact`]: what `Debug` shows of a token.

mod channel;
mod consume;
pub(crate) mod redact;
mod rpo;
mod schedule;
mod start;
mod tunnel;

pub use self::channel::{ChannelInfo, ChannelStatus, ChannelType};
pub use self::consume::{
    CheckpointRequest, CheckpointResponse, GetCheckpointRequest, GetCheckpointResponse,
    ReadRecordsRequest, ReadRecordsResponse,
};
pub use self::rpo::{ChannelRpo, GetRpoRequest, GetRpoResponse, TunnelRpo};
pub use self::schedule::{
    ScheduleChannel, ScheduleRequest, ScheduleResponse, open_channel, resume_channel,
    suspend_channel, terminate_channel,
};
pub use self::start::{StartOffset, StreamTunnelConfig};
pub use self::tunnel::{
    CreateTunnelRequest, CreateTunnelResponse, DeleteTunnelRequest, DeleteTunnelResponse,
    DescribeTunnelRequest, DescribeTunnelResponse, ListTunnelRequest, ListTunnelResponse,
    TunnelInfo, TunnelStage, TunnelType,
};

/// An enum for a string of the service that may gain values, with the methods
/// that all of them have.
macro_rules! string_enum {
    (
        $(#[$meta:meta])*
        $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $text:literal, )* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )*
            /// A value that this version does not know, as the service wrote it.
            Unknown(String),
        }

        impl $name {
            /// The value as the service and the other SDKs write it.
            pub fn as_str(&self) -> &str {
                match self {
                    $( $name::$variant => $text, )*
                    $name::Unknown(text) => text,
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> $name {
                match text.as_str() {
                    $( $text => $name::$variant, )*
                    _ => $name::Unknown(text),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use string_enum;
