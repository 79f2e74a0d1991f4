//! The fold: from a set of credentials to what counts, in the two passes of DESIGN 5.
//!
//! Invariants
//! * a function of the set: arrival order, indices and caches never show in the result;
//! * pass 1 decides removals, demotions and revocations by rank and seniority of their issuers, each judged by
//!   the fold of its own ancestors, and marks what they void;
//! * pass 2 decides the rest in topological order, each by its own counted ancestors.
//!
//! Not here: data (the cut is carried along, [`crate::ControlGraph::decide`] applies it).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use dxos_base::{DeviceKey, FeedId, Hash, IdentityKey, SpaceId, verify_signature};

use crate::body::{CredentialBody, Role, invitation_proof_hash};
use crate::counted::{CountedIndex, effective, is_removal};
use crate::credential::{Credential, Issuer};
use crate::dag::{Bits, Dag};
use crate::state::{ControlState, Cut, Place};

/// A folded set.
pub(crate) struct Folded {
    pub(crate) state: ControlState,
    pub(crate) index: CountedIndex,
}

/// Folds before each removal: the ancestors of a node never change, so neither do these.
#[derive(Default)]
pub(crate) struct FoldCache(RefCell<BTreeMap<usize, Arc<Folded>>>);

/// Folds `set`, which holds the ancestors of all its members.
pub(crate) fn fold(dag: &Dag, cache: &FoldCache, space: SpaceId, set: &Bits) -> Folded {
    let order = dag.ordered(set);
    let owners = device_owners(dag, &order);
    let pass = Fold {
        dag,
        cache,
        space,
        order: &order,
        owners: &owners,
    };
    let (removals, void) = pass.removals();
    let (index, void_hashes) = pass.count(&removals, &void);
    let mut state = pass.state(&index, set);
    state.void = void_hashes.into_iter().collect();
    Folded { state, index }
}

/// Whose device each key is: by the device's own consent, the first in order.
fn device_owners(dag: &Dag, order: &[usize]) -> BTreeMap<DeviceKey, IdentityKey> {
    let mut owners = BTreeMap::new();
    for &i in order {
        if let CredentialBody::AuthorizedDevice {
            identity, device, ..
        } = effective(&dag.nodes[i].credential).body()
        {
            owners.entry(*device).or_insert(*identity);
        }
    }
    owners
}

/// Rank and seniority of a removal; the lower one wins.
type Precedence = (u8, Place, Place, Place);

struct Fold<'a> {
    dag: &'a Dag,
    cache: &'a FoldCache,
    space: SpaceId,
    order: &'a [usize],
    owners: &'a BTreeMap<DeviceKey, IdentityKey>,
}

impl Fold<'_> {
    fn credential(&self, i: usize) -> &Credential {
        effective(&self.dag.nodes[i].credential)
    }

    /// Pass 1: which removals count, and what they void.
    fn removals(&self) -> (Bits, Bits) {
        let mut ranked: Vec<(Precedence, usize)> = Vec::new();
        for &i in self.order {
            if is_removal(self.credential(i).body()) {
                // In topological order, so that folds inside find theirs in the cache: no deep recursion.
                let before = self.before(i);
                if let Some(precedence) = self.precedence(i, &before) {
                    ranked.push((precedence, i));
                }
            }
        }
        ranked.sort();
        let (mut counted, mut void) = (Bits::default(), Bits::default());
        for (_, removal) in ranked {
            if void.contains(removal) {
                continue;
            }
            counted.insert(removal);
            for &i in self.order {
                // What follows it is judged by its effect in pass 2: a re-admitted member may act again.
                let concurrent =
                    i != removal && !self.dag.follows(removal, i) && !self.dag.follows(i, removal);
                if concurrent && !counted.contains(i) && self.voids(removal, i) {
                    void.insert(i);
                }
            }
        }
        (counted, void)
    }

    /// The fold of everything node `i` follows.
    fn before(&self, i: usize) -> Arc<Folded> {
        if let Some(folded) = self.cache.0.borrow().get(&i) {
            return folded.clone();
        }
        let ancestors = &self.dag.nodes[i].ancestors;
        let folded = Arc::new(fold(self.dag, self.cache, self.space, ancestors));
        self.cache.0.borrow_mut().insert(i, folded.clone());
        folded
    }

    /// `None`: the issuer has no right to this removal by its own ancestors.
    fn precedence(&self, i: usize, before: &Folded) -> Option<Precedence> {
        let credential = self.credential(i);
        let own = self.dag.nodes[i].place();
        let first = Place {
            depth: 0,
            hash: Hash::default(),
        };
        let state = &before.state;
        let device = match credential.issuer() {
            Issuer::Recovery(key) => {
                let (identity, _) = state.recovery.get(&key)?;
                return match credential.body() {
                    CredentialBody::RevokedDevice { identity: of, .. }
                    | CredentialBody::RecoveryRevoked { identity: of, .. }
                        if of == identity =>
                    {
                        Some((0, first, first, own))
                    }
                    _ => None,
                };
            }
            Issuer::Device(device) => device,
            Issuer::Genesis(_) | Issuer::Identity(_) => return None,
        };
        let issuer = state.devices.get(&device).filter(|device| device.active)?;
        let role = state.role(&issuer.identity);
        let allowed = match credential.body() {
            CredentialBody::SpaceMember {
                identity,
                role: new,
                ..
            } => {
                let current = state.role(identity)?;
                if *identity == issuer.identity {
                    new.is_none() && !is_last_owner(state, identity)
                } else {
                    role.is_some_and(|role| role.may_invite() && current <= role)
                }
            }
            CredentialBody::RevokedDevice {
                identity,
                device: revoked,
                ..
            } => {
                *identity == issuer.identity
                    && self.owners.get(revoked) == Some(identity)
                    && !is_last_device(state, revoked)
            }
            CredentialBody::RecoveryRevoked { identity, recovery } => {
                let others = state
                    .recovery
                    .iter()
                    .filter(|(_, (of, _))| of == identity)
                    .count();
                *identity == issuer.identity && state.recovery.contains_key(recovery) && others > 1
            }
            _ => false,
        };
        let rank = match role {
            Some(Role::Owner) => 1,
            Some(Role::Admin) => 2,
            _ => 3,
        };
        let admitted = state
            .members
            .get(&issuer.identity)
            .map_or(own, |member| member.admitted);
        allowed.then_some((rank, admitted, issuer.authorised, own))
    }

    /// Whether the counted `removal` voids node `i`, of which neither follows the other.
    fn voids(&self, removal: usize, i: usize) -> bool {
        let subject = self.credential(removal).body();
        let credential = self.credential(i);
        let issued_by_subject = |issuer: Issuer| match (subject, issuer) {
            (CredentialBody::SpaceMember { identity, .. }, Issuer::Device(device)) => {
                self.owners.get(&device) == Some(identity)
            }
            (CredentialBody::RevokedDevice { device, .. }, Issuer::Device(by)) => *device == by,
            (CredentialBody::RecoveryRevoked { recovery, .. }, Issuer::Recovery(by)) => {
                *recovery == by
            }
            _ => false,
        };
        if let CredentialBody::SpaceMember {
            invitation: Some(proof),
            ..
        } = credential.body()
        {
            let invitation = self.dag.index_of(&proof.invitation);
            if invitation.is_some_and(|i| issued_by_subject(self.credential(i).issuer())) {
                return true;
            }
        }
        // A member demoted to reader keeps what a reader may say: its own profile and devices.
        let demoted = matches!(subject, CredentialBody::SpaceMember { role: Some(_), .. });
        let own_affairs = matches!(
            credential.body(),
            CredentialBody::MemberProfile { .. }
                | CredentialBody::DeviceProfile { .. }
                | CredentialBody::AuthorizedDevice { .. }
                | CredentialBody::RevokedDevice { .. }
                | CredentialBody::SpaceMember { role: None, .. }
        );
        issued_by_subject(credential.issuer()) && !(demoted && own_affairs)
    }

    /// Pass 2: counts credentials in order; returns the index of those that do and the hashes of the rest.
    fn count(&self, removals: &Bits, void: &Bits) -> (CountedIndex, Vec<Hash>) {
        let mut index = CountedIndex::default();
        let mut not_counted = Vec::new();
        for &i in self.order {
            let removal = is_removal(self.credential(i).body());
            let counts = match removal {
                true => removals.contains(i),
                false => !void.contains(i) && self.has_right(&mut index, i),
            };
            if counts {
                self.enter(&mut index, i);
            } else {
                not_counted.push(self.dag.nodes[i].credential.hash());
            }
        }
        (index, not_counted)
    }

    /// Whether node `i` (no removal) has its right by its own counted ancestors.
    fn has_right(&self, index: &mut CountedIndex, i: usize) -> bool {
        let view = &self.dag.nodes[i].ancestors;
        let credential = self.credential(i);
        let body = credential.body();
        let device = match credential.issuer() {
            // Of several geneses (a misused key) the first in order counts.
            Issuer::Genesis(_) => return !index.memberships.values().any(|list| !list.is_empty()),
            Issuer::Identity(key) => {
                return matches!(body, CredentialBody::AuthorizedDevice { identity, .. } if *identity == key);
            }
            Issuer::Recovery(key) => {
                let CredentialBody::AuthorizedDevice { identity, .. } = body else {
                    return false;
                };
                let named = index.recovery.get(&key).and_then(|list| list.first());
                let same = named.is_some_and(|named| {
                    matches!(self.credential(*named).body(),
                        CredentialBody::IdentityRecovery { identity: of, .. } if of == identity)
                });
                return same && index.recovery_stands(view, &key);
            }
            Issuer::Device(device) => device,
        };
        match index.active_in(self.dag, view, &device) {
            Some(issuer) => self.device_has_right(index, i, issuer),
            None => false,
        }
    }

    /// The same for what an active device of `issuer` signed.
    fn device_has_right(&self, index: &mut CountedIndex, i: usize, issuer: IdentityKey) -> bool {
        let view = &self.dag.nodes[i].ancestors;
        let body = self.credential(i).body();
        let role = index.role_in(self.dag, view, &issuer);
        let at_least = |least: Role| role.is_some_and(|role| role >= least);
        match body {
            CredentialBody::SpaceMember {
                identity,
                agreement,
                role: Some(new),
                invitation,
                ..
            } => {
                let current = index.role_in(self.dag, view, identity);
                if current.is_some_and(|current| *new < current) {
                    return false; // Only a removal or demotion, which names its cut, lowers a role.
                }
                match invitation {
                    None => *identity != issuer && at_least(Role::Admin) && role >= Some(*new),
                    Some(proof) => {
                        let right = self.invited(index, view, &proof.invitation, *new);
                        let signed = invitation_proof_hash(&proof.invitation, identity, agreement);
                        right.is_some_and(|(key, uses)| {
                            verify_signature(&key, &signed, &proof.signature).is_ok()
                                && self.use_invitation(index, proof.invitation, uses)
                        })
                    }
                }
            }
            CredentialBody::MemberProfile { identity, .. } => *identity == issuer && role.is_some(),
            CredentialBody::AuthorizedDevice { identity, .. }
            | CredentialBody::IdentityProfile { identity, .. }
            | CredentialBody::IdentityRecovery { identity, .. } => *identity == issuer,
            CredentialBody::DeviceProfile { device } => self.owners.get(device) == Some(&issuer),
            CredentialBody::KeyGrant { .. } | CredentialBody::EpochConfirmed { .. } => {
                at_least(Role::Editor)
            }
            CredentialBody::Invitation { role: given, .. } => {
                at_least(Role::Admin) && role >= Some(*given)
            }
            CredentialBody::InvitationCancelled { .. } | CredentialBody::Epoch { .. } => {
                at_least(Role::Admin)
            }
            CredentialBody::FeedCut { device, .. } => {
                at_least(Role::Admin) || self.owners.get(device) == Some(&issuer)
            }
            CredentialBody::SpaceDeleted => at_least(Role::Owner),
            _ => false,
        }
    }

    /// Key and uses of a delegated invitation that stands in `view` and gives `role`.
    fn invited(
        &self,
        index: &CountedIndex,
        view: &Bits,
        invitation: &Hash,
        given: Role,
    ) -> Option<([u8; 32], u32)> {
        let i = self.dag.index_of(invitation)?;
        let cancelled = index.cancelled.get(invitation);
        if !view.contains(i)
            || !index.counted.contains(i)
            || cancelled.is_some_and(|list| list.iter().any(|c| view.contains(*c)))
        {
            return None;
        }
        match self.credential(i).body() {
            CredentialBody::Invitation {
                key, role, uses, ..
            } if *role == given => Some((*key, *uses)),
            _ => None,
        }
    }

    /// The first in fold order use the invitation up; those after are void and reported.
    fn use_invitation(&self, index: &mut CountedIndex, invitation: Hash, uses: u32) -> bool {
        let used = index.admissions.entry(invitation).or_default();
        if uses == 0 || *used < uses {
            *used += 1;
            return true;
        }
        *index.overused.entry(invitation).or_default() += 1;
        false
    }

    fn enter(&self, index: &mut CountedIndex, i: usize) {
        index.counted.insert(i);
        let body = self.credential(i).body();
        if is_removal(body) {
            index.removals.push(i);
        }
        match body {
            CredentialBody::SpaceGenesis { identity, .. }
            | CredentialBody::SpaceMember { identity, .. } => {
                index.memberships.entry(*identity).or_default().push(i);
            }
            CredentialBody::AuthorizedDevice { device, .. } => {
                index.authorisations.entry(*device).or_default().push(i);
            }
            CredentialBody::RevokedDevice { device, .. } => {
                index.revocations.entry(*device).or_default().push(i);
            }
            CredentialBody::IdentityRecovery { recovery, .. } => {
                index.recovery.entry(*recovery).or_default().push(i);
            }
            CredentialBody::RecoveryRevoked { recovery, .. } => {
                index.recovery_revoked.entry(*recovery).or_default().push(i);
            }
            CredentialBody::InvitationCancelled { invitation } => {
                index.cancelled.entry(*invitation).or_default().push(i);
            }
            CredentialBody::FeedCut { .. } => index.feed_cuts.push(i),
            _ => {}
        }
    }

    /// What the counted credentials amount to.
    fn state(&self, index: &CountedIndex, set: &Bits) -> ControlState {
        let mut state = ControlState::empty(self.space);
        for &i in self.order.iter().filter(|i| index.counted.contains(**i)) {
            self.apply(&mut state, index, i);
        }
        let mut by_age: Vec<(Place, IdentityKey)> = state
            .members
            .iter()
            .map(|(key, member)| (member.admitted, *key))
            .collect();
        by_age.sort();
        for (order, (_, identity)) in by_age.iter().enumerate() {
            let role = index.role_in(self.dag, set, identity);
            if let Some(member) = state.members.get_mut(identity) {
                member.role = role;
                member.order = order as u32;
            }
        }
        for (key, device) in &mut state.devices {
            device.active = index.active_in(self.dag, set, key).is_some();
        }
        state
            .recovery
            .retain(|key, _| index.recovery_stands(set, key));
        for (hash, invitation) in &mut state.invitations {
            invitation.used = index.admissions.get(hash).copied().unwrap_or(0);
            invitation.overused = index.overused.get(hash).copied().unwrap_or(0);
            invitation.cancelled = index.cancelled.contains_key(hash);
        }
        state.cuts = self.standing_cuts(index);
        state.picks = self.standing_picks(index);
        state
    }

    /// At each fork: of the picks that no later one about it follows, the entry with the smallest hash.
    fn standing_picks(&self, index: &CountedIndex) -> BTreeMap<(DeviceKey, FeedId, u64), Hash> {
        let pick = |i: usize| match self.credential(i).body() {
            CredentialBody::FeedCut { device, point } => {
                Some(((*device, point.feed, point.seq), point.head))
            }
            _ => None,
        };
        let mut picks = BTreeMap::new();
        for &i in &index.feed_cuts {
            let Some((fork, head)) = pick(i) else {
                continue;
            };
            let replaced = index.feed_cuts.iter().any(|j| {
                self.dag.follows(*j, i) && pick(*j).is_some_and(|(other, _)| other == fork)
            });
            if !replaced {
                let picked = picks.entry(fork).or_insert(head);
                *picked = head.min(*picked);
            }
        }
        picks
    }

    /// Adds one counted credential; later ones in order replace profiles and agreement keys.
    fn apply(&self, state: &mut ControlState, index: &CountedIndex, i: usize) {
        use crate::state::{DelegatedInvitation, Device, KeyStanding, Member};
        let hash = self.dag.nodes[i].credential.hash();
        let place = self.dag.nodes[i].place();
        match self.credential(i).body() {
            CredentialBody::SpaceGenesis {
                identity,
                agreement,
            } => {
                state.genesis = Some(hash);
                let member = Member {
                    role: None,
                    agreement: *agreement,
                    order: 0,
                    admitted: place,
                    profile: None,
                };
                state.members.insert(*identity, member);
            }
            CredentialBody::SpaceMember {
                identity,
                agreement,
                role: Some(_),
                cut: None,
                ..
            } => {
                let profile = self.dag.nodes[i].credential.sealed_key().map(|_| hash);
                let member = state.members.entry(*identity).or_insert(Member {
                    role: None,
                    agreement: *agreement,
                    order: 0,
                    admitted: place,
                    profile,
                });
                // A member's own word goes before an admitter's, except when it was out and comes back.
                let view = &self.dag.nodes[i].ancestors;
                if index.role_in(self.dag, view, identity).is_none() {
                    member.agreement = *agreement;
                    member.profile = profile.or(member.profile);
                }
            }
            CredentialBody::MemberProfile {
                identity,
                agreement,
            }
            | CredentialBody::IdentityProfile {
                identity,
                agreement,
            } => {
                if let Some(member) = state.members.get_mut(identity) {
                    member.agreement = *agreement;
                    member.profile = Some(hash);
                }
            }
            CredentialBody::AuthorizedDevice {
                identity,
                device,
                agreement,
                ..
            } => {
                state.devices.entry(*device).or_insert(Device {
                    identity: *identity,
                    agreement: *agreement,
                    active: false,
                    authorised: place,
                    profile: None,
                });
            }
            CredentialBody::DeviceProfile { device } => {
                if let Some(device) = state.devices.get_mut(device) {
                    device.profile = Some(hash);
                }
            }
            CredentialBody::IdentityRecovery {
                identity,
                recovery,
                agreement,
            } => {
                state.recovery.insert(*recovery, (*identity, *agreement));
            }
            CredentialBody::KeyGrant { grants } => {
                // A demotion takes nothing from what its subject may read.
                let ends = |i: usize| {
                    let body = self.credential(i).body();
                    !matches!(body, CredentialBody::SpaceMember { role: Some(_), .. })
                };
                let current = index
                    .removals
                    .iter()
                    .all(|removal| !ends(*removal) || self.dag.follows(i, *removal));
                for grant in grants {
                    let standing = state.keys.entry(grant.key).or_insert_with(|| KeyStanding {
                        first_depth: place.depth,
                        current: true,
                        recipients: Default::default(),
                    });
                    standing.current &= current;
                    standing.recipients.insert(grant.recipient);
                }
            }
            CredentialBody::Invitation {
                key, role, uses, ..
            } => {
                let invitation = DelegatedInvitation {
                    key: *key,
                    role: *role,
                    uses: *uses,
                    used: 0,
                    overused: 0,
                    cancelled: false,
                };
                state.invitations.insert(hash, invitation);
            }
            CredentialBody::Epoch { .. } => state.epochs.push(hash),
            CredentialBody::SpaceDeleted => state.deleted = true,
            _ => {}
        }
    }

    /// Cuts that no later cut about the same subject replaces.
    fn standing_cuts(&self, index: &CountedIndex) -> Vec<Cut> {
        let subject = |i: usize| match self.credential(i).body() {
            CredentialBody::SpaceMember {
                identity,
                cut: Some(points),
                ..
            } => Some((*identity, None, points)),
            CredentialBody::RevokedDevice {
                identity,
                device,
                cut,
            } => Some((*identity, Some(*device), cut)),
            _ => None,
        };
        let mut cuts = Vec::new();
        for &i in &index.removals {
            // A carried revocation cuts feeds of the space it comes from, not of this one.
            if self.dag.nodes[i].credential.carried().is_some() {
                continue;
            }
            let Some((identity, device, points)) = subject(i) else {
                continue;
            };
            let replaced = index.removals.iter().any(|j| {
                self.dag.follows(*j, i)
                    && subject(*j).is_some_and(|(of, on, _)| (of, on) == (identity, device))
            });
            if !replaced {
                let credential = self.dag.nodes[i].credential.hash();
                cuts.push(Cut {
                    credential,
                    identity,
                    device,
                    points: points.clone(),
                });
            }
        }
        cuts
    }
}

pub(crate) fn is_last_owner(state: &ControlState, identity: &IdentityKey) -> bool {
    state.role(identity) == Some(Role::Owner)
        && !state
            .members
            .iter()
            .any(|(key, member)| key != identity && member.role == Some(Role::Owner))
}

/// An identity keeps one device or recovery key.
fn is_last_device(state: &ControlState, device: &DeviceKey) -> bool {
    let Some(identity) = state.devices.get(device).map(|device| device.identity) else {
        return false;
    };
    let other_device = state
        .devices
        .iter()
        .any(|(key, other)| key != device && other.active && other.identity == identity);
    !other_device && !state.recovery.values().any(|(of, _)| *of == identity)
}
