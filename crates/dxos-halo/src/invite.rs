//! Invitations: the code that travels out of band, the network names made from it, and the host's record of it.
//!
//! Invariants
//! * a mistyped code is told apart from a wrong one by its checksum;
//! * the space's name is not in the code; whoever holds only the code learns no name;
//! * tries are counted per invitation, over all connections, and only grow.
//!
//! Not here: the conversation ([`crate::pairing`]), expiry timers and storage (the node).

use std::fmt;
use std::str::FromStr;

use dxos_base::crypto::hkdf32;
use dxos_base::limits::{AUTH_CODE_DIGITS, AUTH_TRIES_MAX, INVITE_TTL_MS_MAX};
use dxos_base::{DecodeError, Entropy, InvitationId, SpaceId, Tick, base32, decode, encode, hash};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::body::{Role, SecretBytes};
use crate::pairing::PairingFailure;

const CODE_VERSION: u8 = 1;
const RECORD_VERSION: u8 = 1;
const RECORD_BYTES_MAX: usize = 16 * 1024;
const CHECKSUM_LEN: usize = 4;
/// Version, kind and method, secret, checksum.
const CODE_LEN: usize = 3 + 16 + CHECKSUM_LEN;

/// What an invitation leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InvitationKind {
    /// Membership of a space.
    Space,
    /// Another device of the same identity.
    Device,
}

/// How the guest proves to be the one invited, beyond holding the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthMethod {
    /// Not at all.
    None,
    /// Six digits told by another way.
    Code,
}

/// Why a text is no invitation code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// A character that no code has.
    #[error("this is not an invitation code: '{found}' never occurs in one")]
    Character {
        /// It.
        found: char,
    },
    /// Too short or too long.
    #[error("this invitation code is not complete: it has {found} of {expected} characters")]
    Length {
        /// Characters found.
        found: usize,
        /// Characters of a code.
        expected: usize,
    },
    /// A character is wrong.
    #[error("this invitation code has a typing error")]
    Checksum,
    /// Made by a newer version.
    #[error("this invitation code was made by a newer version of this app")]
    Version,
}

/// The code of an interactive invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationCode {
    /// What it leads to.
    pub kind: InvitationKind,
    /// How the guest proves itself.
    pub auth: AuthMethod,
    secret: [u8; 16],
}

impl InvitationCode {
    /// A new code.
    pub fn generate(kind: InvitationKind, auth: AuthMethod, entropy: &mut dyn Entropy) -> Self {
        InvitationCode {
            kind,
            auth,
            secret: entropy.array(),
        }
    }

    /// Names the invitation; tells nothing of the secret.
    pub fn id(&self) -> InvitationId {
        let hash = hash("invitation id", &[&self.secret]);
        InvitationId(hash.0[..16].try_into().expect("a hash has 32 bytes"))
    }

    /// Where host and guest meet on the signal server.
    pub fn topic(&self) -> [u8; 32] {
        self.network_secret("dxos/1 topic")
    }

    /// Pre-shared key of their session.
    pub fn psk(&self) -> [u8; 32] {
        self.network_secret("dxos/1 psk")
    }

    /// Key that seals their offers and candidates.
    pub fn signal_key(&self) -> [u8; 32] {
        self.network_secret("dxos/1 signal")
    }

    fn network_secret(&self, info: &str) -> [u8; 32] {
        hkdf32(self.id().as_bytes(), &self.secret, info)
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let hash = hash("invitation code", &[bytes]);
    hash.0[..CHECKSUM_LEN]
        .try_into()
        .expect("a hash has 32 bytes")
}

impl fmt::Display for InvitationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![CODE_VERSION, self.kind as u8, self.auth as u8];
        bytes.extend_from_slice(&self.secret);
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        f.write_str(&base32::lower(&bytes))
    }
}

impl FromStr for InvitationCode {
    type Err = CodeError;

    /// Takes a code, or a link that ends with one. Case, spaces and dashes do not matter.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let code = text.rsplit(['#', '/', '=']).next().unwrap_or(text);
        let code: String = code
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_uppercase())
            .collect();
        if let Some(found) = code.chars().find(|c| !matches!(c, 'A'..='Z' | '2'..='7')) {
            return Err(CodeError::Character { found });
        }
        let expected = base32::text_len(CODE_LEN);
        if code.len() != expected {
            return Err(CodeError::Length {
                found: code.len(),
                expected,
            });
        }
        let bytes = base32::from_upper(&code).ok_or(CodeError::Checksum)?;
        let (body, check) = bytes.split_at(CODE_LEN - CHECKSUM_LEN);
        if checksum(body) != check {
            return Err(CodeError::Checksum);
        }
        let kind = match body[1] {
            0 => InvitationKind::Space,
            1 => InvitationKind::Device,
            _ => return Err(CodeError::Version),
        };
        let auth = match body[2] {
            0 => AuthMethod::None,
            1 => AuthMethod::Code,
            _ => return Err(CodeError::Version),
        };
        if body[0] != CODE_VERSION {
            return Err(CodeError::Version);
        }
        let secret = body[3..].try_into().map_err(|_| CodeError::Checksum)?;
        Ok(InvitationCode { kind, auth, secret })
    }
}

/// An auth code as digits only; `None` if it is not one. Spaces and dashes do not matter.
pub fn normal_auth_code(text: &str) -> Option<String> {
    let digits: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .collect();
    let right = digits.len() == AUTH_CODE_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    right.then_some(digits)
}

/// The host's record of an interactive invitation. The caller persists it whenever it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInvitation {
    version: u8,
    /// What the guest is given.
    pub code: InvitationCode,
    auth_code: AuthCode,
    /// The space.
    pub space: SpaceId,
    /// What the guest will be allowed.
    pub role: Role,
    /// From then on nobody is admitted.
    pub expires: Tick,
    /// Ends with the first admission.
    pub single_use: bool,
    /// Tries of the auth code so far.
    pub tries_used: u8,
    /// Somebody was admitted by it.
    pub used: bool,
    /// Ended by a person.
    pub cancelled: bool,
    /// The connection that is authenticating now; not stored.
    #[serde(skip)]
    pub(crate) authenticating: Option<([u8; 32], Tick)>,
}

/// Six digits; never printed by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct AuthCode(String);

impl fmt::Debug for AuthCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthCode")
    }
}

impl HostInvitation {
    /// A new single-use invitation to `space`, alive for `ttl_ms` (at most a week).
    pub fn new(
        space: SpaceId,
        role: Role,
        auth: AuthMethod,
        now: Tick,
        ttl_ms: u64,
        entropy: &mut dyn Entropy,
    ) -> Self {
        HostInvitation {
            version: RECORD_VERSION,
            code: InvitationCode::generate(InvitationKind::Space, auth, entropy),
            auth_code: AuthCode(random_auth_code(entropy)),
            space,
            role,
            expires: now.plus_ms(ttl_ms.min(INVITE_TTL_MS_MAX)),
            single_use: true,
            tries_used: 0,
            used: false,
            cancelled: false,
            authenticating: None,
        }
    }

    /// Names the invitation.
    pub fn id(&self) -> InvitationId {
        self.code.id()
    }

    /// Six digits to tell the guest; empty if none are needed.
    pub fn auth_code(&self) -> &str {
        match self.code.auth {
            AuthMethod::None => "",
            AuthMethod::Code => &self.auth_code.0,
        }
    }

    /// Tries left.
    pub fn tries_left(&self) -> u8 {
        AUTH_TRIES_MAX.saturating_sub(self.tries_used)
    }

    /// Why nobody can be admitted by it (any more).
    pub fn dead(&self, now: Tick) -> Option<PairingFailure> {
        if self.cancelled {
            Some(PairingFailure::Cancelled)
        } else if self.used && self.single_use {
            Some(PairingFailure::Used)
        } else if self.tries_left() == 0 {
            Some(PairingFailure::TriesUsed)
        } else if now >= self.expires {
            Some(PairingFailure::Expired)
        } else {
            None
        }
    }

    /// Everything, in the clear: seal it before it is stored.
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(encode(self))
    }

    /// The record stored by [`HostInvitation::to_secret_bytes`].
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.first() {
            Some(&RECORD_VERSION) => decode(bytes, RECORD_BYTES_MAX),
            Some(&version) => Err(DecodeError::Version { version }),
            None => Err(DecodeError::Malformed),
        }
    }

    /// The password both sides put into SPAKE2.
    pub(crate) fn password(&self) -> Zeroizing<Vec<u8>> {
        password(&self.code, self.auth_code())
    }
}

/// Auth code bound to the invitation's secret.
pub(crate) fn password(code: &InvitationCode, auth_code: &str) -> Zeroizing<Vec<u8>> {
    let secret = SecretBytes(hash("auth code", &[&code.secret, auth_code.as_bytes()]).0);
    Zeroizing::new(secret.0.to_vec())
}

/// Uniform digits: values that would favour some are thrown away.
fn random_auth_code(entropy: &mut dyn Entropy) -> String {
    let range = 10u32.pow(AUTH_CODE_DIGITS as u32);
    let fair = u32::MAX - u32::MAX % range;
    // Each draw is fair with probability over 0.9997; the bound only ends a broken source.
    for _ in 0..64 {
        let draw = u32::from_le_bytes(entropy.array());
        if draw < fair {
            return format!("{:0width$}", draw % range, width = AUTH_CODE_DIGITS);
        }
    }
    format!("{:0width$}", 0, width = AUTH_CODE_DIGITS)
}
