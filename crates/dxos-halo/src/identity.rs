//! Identities, their HALO space, and new spaces (DESIGN 5).
//!
//! Invariants
//! * the identity key signs the HALO genesis and the first device and is destroyed; so is every genesis key;
//! * secrets leave this module only through [`Identity::to_secret_bytes`], for the host to seal.

use dxos_base::limits::NAME_BYTES_MAX;
use dxos_base::{
    AgreementKey, AgreementSecret, CryptoError, DecodeError, DeviceKey, Entropy, Hash, IdentityKey,
    SigningKey, SpaceId, SpaceKey, decode, encode,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::body::{CredentialBody, SealedPart, SecretBytes, device_consent_hash};
use crate::credential::{
    Credential, CredentialError, Draft, Issuer, issue_credential, space_id_of,
};
use crate::hpke::seal_key;

/// Version of the secret bytes.
const SECRETS_VERSION: u8 = 1;
const SECRETS_BYTES_MAX: usize = 1024 * 1024;

/// Why an identity or space cannot be made or loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A name is empty or too long.
    #[error("a name has 1 to {NAME_BYTES_MAX} bytes, this one has {len}")]
    Name {
        /// Its length.
        len: usize,
    },
    /// Stored secrets do not decode.
    #[error("stored identity: {0}")]
    Stored(#[from] DecodeError),
    /// A key inside is no valid key.
    #[error("identity: {0}")]
    Key(#[from] CryptoError),
    /// A credential could not be made or read.
    #[error("identity: {0}")]
    Credential(#[from] CredentialError),
}

/// What a device knows and can do as (a device of) an identity.
#[derive(Clone)]
pub struct Identity {
    identity: IdentityKey,
    name: String,
    device: SigningKey,
    device_agreement: AgreementSecret,
    agreement: AgreementSecret,
    halo_key: SpaceKey,
    chain: Vec<Credential>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({:?}, {:?})", self.identity, self.device())
    }
}

#[derive(Serialize, Deserialize)]
struct Secrets {
    version: u8,
    identity: IdentityKey,
    name: String,
    device: SecretBytes,
    device_agreement: SecretBytes,
    agreement: SecretBytes,
    halo_key: SecretBytes,
    chain: Vec<Vec<u8>>,
}

impl Identity {
    /// Who.
    pub fn identity(&self) -> IdentityKey {
        self.identity
    }

    /// This device.
    pub fn device(&self) -> DeviceKey {
        self.device.device_key()
    }

    /// The person's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The identity's own space.
    pub fn halo(&self) -> SpaceId {
        space_id_of(&self.identity.0)
    }

    /// Signs as this device.
    pub fn signing_key(&self) -> &SigningKey {
        &self.device
    }

    /// Opens what is sealed to this device; static key of its sessions.
    pub fn device_agreement(&self) -> &AgreementSecret {
        &self.device_agreement
    }

    /// Opens the keys of spaces granted to the identity.
    pub fn agreement(&self) -> &AgreementSecret {
        &self.agreement
    }

    /// Key of the HALO space.
    pub fn halo_key(&self) -> &SpaceKey {
        &self.halo_key
    }

    /// Credentials that lead from the identity key to this device, in order.
    pub fn chain(&self) -> &[Credential] {
        &self.chain
    }

    /// Everything, in the clear: seal it before it is stored.
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(encode(&Secrets {
            version: SECRETS_VERSION,
            identity: self.identity,
            name: self.name.clone(),
            device: SecretBytes(self.device.seed()),
            device_agreement: SecretBytes(self.device_agreement.0),
            agreement: SecretBytes(self.agreement.0),
            halo_key: SecretBytes(self.halo_key.0),
            chain: self
                .chain
                .iter()
                .map(|credential| credential.bytes().to_vec())
                .collect(),
        }))
    }

    /// The identity stored by [`Identity::to_secret_bytes`].
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Identity, IdentityError> {
        if let Some(&version) = bytes.first()
            && version > SECRETS_VERSION
        {
            return Err(DecodeError::Version { version }.into());
        }
        let secrets: Secrets = decode(bytes, SECRETS_BYTES_MAX)?;
        let chain: Result<Vec<_>, _> = secrets
            .chain
            .iter()
            .map(|bytes| Credential::decode(bytes))
            .collect();
        Ok(Identity {
            identity: secrets.identity,
            name: secrets.name,
            device: SigningKey::from_seed(secrets.device.0),
            device_agreement: AgreementSecret(secrets.device_agreement.0),
            agreement: AgreementSecret(secrets.agreement.0),
            halo_key: SpaceKey(secrets.halo_key.0),
            chain: chain?,
        })
    }

    /// Issues a credential as this device.
    pub fn issue(
        &self,
        space: SpaceId,
        parents: &[Hash],
        body: CredentialBody,
        sealed: Option<(&SpaceKey, SealedPart)>,
        entropy: &mut dyn Entropy,
    ) -> Result<Credential, CredentialError> {
        let issuer = Issuer::Device(self.device());
        issue_credential(
            Draft {
                space,
                issuer,
                parents,
                body,
                sealed,
            },
            &self.device,
            entropy,
        )
    }

    fn public_agreement(&self) -> AgreementKey {
        self.agreement.public()
    }
}

/// A new identity with the credentials of its HALO space.
#[derive(Debug, Clone)]
pub struct NewIdentity {
    /// The identity as this device holds it.
    pub identity: Identity,
    /// Its HALO space.
    pub space: SpaceId,
    /// In order, parents first.
    pub credentials: Vec<Credential>,
    /// The HALO key.
    pub key: SpaceKey,
}

/// A new space.
#[derive(Debug, Clone)]
pub struct NewSpace {
    /// Its id.
    pub space: SpaceId,
    /// In order, parents first.
    pub credentials: Vec<Credential>,
    /// Its first key.
    pub key: SpaceKey,
}

pub(crate) fn check_name(name: &str) -> Result<(), IdentityError> {
    match name.len() {
        1..=NAME_BYTES_MAX => Ok(()),
        len => Err(IdentityError::Name { len }),
    }
}

/// Makes an identity, its first device (this one) and its HALO space.
pub fn create_identity(
    name: &str,
    device_label: &str,
    platform: &str,
    entropy: &mut dyn Entropy,
) -> Result<NewIdentity, IdentityError> {
    check_name(name)?;
    check_name(device_label)?;
    check_name(platform)?;
    let root = SigningKey::generate(entropy);
    let identity_key = IdentityKey(root.public());
    let space = space_id_of(&identity_key.0);
    let halo_key = SpaceKey::generate(entropy);
    let mut identity = Identity {
        identity: identity_key,
        name: name.to_owned(),
        device: SigningKey::generate(entropy),
        device_agreement: AgreementSecret::generate(entropy),
        agreement: AgreementSecret::generate(entropy),
        halo_key: halo_key.clone(),
        chain: Vec::new(),
    };
    let genesis = issue_credential(
        Draft {
            space,
            issuer: Issuer::Genesis(identity_key.0),
            parents: &[],
            body: CredentialBody::SpaceGenesis {
                identity: identity_key,
                agreement: identity.public_agreement(),
            },
            sealed: None,
        },
        &root,
        entropy,
    )?;
    let device = identity.device();
    let device_agreement = identity.device_agreement.public();
    let consent = identity.device.sign(&device_consent_hash(
        &identity_key,
        &device,
        &device_agreement,
    ));
    let first_device = issue_credential(
        Draft {
            space,
            issuer: Issuer::Identity(identity_key),
            parents: &[genesis.hash()],
            body: CredentialBody::AuthorizedDevice {
                identity: identity_key,
                device,
                agreement: device_agreement,
                consent,
            },
            sealed: None,
        },
        &root,
        entropy,
    )?;
    drop(root);
    identity.chain.push(first_device.clone());
    let grant = seal_key(&space, &halo_key, &device_agreement, entropy)?;
    let mut credentials = vec![genesis, first_device];
    let profile = CredentialBody::IdentityProfile {
        identity: identity_key,
        agreement: identity.public_agreement(),
    };
    let sealed_profile = SealedPart::Identity {
        name: name.to_owned(),
        agreement: SecretBytes(identity.agreement.0),
    };
    let sealed_device = SealedPart::Device {
        label: device_label.to_owned(),
        platform: platform.to_owned(),
    };
    let steps = [
        (
            CredentialBody::KeyGrant {
                grants: vec![grant],
            },
            None,
        ),
        (profile, Some(sealed_profile)),
        (
            CredentialBody::DeviceProfile { device },
            Some(sealed_device),
        ),
    ];
    for (body, sealed) in steps {
        let parent = [last_hash(&credentials)];
        let sealed = sealed.map(|part| (&halo_key, part));
        credentials.push(identity.issue(space, &parent, body, sealed, entropy)?);
    }
    Ok(NewIdentity {
        identity,
        space,
        credentials,
        key: halo_key,
    })
}

/// Makes a space owned by `identity`. Its first name is sealed beside the genesis.
pub fn create_space(
    identity: &Identity,
    name: &str,
    my_name: &str,
    entropy: &mut dyn Entropy,
) -> Result<NewSpace, IdentityError> {
    check_name(name)?;
    check_name(my_name)?;
    let root = SigningKey::generate(entropy);
    let space = space_id_of(&root.public());
    let key = SpaceKey::generate(entropy);
    let agreement = identity.public_agreement();
    let genesis = issue_credential(
        Draft {
            space,
            issuer: Issuer::Genesis(root.public()),
            parents: &[],
            body: CredentialBody::SpaceGenesis {
                identity: identity.identity(),
                agreement,
            },
            sealed: Some((
                &key,
                SealedPart::Space {
                    name: name.to_owned(),
                },
            )),
        },
        &root,
        entropy,
    )?;
    drop(root);
    let mut credentials = vec![genesis];
    let grant = seal_key(&space, &key, &agreement, entropy)?;
    let mut steps: Vec<_> = identity
        .chain
        .iter()
        .map(|link| (carry(link), None))
        .collect();
    steps.push((
        CredentialBody::KeyGrant {
            grants: vec![grant],
        },
        None,
    ));
    let profile = CredentialBody::MemberProfile {
        identity: identity.identity(),
        agreement,
    };
    steps.push((
        profile,
        Some((
            &key,
            SealedPart::Profile {
                name: my_name.to_owned(),
            },
        )),
    ));
    for (body, sealed) in steps {
        let parent = [last_hash(&credentials)];
        credentials.push(identity.issue(space, &parent, body, sealed, entropy)?);
    }
    Ok(NewSpace {
        space,
        credentials,
        key,
    })
}

pub(crate) fn carry(link: &Credential) -> CredentialBody {
    CredentialBody::Carried {
        credential: link.bytes().to_vec(),
    }
}

pub(crate) fn last_hash(credentials: &[Credential]) -> Hash {
    credentials.last().map(Credential::hash).unwrap_or_default()
}
