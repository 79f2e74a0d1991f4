//! Admission of a guest to a space, and grants of keys to those who lack them.
//!
//! Invariants
//! * a guest is admitted only on an offer signed by its device, with a chain from its identity to that device;
//! * admitting twice adds only what is missing.
//!
//! Not here: how the offer travels ([`crate::pairing`]).

use std::collections::BTreeMap;

use dxos_base::{
    AgreementKey, CryptoError, DecodeError, DeviceKey, Entropy, Hash, IdentityKey, Signature,
    SpaceKey, decode, encode, hash, limits, verify_signature,
};
use serde::{Deserialize, Serialize};

use crate::body::{CredentialBody, Grant, Role, SealedPart};
use crate::credential::{Credential, CredentialError, Issuer, space_id_of};
use crate::graph::ControlGraph;
use crate::hpke::seal_key;
use crate::identity::{Identity, IdentityError, carry, check_name, last_hash};
use crate::keyring::Keyring;
use crate::state::ControlState;

/// Version of an offer's bytes.
const OFFER_VERSION: u8 = 1;
/// Links from an identity to a device.
pub const CHAIN_LINKS_MAX: usize = 64;
/// Grants put into one credential: 256 of ~130 bytes stay well below its limit.
const GRANTS_PER_CREDENTIAL: usize = 256;

/// Why nobody was admitted, or no key granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// The host may not give this role.
    #[error("this device may not give the role {role:?}")]
    NotAllowed {
        /// The role asked for.
        role: Role,
    },
    /// The host may not write, so its grants would not count.
    #[error("this device may not grant keys")]
    NotWriter,
    /// The guest's device was revoked here.
    #[error("the device {device} was revoked")]
    Revoked {
        /// Which.
        device: DeviceKey,
    },
    /// The host holds no key to give: it has not learned the space's keys yet.
    #[error("no key of this space is held")]
    NoKey,
    /// A public key is no valid key.
    #[error("admission: {0}")]
    Key(#[from] CryptoError),
    /// A credential could not be made.
    #[error("admission: {0}")]
    Credential(#[from] CredentialError),
}

/// Why an offer is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OfferError {
    /// Not the encoding of an offer.
    #[error("offer: {0}")]
    Decode(#[from] DecodeError),
    /// The name is empty or too long.
    #[error("offer: {0}")]
    Name(#[from] IdentityError),
    /// The signature is not the device's.
    #[error("offer: {0}")]
    Signature(#[from] CryptoError),
    /// A link of the chain is no credential.
    #[error("offer: {0}")]
    Link(#[from] CredentialError),
    /// The chain does not lead from the identity to the device.
    #[error("the chain does not lead from the identity to the device")]
    Chain,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct OfferBody {
    version: u8,
    binding: Hash,
    identity: IdentityKey,
    agreement: AgreementKey,
    device: DeviceKey,
    device_agreement: AgreementKey,
    name: String,
    chain: Vec<Vec<u8>>,
}

/// Who asks to be admitted, proved. Exists only verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestOffer {
    body: OfferBody,
    chain: Vec<Credential>,
    signature: Signature,
}

impl GuestOffer {
    /// This device's offer, bound to one conversation by `binding`.
    pub fn new(identity: &Identity, name: &str, binding: Hash) -> Result<Self, OfferError> {
        check_name(name)?;
        let body = OfferBody {
            version: OFFER_VERSION,
            binding,
            identity: identity.identity(),
            agreement: identity.agreement().public(),
            device: identity.device(),
            device_agreement: identity.device_agreement().public(),
            name: name.to_owned(),
            chain: identity
                .chain()
                .iter()
                .map(|link| link.bytes().to_vec())
                .collect(),
        };
        let signature = identity
            .signing_key()
            .sign(&hash("guest offer", &[&encode(&body)]));
        let chain = check_chain(&body)?;
        Ok(GuestOffer {
            body,
            chain,
            signature,
        })
    }

    /// Takes an offer from a guest; checks signature, binding and chain.
    pub fn decode(bytes: &[u8], binding: Hash) -> Result<Self, OfferError> {
        let (body, signature): (OfferBody, Signature) =
            decode(bytes, limits::STREAM_MESSAGE_BYTES_MAX)?;
        if body.version != OFFER_VERSION {
            return Err(DecodeError::Version {
                version: body.version,
            }
            .into());
        }
        check_name(&body.name)?;
        verify_signature(
            &body.device.0,
            &hash("guest offer", &[&encode(&body)]),
            &signature,
        )?;
        if body.binding != binding {
            return Err(CryptoError::BadSignature.into());
        }
        let chain = check_chain(&body)?;
        Ok(GuestOffer {
            body,
            chain,
            signature,
        })
    }

    /// What travels.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(&(&self.body, &self.signature))
    }

    /// Who.
    pub fn identity(&self) -> IdentityKey {
        self.body.identity
    }

    /// Where keys are sealed to.
    pub fn agreement(&self) -> AgreementKey {
        self.body.agreement
    }

    /// Through which device.
    pub fn device(&self) -> DeviceKey {
        self.body.device
    }

    /// Static key of that device's sessions.
    pub fn device_agreement(&self) -> AgreementKey {
        self.body.device_agreement
    }

    /// The name given.
    pub fn name(&self) -> &str {
        &self.body.name
    }
}

/// Each link is authorised by the identity key or by a device authorised before it; the last state holds the device.
fn check_chain(body: &OfferBody) -> Result<Vec<Credential>, OfferError> {
    if body.chain.len() > CHAIN_LINKS_MAX {
        return Err(OfferError::Chain);
    }
    let mut links = Vec::new();
    let mut active: BTreeMap<DeviceKey, AgreementKey> = BTreeMap::new();
    for bytes in &body.chain {
        let link = Credential::decode(bytes)?;
        let may = match link.issuer() {
            Issuer::Identity(key) => key == body.identity,
            Issuer::Device(device) => active.contains_key(&device),
            _ => false,
        };
        if !may || link.space() != space_id_of(&body.identity.0) {
            return Err(OfferError::Chain);
        }
        match link.body() {
            CredentialBody::AuthorizedDevice {
                identity,
                device,
                agreement,
                ..
            } if *identity == body.identity => {
                active.insert(*device, *agreement);
            }
            CredentialBody::RevokedDevice {
                identity, device, ..
            } if *identity == body.identity => {
                active.remove(device);
            }
            _ => return Err(OfferError::Chain),
        }
        links.push(link);
    }
    match active.get(&body.device) {
        Some(agreement) if *agreement == body.device_agreement => Ok(links),
        _ => Err(OfferError::Chain),
    }
}

/// Credentials that make the guest a member with `role`: membership with its sealed name, devices, all keys held.
///
/// Only what is missing; nothing if all is there. After a removal that nobody replaced the key for, a new key is
/// among the grants. The caller adds them to the graph, stores them and lets the keyring learn.
pub fn admit(
    graph: &ControlGraph,
    keyring: &Keyring,
    host: &Identity,
    guest: &GuestOffer,
    role: Role,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Credential>, AdmitError> {
    let state = graph.state();
    let issue_role = state.role_of(&host.device());
    if keyring.is_empty() {
        return Err(AdmitError::NoKey);
    }
    let mut keys: Vec<&SpaceKey> = keyring.all().map(|(_, key)| key).collect();
    let mut grants = Vec::new();
    let fresh = SpaceKey::generate(entropy);
    let newest = match keyring.newest(state) {
        Some((_, newest)) => newest,
        None => {
            for (_, member) in state.present_members() {
                grants.push(seal_key(
                    &graph.space(),
                    &fresh,
                    &member.agreement,
                    entropy,
                )?);
            }
            keys.push(&fresh);
            &fresh
        }
    };
    if let Some(device) = state.devices.get(&guest.device())
        && !device.active
    {
        return Err(AdmitError::Revoked {
            device: guest.device(),
        });
    }
    let mut steps = Vec::new();
    let present = state.role(&guest.identity());
    if present.is_none_or(|present| present < role) {
        let allowed = issue_role.is_some_and(|own| own.may_invite() && role <= own);
        if !allowed || guest.identity() == host.identity() {
            return Err(AdmitError::NotAllowed { role });
        }
        let member = CredentialBody::SpaceMember {
            identity: guest.identity(),
            agreement: guest.agreement(),
            role: Some(role),
            cut: None,
            invitation: None,
        };
        steps.push((
            member,
            Some((
                newest,
                SealedPart::Profile {
                    name: guest.name().to_owned(),
                },
            )),
        ));
    }
    let links = guest.chain.iter().filter(|link| !link_known(state, link));
    steps.extend(links.map(|link| (carry(link), None)));
    // A member that is present already may have a newer agreement key than its offer says: that one counts.
    let agreement = match present {
        Some(_) => state
            .members
            .get(&guest.identity())
            .map_or(guest.agreement(), |m| m.agreement),
        None => guest.agreement(),
    };
    for key in keys {
        let standing = state.keys.get(&key.id());
        if !standing.is_some_and(|standing| standing.recipients.contains(&agreement)) {
            grants.push(seal_key(&graph.space(), key, &agreement, entropy)?);
        }
    }
    steps.extend(grant_bodies(grants).map(|body| (body, None)));
    issue_all(graph, host, steps, entropy)
}

/// Grants every key held to every present member that lacks it (DESIGN 5). Nothing if none lacks any.
pub fn grant_missing(
    graph: &ControlGraph,
    keyring: &Keyring,
    host: &Identity,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Credential>, AdmitError> {
    let state = graph.state();
    if !state.may_write(&host.device()) {
        return Err(AdmitError::NotWriter);
    }
    let mut grants = Vec::new();
    for (id, key) in keyring.all() {
        for recipient in state.lacking(id) {
            grants.push(seal_key(&graph.space(), key, &recipient, entropy)?);
        }
    }
    let steps = grant_bodies(grants).map(|body| (body, None)).collect();
    issue_all(graph, host, steps, entropy)
}

/// Makes a new space key for the present members: due when [`Keyring::newest`] gives none.
pub fn rekey(
    graph: &ControlGraph,
    host: &Identity,
    entropy: &mut dyn Entropy,
) -> Result<(SpaceKey, Vec<Credential>), AdmitError> {
    let state = graph.state();
    if !state.may_write(&host.device()) {
        return Err(AdmitError::NotWriter);
    }
    let key = SpaceKey::generate(entropy);
    let mut grants = Vec::new();
    for (_, member) in state.present_members() {
        grants.push(seal_key(&graph.space(), &key, &member.agreement, entropy)?);
    }
    let steps = grant_bodies(grants).map(|body| (body, None)).collect();
    let credentials = issue_all(graph, host, steps, entropy)?;
    Ok((key, credentials))
}

/// Whether a counted credential already says what the link says.
fn link_known(state: &ControlState, link: &Credential) -> bool {
    match link.body() {
        CredentialBody::AuthorizedDevice { device, .. } => state.devices.contains_key(device),
        CredentialBody::RevokedDevice { device, .. } => state
            .devices
            .get(device)
            .is_some_and(|device| !device.active),
        _ => false,
    }
}

fn grant_bodies(mut grants: Vec<Grant>) -> impl Iterator<Item = CredentialBody> {
    grants.sort();
    grants.dedup_by_key(|grant| (grant.key, grant.recipient));
    let chunks: Vec<Vec<Grant>> = grants
        .chunks(GRANTS_PER_CREDENTIAL)
        .map(<[Grant]>::to_vec)
        .collect();
    chunks
        .into_iter()
        .map(|grants| CredentialBody::KeyGrant { grants })
}

type Step<'a> = (CredentialBody, Option<(&'a SpaceKey, SealedPart)>);

/// Issues the steps one after the other, the first on the graph's heads.
fn issue_all(
    graph: &ControlGraph,
    host: &Identity,
    steps: Vec<Step<'_>>,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Credential>, AdmitError> {
    let mut credentials: Vec<Credential> = Vec::new();
    for (body, sealed) in steps {
        let parents = match credentials.is_empty() {
            true => graph.heads(),
            false => vec![last_hash(&credentials)],
        };
        credentials.push(host.issue(graph.space(), &parents, body, sealed, entropy)?);
    }
    Ok(credentials)
}
