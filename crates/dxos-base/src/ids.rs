//! Identifiers: fixed-size byte arrays, each its own type, ordered by their bytes.
//!
//! Encoded as their bare bytes (no length). Shown as RFC 4648 base32 without padding, lower case
//! (space ids: upper case with a leading `B`, see DESIGN 4.2; object ids: Crockford base32, as ULIDs are).

use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base32;

/// A text that is no id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a {kind}")]
pub struct IdError {
    /// What was expected, in words.
    pub kind: &'static str,
    /// What was given, cut to 64 characters.
    pub text: String,
}

impl IdError {
    pub(crate) fn new(kind: &'static str, text: &str) -> Self {
        IdError {
            kind,
            text: text.chars().take(64).collect(),
        }
    }
}

/// Serde for byte arrays of any size, as a tuple: no length on the wire.
pub(crate) mod bytes {
    use super::*;

    pub(crate) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for byte in bytes {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        struct Bytes<const N: usize>;
        impl<'de, const N: usize> Visitor<'de> for Bytes<N> {
            type Value = [u8; N];
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{N} bytes")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<[u8; N], A::Error> {
                let mut out = [0; N];
                for (i, slot) in out.iter_mut().enumerate() {
                    *slot = seq
                        .next_element()?
                        .ok_or_else(|| A::Error::invalid_length(i, &self))?;
                }
                Ok(out)
            }
        }
        deserializer.deserialize_tuple(N, Bytes::<N>)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The bare bytes.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }

            /// Takes exactly [`Self::LEN`] bytes.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
                bytes.try_into().map(Self).map_err(|_| IdError::new($kind, "bytes of a wrong length"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = base32::lower(&self.0[..5]);
                write!(f, "{}({text})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                bytes::serialize(&self.0, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                bytes::deserialize(deserializer).map(Self)
            }
        }
    };
}

macro_rules! text_id {
    ($name:ident, $kind:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base32::lower(&self.0))
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let bytes = base32::from_lower(text).and_then(|bytes| bytes.try_into().ok());
                bytes.map(Self).ok_or_else(|| IdError::new($kind, text))
            }
        }
    };
}

id!(
    /// A space: first 20 bytes of SHA-256 of the public genesis key (DESIGN 4.2).
    SpaceId, 20, "space id"
);
id!(
    /// An object: a ULID (48-bit milliseconds, 80 random bits).
    ObjectId, 16, "object id"
);
id!(
    /// A data feed: hash(`feed`, space ‖ device key ‖ n).
    FeedId, 16, "feed id"
);
id!(
    /// Names, and commits to, a space key.
    KeyId, 16, "key id"
);
id!(
    /// A collaborative text.
    TextId, 16, "text id"
);
id!(
    /// An element of a list property.
    ElementId, 8, "element id"
);
id!(
    /// An invitation.
    InvitationId, 16, "invitation id"
);
id!(
    /// A peer on the signal server: random, fresh for each run of a node.
    PeerId, 16, "peer id"
);
id!(
    /// Public Ed25519 key of a device.
    DeviceKey, 32, "device key"
);
id!(
    /// Public Ed25519 key of an identity; the identity's id.
    IdentityKey, 32, "identity key"
);
id!(
    /// Public X25519 key.
    AgreementKey, 32, "agreement key"
);
id!(
    /// An Ed25519 signature.
    Signature, 64, "signature"
);

text_id!(FeedId, "feed id");
text_id!(KeyId, "key id");
text_id!(TextId, "text id");
text_id!(ElementId, "element id");
text_id!(InvitationId, "invitation id");
text_id!(PeerId, "peer id");
text_id!(DeviceKey, "device key");
text_id!(IdentityKey, "identity key");
text_id!(AgreementKey, "agreement key");

impl fmt::Display for SpaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "B{}", base32::upper(&self.0))
    }
}

impl FromStr for SpaceId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bytes = text.strip_prefix('B').and_then(base32::from_upper);
        let id = bytes.and_then(|bytes| bytes.try_into().ok());
        id.map(SpaceId)
            .ok_or_else(|| IdError::new("space id", text))
    }
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from_be_bytes(self.0);
        (0..26).rev().try_for_each(|digit| {
            let index = (number >> (digit * 5)) as usize & 31;
            write!(f, "{}", CROCKFORD[index] as char)
        })
    }
}

impl FromStr for ObjectId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError::new("object id", text);
        if text.len() != 26 || text.as_bytes()[0] > b'7' {
            return Err(error());
        }
        let mut number: u128 = 0;
        for byte in text.bytes() {
            let upper = byte.to_ascii_uppercase();
            let digit = CROCKFORD
                .iter()
                .position(|c| *c == upper)
                .ok_or_else(error)?;
            number = (number << 5) | digit as u128;
        }
        Ok(ObjectId(number.to_be_bytes()))
    }
}

impl ObjectId {
    /// The wall time it was made at, in milliseconds since the epoch.
    pub fn created_ms(&self) -> u64 {
        self.0[..6]
            .iter()
            .fold(0, |ms, byte| (ms << 8) | u64::from(*byte))
    }

    /// A new id: `wall_ms` (48 bits) followed by 80 random bits.
    pub fn new(wall_ms: u64, entropy: &mut dyn crate::Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        bytes[..6].copy_from_slice(&wall_ms.to_be_bytes()[2..]);
        ObjectId(bytes)
    }

    /// The id of an object that every device would make (space properties, stored types), so that two make one:
    /// 16 bytes of hash(`well-known object`, space ‖ length of the name ‖ name ‖ version) (DESIGN 4.2).
    pub fn well_known(space: &SpaceId, name: &str, version: &str) -> Self {
        let length = (name.len() as u64).to_le_bytes();
        let parts = [&space.0[..], &length, name.as_bytes(), version.as_bytes()];
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&crate::hash("well-known object", &parts).0[..16]);
        ObjectId(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_as_text() {
        let object = ObjectId(std::array::from_fn(|i| i as u8 * 3));
        assert_eq!(object.to_string().parse(), Ok(object));
        let space = SpaceId(std::array::from_fn(|i| 250 - i as u8));
        assert_eq!(space.to_string().parse(), Ok(space));
        assert!(space.to_string().starts_with('B'));
        let feed = FeedId([7; 16]);
        assert_eq!(feed.to_string().parse(), Ok(feed));
    }

    #[test]
    fn wrong_text_is_an_error_and_never_a_panic() {
        for text in [
            "",
            "B",
            "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "é",
            "BAAAA",
            "\u{0}",
            "0",
        ] {
            assert!(text.parse::<SpaceId>().is_err(), "{text}");
            assert!(text.parse::<ObjectId>().is_err(), "{text}");
            assert!(text.parse::<FeedId>().is_err(), "{text}");
        }
    }
}
