//! Blobs in a store that can die.

use dxos_base::{FeedId, Hash, SpaceId};
use dxos_echo::blob_store::{BlobRow, BlobStore};
use dxos_echo::store::StoreError;

use super::CrashStore;

impl BlobStore for CrashStore {
    fn blob_put(&mut self, space: SpaceId, row: &BlobRow) -> Result<(), StoreError> {
        self.writable("blob_put")?;
        self.tables.blob_put(space, row)
    }

    fn blob(&mut self, space: SpaceId, name: Hash) -> Result<Option<BlobRow>, StoreError> {
        self.alive()?;
        self.tables.blob(space, name)
    }

    fn blob_from(&mut self, space: SpaceId, source: Hash) -> Result<Option<Hash>, StoreError> {
        self.alive()?;
        self.tables.blob_from(space, source)
    }

    fn blobs(&mut self, space: SpaceId) -> Result<Vec<BlobRow>, StoreError> {
        self.alive()?;
        self.tables.blobs(space)
    }

    fn blob_rename(&mut self, space: SpaceId, from: Hash, to: Hash) -> Result<(), StoreError> {
        self.writable("blob_rename")?;
        self.tables.blob_rename(space, from, to)
    }

    fn blob_remove(&mut self, space: SpaceId, name: Hash) -> Result<(), StoreError> {
        self.writable("blob_remove")?;
        self.tables.blob_remove(space, name)
    }

    fn manifest_put(
        &mut self,
        space: SpaceId,
        name: Hash,
        manifest: &[u8],
    ) -> Result<(), StoreError> {
        self.writable("manifest_put")?;
        self.tables.manifest_put(space, name, manifest)
    }

    fn manifest(&mut self, space: SpaceId, name: Hash) -> Result<Option<Vec<u8>>, StoreError> {
        self.alive()?;
        self.tables.manifest(space, name)
    }

    fn chunk_put(
        &mut self,
        space: SpaceId,
        name: Hash,
        n: u32,
        hash: Hash,
        chunk: &[u8],
    ) -> Result<(), StoreError> {
        self.writable("chunk_put")?;
        self.tables.chunk_put(space, name, n, hash, chunk)
    }

    fn chunk(&mut self, space: SpaceId, name: Hash, n: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.alive()?;
        self.tables.chunk(space, name, n)
    }

    fn chunk_hashes(&mut self, space: SpaceId, name: Hash) -> Result<Vec<(u32, Hash)>, StoreError> {
        self.alive()?;
        self.tables.chunk_hashes(space, name)
    }

    fn chunks_bytes(&mut self) -> Result<u64, StoreError> {
        self.alive()?;
        self.tables.chunks_bytes()
    }

    fn blob_use_put(
        &mut self,
        space: SpaceId,
        blob: Hash,
        feed: FeedId,
        seq: u64,
    ) -> Result<(), StoreError> {
        self.writable("blob_use_put")?;
        self.tables.blob_use_put(space, blob, feed, seq)
    }

    fn blob_used(&mut self, space: SpaceId, blob: Hash) -> Result<bool, StoreError> {
        self.alive()?;
        self.tables.blob_used(space, blob)
    }
}
