//! Blobs in memory.

use dxos_base::{FeedId, Hash, SpaceId};

use super::MemoryStore;
use super::rows::{Key, Row};
use crate::blob_store::{BlobRow, BlobStore};
use crate::store::StoreError;

const LEAST: Hash = Hash([0; 32]);
const MOST: Hash = Hash([u8::MAX; 32]);

impl MemoryStore {
    fn blob_row(&self, space: SpaceId, name: Hash) -> Option<&BlobRow> {
        match self.rows.get(&Key::Blob(space, name)) {
            Some(Row::Blob(row)) => Some(row),
            _ => None,
        }
    }

    fn blob_known(&self, space: SpaceId, name: Hash) -> Result<BlobRow, StoreError> {
        let row = self.blob_row(space, name).cloned();
        row.ok_or_else(|| StoreError::Failed {
            detail: "no such blob".to_owned(),
        })
    }
}

impl BlobStore for MemoryStore {
    fn blob_put(&mut self, space: SpaceId, row: &BlobRow) -> Result<(), StoreError> {
        let stored = self.blob_row(space, row.name);
        let kept = stored.map_or((0, 0), |row| (row.chunks_count, row.chunks_bytes));
        let row = BlobRow {
            chunks_count: kept.0,
            chunks_bytes: kept.1,
            ..row.clone()
        };
        self.put(Key::Blob(space, row.name), Row::Blob(row));
        Ok(())
    }

    fn blob(&mut self, space: SpaceId, name: Hash) -> Result<Option<BlobRow>, StoreError> {
        Ok(self.blob_row(space, name).cloned())
    }

    fn blob_from(&mut self, space: SpaceId, source: Hash) -> Result<Option<Hash>, StoreError> {
        let rows = self.blobs(space)?;
        let mut from = rows.iter().filter(|row| row.source == Some(source));
        Ok(from.next().map(|row| row.name))
    }

    fn blobs(&mut self, space: SpaceId) -> Result<Vec<BlobRow>, StoreError> {
        let rows = self
            .rows
            .range(Key::Blob(space, LEAST)..=Key::Blob(space, MOST));
        Ok(rows
            .filter_map(|(_, row)| match row {
                Row::Blob(row) => Some(row.clone()),
                _ => None,
            })
            .collect())
    }

    fn blob_rename(&mut self, space: SpaceId, from: Hash, to: Hash) -> Result<(), StoreError> {
        let row = BlobRow {
            name: to,
            source: Some(from),
            ..self.blob_known(space, from)?
        };
        let chunks = self
            .rows
            .range(Key::Chunk(space, from, 0)..=Key::Chunk(space, from, u32::MAX));
        let chunks: Vec<(Key, Row)> = chunks
            .map(|(key, row)| (key.clone(), row.clone()))
            .collect();
        self.remove(Key::Blob(space, from));
        self.put(Key::Blob(space, to), Row::Blob(row));
        if let Some(manifest) = self.manifest(space, from)? {
            self.remove(Key::Manifest(space, from));
            self.put(Key::Manifest(space, to), Row::Bytes(manifest));
        }
        for (key, row) in chunks {
            if let Key::Chunk(_, _, n) = key {
                self.remove(key);
                self.put(Key::Chunk(space, to, n), row);
            }
        }
        Ok(())
    }

    fn blob_remove(&mut self, space: SpaceId, name: Hash) -> Result<(), StoreError> {
        self.remove(Key::Blob(space, name));
        self.remove(Key::Manifest(space, name));
        self.remove_between(
            Key::Chunk(space, name, 0),
            Key::Chunk(space, name, u32::MAX),
        );
        Ok(())
    }

    fn manifest_put(
        &mut self,
        space: SpaceId,
        name: Hash,
        manifest: &[u8],
    ) -> Result<(), StoreError> {
        self.blob_known(space, name)?;
        self.put(Key::Manifest(space, name), Row::Bytes(manifest.to_vec()));
        Ok(())
    }

    fn manifest(&mut self, space: SpaceId, name: Hash) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.rows.get(&Key::Manifest(space, name));
        Ok(row.and_then(Row::bytes))
    }

    fn chunk_put(
        &mut self,
        space: SpaceId,
        name: Hash,
        n: u32,
        hash: Hash,
        chunk: &[u8],
    ) -> Result<(), StoreError> {
        let mut row = self.blob_known(space, name)?;
        let key = Key::Chunk(space, name, n);
        if !self.rows.contains_key(&key) {
            row.chunks_count += 1;
            row.chunks_bytes += chunk.len() as u64;
            self.put(Key::Blob(space, name), Row::Blob(row));
            self.put(key, Row::Chunk(hash, chunk.to_vec()));
        }
        Ok(())
    }

    fn chunk(&mut self, space: SpaceId, name: Hash, n: u32) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(match self.rows.get(&Key::Chunk(space, name, n)) {
            Some(Row::Chunk(_, chunk)) => Some(chunk.clone()),
            _ => None,
        })
    }

    fn chunk_hashes(&mut self, space: SpaceId, name: Hash) -> Result<Vec<(u32, Hash)>, StoreError> {
        let rows = self
            .rows
            .range(Key::Chunk(space, name, 0)..=Key::Chunk(space, name, u32::MAX));
        Ok(rows
            .filter_map(|(key, row)| match (key, row) {
                (Key::Chunk(_, _, n), Row::Chunk(hash, _)) => Some((*n, *hash)),
                _ => None,
            })
            .collect())
    }

    fn chunks_bytes(&mut self) -> Result<u64, StoreError> {
        let sizes = self.rows.values().map(|row| match row {
            Row::Blob(row) => row.chunks_bytes,
            _ => 0,
        });
        Ok(sizes.sum())
    }

    fn blob_use_put(
        &mut self,
        space: SpaceId,
        blob: Hash,
        feed: FeedId,
        seq: u64,
    ) -> Result<(), StoreError> {
        self.put(Key::BlobUse(space, blob, feed, seq), Row::Mark);
        Ok(())
    }

    fn blob_used(&mut self, space: SpaceId, blob: Hash) -> Result<bool, StoreError> {
        let first = Key::BlobUse(space, blob, FeedId([0; 16]), 0);
        let last = Key::BlobUse(space, blob, FeedId([u8::MAX; 16]), u64::MAX);
        Ok(self.rows.range(first..=last).any(|(key, _)| match key {
            Key::BlobUse(_, _, feed, seq) => {
                self.rows.contains_key(&Key::Entry(space, *feed, *seq))
            }
            _ => false,
        }))
    }
}
