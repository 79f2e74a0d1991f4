//! What a set of credentials amounts to: members, devices, keys, cuts. Plain data, made by the fold.
//!
//! Names are not here: they are sealed, and this state is the same for relays and members.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{AgreementKey, DeviceKey, FeedId, Hash, IdentityKey, KeyId, SpaceId};

use crate::body::{FeedPoint, Role};

/// Place of a credential in the fold's order: longest path from the genesis, then hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Longest path from the genesis.
    pub depth: u32,
    /// The credential.
    pub hash: Hash,
}

/// A member, present or past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What they may do; `None`: removed or left.
    pub role: Option<Role>,
    /// Where space keys are sealed to.
    pub agreement: AgreementKey,
    /// Seniority: 0 is the founder.
    pub order: u32,
    /// First counted admission.
    pub admitted: Place,
    /// The counted credential whose sealed part holds the name shown.
    pub profile: Option<Hash>,
}

/// A device of some identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// For whom it acts.
    pub identity: IdentityKey,
    /// Static key of its sessions.
    pub agreement: AgreementKey,
    /// Authorised and not revoked.
    pub active: bool,
    /// First counted authorisation.
    pub authorised: Place,
    /// The counted credential whose sealed part holds label and platform.
    pub profile: Option<Hash>,
}

/// A space key, as the credentials show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStanding {
    /// Depth of its first counted grant.
    pub first_depth: u32,
    /// All counted grants of it follow every counted removal and revocation.
    pub current: bool,
    /// Whom it was granted to.
    pub recipients: BTreeSet<AgreementKey>,
}

/// A delegated invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegatedInvitation {
    /// Its public key.
    pub key: [u8; 32],
    /// The role given.
    pub role: Role,
    /// How often it may be used; 0: no limit.
    pub uses: u32,
    /// Admissions that count.
    pub used: u32,
    /// Admissions beyond `uses`, void.
    pub overused: u32,
    /// Cancelled.
    pub cancelled: bool,
}

/// A counted removal, demotion or revocation and what it leaves of the subject's feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The credential.
    pub credential: Hash,
    /// About whom.
    pub identity: IdentityKey,
    /// `Some`: this device only.
    pub device: Option<DeviceKey>,
    /// Sorted by feed.
    pub points: Vec<FeedPoint>,
}

impl Cut {
    /// Whether it cuts feeds of this device of this identity.
    pub(crate) fn is_about(&self, identity: Option<IdentityKey>, device: &DeviceKey) -> bool {
        identity == Some(self.identity) && self.device.is_none_or(|of| of == *device)
    }
}

/// The fold of a set of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlState {
    /// The space.
    pub space: SpaceId,
    /// The genesis that counts.
    pub genesis: Option<Hash>,
    /// Everyone who ever was a member.
    pub members: BTreeMap<IdentityKey, Member>,
    /// Every device ever authorised.
    pub devices: BTreeMap<DeviceKey, Device>,
    /// Recovery keys that stand.
    pub recovery: BTreeMap<[u8; 32], (IdentityKey, AgreementKey)>,
    /// Space keys granted.
    pub keys: BTreeMap<KeyId, KeyStanding>,
    /// Delegated invitations, by the hash of their credential.
    pub invitations: BTreeMap<Hash, DelegatedInvitation>,
    /// Cuts not replaced by later ones.
    pub cuts: Vec<Cut>,
    /// Epochs that count.
    pub epochs: Vec<Hash>,
    /// Picked branches of forked feeds, of the device whose feed it is said to be: by device, feed and seq the hash of
    /// the entry that stands there. Has an effect only where the feed is that device's and did fork.
    pub picks: BTreeMap<(DeviceKey, FeedId, u64), Hash>,
    /// The owner asked to delete the space.
    pub deleted: bool,
    /// Credentials that are part of the set and do not count.
    pub void: BTreeSet<Hash>,
}

impl ControlState {
    pub(crate) fn empty(space: SpaceId) -> Self {
        ControlState {
            space,
            genesis: None,
            members: BTreeMap::new(),
            devices: BTreeMap::new(),
            recovery: BTreeMap::new(),
            keys: BTreeMap::new(),
            invitations: BTreeMap::new(),
            cuts: Vec::new(),
            epochs: Vec::new(),
            picks: BTreeMap::new(),
            deleted: false,
            void: BTreeSet::new(),
        }
    }

    /// The entry picked at a fork of a device's feed.
    pub fn picked(&self, device: &DeviceKey, feed: &FeedId, seq: u64) -> Option<Hash> {
        self.picks.get(&(*device, *feed, seq)).copied()
    }

    /// The role of a present member.
    pub fn role(&self, identity: &IdentityKey) -> Option<Role> {
        self.members.get(identity)?.role
    }

    /// The role an active device acts in.
    pub fn role_of(&self, device: &DeviceKey) -> Option<Role> {
        let device = self.devices.get(device)?;
        if device.active {
            self.role(&device.identity)
        } else {
            None
        }
    }

    /// Whether what the device writes now counts.
    pub fn may_write(&self, device: &DeviceKey) -> bool {
        self.role_of(device).is_some_and(Role::may_write)
    }

    /// The device with this agreement key (static key of a session), if it is active.
    pub fn device_of_agreement(&self, agreement: &AgreementKey) -> Option<DeviceKey> {
        self.active_devices()
            .find(|(_, device)| device.agreement == *agreement)
            .map(|(key, _)| key)
    }

    /// Devices that are active and belong to a present member.
    pub fn active_devices(&self) -> impl Iterator<Item = (DeviceKey, &Device)> {
        self.devices
            .iter()
            .filter(|(_, device)| device.active && self.role(&device.identity).is_some())
            .map(|(key, device)| (*key, device))
    }

    /// Present members, oldest first.
    pub fn present_members(&self) -> Vec<(IdentityKey, &Member)> {
        let mut members: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| member.role.is_some())
            .map(|(key, member)| (*key, member))
            .collect();
        members.sort_by_key(|(_, member)| member.order);
        members
    }

    /// The key to seal under among those `held`; `None`: a new one is due.
    pub fn newest_key(&self, held: impl Fn(&KeyId) -> bool) -> Option<KeyId> {
        self.keys
            .iter()
            .filter(|(id, key)| key.current && held(id))
            .max_by_key(|(id, key)| (key.first_depth, **id))
            .map(|(id, _)| *id)
    }

    /// Present members (their agreement keys) that `key` was not granted to yet.
    pub fn lacking(&self, key: &KeyId) -> Vec<AgreementKey> {
        let granted = self.keys.get(key).map(|standing| &standing.recipients);
        self.present_members()
            .into_iter()
            .map(|(_, member)| member.agreement)
            .filter(|agreement| !granted.is_some_and(|granted| granted.contains(agreement)))
            .collect()
    }
}
