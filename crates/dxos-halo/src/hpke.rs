//! Sealing a space key to one recipient: HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
//! ChaCha20-Poly1305. The seal is bound to space, key id and recipient.
//!
//! Not here: who may grant (the fold), which key to use (the keyring).

use std::convert::Infallible;

use dxos_base::{AgreementKey, AgreementSecret, CryptoError, Entropy, KeyId, SpaceId, SpaceKey};
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _};
use zeroize::Zeroize as _;

use crate::body::Grant;

type Kem = X25519HkdfSha256;
type Kdf = hpke::kdf::HkdfSha256;
type Aead = hpke::aead::ChaCha20Poly1305;

/// Encapsulated key, sealed key, tag.
const SEALED_LEN: usize = 32 + 32 + 16;

/// Our entropy as the randomness HPKE asks for.
struct Rng<'a>(&'a mut dyn Entropy);

impl TryRng for Rng<'_> {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.0.array()))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.0.array()))
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}
impl TryCryptoRng for Rng<'_> {}

fn info(space: &SpaceId, key: &KeyId, recipient: &AgreementKey) -> Vec<u8> {
    [
        b"dxos/1 key grant".as_slice(),
        space.as_bytes(),
        key.as_bytes(),
        recipient.as_bytes(),
    ]
    .concat()
}

/// Seals `key` of `space` to `recipient`. Fails if the recipient is no valid point.
pub fn seal_key(
    space: &SpaceId,
    key: &SpaceKey,
    recipient: &AgreementKey,
    entropy: &mut dyn Entropy,
) -> Result<Grant, CryptoError> {
    let public =
        <Kem as hpke::Kem>::PublicKey::from_bytes(&recipient.0).map_err(|_| CryptoError::BadKey)?;
    let id = key.id();
    let (encapsulated, body) = hpke::single_shot_seal_with_rng::<Aead, Kdf, Kem>(
        &OpModeS::Base,
        &public,
        &info(space, &id, recipient),
        &key.0,
        &[],
        &mut Rng(entropy),
    )
    .map_err(|_| CryptoError::BadKey)?;
    let mut sealed = encapsulated.to_bytes().to_vec();
    sealed.extend_from_slice(&body);
    Ok(Grant {
        key: id,
        recipient: *recipient,
        sealed,
    })
}

/// Opens a grant to `secret`'s public half; checks that the key inside is the one named.
pub fn open_key(
    space: &SpaceId,
    grant: &Grant,
    secret: &AgreementSecret,
) -> Result<SpaceKey, CryptoError> {
    if grant.sealed.len() != SEALED_LEN || secret.public() != grant.recipient {
        return Err(CryptoError::BadSeal);
    }
    let (encapsulated, body) = grant.sealed.split_at(32);
    let private =
        <Kem as hpke::Kem>::PrivateKey::from_bytes(&secret.0).map_err(|_| CryptoError::BadKey)?;
    let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated)
        .map_err(|_| CryptoError::BadSeal)?;
    let mut plain = hpke::single_shot_open::<Aead, Kdf, Kem>(
        &OpModeR::Base,
        &private,
        &encapsulated,
        &info(space, &grant.key, &grant.recipient),
        body,
        &[],
    )
    .map_err(|_| CryptoError::BadSeal)?;
    let key = plain
        .as_slice()
        .try_into()
        .map(SpaceKey)
        .map_err(|_| CryptoError::BadSeal);
    plain.zeroize();
    key.and_then(|key| {
        if key.id() == grant.key {
            Ok(key)
        } else {
            Err(CryptoError::BadSeal)
        }
    })
}
