//! Blobs: what seals, opens, reads and is refused.

use super::*;
use crate::fuzz::{one_form, seeded};

const PIECE: usize = limits::BLOB_PIECE_BYTES;

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 31 + n / 251) as u8).collect()
}

/// Key, manifest and chunks of some bytes.
fn sealed(space_key: &SpaceKey, content: &[u8]) -> (BlobKey, BlobManifest, Vec<Vec<u8>>) {
    let pieces: Vec<&[u8]> = content.chunks(PIECE).collect();
    let hashes: Vec<Hash> = pieces.iter().map(|piece| piece_hash(piece)).collect();
    let bytes = content.len() as u64;
    let key = BlobKey::derive(space_key, &plain_hash(bytes, &hashes));
    let chunks: Vec<Vec<u8>> = (0..)
        .zip(pieces)
        .map(|(n, piece)| key.seal(n, piece))
        .collect();
    let names = chunks.iter().map(|chunk| chunk_hash(chunk)).collect();
    (key, BlobManifest::new(bytes, names), chunks)
}

#[test]
fn pieces_come_back_and_the_same_bytes_give_the_same_blob() {
    let (one, other) = (SpaceKey([1; 32]), SpaceKey([2; 32]));
    for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 77] {
        let content = content(len);
        let (key, manifest, chunks) = sealed(&one, &content);
        assert_eq!(pieces_count(len as u64), Some(chunks.len() as u32));
        let mut back = Vec::new();
        for (n, chunk) in (0..).zip(&chunks) {
            assert!(manifest.is_chunk(n, chunk));
            assert!(!manifest.is_chunk(n + 1, chunk));
            let piece = key.open(n, chunk).unwrap();
            assert_eq!(piece.len(), piece_len(len as u64, n));
            back.extend(piece);
        }
        assert_eq!(back, content);
        let total: usize = chunks.iter().map(Vec::len).sum();
        assert_eq!(manifest.chunks_bytes(), total as u64);
        let again = sealed(&one, &content);
        assert_eq!((again.0, again.1.id()), (key, manifest.id()));
        let elsewhere = sealed(&other, &content);
        assert_ne!(elsewhere.0, key, "no dedupe across spaces");
        assert!(len == 0 || elsewhere.1.id() != manifest.id());
        let id = manifest.id();
        assert_eq!(BlobManifest::decode(&id, &manifest.encode()), Ok(manifest));
    }
}

#[test]
fn a_chunk_opens_whole_in_its_place_with_its_key_only() {
    let (key, manifest, chunks) = sealed(&SpaceKey([1; 32]), &content(PIECE + 9));
    assert!(key.open(0, &chunks[1]).is_err());
    assert!(BlobKey([9; 32]).open(1, &chunks[1]).is_err());
    for at in 0..chunks[1].len() {
        let mut altered = chunks[1].clone();
        altered[at] ^= 1;
        assert!(key.open(1, &altered).is_err());
        assert!(!manifest.is_chunk(1, &altered));
        assert!(key.open(1, &chunks[1][..at]).is_err());
    }
}

#[test]
fn manifests_that_do_not_fit_are_refused() {
    let id_of = |encoded: &[u8]| BlobId(hash("blob", &[encoded]).0);
    let (_, manifest, _) = sealed(&SpaceKey([1; 32]), &content(2 * PIECE));
    let good = manifest.encode();
    assert_eq!(
        BlobManifest::decode(&BlobId([0; 32]), &good),
        Err(BlobError::Other)
    );
    for end in 0..good.len() {
        assert!(BlobManifest::decode(&id_of(&good[..end]), &good[..end]).is_err());
    }
    let check = |manifest: BlobManifest| BlobManifest::decode(&manifest.id(), &manifest.encode());
    let mut fewer = manifest.clone();
    fewer.chunks.pop();
    assert_eq!(check(fewer), Err(DecodeError::Malformed.into()));
    let long = BlobManifest::new(u64::MAX, Vec::new());
    assert_eq!(check(long), Err(BlobError::TooLong { bytes: u64::MAX }));
    let newer = BlobManifest {
        version: 2,
        ..manifest
    };
    let version = DecodeError::Version { version: 2 };
    assert_eq!(check(newer), Err(version.into()));
    let longest = limits::BLOB_PIECES_MAX as u64 * PIECE as u64;
    assert_eq!(pieces_count(longest), Some(limits::BLOB_PIECES_MAX as u32));
    assert_eq!(pieces_count(longest + 1), None);
    let most = BlobManifest::new(longest, vec![Hash([7; 32]); limits::BLOB_PIECES_MAX]);
    assert!(most.encode().len() <= limits::BLOB_MANIFEST_BYTES_MAX);
    assert_eq!(check(most.clone()), Ok(most));
}

#[test]
fn references_are_values_and_hide_no_folders() {
    let (id, key) = (BlobId([3; 32]), BlobKey([4; 32]));
    let reference = BlobRef::new(id, key, 5, "image/png", "a/b\\c é.png");
    assert_eq!(reference.name, "c é.png");
    let value = reference.to_value();
    assert_eq!(BlobRef::of_value(&value).as_ref(), Some(&reference));
    let long = BlobRef::new(id, key, 5, &"m".repeat(900), &"é".repeat(900));
    assert!(encode(&long).len() <= limits::BLOB_REF_BYTES_MAX);
    assert!(BlobRef::of_value(&long.to_value()).is_some());
    let mut found = Vec::new();
    let nested = Value::List(vec![
        Value::Map(BTreeMap::from([("a".to_owned(), value)])),
        Value::from("no"),
    ]);
    blobs_of(&nested, &mut |id| found.push(id));
    assert_eq!(found, [id]);
    let hostile = BlobRef {
        name: "../x".into(),
        ..reference
    };
    assert!(BlobRef::of_value(&hostile.to_value()).is_none());
    assert_eq!(id.to_string().parse(), Ok(id));
}

#[test]
fn formats_are_the_written_ones() {
    use std::fmt::Write as _;
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
    };
    let content = content(PIECE + 3);
    let (key, manifest, chunks) = sealed(&SpaceKey([1; 32]), &content);
    let reference = BlobRef::new(manifest.id(), key, manifest.bytes, "text/plain", "a.txt");
    let mut lines = String::new();
    for (name, bytes) in [
        ("key", &key.0[..]),
        ("upload", &key.upload().0),
        ("last chunk", &chunks[1]),
        ("manifest", &manifest.encode()),
        ("id", &manifest.id().0),
        ("reference", &encode(&reference)),
    ] {
        let _ = writeln!(lines, "{name}: {}", hex(bytes));
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/blob-1.txt");
    if std::env::var_os("DXOS_BLESS").is_some() {
        std::fs::write(file, &lines).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), lines);
}

#[test]
fn mutated_manifests_and_references_are_read_or_refused() {
    let (key, manifest, _) = sealed(&SpaceKey([1; 32]), &content(PIECE + 3));
    let reference = BlobRef::new(manifest.id(), key, 9, "text/plain", "a.txt");
    let samples = [
        manifest.encode(),
        encode(&reference),
        encode(&Piece(vec![1; 9])),
    ];
    seeded(&samples, 20_000, |bytes| {
        let id = BlobId(hash("blob", &[bytes]).0);
        if let Ok(manifest) = BlobManifest::decode(&id, bytes) {
            assert_eq!(manifest.encode(), bytes);
        }
        if let Ok(reference) = BlobRef::decode(bytes) {
            assert_eq!(BlobRef::id_of(bytes), Some(reference.id));
        }
        one_form::<Piece>(bytes);
    });
}
