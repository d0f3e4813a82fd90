//! [`Scope`]: the ids that a request names.

use std::sync::Arc;

/// The ids that a request names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    pub(crate) tunnel: Option<Arc<str>>,
    pub(crate) client: Option<Arc<str>>,
    pub(crate) channel: Option<Arc<str>>,
}

impl Scope {
    pub(crate) fn tunnel(tunnel: &str) -> Scope {
        Scope {
            tunnel: Some(tunnel.into()),
            ..Scope::default()
        }
    }

    pub(crate) fn client(tunnel: &str, client: &str) -> Scope {
        Scope {
            client: Some(client.into()),
            ..Scope::tunnel(tunnel)
        }
    }

    pub(crate) fn channel(tunnel: &str, client: &str, channel: &str) -> Scope {
        Scope {
            channel: Some(channel.into()),
            ..Scope::client(tunnel, client)
        }
    }
}
