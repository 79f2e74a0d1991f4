//! Credentials: signed statements, linked by hash to the statements their issuer knew (DESIGN 4.8, 5).
//!
//! Bytes: version ‖ space ‖ issuer ‖ parents ‖ body ‖ optional sealed part ‖ signature, each canonical.
//! The hash covers everything but the signature; the signature covers the hash.
//!
//! Invariants
//! * a [`Credential`] exists only if its bytes are canonical, within limits, well-formed and signed by the key
//!   it names (and so is a credential it carries, and the consent of a device it authorises);
//! * what it *may* do is not decided here but by the fold.

use std::sync::Arc;

use dxos_base::limits::{CREDENTIAL_BYTES_MAX, CREDENTIAL_PARENTS_MAX};
use dxos_base::{
    CryptoError, DecodeError, DeviceKey, Entropy, Hash, IdentityKey, KeyId, Signature, SigningKey,
    SpaceId, SpaceKey, decode, encode, hash, verify_signature,
};
use serde::{Deserialize, Serialize};

use crate::body::{CredentialBody, FeedPoint, SealedPart, device_consent_hash};
use crate::keyring::Keyring;

/// Version of the format.
pub const CREDENTIAL_VERSION: u8 = 1;
/// Sealed parts are padded to multiples of this: lengths of names do not show.
const SEALED_BUCKET_BYTES: usize = 64;

/// Whose signature stands under a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Issuer {
    /// The genesis key of the space; issues nothing but the genesis. Of a HALO space: the identity key.
    Genesis([u8; 32]),
    /// The identity key, for its first device.
    Identity(IdentityKey),
    /// A device.
    Device(DeviceKey),
    /// A recovery key.
    Recovery([u8; 32]),
}

impl Issuer {
    fn key(&self) -> &[u8; 32] {
        match self {
            Issuer::Genesis(key) | Issuer::Recovery(key) => key,
            Issuer::Identity(key) => &key.0,
            Issuer::Device(key) => &key.0,
        }
    }
}

/// Why bytes are no credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// Not the encoding of a credential.
    #[error("credential: {0}")]
    Decode(#[from] DecodeError),
    /// Decodes, but breaks a rule of form.
    #[error("credential: {0}")]
    Form(&'static str),
    /// The signature, or one inside, does not belong to these bytes.
    #[error("credential: {0}")]
    Signature(#[from] CryptoError),
}

#[derive(Serialize, Deserialize)]
struct Plain {
    version: u8,
    space: SpaceId,
    issuer: Issuer,
    parents: Vec<Hash>,
    body: CredentialBody,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    key: KeyId,
    bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    plain: Plain,
    sealed: Option<Sealed>,
    signature: Signature,
}

/// A verified credential. Cheap to clone.
#[derive(Clone)]
pub struct Credential(Arc<Inner>);

struct Inner {
    bytes: Vec<u8>,
    hash: Hash,
    plain: Plain,
    plain_len: usize,
    sealed: Option<Sealed>,
    carried: Option<Credential>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential({:?}, {:?})", self.0.hash, self.0.plain.body)
    }
}

impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes == other.0.bytes
    }
}
impl Eq for Credential {}

/// The id of the space whose genesis key this is (DESIGN 4.2).
pub fn space_id_of(genesis_key: &[u8; 32]) -> SpaceId {
    let digest = dxos_base::crypto::sha256(genesis_key);
    SpaceId(digest[..20].try_into().expect("SHA-256 has 32 bytes"))
}

impl Credential {
    /// Takes bytes from anywhere; checks size, canonical form, rules of form and all signatures.
    pub fn decode(bytes: &[u8]) -> Result<Credential, CredentialError> {
        match bytes.first() {
            None => return Err(DecodeError::Malformed.into()),
            Some(&CREDENTIAL_VERSION) => {}
            Some(&version) if version > CREDENTIAL_VERSION => {
                return Err(DecodeError::Version { version }.into());
            }
            Some(_) => return Err(DecodeError::Malformed.into()),
        }
        let wire: Wire = decode(bytes, CREDENTIAL_BYTES_MAX)?;
        let carried = check_form(&wire.plain)?;
        let signed = &bytes[..bytes.len() - Signature::LEN];
        let hash = hash("credential", &[signed]);
        verify_signature(wire.plain.issuer.key(), &hash, &wire.signature)?;
        let plain_len = encode(&wire.plain).len();
        Ok(Credential(Arc::new(Inner {
            bytes: bytes.to_vec(),
            hash,
            plain: wire.plain,
            plain_len,
            sealed: wire.sealed,
            carried,
        })))
    }

    /// Names the credential; covers everything but the signature.
    pub fn hash(&self) -> Hash {
        self.0.hash
    }

    /// What is stored and sent.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The space it is about.
    pub fn space(&self) -> SpaceId {
        self.0.plain.space
    }

    /// Whose signature it bears.
    pub fn issuer(&self) -> Issuer {
        self.0.plain.issuer
    }

    /// The heads its issuer knew; sorted.
    pub fn parents(&self) -> &[Hash] {
        &self.0.plain.parents
    }

    /// What it says.
    pub fn body(&self) -> &CredentialBody {
        &self.0.plain.body
    }

    /// The credential it carries, if its body is [`CredentialBody::Carried`].
    pub fn carried(&self) -> Option<&Credential> {
        self.0.carried.as_ref()
    }

    /// The key its sealed part needs.
    pub fn sealed_key(&self) -> Option<KeyId> {
        self.0.sealed.as_ref().map(|sealed| sealed.key)
    }

    /// The sealed part; `None` if there is none, its key is not held or it does not open to one.
    pub fn open_sealed(&self, keyring: &Keyring) -> Option<SealedPart> {
        let sealed = self.0.sealed.as_ref()?;
        let cipher = keyring.get(&sealed.key)?.cipher("credential");
        let padded = cipher
            .open(&self.0.bytes[..self.0.plain_len], &sealed.bytes)
            .ok()?;
        let (part, rest) = postcard::take_from_bytes::<SealedPart>(&padded).ok()?;
        rest.iter().all(|byte| *byte == 0).then_some(part)
    }
}

/// What a new credential says and stands on.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    /// The space.
    pub space: SpaceId,
    /// Whose key signs.
    pub issuer: Issuer,
    /// The heads known; sorted and cut to the limit when issued.
    pub parents: &'a [Hash],
    /// The plain part.
    pub body: CredentialBody,
    /// The sealed part and the key it is sealed under.
    pub sealed: Option<(&'a SpaceKey, SealedPart)>,
}

/// Signs a new credential. Fails if it would not be accepted by [`Credential::decode`].
pub fn issue_credential(
    draft: Draft<'_>,
    key: &SigningKey,
    entropy: &mut dyn Entropy,
) -> Result<Credential, CredentialError> {
    let mut parents = draft.parents.to_vec();
    parents.sort();
    parents.dedup();
    parents.truncate(CREDENTIAL_PARENTS_MAX);
    let plain = Plain {
        version: CREDENTIAL_VERSION,
        space: draft.space,
        issuer: draft.issuer,
        parents,
        body: draft.body,
    };
    let mut bytes = encode(&plain);
    let sealed = draft.sealed.map(|(key, part)| {
        let mut padded = encode(&part);
        padded.resize(padded.len().next_multiple_of(SEALED_BUCKET_BYTES), 0);
        let sealed = key.cipher("credential").seal(&bytes, &padded, entropy);
        zeroize::Zeroize::zeroize(&mut padded);
        Sealed {
            key: key.id(),
            bytes: sealed,
        }
    });
    bytes.extend_from_slice(&encode(&sealed));
    let signature = key.sign(&hash("credential", &[&bytes]));
    bytes.extend_from_slice(signature.as_bytes());
    Credential::decode(&bytes)
}

/// Rules that need nothing but the credential itself. Returns what it carries.
fn check_form(plain: &Plain) -> Result<Option<Credential>, CredentialError> {
    let form = |ok: bool, rule: &'static str| match ok {
        true => Ok(()),
        false => Err(CredentialError::Form(rule)),
    };
    form(
        plain.parents.len() <= CREDENTIAL_PARENTS_MAX,
        "too many parents",
    )?;
    form(strictly_sorted(&plain.parents), "parents out of order")?;
    let genesis = matches!(plain.body, CredentialBody::SpaceGenesis { .. });
    let by_genesis_key = matches!(plain.issuer, Issuer::Genesis(_));
    form(
        genesis == by_genesis_key,
        "only the genesis key signs the genesis, and nothing else",
    )?;
    form(
        genesis == plain.parents.is_empty(),
        "only the genesis has no parents",
    )?;
    if let Issuer::Genesis(key) = &plain.issuer {
        form(
            space_id_of(key) == plain.space,
            "the genesis key belongs to another space",
        )?;
    }
    match &plain.body {
        CredentialBody::SpaceMember {
            role,
            cut,
            invitation,
            ..
        } => {
            form(role.is_some() || cut.is_some(), "a removal names its cut")?;
            form(
                cut.is_none() || role.is_none_or(|role| role == crate::Role::Reader),
                "only a removal or a demotion to reader names a cut",
            )?;
            form(
                cut.is_none() || invitation.is_none(),
                "an invitation removes nobody",
            )?;
            form(cut.as_deref().is_none_or(points_sorted), "cut out of order")?;
        }
        CredentialBody::RevokedDevice { cut, .. } => form(points_sorted(cut), "cut out of order")?,
        CredentialBody::Epoch {
            timeframe,
            control_heads,
            ..
        } => {
            form(points_sorted(timeframe), "timeframe out of order")?;
            form(strictly_sorted(control_heads), "control heads out of order")?;
        }
        CredentialBody::KeyGrant { grants } => {
            let order: Vec<_> = grants
                .iter()
                .map(|grant| (grant.key, grant.recipient))
                .collect();
            form(
                !grants.is_empty() && strictly_sorted(&order),
                "grants out of order",
            )?;
        }
        CredentialBody::AuthorizedDevice {
            identity,
            device,
            agreement,
            consent,
        } => {
            let consent_hash = device_consent_hash(identity, device, agreement);
            verify_signature(&device.0, &consent_hash, consent)?;
        }
        CredentialBody::Carried { credential } => return carried(credential).map(Some),
        _ => {}
    }
    Ok(None)
}

/// A carried credential: of a HALO space, about a device or recovery key, not itself a carrier.
fn carried(bytes: &[u8]) -> Result<Credential, CredentialError> {
    // The kind is looked at before the whole is decoded: carriers never nest.
    let (plain, _) =
        postcard::take_from_bytes::<Plain>(bytes).map_err(|_| DecodeError::Malformed)?;
    let identity = match &plain.body {
        CredentialBody::AuthorizedDevice { identity, .. }
        | CredentialBody::RevokedDevice { identity, .. }
        | CredentialBody::IdentityRecovery { identity, .. }
        | CredentialBody::RecoveryRevoked { identity, .. } => *identity,
        _ => return Err(CredentialError::Form("this kind cannot be carried")),
    };
    if space_id_of(&identity.0) != plain.space {
        return Err(CredentialError::Form(
            "carried from a space that is not the identity's own",
        ));
    }
    Credential::decode(bytes)
}

fn strictly_sorted<T: Ord>(items: &[T]) -> bool {
    items.windows(2).all(|pair| pair[0] < pair[1])
}

fn points_sorted(points: &[FeedPoint]) -> bool {
    points.windows(2).all(|pair| pair[0].feed < pair[1].feed)
}
