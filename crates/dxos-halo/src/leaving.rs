//! Credentials by which a member leaves a space, and by which an owner deletes it for all.
//!
//! Not here: removal of others and revocation of devices.

use dxos_base::Entropy;

use crate::body::{CredentialBody, FeedPoint, Role};
use crate::credential::{Credential, CredentialError};
use crate::fold::is_last_owner;
use crate::graph::ControlGraph;
use crate::identity::Identity;

/// Why nobody left and nothing was deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaveError {
    /// The identity is no member, or its device not active.
    #[error("this identity is no member of the space")]
    NotMember,
    /// Nobody would be left who owns the space.
    #[error("the last owner of a space cannot leave it")]
    LastOwner,
    /// Only owners delete a space.
    #[error("only an owner can delete a space")]
    NotOwner,
    /// The credential could not be made.
    #[error("leaving: {0}")]
    Credential(#[from] CredentialError),
}

/// The credential that ends this identity's own membership. `feeds` are all feeds of its devices as far as this device
/// has applied them, sorted: what they wrote until then stays.
pub fn leave(
    graph: &ControlGraph,
    identity: &Identity,
    feeds: Vec<FeedPoint>,
    entropy: &mut dyn Entropy,
) -> Result<Credential, LeaveError> {
    let (state, me) = (graph.state(), identity.identity());
    if state.role_of(&identity.device()).is_none() {
        return Err(LeaveError::NotMember);
    }
    let member = state.members.get(&me).ok_or(LeaveError::NotMember)?;
    if is_last_owner(state, &me) {
        return Err(LeaveError::LastOwner);
    }
    let body = CredentialBody::SpaceMember {
        identity: me,
        agreement: member.agreement,
        role: None,
        cut: Some(feeds),
        invitation: None,
    };
    Ok(identity.issue(graph.space(), &graph.heads(), body, None, entropy)?)
}

/// The credential by which an owner asks all members to delete the space.
pub fn delete_space(
    graph: &ControlGraph,
    identity: &Identity,
    entropy: &mut dyn Entropy,
) -> Result<Credential, LeaveError> {
    if graph.state().role_of(&identity.device()) < Some(Role::Owner) {
        return Err(LeaveError::NotOwner);
    }
    let body = CredentialBody::SpaceDeleted;
    Ok(identity.issue(graph.space(), &graph.heads(), body, None, entropy)?)
}
