//! Blobs: files and other large bytes beside the objects that refer to them (DESIGN 4.2).
//!
//! A blob is cut into *pieces* of [`limits::BLOB_PIECE_BYTES`]; each piece is sealed into a *chunk*. Its manifest names the
//! chunks by their hashes, its id is the hash of the manifest, and its key is in the references to it only.
//!
//! Invariants
//! * the same bytes put into a space twice under the same space key give the same chunks, manifest and id;
//! * a key seals one sequence of pieces only: it is derived from the hashes of all of them, and whoever seals checks
//!   each piece against its hash first. That is why a nonce may be the chunk's number;
//! * a chunk is verified against the manifest, a manifest against the id, before it is kept.
//!
//! Not here: where chunks lie (`dxos-store`), how they travel (`dxos-node`).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base32;
use crate::codec::{DecodeError, decode, encode};
use crate::crypto::{Cipher, CryptoError, Hash, SpaceKey, hash};
use crate::ids::{IdError, bytes};
use crate::limits;
use crate::schema::{FieldType, Misfit};
use crate::typed::Property;
use crate::value::Value;

/// The member that makes a map a reference to a blob.
pub const BLOB: &str = "@blob";
/// Version of manifests and references.
const BLOB_VERSION: u8 = 1;
/// What sealing adds to a piece.
const TAG_BYTES: usize = 16;

/// Names a blob: the hash of its manifest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 32]);

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({})", base32::lower(&self.0[..5]))
    }
}
impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32::lower(&self.0))
    }
}
impl FromStr for BlobId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bytes = base32::from_lower(text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| IdError::new("blob id", text))
    }
}
impl Serialize for BlobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(&self.0, serializer)
    }
}
impl<'de> Deserialize<'de> for BlobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bytes::deserialize(deserializer).map(Self)
    }
}

/// Opens the chunks of one blob. Not printed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey(pub [u8; 32]);

impl fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlobKey")
    }
}
impl Serialize for BlobKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(&self.0, serializer)
    }
}
impl<'de> Deserialize<'de> for BlobKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bytes::deserialize(deserializer).map(Self)
    }
}

impl BlobKey {
    /// The key of the blob with these pieces: keyed BLAKE3 of the plain hash under the space's blob secret.
    ///
    /// The secret is derived from the space key a member seals under now. So whoever was removed cannot tell, by
    /// guessing contents, what is put in afterwards; and bytes put in before and after are two blobs.
    pub fn derive(space_key: &SpaceKey, plain: &Hash) -> BlobKey {
        let secret = blake3::derive_key("dxos/1 blob secret", &space_key.0);
        BlobKey(*blake3::keyed_hash(&secret, &plain.0).as_bytes())
    }

    /// Names the blob while it is put in, before its id is known.
    pub fn upload(&self) -> Hash {
        hash("blob upload", &[&self.0])
    }

    fn cipher(&self) -> Cipher {
        Cipher::new(&self.0)
    }

    /// Seals a piece into chunk `n`. The caller has checked the piece against its hash.
    pub fn seal(&self, n: u32, piece: &[u8]) -> Vec<u8> {
        self.cipher().seal_numbered(n.into(), piece)
    }

    /// The piece in chunk `n`.
    ///
    /// # Errors
    /// When the chunk is of another blob, or of another place.
    pub fn open(&self, n: u32, chunk: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.cipher().open_numbered(n.into(), chunk)
    }
}

/// Hash of a piece: what it is checked against when it is put in.
pub fn piece_hash(piece: &[u8]) -> Hash {
    hash("blob piece", &[piece])
}

/// Hash of a chunk, as a manifest names it.
pub fn chunk_hash(chunk: &[u8]) -> Hash {
    hash("blob chunk", &[chunk])
}

/// Hash of all that is in a blob: of its length and the hashes of its pieces.
pub fn plain_hash(bytes: u64, pieces: &[Hash]) -> Hash {
    let length = bytes.to_le_bytes();
    let mut parts: Vec<&[u8]> = vec![&length];
    parts.extend(pieces.iter().map(|piece| &piece.0[..]));
    hash("blob plain", &parts)
}

/// How many pieces a blob of this length has; `None`: it is too long.
pub fn pieces_count(bytes: u64) -> Option<u32> {
    let count = bytes.div_ceil(limits::BLOB_PIECE_BYTES as u64);
    u32::try_from(count)
        .ok()
        .filter(|count| *count as usize <= limits::BLOB_PIECES_MAX)
}

/// Length of piece `n` of a blob of this length; 0 past its end.
pub fn piece_len(bytes: u64, n: u32) -> usize {
    let from = u64::from(n) * limits::BLOB_PIECE_BYTES as u64;
    let len = bytes
        .saturating_sub(from)
        .min(limits::BLOB_PIECE_BYTES as u64);
    len as usize
}

/// The chunks of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobManifest {
    version: u8,
    /// Length of what is in the blob.
    pub bytes: u64,
    /// Hashes of the chunks, in order.
    pub chunks: Vec<Hash>,
}

/// Bytes that are no manifest of the blob asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// They are of another blob.
    #[error("the bytes are not those of this blob")]
    Other,
    /// The blob is longer than any may be.
    #[error("{bytes} bytes are over the limit of a blob")]
    TooLong {
        /// Its length.
        bytes: u64,
    },
    /// They do not read.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
}

impl BlobManifest {
    /// Of a blob of this length with these chunks.
    pub fn new(bytes: u64, chunks: Vec<Hash>) -> BlobManifest {
        BlobManifest {
            version: BLOB_VERSION,
            bytes,
            chunks,
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// The blob's id.
    pub fn id(&self) -> BlobId {
        BlobId(hash("blob", &[&self.encode()]).0)
    }

    /// The manifest of a blob.
    ///
    /// # Errors
    /// When the bytes are not those that the id names, or no manifest of this version.
    pub fn decode(id: &BlobId, encoded: &[u8]) -> Result<BlobManifest, BlobError> {
        if hash("blob", &[encoded]).0 != id.0 {
            return Err(BlobError::Other);
        }
        if let Some(&version) = encoded.first()
            && version > BLOB_VERSION
        {
            return Err(DecodeError::Version { version }.into());
        }
        let manifest: BlobManifest = decode(encoded, limits::BLOB_MANIFEST_BYTES_MAX)?;
        let count = pieces_count(manifest.bytes).ok_or(BlobError::TooLong {
            bytes: manifest.bytes,
        })?;
        if manifest.version != BLOB_VERSION || manifest.chunks.len() != count as usize {
            return Err(DecodeError::Malformed.into());
        }
        Ok(manifest)
    }

    /// Whether these bytes are chunk `n`.
    pub fn is_chunk(&self, n: u32, chunk: &[u8]) -> bool {
        let named = self.chunks.get(n as usize);
        chunk.len() == self.chunk_len(n) && named == Some(&chunk_hash(chunk))
    }

    /// Length of chunk `n`.
    pub fn chunk_len(&self, n: u32) -> usize {
        piece_len(self.bytes, n) + TAG_BYTES
    }

    /// Length of all chunks.
    pub fn chunks_bytes(&self) -> u64 {
        self.bytes + (self.chunks.len() * TAG_BYTES) as u64
    }
}

/// A reference to a blob: a property's value. Whoever has it can find, verify and read the blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    version: u8,
    /// The blob.
    pub id: BlobId,
    /// Opens it.
    pub key: BlobKey,
    /// Its length.
    pub bytes: u64,
    /// Media type, such as `image/png`; empty: not known.
    pub media: String,
    /// File name without folders; empty: it has none.
    pub name: String,
}

impl BlobRef {
    /// A reference. Names and media types past their limits are cut.
    pub fn new(id: BlobId, key: BlobKey, bytes: u64, media: &str, name: &str) -> BlobRef {
        let cut = |text: &str, max: usize| {
            let end = text.floor_char_boundary(max);
            text[..end].to_owned()
        };
        let file = name.rsplit(['/', '\\']).next().unwrap_or_default();
        BlobRef {
            version: BLOB_VERSION,
            id,
            key,
            bytes,
            media: cut(media, limits::BLOB_MEDIA_BYTES_MAX),
            name: cut(file, limits::NAME_BYTES_MAX),
        }
    }

    /// The value that stands for it: a map with one reserved member, so that builds that know no blobs keep it as it is.
    pub fn to_value(&self) -> Value {
        Value::Map(BTreeMap::from([(
            BLOB.to_owned(),
            Value::Bytes(encode(self)),
        )]))
    }

    /// The reference, if the value is one.
    pub fn of_value(value: &Value) -> Option<BlobRef> {
        match value {
            Value::Map(members) if members.len() == 1 => match members.get(BLOB) {
                Some(Value::Bytes(encoded)) => BlobRef::decode(encoded).ok(),
                _ => None,
            },
            _ => None,
        }
    }

    /// Reads the bytes within the value.
    ///
    /// # Errors
    /// When they are no reference of this version.
    pub fn decode(encoded: &[u8]) -> Result<BlobRef, BlobError> {
        if let Some(&version) = encoded.first()
            && version > BLOB_VERSION
        {
            return Err(DecodeError::Version { version }.into());
        }
        let reference: BlobRef = decode(encoded, limits::BLOB_REF_BYTES_MAX)?;
        let plain_name = !reference.name.contains(['/', '\\', '\0']);
        if reference.version != BLOB_VERSION || !plain_name {
            return Err(DecodeError::Malformed.into());
        }
        if pieces_count(reference.bytes).is_none() {
            let bytes = reference.bytes;
            return Err(BlobError::TooLong { bytes });
        }
        Ok(reference)
    }

    /// The blob that bytes of a value's `@blob` refer to, in this and later versions: the id follows the version.
    pub fn id_of(encoded: &[u8]) -> Option<BlobId> {
        let id = encoded.get(1..33)?;
        id.try_into().ok().map(BlobId)
    }
}

/// Calls `found` with each blob a value refers to, at any depth.
pub fn blobs_of(value: &Value, found: &mut impl FnMut(BlobId)) {
    match value {
        Value::List(values) => values.iter().for_each(|value| blobs_of(value, found)),
        Value::Map(values) => {
            if let Some(Value::Bytes(encoded)) = values.get(BLOB)
                && let Some(id) = BlobRef::id_of(encoded)
            {
                found(id);
            }
            values.values().for_each(|value| blobs_of(value, found));
        }
        _ => {}
    }
}

impl Property for BlobRef {
    type Plain = Self;
    fn kind() -> FieldType {
        FieldType::Any
    }
    fn to_value(&self) -> Option<Value> {
        Some(BlobRef::to_value(self))
    }
    fn from_value(value: &Value) -> Result<Self, Misfit> {
        BlobRef::of_value(value).ok_or_else(|| Misfit::new(&[], "a file", Some(value)))
    }
}

/// Bytes of a blob within a message: written and read as a whole, not one by one. The form is that of a list of bytes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Piece(pub Vec<u8>);

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Piece({} bytes)", self.0.len())
    }
}
impl Serialize for Piece {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}
impl<'de> Deserialize<'de> for Piece {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Piece;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Piece, E> {
                Ok(Piece(bytes.to_vec()))
            }
            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Piece, E> {
                Ok(Piece(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

#[cfg(test)]
mod tests;
