//! Blobs: rows, manifests, chunks, which entries refer to them.

use dxos_base::Hash;
use dxos_echo::blob_store::BlobRow;
use dxos_echo::store::{EntryRow, EntryState, Store};

use super::{Case, Named, check, feed, same, space, text};

pub(super) const CASES: &[Named] = &[
    ("a blob's row is replaced and keeps what is stored", rows),
    ("chunks are stored once, counted and read back", chunks),
    ("a blob that was put in goes by its id afterwards", renamed),
    (
        "a removed blob leaves nothing, and no other goes with it",
        removed,
    ),
    (
        "a blob is used while an entry that refers to it is stored",
        used,
    ),
];

fn name(n: u8) -> Hash {
    Hash([n; 32])
}

fn row(n: u8) -> BlobRow {
    BlobRow {
        name: name(n),
        source: None,
        used_ms: 7,
        chunks_count: 0,
        chunks_bytes: 0,
        state: vec![n],
    }
}

fn rows(store: &mut dyn Store) -> Case {
    same!(store.blob(space(1), name(1)).map_err(text)?, None, "no row");
    store.blob_put(space(1), &row(2)).map_err(text)?;
    store.blob_put(space(1), &row(1)).map_err(text)?;
    store.blob_put(space(2), &row(3)).map_err(text)?;
    let put = |store: &mut dyn Store| store.chunk_put(space(1), name(1), 0, name(9), b"abc");
    put(store).map_err(text)?;
    let later = BlobRow {
        used_ms: 9,
        state: vec![8, 8],
        ..row(1)
    };
    store.blob_put(space(1), &later).map_err(text)?;
    let stored = BlobRow {
        chunks_count: 1,
        chunks_bytes: 3,
        ..later
    };
    same!(
        store.blob(space(1), name(1)).map_err(text)?,
        Some(stored.clone()),
        "replaced row"
    );
    same!(
        store.blobs(space(1)).map_err(text)?,
        vec![stored, row(2)],
        "rows of a space"
    );
    check!(
        store.blobs(space(3)).map_err(text)?.is_empty(),
        "an unknown space has none"
    );
    Ok(())
}

fn chunks(store: &mut dyn Store) -> Case {
    check!(
        store.chunk_put(space(1), name(1), 0, name(0), b"").is_err(),
        "a chunk of no blob"
    );
    store.blob_put(space(1), &row(1)).map_err(text)?;
    store.blob_put(space(1), &row(2)).map_err(text)?;
    let long = vec![5; 300_000];
    for (blob, n, bytes) in [
        (1, 40, &b"x"[..]),
        (1, 3, &long),
        (1, 40, b"x"),
        (2, 0, b""),
    ] {
        store
            .chunk_put(space(1), name(blob), n, name(n as u8), bytes)
            .map_err(text)?;
    }
    same!(
        store.chunk_hashes(space(1), name(1)).map_err(text)?,
        vec![(3, name(3)), (40, name(40))],
        "hashes in order"
    );
    let read = store.chunk(space(1), name(1), 3).map_err(text)?;
    check!(read.as_deref() == Some(&long[..]), "a long chunk");
    same!(
        store.chunk(space(1), name(1), 4).map_err(text)?,
        None,
        "no chunk"
    );
    let empty = store.chunk(space(1), name(2), 0).map_err(text)?;
    same!(empty, Some(Vec::new()), "an empty chunk");
    let blob = store.blob(space(1), name(1)).map_err(text)?;
    let counted = blob.map(|blob| (blob.chunks_count, blob.chunks_bytes));
    same!(counted, Some((2, 300_001)), "counted once");
    same!(store.chunks_bytes().map_err(text)?, 300_001, "all chunks");
    Ok(())
}

fn renamed(store: &mut dyn Store) -> Case {
    store.blob_put(space(1), &row(1)).map_err(text)?;
    store
        .chunk_put(space(1), name(1), 0, name(9), b"abc")
        .map_err(text)?;
    store
        .manifest_put(space(1), name(1), b"early")
        .map_err(text)?;
    store
        .blob_rename(space(1), name(1), name(5))
        .map_err(text)?;
    store.manifest_put(space(1), name(5), b"m").map_err(text)?;
    same!(
        store.blob(space(1), name(1)).map_err(text)?,
        None,
        "old name"
    );
    let wanted = BlobRow {
        name: name(5),
        source: Some(name(1)),
        chunks_count: 1,
        chunks_bytes: 3,
        ..row(1)
    };
    same!(
        store.blob(space(1), name(5)).map_err(text)?,
        Some(wanted),
        "new name"
    );
    let read = store.chunk(space(1), name(5), 0).map_err(text)?;
    same!(read.as_deref(), Some(&b"abc"[..]), "its chunk");
    let manifest = store.manifest(space(1), name(5)).map_err(text)?;
    same!(manifest.as_deref(), Some(&b"m"[..]), "its manifest");
    same!(
        store.blob_from(space(1), name(1)).map_err(text)?,
        Some(name(5)),
        "by its source"
    );
    same!(
        store.blob_from(space(2), name(1)).map_err(text)?,
        None,
        "in another space"
    );
    check!(
        store.blob_rename(space(1), name(7), name(8)).is_err(),
        "of no blob"
    );
    Ok(())
}

fn removed(store: &mut dyn Store) -> Case {
    for n in 1..=3 {
        store.blob_put(space(1), &row(n)).map_err(text)?;
        store.manifest_put(space(1), name(n), b"m").map_err(text)?;
        store
            .chunk_put(space(1), name(n), 0, name(n), b"abc")
            .map_err(text)?;
    }
    store.blob_remove(space(1), name(2)).map_err(text)?;
    store.blob_remove(space(1), name(9)).map_err(text)?;
    same!(store.blob(space(1), name(2)).map_err(text)?, None, "row");
    same!(
        store.manifest(space(1), name(2)).map_err(text)?,
        None,
        "manifest"
    );
    same!(
        store.chunk(space(1), name(2), 0).map_err(text)?,
        None,
        "chunk"
    );
    same!(store.chunks_bytes().map_err(text)?, 6, "what is left");
    for n in [1, 3] {
        let read = store.chunk(space(1), name(n), 0).map_err(text)?;
        same!(read.as_deref(), Some(&b"abc"[..]), "chunk of another");
    }
    store.space_remove(space(1)).map_err(text)?;
    same!(store.chunks_bytes().map_err(text)?, 0, "of a removed space");
    same!(
        store.chunk(space(1), name(1), 0).map_err(text)?,
        None,
        "its chunk"
    );
    Ok(())
}

fn used(store: &mut dyn Store) -> Case {
    let is_used = |store: &mut dyn Store| store.blob_used(space(1), name(1)).map_err(text);
    check!(!is_used(store)?, "unknown blobs are not");
    for _ in 0..2 {
        store
            .blob_use_put(space(1), name(1), feed(1), 3)
            .map_err(text)?;
    }
    check!(!is_used(store)?, "its entry is not here");
    let entry = EntryRow {
        feed: feed(1),
        seq: 3,
        hash: name(4),
        state: EntryState::Applied,
        bytes: vec![1],
    };
    store.entry_put(space(1), &entry).map_err(text)?;
    check!(is_used(store)?, "its entry is here");
    check!(
        !store.blob_used(space(2), name(1)).map_err(text)?,
        "in another space"
    );
    store.entries_remove(space(1), feed(1), 3).map_err(text)?;
    check!(!is_used(store)?, "its entry went");
    Ok(())
}
