//! Blobs of a space as they stand on this device: put in, fetched piece by piece, kept, let go (DESIGN 4.2).
//!
//! Every call is within a transaction of its caller. What is committed is where a transfer goes on after a kill: which
//! chunks are there is read from storage, never remembered elsewhere.
//!
//! Invariants
//! * a row named by an id holds chunks that its manifest names, and nothing else;
//! * a blob is complete when as many chunks are stored as the manifest names;
//! * what is being put in bears another name until all of it is here, so it is never offered to a peer.
//!
//! Not here: verification against the manifest ([`dxos_base::blob`]; whoever takes a chunk does it), peers, quota
//! (`dxos-node`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use dxos_base::blob::{BLOB, BlobRef, blobs_of, pieces_count};
use dxos_base::{BlobId, BlobManifest, Hash, SpaceId, Step, Tick, Value, limits};

use crate::blob_store::BlobRow;
use crate::change::{Change, Operation, Scalar};
use crate::error::EchoError;
use crate::store::{IndexKey, IndexScan, Store};
use crate::view::index_value;

/// Version of what is stored of a blob.
const STATE_VERSION: u8 = 1;
/// A state, encoded: a few numbers.
const STATE_BYTES_MAX: usize = 256;

/// What this device knows and wants of a blob.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobState {
    version: u8,
    /// Length of what is in it, once the manifest is here.
    pub bytes: Option<u64>,
    /// It is being put in: its id is not known yet.
    pub upload: bool,
    /// What is missing is fetched.
    pub wanted: bool,
    /// A person wants it kept here.
    pub pinned: bool,
    /// It was put in on this device.
    pub authored: bool,
    /// Since when nothing refers to it, in milliseconds since the Unix epoch.
    pub unused_since_ms: Option<u64>,
    /// When its row was made.
    pub made_ms: u64,
}

/// A blob's row with its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its id, or its name while it is put in.
    pub name: Hash,
    /// Its name while it was put in here.
    pub source: Option<Hash>,
    /// When it was last read here.
    pub used_ms: u64,
    /// Chunks stored.
    pub chunks_count: u32,
    /// Their bytes.
    pub chunks_bytes: u64,
    /// The rest.
    pub state: BlobState,
}

impl StoredBlob {
    fn new(name: Hash, now: Tick) -> StoredBlob {
        StoredBlob {
            name,
            source: None,
            used_ms: now.0,
            chunks_count: 0,
            chunks_bytes: 0,
            state: BlobState {
                version: STATE_VERSION,
                made_ms: now.0,
                ..BlobState::default()
            },
        }
    }

    fn of(row: BlobRow) -> Result<StoredBlob, EchoError> {
        let state = dxos_base::decode(&row.state, STATE_BYTES_MAX);
        Ok(StoredBlob {
            name: row.name,
            source: row.source,
            used_ms: row.used_ms,
            chunks_count: row.chunks_count,
            chunks_bytes: row.chunks_bytes,
            state: state.map_err(|_| EchoError::Damaged { what: "blob" })?,
        })
    }

    /// Its id, once it is put in.
    pub fn id(&self) -> Option<BlobId> {
        (!self.state.upload).then_some(BlobId(self.name.0))
    }

    /// Whether all of it is here.
    pub fn is_complete(&self) -> bool {
        let count = self.state.bytes.and_then(pieces_count);
        !self.state.upload && count == Some(self.chunks_count)
    }

    /// Whether nobody asked for it to be here. What was put in here may be the only copy all the same.
    pub fn is_idle(&self) -> bool {
        let state = &self.state;
        !state.upload && !state.pinned && !state.wanted
    }
}

/// The blobs of one space.
#[derive(Debug, Clone, Copy)]
pub struct Blobs(pub SpaceId);

impl Blobs {
    /// A blob, or one that is put in.
    ///
    /// # Errors
    /// When storage fails or the row is damaged.
    pub fn get(self, store: &mut dyn Store, name: Hash) -> Result<Option<StoredBlob>, EchoError> {
        store.blob(self.0, name)?.map(StoredBlob::of).transpose()
    }

    /// All of them.
    ///
    /// # Errors
    /// As [`Blobs::get`].
    pub fn all(self, store: &mut dyn Store) -> Result<Vec<StoredBlob>, EchoError> {
        let rows = store.blobs(self.0)?;
        rows.into_iter().map(StoredBlob::of).collect()
    }

    /// Writes what is known of a blob.
    ///
    /// # Errors
    /// When storage fails.
    pub fn put(self, store: &mut dyn Store, blob: &StoredBlob) -> Result<(), EchoError> {
        let row = BlobRow {
            name: blob.name,
            source: blob.source,
            used_ms: blob.used_ms,
            chunks_count: 0,
            chunks_bytes: 0,
            state: dxos_base::encode(&blob.state),
        };
        Ok(store.blob_put(self.0, &row)?)
    }

    /// A blob, with a row from now on.
    ///
    /// # Errors
    /// As [`Blobs::get`].
    pub fn get_or_make(
        self,
        store: &mut dyn Store,
        id: BlobId,
        now: Tick,
    ) -> Result<StoredBlob, EchoError> {
        if let Some(blob) = self.get(store, Hash(id.0))? {
            return Ok(blob);
        }
        let blob = StoredBlob::new(Hash(id.0), now);
        self.put(store, &blob)?;
        Ok(blob)
    }

    /// Begins to put in a blob, or goes on with it: which pieces are still to be given, or the blob, if it is here.
    ///
    /// # Errors
    /// As [`Blobs::get`].
    pub fn begin(
        self,
        store: &mut dyn Store,
        upload: Hash,
        bytes: u64,
        now: Tick,
    ) -> Result<Result<BlobId, BTreeSet<u32>>, EchoError> {
        if let Some(id) = store.blob_from(self.0, upload)?
            && let Some(mut blob) = self.get(store, id)?
            && blob.is_complete()
        {
            blob.used_ms = now.0;
            self.put(store, &blob)?;
            return Ok(Ok(BlobId(id.0)));
        }
        let mut blob = match self.get(store, upload)? {
            Some(blob) => blob,
            None => StoredBlob::new(upload, now),
        };
        (blob.state.upload, blob.state.authored, blob.used_ms) = (true, true, now.0);
        blob.state.bytes = Some(bytes);
        self.put(store, &blob)?;
        let count = pieces_count(bytes).unwrap_or(0);
        Ok(Err(self.missing(store, upload, count)?))
    }

    /// Numbers of the chunks that are not here, of a blob of so many.
    ///
    /// # Errors
    /// When storage fails.
    pub fn missing(
        self,
        store: &mut dyn Store,
        name: Hash,
        count: u32,
    ) -> Result<BTreeSet<u32>, EchoError> {
        let mut missing: BTreeSet<u32> = (0..count).collect();
        for (n, _) in store.chunk_hashes(self.0, name)? {
            missing.remove(&n);
        }
        Ok(missing)
    }

    /// Gives a blob its id: all its chunks are here.
    ///
    /// # Errors
    /// [`EchoError::Damaged`] when chunks are missing; as [`Blobs::get`].
    pub fn finish(
        self,
        store: &mut dyn Store,
        upload: Hash,
        now: Tick,
    ) -> Result<BlobId, EchoError> {
        const DAMAGED: EchoError = EchoError::Damaged { what: "blob" };
        let mut blob = self.get(store, upload)?.ok_or(DAMAGED)?;
        let bytes = blob.state.bytes.ok_or(DAMAGED)?;
        let chunks = store.chunk_hashes(self.0, upload)?;
        let in_order = (0..).zip(&chunks).all(|(n, (stored, _))| n == *stored);
        if !in_order || pieces_count(bytes) != u32::try_from(chunks.len()).ok() {
            return Err(DAMAGED);
        }
        let manifest = BlobManifest::new(bytes, chunks.into_iter().map(|(_, hash)| hash).collect());
        let (id, encoded) = (manifest.id(), manifest.encode());
        blob.state.upload = false;
        if let Some(known) = self.get(store, Hash(id.0))? {
            // Wanted, or here in parts, from peers: what was put in takes its place.
            blob.state.pinned = known.state.pinned;
            store.blob_remove(self.0, known.name)?;
        }
        store.blob_rename(self.0, upload, Hash(id.0))?;
        (blob.name, blob.source, blob.used_ms) = (Hash(id.0), Some(upload), now.0);
        self.put(store, &blob)?;
        store.manifest_put(self.0, blob.name, &encoded)?;
        Ok(id)
    }

    /// Stores the manifest of a blob that has a row.
    ///
    /// # Errors
    /// As [`Blobs::get`].
    pub fn take_manifest(
        self,
        store: &mut dyn Store,
        id: BlobId,
        manifest: &BlobManifest,
    ) -> Result<(), EchoError> {
        let Some(mut blob) = self.get(store, Hash(id.0))? else {
            return Ok(());
        };
        blob.state.bytes = Some(manifest.bytes);
        self.put(store, &blob)?;
        Ok(store.manifest_put(self.0, blob.name, &manifest.encode())?)
    }

    /// The manifest, if it is here.
    ///
    /// # Errors
    /// [`EchoError::Damaged`] when what is stored is not the blob's.
    pub fn manifest(
        self,
        store: &mut dyn Store,
        id: BlobId,
    ) -> Result<Option<BlobManifest>, EchoError> {
        let encoded = store.manifest(self.0, Hash(id.0))?;
        let read = |encoded: Vec<u8>| BlobManifest::decode(&id, &encoded);
        let manifest = encoded.map(read).transpose();
        manifest.map_err(|_| EchoError::Damaged { what: "manifest" })
    }

    /// Whether state or kept history refers to a blob.
    ///
    /// # Errors
    /// When storage fails.
    pub fn is_used(self, store: &mut dyn Store, id: BlobId) -> Result<bool, EchoError> {
        if store.blob_used(self.0, Hash(id.0))? {
            return Ok(true);
        }
        let Some(from) = index_value(&Value::Bytes(id.0.to_vec())) else {
            return Ok(false);
        };
        let mut to = from.clone();
        to.push(0);
        let scan = IndexScan {
            property: BLOB.to_owned(),
            from: Some(from),
            to: Some(to),
            descending: false,
            skip: 0,
            limit: 1,
        };
        Ok(!store.index_scan(self.0, &scan)?.is_empty())
    }

    /// Lets go of what nothing has referred to, or nobody went on putting in, for long enough; notes since when. Gives
    /// what went.
    ///
    /// # Errors
    /// As [`Blobs::get`].
    pub fn collect(self, store: &mut dyn Store, now: Tick) -> Result<Vec<StoredBlob>, EchoError> {
        let mut gone = Vec::new();
        for mut blob in self.all(store)? {
            let since = blob.state.unused_since_ms;
            let (used, keep_ms, idle_since) = match blob.id() {
                None => (false, limits::BLOB_UPLOAD_MS, Some(blob.used_ms)),
                Some(id) => (self.is_used(store, id)?, limits::BLOB_UNUSED_MS, since),
            };
            let now_since = match (used || blob.state.pinned, idle_since) {
                (true, _) => None,
                (false, since) => Some(since.unwrap_or(now.0)),
            };
            if now_since.is_some_and(|since| since.saturating_add(keep_ms) <= now.0) {
                store.blob_remove(self.0, blob.name)?;
                gone.push(blob);
            } else if now_since != since && blob.id().is_some() {
                blob.state.unused_since_ms = now_since;
                self.put(store, &blob)?;
            }
        }
        Ok(gone)
    }
}

/// The blob a change refers to, if it is part of a reference to one.
pub(crate) fn blob_of_change(change: &Change) -> Option<BlobId> {
    match (change.path.last(), &change.operation) {
        (Some(Step::Key(name)), Operation::Set(Scalar::Bytes(encoded))) if name == BLOB => {
            BlobRef::id_of(encoded)
        }
        _ => None,
    }
}

/// Index rows for the blobs that values refer to.
pub(crate) fn blob_keys<'v>(values: impl Iterator<Item = &'v Value>, keys: &mut Vec<IndexKey>) {
    for value in values {
        blobs_of(value, &mut |id| {
            keys.extend(
                index_value(&Value::Bytes(id.0.to_vec())).map(|value| IndexKey {
                    property: BLOB.to_owned(),
                    value,
                }),
            );
        });
    }
}
