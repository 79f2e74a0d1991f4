//! What blobs ask of storage: a part of [`Store`](crate::store::Store), with its transactions.
//!
//! A blob's row is named by its id, or, while it is put in, by the hash of its key ([`BlobKey::upload`]). Chunks are
//! kept as they are sealed: what is stored of a blob cannot be read without a reference to it.
//!
//! [`BlobKey::upload`]: dxos_base::BlobKey::upload

use dxos_base::{FeedId, Hash, SpaceId};

use crate::store::StoreError;

/// What is stored of a blob, but for manifest and chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRow {
    /// Its id, or its name while it is put in.
    pub name: Hash,
    /// Its name while it was put in here; `None`: it came from a peer.
    pub source: Option<Hash>,
    /// When it was last read here, in milliseconds since the Unix epoch.
    pub used_ms: u64,
    /// How many of its chunks are stored; kept by storage.
    pub chunks_count: u32,
    /// Their bytes; kept by storage.
    pub chunks_bytes: u64,
    /// What ECHO knows of it; opaque to storage.
    pub state: Vec<u8>,
}

/// Storage of blobs.
pub trait BlobStore {
    /// Makes a blob's row, or replaces all of it but what storage keeps.
    fn blob_put(&mut self, space: SpaceId, row: &BlobRow) -> Result<(), StoreError>;
    /// A blob's row.
    fn blob(&mut self, space: SpaceId, name: Hash) -> Result<Option<BlobRow>, StoreError>;
    /// The blob that was put in under a name.
    fn blob_from(&mut self, space: SpaceId, source: Hash) -> Result<Option<Hash>, StoreError>;
    /// All blobs of a space, by name.
    fn blobs(&mut self, space: SpaceId) -> Result<Vec<BlobRow>, StoreError>;
    /// Gives a blob its id once it is put in; its former name becomes the source.
    fn blob_rename(&mut self, space: SpaceId, from: Hash, to: Hash) -> Result<(), StoreError>;
    /// Removes a blob with its manifest and chunks.
    fn blob_remove(&mut self, space: SpaceId, name: Hash) -> Result<(), StoreError>;
    /// Stores the manifest of a blob that has a row.
    fn manifest_put(
        &mut self,
        space: SpaceId,
        name: Hash,
        manifest: &[u8],
    ) -> Result<(), StoreError>;
    /// A blob's manifest.
    fn manifest(&mut self, space: SpaceId, name: Hash) -> Result<Option<Vec<u8>>, StoreError>;
    /// Stores a chunk of a blob that has a row, with its hash; one that is stored is left as it is.
    fn chunk_put(
        &mut self,
        space: SpaceId,
        name: Hash,
        n: u32,
        hash: Hash,
        chunk: &[u8],
    ) -> Result<(), StoreError>;
    /// A chunk.
    fn chunk(&mut self, space: SpaceId, name: Hash, n: u32) -> Result<Option<Vec<u8>>, StoreError>;
    /// Numbers and hashes of the chunks stored, in order.
    fn chunk_hashes(&mut self, space: SpaceId, name: Hash) -> Result<Vec<(u32, Hash)>, StoreError>;
    /// Bytes of all chunks of the profile.
    fn chunks_bytes(&mut self) -> Result<u64, StoreError>;
    /// Notes that an entry refers to a blob; twice is once.
    fn blob_use_put(
        &mut self,
        space: SpaceId,
        blob: Hash,
        feed: FeedId,
        seq: u64,
    ) -> Result<(), StoreError>;
    /// Whether an entry that is stored refers to a blob.
    fn blob_used(&mut self, space: SpaceId, blob: Hash) -> Result<bool, StoreError>;
}
