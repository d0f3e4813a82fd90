//! [`AccessKey`]: an access key and its permissions.

use std::collections::BTreeSet;

use super::action::Action;
use tablestore_tunnel::Credentials;

/// An access key that the emulator accepts, and what it may do.
///
/// `Debug` shows neither the secret nor the security token.
#[derive(Clone, Debug)]
pub struct AccessKey {
    credentials: Credentials,
    permissions: BTreeSet<Permission>,
}

impl AccessKey {
    /// A key that may do everything. If the credentials have a security
    /// token, as those of STS do, each request must bring the same.
    pub fn new(credentials: Credentials) -> AccessKey {
        AccessKey {
            credentials,
            permissions: Permission::ALL.into(),
        }
    }

    /// Leaves the key these permissions alone; what needs another is refused
    /// with 403 `OTSPermissionDenied`. Defaults to all.
    pub fn allow_only(mut self, permissions: impl IntoIterator<Item = Permission>) -> AccessKey {
        self.permissions = permissions.into_iter().collect();
        self
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Whether it may; if not, what it lacks.
    pub(crate) fn allows(&self, action: Action) -> Result<(), Permission> {
        let needed = Permission::of(action);
        match self.permissions.contains(&needed) {
            true => Ok(()),
            false => Err(needed),
        }
    }
}

/// What a RAM policy can allow on tunnels, by its name without `ots:`.
///
/// Complete: the service has these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// `/tunnel/create`.
    CreateTunnel,
    /// `/tunnel/list`.
    ListTunnel,
    /// `/tunnel/describe`, and the two calls that tell the RPO. (Which
    /// permission those need is not documented.)
    DescribeTunnel,
    /// `/tunnel/delete`.
    DeleteTunnel,
    /// Everything else: connecting, heartbeats, reading, saving and schedule.
    ConsumeTunnel,
}

impl Permission {
    /// All of them.
    pub const ALL: [Permission; 5] = [
        Permission::CreateTunnel,
        Permission::ListTunnel,
        Permission::DescribeTunnel,
        Permission::DeleteTunnel,
        Permission::ConsumeTunnel,
    ];

    /// What an action needs.
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
