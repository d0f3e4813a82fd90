//! [`Scope`]: whom and what a request is about.

use super::core::ids::Id;

/// The ids that a request carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) tunnel: Option<Id>,
    pub(super) client: Option<Id>,
    pub(super) channel: Option<Id>,
}

impl Scope {
    pub(super) fn tunnel(tunnel: &str) -> Scope {
        Scope {
            tunnel: Some(tunnel.into()),
            ..Scope::default()
        }
    }

    pub(super) fn client(tunnel: &str, client: &str) -> Scope {
        Scope {
            client: Some(client.into()),
            ..Scope::tunnel(tunnel)
        }
    }

    pub(super) fn channel(tunnel: &str, client: &str, channel: &str) -> Scope {
        Scope {
            channel: Some(channel.into()),
            ..Scope::client(tunnel, client)
        }
    }
}
