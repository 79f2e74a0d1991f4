//! Entries: the signed, sealed links of a feed (DESIGN 4.4, 4.8).
//!
//! `entry = header ‖ length ‖ sealed body ‖ signature`. The signature covers the hash of the exact bytes carried;
//! nothing is encoded again to verify. The body is encoded, compressed if that helps, padded (PADMÉ), then sealed
//! with the encoded header as associated data.
//!
//! Invariant: header, signature and hash stand in the same place in every version, so any build verifies, stores and
//! forwards entries of newer ones. Only what is between header and signature may change with the version.

use serde::{Deserialize, Serialize};

use dxos_base::crypto::Cipher;
use dxos_base::{
    Clock, DecodeError, DeviceKey, Entropy, FeedId, Hash, KeyId, Signature, SigningKey, SpaceId,
    SpaceKey, hash, limits, verify_signature,
};

use crate::change::{Change, ChangeRef, WireChange, WireChanges};

/// Newest version of the entry format that this build writes and understands.
pub const ENTRY_VERSION: u8 = 1;

/// The feed number `n` (0..16) of a device in a space.
pub fn feed_id(space: &SpaceId, device: &DeviceKey, n: u8) -> FeedId {
    let hash = hash("feed", &[space.as_bytes(), device.as_bytes(), &[n]]);
    FeedId(hash.0[..16].try_into().expect("a hash has 32 bytes"))
}

/// What is plain in an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryHeader {
    /// Format version.
    pub version: u8,
    /// The space.
    pub space: SpaceId,
    /// The feed.
    pub feed: FeedId,
    /// Place in the feed, from 1.
    pub seq: u64,
    /// Hash of the entry before; zeros for the first.
    pub previous: Hash,
    /// Base of the changes' clocks.
    pub clock: Clock,
    /// What the body is; 0 = changes.
    pub kind: u8,
    /// The space key it is sealed under.
    pub key: KeyId,
    /// Control heads the writer had folded; empty: as in the entry before.
    pub control_heads: Vec<Hash>,
}

/// The header of an entry; nothing of it is verified.
///
/// # Errors
/// What is no entry.
pub fn header_of(bytes: &[u8]) -> Result<EntryHeader, DecodeError> {
    Ok(Entry::decode(bytes)?.header)
}

/// An entry of any version whose outer form is right; its signature is checked by [`Entry::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub header: EntryHeader,
    pub hash: Hash,
    header_bytes: &'a [u8],
    /// Between header and signature: what its version says.
    rest: &'a [u8],
    signature: Signature,
}

/// The opened body: changes and what the writer had seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Body {
    /// Other feeds whose applied prefix grew since the feed's entry before.
    pub seen: Vec<(FeedId, u64)>,
    pub changes: Vec<Change>,
}

#[derive(Serialize, Deserialize)]
struct WireBody {
    seen: Vec<(FeedId, u64)>,
    changes: Vec<WireChange>,
}

const SIGNATURE_BYTES: usize = 64;
/// Of an encoded length.
const LENGTH_BYTES_MAX: usize = 5;
const RAW: u8 = 0;
const LZ4: u8 = 1;

impl<'a> Entry<'a> {
    /// Reads what all versions have in common: the header, and that a signature stands at the end.
    pub fn decode(bytes: &'a [u8]) -> Result<Entry<'a>, DecodeError> {
        if bytes.len() > limits::ENTRY_BYTES_MAX {
            return Err(DecodeError::TooLong {
                len: bytes.len(),
                max: limits::ENTRY_BYTES_MAX,
            });
        }
        let (signed, signature) = bytes
            .split_last_chunk::<SIGNATURE_BYTES>()
            .ok_or(DecodeError::Malformed)?;
        let (header, rest): (EntryHeader, &[u8]) = dxos_base::codec::take(signed)?;
        if header.version == 0 || header.seq == 0 {
            return Err(DecodeError::Malformed);
        }
        Ok(Entry {
            header,
            hash: hash("entry", &[signed]),
            header_bytes: &signed[..signed.len() - rest.len()],
            rest,
            signature: Signature(*signature),
        })
    }

    /// Whether `device` signed it.
    pub fn verify(&self, device: &DeviceKey) -> bool {
        verify_signature(&device.0, &self.hash, &self.signature).is_ok()
    }

    /// Opens and checks the body, of a version this build understands. An error voids the entry on every replica
    /// alike.
    pub fn open(&self, key: &SpaceKey) -> Result<Body, DecodeError> {
        let (length, sealed): (u32, &[u8]) = dxos_base::codec::take(self.rest)?;
        if length as usize != sealed.len() {
            return Err(DecodeError::Malformed);
        }
        let cipher = key.cipher("entry");
        let padded = cipher
            .open(self.header_bytes, sealed)
            .map_err(|_| DecodeError::Malformed)?;
        if self.header.kind != 0 {
            return Err(DecodeError::Malformed);
        }
        Body::read(&padded, self.header.clock)
    }
}

impl Body {
    /// Reads what a seal held; `clock` is the header's.
    pub(crate) fn read(padded: &[u8], clock: Clock) -> Result<Body, DecodeError> {
        let plain = unpack(padded)?;
        let wire: WireBody = dxos_base::decode(&plain, limits::ENTRY_BYTES_MAX)?;
        let mut changes = Vec::with_capacity(wire.changes.len());
        for change in wire.changes {
            let change = Change {
                clock: Clock(clock.0.wrapping_add_signed(change.clock_delta)),
                object: change.object,
                path: change.path,
                operation: change.operation,
            };
            change.check().map_err(|_| DecodeError::Malformed)?;
            changes.push(change);
        }
        if !wire.seen.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(DecodeError::Malformed);
        }
        Ok(Body {
            seen: wire.seen,
            changes,
        })
    }
}

/// Makes an entry: encode, compress, pad, seal, hash, sign.
pub(crate) fn make_entry(
    header: &EntryHeader,
    seen: &[(FeedId, u64)],
    changes: &[ChangeRef<'_>],
    cipher: &Cipher,
    signer: &SigningKey,
    entropy: &mut dyn Entropy,
) -> (Hash, Vec<u8>) {
    #[derive(Serialize)]
    struct BodyRef<'a> {
        seen: &'a [(FeedId, u64)],
        changes: WireChanges<'a>,
    }
    let changes = WireChanges {
        base: header.clock,
        changes,
    };
    let plain = dxos_base::encode(&BodyRef { seen, changes });
    debug_assert!(
        dxos_base::decode::<WireBody>(&plain, usize::MAX).is_ok(),
        "changes that are not copied have the bytes of those that are"
    );
    let padded = pack(&plain);
    let mut bytes = dxos_base::encode(header);
    let sealed = cipher.seal(&bytes, &padded, entropy);
    let length = u32::try_from(sealed.len()).expect("a body is below 1 MiB");
    bytes.reserve_exact(LENGTH_BYTES_MAX + sealed.len() + SIGNATURE_BYTES);
    bytes.extend_from_slice(&dxos_base::encode(&length));
    bytes.extend_from_slice(&sealed);
    let hash = hash("entry", &[&bytes]);
    bytes.extend_from_slice(&signer.sign(&hash).0);
    (hash, bytes)
}

/// `form ‖ length of data ‖ data ‖ zeros`, padded to a PADMÉ bucket; LZ4 (with the plain length before it) only if
/// that is smaller.
fn pack(plain: &[u8]) -> Vec<u8> {
    let length = dxos_base::encode(&(plain.len() as u32));
    let compressed = lz4_flex::block::compress(plain);
    let (form, data): (u8, [&[u8]; 2]) = if length.len() + compressed.len() < plain.len() {
        (LZ4, [&length, &compressed])
    } else {
        (RAW, [plain, &[]])
    };
    let data_length = data[0].len() + data[1].len();
    let mut out = Vec::with_capacity(padme(1 + LENGTH_BYTES_MAX + data_length));
    out.push(form);
    out.extend_from_slice(&dxos_base::encode(&(data_length as u32)));
    data.iter().for_each(|part| out.extend_from_slice(part));
    out.resize(padme(out.len()), 0);
    out
}

fn unpack(padded: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let (&form, rest) = padded.split_first().ok_or(DecodeError::Malformed)?;
    let (length, rest): (u32, &[u8]) = dxos_base::codec::take(rest)?;
    let (data, zeros) = rest
        .split_at_checked(length as usize)
        .ok_or(DecodeError::Malformed)?;
    if zeros.iter().any(|byte| *byte != 0) || padme(padded.len() - zeros.len()) != padded.len() {
        return Err(DecodeError::NotCanonical);
    }
    match form {
        RAW => Ok(data.to_vec()),
        LZ4 => {
            let (length, data): (u32, &[u8]) = dxos_base::codec::take(data)?;
            if length as usize > limits::ENTRY_BYTES_MAX {
                return Err(DecodeError::TooLong {
                    len: length as usize,
                    max: limits::ENTRY_BYTES_MAX,
                });
            }
            let plain = lz4_flex::block::decompress(data, length as usize)
                .map_err(|_| DecodeError::Malformed)?;
            if plain.len() == length as usize {
                Ok(plain)
            } else {
                Err(DecodeError::Malformed)
            }
        }
        _ => Err(DecodeError::Malformed),
    }
}

/// PADMÉ: the next length whose low bits are zero so that at most 12 % is added and O(log log n) bits leak
/// (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", 2019).
fn padme(length: usize) -> usize {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    let mantissa = exponent.ilog2() + 1;
    let mask = (1usize << exponent.saturating_sub(mantissa)) - 1;
    (length + mask) & !mask
}

#[cfg(test)]
mod tests;
