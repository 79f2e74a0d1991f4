//! The control graph: a space's credentials as a content-addressed set (DESIGN 4.4, 5).
//!
//! Takes credentials in any order; one whose parents are missing waits and joins by itself. Decides whose data
//! counts. Refuses credentials of other spaces.
//!
//! Invariants
//! * the same set in any order gives the same heads, digest, state and decisions;
//! * adding is idempotent.
//!
//! Not here: storage and transport of credentials.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dxos_base::limits::NAME_BYTES_MAX;
use dxos_base::{DeviceKey, FeedId, Hash, IdentityKey, SpaceId, hash};

use crate::body::{CredentialBody, FeedPoint, SealedPart};
use crate::credential::Credential;
use crate::dag::{Bits, Dag};
use crate::fold::{FoldCache, Folded, fold};
use crate::keyring::Keyring;
use crate::state::ControlState;

/// Credentials that may wait for parents; beyond it new ones are refused until some join.
pub const WAITING_MAX: usize = 1024;
/// States at past heads that are kept.
const STATES_CACHED_MAX: usize = 64;

/// What became of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// It is in the graph (and so are those that waited for it). Store it.
    New,
    /// Kept; a parent is missing. Store it; it joins when the parent comes.
    Waiting,
    /// Held already.
    Known,
    /// Not taken.
    Refused(RefusedCredential),
}

/// Why a credential is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedCredential {
    /// It names another space.
    #[error("the credential is about another space")]
    OtherSpace,
    /// Too many already wait for their parents.
    #[error("too many credentials wait for their parents")]
    TooManyWaiting,
    /// An answer to a challenge belongs to its session only.
    #[error("this kind of credential is not part of a space")]
    NotForGraphs,
}

/// An entry's claim to count.
#[derive(Debug, Clone, Copy)]
pub struct EntryClaim<'a> {
    /// Who wrote it.
    pub device: DeviceKey,
    /// Its feed.
    pub feed: FeedId,
    /// Its place in the feed.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// Control heads its writer had folded (never empty: repeated from the entry before where the header is empty).
    pub control_heads: &'a [Hash],
    /// Those of the entry before in the feed, if there is one.
    pub previous_heads: Option<&'a [Hash]>,
    /// Those of the feed's first entry.
    pub first_heads: &'a [Hash],
}

/// Whether an entry counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Counts,
    /// It does not, on every replica with these credentials.
    Void,
    /// Its control heads are not known here yet.
    Wait,
}

/// Label and platform of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLabel {
    /// Its name.
    pub label: String,
    /// Such as `Chrome on Linux`.
    pub platform: String,
}

/// See the module.
pub struct ControlGraph {
    space: SpaceId,
    dag: Dag,
    waiting: BTreeMap<Hash, Credential>,
    cache: FoldCache,
    current: OnceCell<Folded>,
    past: RefCell<BTreeMap<Vec<Hash>, Arc<ControlState>>>,
}

impl std::fmt::Debug for ControlGraph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "ControlGraph({}, {} credentials)",
            self.space,
            self.len()
        )
    }
}

impl ControlGraph {
    /// An empty graph of `space`.
    pub fn new(space: SpaceId) -> Self {
        ControlGraph {
            space,
            dag: Dag::default(),
            waiting: BTreeMap::new(),
            cache: FoldCache::default(),
            current: OnceCell::new(),
            past: RefCell::default(),
        }
    }

    /// Which space.
    pub fn space(&self) -> SpaceId {
        self.space
    }

    /// Takes a credential, in any order.
    pub fn add(&mut self, credential: Credential) -> Added {
        if credential.space() != self.space {
            return Added::Refused(RefusedCredential::OtherSpace);
        }
        if matches!(credential.body(), CredentialBody::Auth { .. }) {
            return Added::Refused(RefusedCredential::NotForGraphs);
        }
        let hash = credential.hash();
        if self.contains(&hash) || self.waiting.contains_key(&hash) {
            return Added::Known;
        }
        if !self.ready(&credential) {
            if self.waiting.len() >= WAITING_MAX {
                return Added::Refused(RefusedCredential::TooManyWaiting);
            }
            self.waiting.insert(hash, credential);
            return Added::Waiting;
        }
        self.dag.join(credential);
        self.join_waiting();
        self.current.take();
        Added::New
    }

    fn ready(&self, credential: &Credential) -> bool {
        credential
            .parents()
            .iter()
            .all(|parent| self.dag.index_of(parent).is_some())
    }

    fn join_waiting(&mut self) {
        loop {
            let ready: Vec<Hash> = self
                .waiting
                .iter()
                .filter(|(_, credential)| self.ready(credential))
                .map(|(hash, _)| *hash)
                .collect();
            if ready.is_empty() {
                return;
            }
            for hash in ready {
                if let Some(credential) = self.waiting.remove(&hash) {
                    self.dag.join(credential);
                }
            }
        }
    }

    /// Credentials no other one here follows; sorted. They name the whole set.
    pub fn heads(&self) -> Vec<Hash> {
        self.dag.heads().iter().copied().collect()
    }

    /// Parents named and not held; sorted.
    pub fn missing(&self) -> Vec<Hash> {
        let missing: BTreeSet<Hash> = self
            .waiting
            .values()
            .flat_map(|credential| credential.parents())
            .filter(|parent| !self.contains(parent) && !self.waiting.contains_key(parent))
            .copied()
            .collect();
        missing.into_iter().collect()
    }

    /// Whether the credential is in the graph (not: waiting).
    pub fn contains(&self, hash: &Hash) -> bool {
        self.dag.index_of(hash).is_some()
    }

    /// A credential of the graph.
    pub fn get(&self, hash: &Hash) -> Option<&Credential> {
        self.dag
            .index_of(hash)
            .map(|i| &self.dag.nodes[i].credential)
    }

    /// Credentials in the graph.
    pub fn len(&self) -> usize {
        self.dag.nodes.len()
    }

    /// Whether nothing is in the graph.
    pub fn is_empty(&self) -> bool {
        self.dag.nodes.is_empty()
    }

    /// All credentials, in no order that means anything.
    pub fn all(&self) -> impl Iterator<Item = &Credential> {
        self.dag.nodes.iter().map(|node| &node.credential)
    }

    /// All that somebody with these heads lacks, parents first. Heads not known here are passed over;
    /// `after(&[])` is everything.
    pub fn after(&self, heads: &[Hash]) -> Vec<&Credential> {
        let known: Vec<Hash> = heads
            .iter()
            .filter(|head| self.contains(head))
            .copied()
            .collect();
        let had = self.dag.closure(&known).unwrap_or_default();
        let order = self.dag.ordered(&self.everything());
        order
            .into_iter()
            .filter(|i| !had.contains(*i))
            .map(|i| &self.dag.nodes[i].credential)
            .collect()
    }

    /// Whether all these heads are in the graph.
    pub fn knows(&self, heads: &[Hash]) -> bool {
        heads.iter().all(|head| self.contains(head))
    }

    /// Equal on two replicas iff they hold the same graph.
    pub fn digest(&self) -> Hash {
        let heads = self.heads();
        let parts: Vec<&[u8]> = heads.iter().map(|head| head.0.as_slice()).collect();
        hash("control", &parts)
    }

    /// The fold of the whole set.
    pub fn state(&self) -> &ControlState {
        &self.folded().state
    }

    /// The fold of what these heads name: what a writer that named them knew. `None` if one is unknown.
    pub fn state_at(&self, heads: &[Hash]) -> Option<Arc<ControlState>> {
        let mut key = heads.to_vec();
        key.sort();
        key.dedup();
        if let Some(state) = self.past.borrow().get(&key) {
            return Some(state.clone());
        }
        let set = self.dag.closure(&key)?;
        let state = Arc::new(fold(&self.dag, &self.cache, self.space, &set).state);
        let mut past = self.past.borrow_mut();
        if past.len() >= STATES_CACHED_MAX {
            past.clear();
        }
        past.insert(key, state.clone());
        Some(state)
    }

    /// The rule of DESIGN 5 for data: an entry counts iff at its control heads its device was active and its
    /// member could write, by credentials that count in the whole set too; its heads never go back along the
    /// feed; and no cut excludes it.
    pub fn decide(&self, claim: &EntryClaim<'_>) -> Verdict {
        let heads = [
            claim.control_heads,
            claim.first_heads,
            claim.previous_heads.unwrap_or(&[]),
        ];
        if heads.iter().any(|heads| !self.knows(heads)) {
            return Verdict::Wait;
        }
        let (Some(view), Some(then)) = (
            self.dag.closure(claim.control_heads),
            self.state_at(claim.control_heads),
        ) else {
            return Verdict::Wait;
        };
        let goes_back = claim
            .previous_heads
            .unwrap_or(&[])
            .iter()
            .filter_map(|head| self.dag.index_of(head))
            .any(|i| !view.contains(i));
        let folded = self.folded();
        let may_write = then.may_write(&claim.device)
            && folded.index.may_write_in(&self.dag, &view, &claim.device);
        match may_write && !goes_back && !self.is_cut(folded, claim) {
            true => Verdict::Counts,
            false => Verdict::Void,
        }
    }

    /// Whether a cut leaves out what a device would write next in a feed whose last entry is `seq`.
    pub fn ends_feed(
        &self,
        device: DeviceKey,
        feed: FeedId,
        seq: u64,
        first_heads: &[Hash],
    ) -> bool {
        let next = EntryClaim {
            device,
            feed,
            seq: seq + 1,
            hash: Hash::default(),
            control_heads: &[],
            previous_heads: None,
            first_heads,
        };
        self.is_cut(self.folded(), &next)
    }

    /// The last entries that standing cuts leave of a device's feed.
    pub fn cut_points(
        &self,
        device: &DeviceKey,
        feed: FeedId,
    ) -> impl Iterator<Item = FeedPoint> + '_ {
        let state = self.state();
        let (device, identity) = (*device, state.devices.get(device).map(|of| of.identity));
        state
            .cuts
            .iter()
            .filter(move |cut| cut.is_about(identity, &device))
            .filter_map(move |cut| cut.points.iter().find(|point| point.feed == feed).copied())
    }

    /// Whether a removal, demotion or revocation leaves the entry out.
    fn is_cut(&self, folded: &Folded, claim: &EntryClaim<'_>) -> bool {
        let Some(device) = folded.state.devices.get(&claim.device) else {
            return true;
        };
        let first = self.dag.closure(claim.first_heads).unwrap_or_default();
        folded.state.cuts.iter().any(|cut| {
            if !cut.is_about(Some(device.identity), &claim.device) {
                return false;
            }
            match cut.points.iter().find(|point| point.feed == claim.feed) {
                Some(point) => {
                    claim.seq > point.seq || (claim.seq == point.seq && claim.hash != point.head)
                }
                // A feed the cut does not name counts only if it began after a later grant.
                None => {
                    let cut_at = self.dag.index_of(&cut.credential);
                    let readmitted = cut.device.is_none()
                        && cut_at.is_some_and(|at| {
                            let mut grants = folded.index.regrants(&self.dag, &cut.identity, at);
                            grants.any(|grant| first.contains(grant))
                        });
                    !readmitted
                }
            }
        })
    }

    fn everything(&self) -> Bits {
        let mut set = Bits::default();
        (0..self.dag.nodes.len()).for_each(|i| set.insert(i));
        set
    }

    fn folded(&self) -> &Folded {
        self.current
            .get_or_init(|| fold(&self.dag, &self.cache, self.space, &self.everything()))
    }

    /// The name the space was made with, once its key is held.
    pub fn space_name(&self, keyring: &Keyring) -> Option<String> {
        let genesis = self.get(&self.state().genesis?)?;
        match genesis.open_sealed(keyring)? {
            SealedPart::Space { name } => Some(shown(name)),
            _ => None,
        }
    }

    /// A member's name, once the key it is sealed under is held.
    pub fn member_name(&self, keyring: &Keyring, identity: &IdentityKey) -> Option<String> {
        let profile = self.state().members.get(identity)?.profile?;
        match self.get(&profile)?.open_sealed(keyring)? {
            SealedPart::Profile { name } => Some(shown(name)),
            SealedPart::Identity { name, .. } => Some(shown(name)),
            _ => None,
        }
    }

    /// A device's label, in the identity's own HALO space.
    pub fn device_label(&self, keyring: &Keyring, device: &DeviceKey) -> Option<DeviceLabel> {
        let profile = self.state().devices.get(device)?.profile?;
        match self.get(&profile)?.open_sealed(keyring)? {
            SealedPart::Device { label, platform } => Some(DeviceLabel {
                label: shown(label),
                platform: shown(platform),
            }),
            _ => None,
        }
    }
}

/// Readers are total: a name over the writers' limit is cut, not refused.
fn shown(mut name: String) -> String {
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name
}
