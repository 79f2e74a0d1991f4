//! What credentials say: all kinds of DESIGN 5, their plain parts and what is sealed beside them.
//!
//! The numbers of the kinds are the order of the variants and are part of the format: new kinds are added
//! at the end, none is ever removed or moved. Plain parts hold what relays must check (keys, roles, cuts,
//! sealed grants); names, labels and secrets stand in the sealed part only.

use std::fmt;

use dxos_base::{AgreementKey, DeviceKey, FeedId, Hash, IdentityKey, KeyId, Signature};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What a member may do; ordered, each may do all the lower ones may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// May read.
    Reader,
    /// May read and write data, and grant keys.
    Editor,
    /// May also invite and remove, up to its own role.
    Admin,
    /// May do everything.
    Owner,
}

impl Role {
    /// Whether data written in this role counts.
    pub fn may_write(self) -> bool {
        self >= Role::Editor
    }

    /// Whether memberships issued in this role count.
    pub fn may_invite(self) -> bool {
        self >= Role::Admin
    }
}

/// A point of a feed: everything up to and with `seq`, whose entry has hash `head`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FeedPoint {
    /// The feed.
    pub feed: FeedId,
    /// Last sequence number that counts.
    pub seq: u64,
    /// Hash of the entry at `seq`.
    pub head: Hash,
}

/// One key sealed to one recipient with HPKE (see [`crate::hpke`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// Which key.
    pub key: KeyId,
    /// Whose agreement key it is sealed to.
    pub recipient: AgreementKey,
    /// Encapsulated key (32 bytes) and sealed space key (48 bytes).
    pub sealed: Vec<u8>,
}

/// Shows that a guest holds the private key of a delegated invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationProof {
    /// Hash of the [`CredentialBody::Invitation`].
    pub invitation: Hash,
    /// By the invitation's key over [`invitation_proof_hash`].
    pub signature: Signature,
}

/// What the private key of a delegated invitation signs.
pub fn invitation_proof_hash(
    invitation: &Hash,
    identity: &IdentityKey,
    agreement: &AgreementKey,
) -> Hash {
    dxos_base::hash(
        "invitation proof",
        &[&invitation.0, identity.as_bytes(), agreement.as_bytes()],
    )
}

/// What a device signs to consent to being a device of `identity`: nobody claims another's device.
pub fn device_consent_hash(
    identity: &IdentityKey,
    device: &DeviceKey,
    agreement: &AgreementKey,
) -> Hash {
    dxos_base::hash(
        "device consent",
        &[identity.as_bytes(), device.as_bytes(), agreement.as_bytes()],
    )
}

/// The plain part of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CredentialBody {
    /// Begins a space; signed by the genesis key. The named identity is its first owner.
    SpaceGenesis {
        /// The founder.
        identity: IdentityKey,
        /// The founder's agreement key.
        agreement: AgreementKey,
    },
    /// Makes, changes or ends a membership.
    SpaceMember {
        /// About whom.
        identity: IdentityKey,
        /// Where space keys are sealed to.
        agreement: AgreementKey,
        /// The role from here on; `None`: removed (or left).
        role: Option<Role>,
        /// For a removal or a demotion to reader: the subject's feeds as the issuer has applied them.
        cut: Option<Vec<FeedPoint>>,
        /// For a delegated invitation: the guest's right, whoever writes the credential.
        invitation: Option<InvitationProof>,
    },
    /// A member's own profile and current agreement key.
    MemberProfile {
        /// About whom.
        identity: IdentityKey,
        /// Replaces the one known before.
        agreement: AgreementKey,
    },
    /// Makes a device act for an identity.
    AuthorizedDevice {
        /// For whom it acts.
        identity: IdentityKey,
        /// Signs.
        device: DeviceKey,
        /// Opens what is sealed to the device; static key of its sessions.
        agreement: AgreementKey,
        /// By the device over [`device_consent_hash`].
        consent: Signature,
    },
    /// Ends a device for good.
    RevokedDevice {
        /// Whose device.
        identity: IdentityKey,
        /// Which.
        device: DeviceKey,
        /// The device's feeds in this space as the issuer has applied them.
        cut: Vec<FeedPoint>,
    },
    /// Label and platform of a device (sealed).
    DeviceProfile {
        /// Which.
        device: DeviceKey,
    },
    /// Name of an identity and the private half of its agreement key (sealed under the HALO key).
    IdentityProfile {
        /// About whom.
        identity: IdentityKey,
        /// Public half of its agreement key.
        agreement: AgreementKey,
    },
    /// Names a recovery key.
    IdentityRecovery {
        /// Whose.
        identity: IdentityKey,
        /// Ed25519 key derived from the recovery secret.
        recovery: [u8; 32],
        /// X25519 key derived from it: the HALO key is sealed to it.
        agreement: AgreementKey,
    },
    /// Ends a recovery key.
    RecoveryRevoked {
        /// Whose.
        identity: IdentityKey,
        /// Which.
        recovery: [u8; 32],
    },
    /// A snapshot at a timeframe.
    Epoch {
        /// The data covered, sorted by feed.
        timeframe: Vec<FeedPoint>,
        /// Control heads of the state, sorted.
        control_heads: Vec<Hash>,
        /// Hashes of the encrypted chunks, in order.
        chunks: Vec<Hash>,
        /// Hash of the canonical state.
        state: Hash,
    },
    /// Another replica computed the same state.
    EpochConfirmed {
        /// The epoch's credential.
        epoch: Hash,
        /// The state hash found.
        state: Hash,
    },
    /// Picks a branch of a forked feed.
    FeedCut {
        /// Whose feed.
        device: DeviceKey,
        /// The fork (its feed and the place for which more than one entry was signed) and, as `head`, the entry that
        /// stands there.
        point: FeedPoint,
    },
    /// Space keys sealed to members, or the HALO key sealed to devices. Sorted by (key, recipient).
    KeyGrant {
        /// At least one.
        grants: Vec<Grant>,
    },
    /// A delegated invitation: whoever holds the private key may be admitted.
    Invitation {
        /// Ed25519 public key.
        key: [u8; 32],
        /// The role given.
        role: Role,
        /// How often it may be used; 0: no limit.
        uses: u32,
        /// Milliseconds since the epoch; hosts enforce it, the fold ignores it.
        expires_ms: u64,
    },
    /// Ends a delegated invitation.
    InvitationCancelled {
        /// Hash of the [`CredentialBody::Invitation`].
        invitation: Hash,
    },
    /// The owner asks members to delete the space.
    SpaceDeleted,
    /// Answer to a challenge in a session; never part of a control graph.
    Auth {
        /// What was asked to be signed.
        challenge: Hash,
    },
    /// A credential of a member's HALO space (device or recovery key), carried into this space as it is.
    /// Who carries it does not matter: the inner signature does.
    Carried {
        /// The whole bytes.
        credential: Vec<u8>,
    },
}

/// The part sealed under the space key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SealedPart {
    /// Beside a `SpaceGenesis`: the space's first name.
    Space {
        /// The name.
        name: String,
    },
    /// Beside a `SpaceMember` or `MemberProfile`.
    Profile {
        /// The person's name.
        name: String,
    },
    /// Beside a `DeviceProfile`.
    Device {
        /// Name of the device.
        label: String,
        /// Such as `Chrome on Linux`.
        platform: String,
    },
    /// Beside an `IdentityProfile`.
    Identity {
        /// The person's name.
        name: String,
        /// Private half of the identity's agreement key.
        agreement: SecretBytes,
    },
    /// Beside removals, revocations and cancellations.
    Reason {
        /// In words.
        text: String,
    },
}

/// 32 secret bytes: wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub struct SecretBytes(pub [u8; 32]);

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes")
    }
}
