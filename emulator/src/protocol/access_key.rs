//! [`AccessKey`]: an access key and its permissions.

use std::collections::BTreeSet;

use super::action::Action;
use tablestore_tunnel::Credentials;

/// An access key that the emulator accepts, with its permissions.
///
/// `Debug` shows neither the secret nor the security token.
#[derive(Clone, Debug)]
pub struct AccessKey {
    credentials: Credentials,
    permissions: BTreeSet<Permission>,
}

impl AccessKey {
    /// A key with all permissions. If the credentials have a security token, as
    /// STS credentials do, each request must carry the same token.
    pub fn new(credentials: Credentials) -> AccessKey {
        AccessKey {
            credentials,
            permissions: Permission::ALL.into(),
        }
    }

    /// Restricts the key to these permissions. Requests that need another one are
    /// rejected with 403 `OTSPermissionDenied`. Defaults to all permissions.
    pub fn allow_only(mut self, permissions: impl IntoIterator<Item = Permission>) -> AccessKey {
        self.permissions = permissions.into_iter().collect();
        self
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Whether the key may send an action; otherwise the missing permission.
    pub(crate) fn allows(&self, action: Action) -> Result<(), Permission> {
        let needed = Permission::of(action);
        match self.permissions.contains(&needed) {
            true => Ok(()),
            false => Err(needed),
        }
    }
}

/// A permission on tunnels in a RAM policy, named without its prefix `ots:`.
///
/// The list is complete: the service has no other permissions on tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// `/tunnel/create`.
    CreateTunnel,
    /// `/tunnel/list`.
    ListTunnel,
    /// `/tunnel/describe`, and the two calls that return the RPO. (The
    /// documentation does not say which permission these need.)
    DescribeTunnel,
    /// `/tunnel/delete`.
    DeleteTunnel,
    /// All other actions: connect, heartbeat, read, save and schedule.
    ConsumeTunnel,
}

impl Permission {
    /// All permissions.
    pub const ALL: [Permission; 5] = [
        Permission::CreateTunnel,
        Permission::ListTunnel,
        Permission::DescribeTunnel,
        Permission::DeleteTunnel,
        Permission::ConsumeTunnel,
    ];

    /// The permission that an action needs.
    pub fn of(action: Action) -> Permission {
        match action {
            Action::Create => Permission::CreateTunnel,
            Action::List => Permission::ListTunnel,
            Action::Describe | Action::GetRpo | Action::GetRpoByOffset => {
                Permission::DescribeTunnel
            }
            Action::Delete => Permission::DeleteTunnel,
            Action::Connect
            | Action::Heartbeat
            | Action::Shutdown
            | Action::GetCheckpoint
            | Action::ReadRecords
            | Action::Checkpoint
            | Action::Schedule => Permission::ConsumeTunnel,
        }
    }
}
