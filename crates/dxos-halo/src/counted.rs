//! Counted credentials by subject, and what they give within a view: roles, active devices, recovery keys.
//!
//! A view is a set of nodes closed under ancestors: "by its own ancestors" is the view of a credential, "at these
//! control heads" that of an entry.

use std::collections::BTreeMap;

use dxos_base::{DeviceKey, Hash, IdentityKey};

use crate::body::{CredentialBody, Role};
use crate::credential::Credential;
use crate::dag::{Bits, Dag};

/// Counted credentials by subject, as node indices in the fold's order.
#[derive(Default)]
pub(crate) struct CountedIndex {
    pub(crate) counted: Bits,
    pub(crate) memberships: BTreeMap<IdentityKey, Vec<usize>>,
    pub(crate) authorisations: BTreeMap<DeviceKey, Vec<usize>>,
    pub(crate) revocations: BTreeMap<DeviceKey, Vec<usize>>,
    pub(crate) recovery: BTreeMap<[u8; 32], Vec<usize>>,
    pub(crate) recovery_revoked: BTreeMap<[u8; 32], Vec<usize>>,
    /// Admissions by a delegated invitation.
    pub(crate) admissions: BTreeMap<Hash, u32>,
    pub(crate) overused: BTreeMap<Hash, u32>,
    pub(crate) cancelled: BTreeMap<Hash, Vec<usize>>,
    /// Removals, demotions and revocations.
    pub(crate) removals: Vec<usize>,
    /// Picks of branches of forked feeds.
    pub(crate) feed_cuts: Vec<usize>,
}

impl CountedIndex {
    /// Role given by the counted credentials in `view`: the lowest among those no other one follows.
    pub(crate) fn role_in(&self, dag: &Dag, view: &Bits, identity: &IdentityKey) -> Option<Role> {
        let mut all = self.memberships.get(identity)?.iter().copied();
        let within: Vec<usize> = all.by_ref().filter(|i| view.contains(*i)).collect();
        within
            .iter()
            .filter(|i| !within.iter().any(|j| dag.follows(*j, **i)))
            .map(|i| role_given(dag.nodes[*i].credential.body()))
            .min()
            .flatten()
    }

    /// Identity of a device authorised and not revoked by the counted credentials in `view`.
    pub(crate) fn active_in(
        &self,
        dag: &Dag,
        view: &Bits,
        device: &DeviceKey,
    ) -> Option<IdentityKey> {
        let has = |list: Option<&Vec<usize>>| {
            list.and_then(|list| list.iter().copied().find(|i| view.contains(*i)))
        };
        let authorised = has(self.authorisations.get(device))?;
        if has(self.revocations.get(device)).is_some() {
            return None;
        }
        match effective(&dag.nodes[authorised].credential).body() {
            CredentialBody::AuthorizedDevice { identity, .. } => Some(*identity),
            _ => None,
        }
    }

    pub(crate) fn may_write_in(&self, dag: &Dag, view: &Bits, device: &DeviceKey) -> bool {
        self.active_in(dag, view, device)
            .and_then(|identity| self.role_in(dag, view, &identity))
            .is_some_and(Role::may_write)
    }

    /// Counted grants of a role to `identity` that follow node `after`.
    pub(crate) fn regrants<'a>(
        &'a self,
        dag: &'a Dag,
        identity: &IdentityKey,
        after: usize,
    ) -> impl Iterator<Item = usize> + 'a {
        let list = self
            .memberships
            .get(identity)
            .map(Vec::as_slice)
            .unwrap_or_default();
        list.iter().copied().filter(move |i| {
            let role = role_given(dag.nodes[*i].credential.body());
            role.is_some_and(Role::may_write) && dag.follows(*i, after)
        })
    }

    pub(crate) fn recovery_stands(&self, view: &Bits, key: &[u8; 32]) -> bool {
        let has = |list: Option<&Vec<usize>>| {
            list.is_some_and(|list| list.iter().any(|i| view.contains(*i)))
        };
        has(self.recovery.get(key)) && !has(self.recovery_revoked.get(key))
    }
}

/// What a credential does here: itself, or the one it carries.
pub(crate) fn effective(credential: &Credential) -> &Credential {
    credential.carried().unwrap_or(credential)
}

pub(crate) fn role_given(body: &CredentialBody) -> Option<Role> {
    match body {
        CredentialBody::SpaceGenesis { .. } => Some(Role::Owner),
        CredentialBody::SpaceMember { role, .. } => *role,
        _ => None,
    }
}

pub(crate) fn is_removal(body: &CredentialBody) -> bool {
    match body {
        CredentialBody::SpaceMember { cut, .. } => cut.is_some(),
        CredentialBody::RevokedDevice { .. } | CredentialBody::RecoveryRevoked { .. } => true,
        _ => false,
    }
}
