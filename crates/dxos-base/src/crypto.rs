//! Keys, hashes, signatures and seals: thin, typed uses of audited crates (DESIGN 4.8). No own primitives.
//!
//! Invariants
//! * every hash carries its use as the BLAKE3 `derive_key` context `dxos/1 <use>`;
//! * Ed25519 signs a 32-byte hash and is checked with `verify_strict`, everywhere the same;
//! * a seal's nonce is 24 fresh random bytes in front of the ciphertext, but for chunks of blobs, whose key is made for
//!   exactly what it seals (`blob.rs`);
//! * secrets are wiped when dropped and never printed.

use std::fmt;
use std::sync::OnceLock;

use blake3::hazmat::{ContextKey, HasherExt as _, hash_derive_key_context};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ed25519_dalek::Signer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::ids::{AgreementKey, DeviceKey, KeyId, Signature, SpaceId, bytes};

/// Source of randomness handed to the cores: the operating system's in products, seeded in tests.
pub trait Entropy {
    /// Fills `out` with random bytes.
    fn fill(&mut self, out: &mut [u8]);
}

impl dyn Entropy + '_ {
    /// `N` random bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }
}

/// Why a signature or seal was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// The signature does not belong to this key and these bytes.
    #[error("signature does not match")]
    BadSignature,
    /// The key is no valid point.
    #[error("malformed public key")]
    BadKey,
    /// Wrong key, or the sealed bytes were altered.
    #[error("sealed bytes do not open with this key")]
    BadSeal,
}

/// A BLAKE3 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Hash({:02x}{:02x}{:02x}{:02x})",
            self.0[0], self.0[1], self.0[2], self.0[3]
        )
    }
}
impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(&self.0, serializer)
    }
}
impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bytes::deserialize(deserializer).map(Hash)
    }
}

/// Hash of the concatenated `parts` under context `dxos/1 <purpose>`.
pub fn hash(purpose: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key(&format!("dxos/1 {purpose}"));
    for part in parts {
        hasher.update(part);
    }
    Hash(*hasher.finalize().as_bytes())
}

/// A purpose that is hashed for often: its context is derived once.
pub struct HashPurpose {
    name: &'static str,
    context: OnceLock<ContextKey>,
}

impl HashPurpose {
    /// The purpose of this name; see [`hash()`].
    pub const fn new(name: &'static str) -> HashPurpose {
        HashPurpose {
            name,
            context: OnceLock::new(),
        }
    }

    /// The same as [`hash()`] gives.
    pub fn hash(&self, parts: &[&[u8]]) -> Hash {
        let context = self
            .context
            .get_or_init(|| hash_derive_key_context(&format!("dxos/1 {}", self.name)));
        let mut hasher = blake3::Hasher::new_from_context_key(context);
        for part in parts {
            hasher.update(part);
        }
        Hash(*hasher.finalize().as_bytes())
    }
}

/// HKDF-SHA256 to 32 bytes: network names and session secrets (DESIGN 4.8).
pub fn hkdf32(salt: &[u8], key: &[u8], info: &str) -> [u8; 32] {
    let mut out = [0; 32];
    hkdf::Hkdf::<Sha256>::new(Some(salt), key)
        .expand(info.as_bytes(), &mut out)
        .expect("32 bytes are within HKDF's range");
    out
}

/// SHA-256, for the space id only (DESIGN 4.2).
pub fn sha256(data: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    Sha256::digest(data).into()
}

/// An Ed25519 secret key: of a device, an identity or a genesis.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key whose secret seed is `seed`.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        SigningKey(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// A new key.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self::from_seed(entropy.array())
    }

    /// The secret seed, to be wrapped and stored.
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half, as bytes: wrap it in the id type of its use.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The public half as a device key.
    pub fn device_key(&self) -> DeviceKey {
        DeviceKey(self.public())
    }

    /// Signs a hash.
    pub fn sign(&self, hash: &Hash) -> Signature {
        Signature(self.0.sign(&hash.0).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.device_key())
    }
}

/// Checks `signature` of `hash` by the Ed25519 key `public`, strictly.
pub fn verify_signature(
    public: &[u8; 32],
    hash: &Hash,
    signature: &Signature,
) -> Result<(), CryptoError> {
    ed25519_dalek::VerifyingKey::from_bytes(public)
        .map_err(|_| CryptoError::BadKey)?
        .verify_strict(&hash.0, &ed25519_dalek::Signature::from_bytes(&signature.0))
        .map_err(|_| CryptoError::BadSignature)
}

/// An X25519 secret key.
#[derive(Clone, Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub struct AgreementSecret(pub [u8; 32]);

impl AgreementSecret {
    /// A new key.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        AgreementSecret(entropy.array())
    }

    /// The public half.
    pub fn public(&self) -> AgreementKey {
        let secret = x25519_dalek::StaticSecret::from(self.0);
        AgreementKey(x25519_dalek::PublicKey::from(&secret).to_bytes())
    }
}

impl fmt::Debug for AgreementSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgreementSecret({:?})", self.public())
    }
}

/// A symmetric key of a space, shared by its members.
#[derive(Clone, Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub struct SpaceKey(pub [u8; 32]);

impl fmt::Debug for SpaceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpaceKey({})", self.id())
    }
}

impl SpaceKey {
    /// A new key.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        SpaceKey(entropy.array())
    }

    /// Names and commits to the key: 16 bytes of BLAKE3 keyed with it over `dxos/1 key id`.
    pub fn id(&self) -> KeyId {
        let hash = blake3::keyed_hash(&self.0, b"dxos/1 key id");
        KeyId(
            hash.as_bytes()[..16]
                .try_into()
                .expect("a hash has 32 bytes"),
        )
    }

    /// The cipher for `purpose` (`entry`, `credential`); make it once for many seals.
    pub fn cipher(&self, purpose: &str) -> Cipher {
        Cipher::new(&blake3::derive_key(&format!("dxos/1 {purpose}"), &self.0))
    }

    /// A secret for the network: `dxos/1 topic`, `dxos/1 psk`, `dxos/1 signal` (DESIGN 4.8).
    pub fn network_secret(&self, space: &SpaceId, info: &str) -> [u8; 32] {
        hkdf32(space.as_bytes(), &self.0, info)
    }
}

/// XChaCha20-Poly1305 with a random 24-byte nonce in front.
#[derive(Clone)]
pub struct Cipher(XChaCha20Poly1305);

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher")
    }
}

impl Cipher {
    /// Bytes a seal adds: nonce and tag.
    pub const OVERHEAD: usize = 24 + 16;

    /// A cipher with this key.
    pub fn new(key: &[u8; 32]) -> Self {
        Cipher(XChaCha20Poly1305::new(key.into()))
    }

    /// Seals `plain`, bound to `context` (associated data).
    pub fn seal(&self, context: &[u8], plain: &[u8], entropy: &mut dyn Entropy) -> Vec<u8> {
        let nonce: [u8; 24] = entropy.array();
        let payload = Payload {
            msg: plain,
            aad: context,
        };
        let sealed = self
            .0
            .encrypt(&XNonce::from(nonce), payload)
            .expect("sealing in memory fails only past 256 GiB");
        let mut out = Vec::with_capacity(24 + sealed.len());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }

    /// Seals part `number` of what this key was made for; nothing else may ever be sealed with it under that number.
    pub(crate) fn seal_numbered(&self, number: u64, plain: &[u8]) -> Vec<u8> {
        self.0
            .encrypt(&numbered(number), plain)
            .expect("sealing in memory fails only past 256 GiB")
    }

    /// Opens what [`Cipher::seal_numbered`] made with the same key and number.
    pub(crate) fn open_numbered(&self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.0
            .decrypt(&numbered(number), sealed)
            .map_err(|_| CryptoError::BadSeal)
    }

    /// Opens what [`Cipher::seal`] made with the same key and context.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (nonce, body) = sealed
            .split_first_chunk::<24>()
            .ok_or(CryptoError::BadSeal)?;
        let payload = Payload {
            msg: body,
            aad: context,
        };
        self.0
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| CryptoError::BadSeal)
    }
}

/// The nonce of a numbered part: the number, little-endian, and zeros.
fn numbered(number: u64) -> XNonce {
    let mut nonce = [0; 24];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    XNonce::from(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(u8);
    impl Entropy for Count {
        fn fill(&mut self, out: &mut [u8]) {
            for byte in out {
                self.0 = self.0.wrapping_add(1);
                *byte = self.0;
            }
        }
    }

    #[test]
    fn a_purpose_hashes_as_its_name_does() {
        static PURPOSE: HashPurpose = HashPurpose::new("object");
        for parts in [&[&b"a"[..], b"", b"bc"][..], &[], &[&[7; 5000]]] {
            assert_eq!(PURPOSE.hash(parts), hash("object", parts));
        }
    }

    #[test]
    fn seals_open_only_unaltered_with_key_and_context() {
        let key = SpaceKey([3; 32]);
        let cipher = key.cipher("entry");
        let sealed = cipher.seal(b"header", b"body", &mut Count(0));
        assert_eq!(cipher.open(b"header", &sealed).unwrap(), b"body");
        assert!(cipher.open(b"other", &sealed).is_err());
        assert!(key.cipher("credential").open(b"header", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(cipher.open(b"header", &altered).is_err());
            assert!(cipher.open(b"header", &sealed[..at]).is_err());
        }
    }

    #[test]
    fn signatures_are_checked() {
        let key = SigningKey::generate(&mut Count(9));
        let signed = hash("test", &[b"a", b"b"]);
        assert_eq!(signed, hash("test", &[b"ab"]));
        assert_ne!(signed, hash("other", &[b"ab"]));
        let signature = key.sign(&signed);
        assert!(verify_signature(&key.public(), &signed, &signature).is_ok());
        assert!(verify_signature(&key.public(), &hash("test", &[b"x"]), &signature).is_err());
        assert!(verify_signature(&[0xff; 32], &signed, &signature).is_err());
    }
}
