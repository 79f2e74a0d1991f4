//! Messages on a `blob` stream. Who opened it asks, the other side serves; each side opens its own.
//!
//! Everything here comes from a peer: lists are bounded by the stream's limit and checked where they are used, chunks
//! and manifests are verified before they are kept.

use serde::{Deserialize, Serialize};

use dxos_base::blob::Piece;
use dxos_base::{BlobId, SpaceId};

/// Stream protocol: chunks of blobs of one space.
pub(crate) const BLOB_STREAM: &str = "blob";

/// Version of the protocol.
pub(crate) const BLOB_VERSION: u32 = 1;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BlobMessage {
    /// Asks, first: which space. It is served as soon as the asker has proved a member's device on this session.
    Open {
        /// Protocol version.
        version: u32,
        /// The space.
        space: SpaceId,
    },
    /// Asks: tell what you hold of a blob, now and when it is more.
    Ask {
        /// The blob.
        blob: BlobId,
    },
    /// Serves: what is held here.
    Holds {
        /// The blob.
        blob: BlobId,
        /// Which chunks.
        held: Held,
    },
    /// Asks for the manifest.
    WantManifest {
        /// The blob.
        blob: BlobId,
    },
    /// Serves the manifest.
    Manifest {
        /// The blob.
        blob: BlobId,
        /// Its encoded bytes.
        manifest: Piece,
    },
    /// Asks for chunks; each is answered by `Chunk` or `Lacks`.
    Want {
        /// The blob.
        blob: BlobId,
        /// Numbers of the chunks.
        chunks: Vec<u32>,
    },
    /// Serves a chunk.
    Chunk {
        /// The blob.
        blob: BlobId,
        /// Its number.
        n: u32,
        /// Its bytes.
        chunk: Piece,
    },
    /// Serves: what was wanted of the blob is not here (any more).
    Lacks {
        /// The blob.
        blob: BlobId,
    },
    /// Asks: no more is wanted of a blob.
    Forget {
        /// The blob.
        blob: BlobId,
    },
    /// Asks: all of a blob is here too and is kept, or is not any more.
    Kept {
        /// The blob.
        blob: BlobId,
        /// Whether.
        kept: bool,
    },
}

/// Which chunks of a blob somebody has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Held {
    /// None.
    Nothing,
    /// All.
    All,
    /// Those whose bit is set: chunk n is bit n % 8 of byte n / 8.
    Some(Vec<u8>),
}

impl Held {
    pub(crate) fn has(&self, n: u32) -> bool {
        match self {
            Held::Nothing => false,
            Held::All => true,
            Held::Some(bits) => bits
                .get((n / 8) as usize)
                .is_some_and(|byte| byte & (1 << (n % 8)) != 0),
        }
    }

    /// Of the numbers of the chunks.
    pub(crate) fn of(numbers: impl Iterator<Item = u32>) -> Held {
        let mut bits = Vec::new();
        for n in numbers {
            let at = (n / 8) as usize;
            if bits.len() <= at {
                bits.resize(at + 1, 0);
            }
            bits[at] |= 1 << (n % 8);
        }
        match bits.is_empty() {
            true => Held::Nothing,
            false => Held::Some(bits),
        }
    }
}

impl BlobMessage {
    /// Its kind, as it is counted.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            BlobMessage::Open { .. } => "blob open",
            BlobMessage::Ask { .. } => "blob ask",
            BlobMessage::Holds { .. } => "blob holds",
            BlobMessage::WantManifest { .. } => "blob want manifest",
            BlobMessage::Manifest { .. } => "blob manifest",
            BlobMessage::Want { .. } => "blob want",
            BlobMessage::Chunk { .. } => "blob chunk",
            BlobMessage::Lacks { .. } => "blob lacks",
            BlobMessage::Forget { .. } => "blob forget",
            BlobMessage::Kept { .. } => "blob kept",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fmt::Write as _;

    use super::*;

    pub(crate) fn samples() -> Vec<BlobMessage> {
        let blob = BlobId([2; 32]);
        vec![
            BlobMessage::Open {
                version: BLOB_VERSION,
                space: SpaceId([1; 20]),
            },
            BlobMessage::Ask { blob },
            BlobMessage::Holds {
                blob,
                held: Held::of([0, 9].into_iter()),
            },
            BlobMessage::WantManifest { blob },
            BlobMessage::Manifest {
                blob,
                manifest: Piece(vec![3; 5]),
            },
            BlobMessage::Want {
                blob,
                chunks: vec![0, 300],
            },
            BlobMessage::Chunk {
                blob,
                n: 300,
                chunk: Piece(vec![4; 6]),
            },
            BlobMessage::Lacks { blob },
            BlobMessage::Forget { blob },
            BlobMessage::Kept { blob, kept: true },
            BlobMessage::Holds {
                blob,
                held: Held::All,
            },
            BlobMessage::Holds {
                blob,
                held: Held::Nothing,
            },
        ]
    }

    #[test]
    fn messages_have_the_bytes_that_are_written_down() {
        let mut lines = String::new();
        for message in samples() {
            let bytes = dxos_base::encode(&message);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let _ = writeln!(lines, "{}: {hex}", message.kind());
            let back = dxos_base::decode::<BlobMessage>(&bytes, 4_096);
            assert_eq!(back.as_ref(), Ok(&message));
            for end in 0..bytes.len() {
                assert!(dxos_base::decode::<BlobMessage>(&bytes[..end], 4_096).is_err());
            }
        }
        expect_test::expect_file!["../../../../vectors/blob-wire-1.txt"].assert_eq(&lines);
    }

    #[test]
    fn held_chunks_are_those_named() {
        let held = Held::of([0, 7, 8, 4_000].into_iter());
        let found: Vec<u32> = (0..5_000).filter(|n| held.has(*n)).collect();
        assert_eq!(found, [0, 7, 8, 4_000]);
        assert_eq!(Held::of(std::iter::empty()), Held::Nothing);
        assert!(Held::All.has(7) && !Held::Nothing.has(0));
    }
}
