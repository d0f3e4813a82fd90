//! The public requests and responses of [`TunnelClient`](crate::TunnelClient).
//!
//! In reading order:
//!
//! - [`tunnel`]: create, list, describe and delete tunnels.
//! - [`start`]: the part of the change log that a tunnel delivers.
//! - [`channel`]: a channel of a tunnel.
//! - [`schedule`]: change the status of channels.
//! - [`rpo`]: consumption progress in detail.
//! - [`consume`]: single reads and checkpoints, without a worker.
//! - [`redact`]: tokens in `Debug` output.

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

/// Defines an enum for a string of the service, which may gain new values.
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
            /// A value that this version of the crate does not know, unchanged.
            Unknown(String),
        }

        impl $name {
            /// The value as a string, as the service and the other SDKs use it.
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
