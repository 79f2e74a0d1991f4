//! Blobs in SQLite: the [`BlobStore`] of dxos-echo, method by method.
//!
//! A chunk's number is its blob's number and its place in one integer, so the chunks of a blob lie one after another.
//! Their hashes stand before their bytes and are read without these.

use dxos_base::{FeedId, Hash, SpaceId};
use dxos_echo::blob_store::{BlobRow, BlobStore};
use dxos_echo::store::StoreError;
use rusqlite::{OptionalExtension as _, Row, params};

use crate::error::{corrupt, fixed, store_error};
use crate::sqlite::SqliteStore;
use crate::tables::entry_number;

/// Bits of a chunk's number that are its place; those above are the blob's number.
const PLACE_BITS: u32 = 16;

fn chunk_number(bid: i64, n: u32) -> Result<i64, StoreError> {
    let fits = n < 1 << PLACE_BITS && (0..1 << (62 - PLACE_BITS)).contains(&bid);
    if !fits {
        return Err(StoreError::Failed {
            detail: format!("chunk {n} of blob number {bid}"),
        });
    }
    Ok(bid << PLACE_BITS | i64::from(n))
}

/// Columns name, source, used, chunks, bytes, state.
fn blob_row(row: &Row<'_>) -> Result<BlobRow, StoreError> {
    let read = || -> rusqlite::Result<_> {
        let name = row.get_ref(0)?.as_blob()?;
        let source = row.get_ref(1)?.as_blob_or_null()?;
        Ok((
            name,
            source,
            row.get::<_, i64>(2)?,
            row.get::<_, u32>(3)?,
            row.get::<_, i64>(4)?,
            row.get(5)?,
        ))
    };
    let (name, source, used, chunks_count, bytes, state) = read().map_err(store_error)?;
    let source = source.map(|source| fixed(source, "blob")).transpose()?;
    Ok(BlobRow {
        name: Hash(fixed(name, "blob")?),
        source: source.map(Hash),
        used_ms: u64::try_from(used).map_err(|_| corrupt("negative time"))?,
        chunks_count,
        chunks_bytes: u64::try_from(bytes).map_err(|_| corrupt("negative length"))?,
        state,
    })
}

impl SqliteStore {
    fn blob_number(&mut self, space: SpaceId, name: Hash) -> Result<Option<i64>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(None);
        };
        self.statement("SELECT bid FROM blob WHERE sid = ? AND name = ?")?
            .query_row(params![sid, name.0], |row| row.get(0))
            .optional()
            .map_err(store_error)
    }

    fn blob_known(&mut self, space: SpaceId, name: Hash) -> Result<i64, StoreError> {
        self.blob_number(space, name)?
            .ok_or_else(|| StoreError::Failed {
                detail: "no such blob".into(),
            })
    }

    /// Removes all blobs of a space, and what is noted of them.
    pub(crate) fn blobs_remove(&mut self, sid: i64) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM chunk WHERE n >> 16 IN (SELECT bid FROM blob WHERE sid = ?)",
            "DELETE FROM manifest WHERE bid IN (SELECT bid FROM blob WHERE sid = ?)",
            "DELETE FROM blob WHERE sid = ?",
            "DELETE FROM blob_use WHERE sid = ?",
        ] {
            self.statement(sql)?.execute([sid]).map_err(store_error)?;
        }
        Ok(())
    }
}

impl BlobStore for SqliteStore {
    fn blob_put(&mut self, space: SpaceId, row: &BlobRow) -> Result<(), StoreError> {
        let sid = self.space_number(space)?;
        let source = row.source.map(|source| source.0);
        let used = i64::try_from(row.used_ms).unwrap_or(i64::MAX);
        self.statement(
            "INSERT INTO blob(sid, name, source, used, chunks, bytes, state) VALUES(?1,?2,?3,?4,0,0,?5)
             ON CONFLICT(sid, name) DO UPDATE SET source = ?3, used = ?4, state = ?5",
        )?
        .execute(params![sid, row.name.0, source, used, row.state])
        .map_err(store_error)?;
        Ok(())
    }

    fn blob(&mut self, space: SpaceId, name: Hash) -> Result<Option<BlobRow>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(None);
        };
        let mut statement = self.statement(
            "SELECT name, source, used, chunks, bytes, state FROM blob WHERE sid = ? AND name = ?",
        )?;
        let mut rows = statement.query(params![sid, name.0]).map_err(store_error)?;
        rows.next().map_err(store_error)?.map(blob_row).transpose()
    }

    fn blob_from(&mut self, space: SpaceId, source: Hash) -> Result<Option<Hash>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(None);
        };
        let mut statement =
            self.statement("SELECT name FROM blob WHERE sid = ? AND source = ? LIMIT 1")?;
        let mut rows = statement
            .query(params![sid, source.0])
            .map_err(store_error)?;
        let Some(row) = rows.next().map_err(store_error)? else {
            return Ok(None);
        };
        let name = row
            .get_ref(0)
            .and_then(|name| Ok(name.as_blob()?))
            .map_err(store_error)?;
        Ok(Some(Hash(fixed(name, "blob")?)))
    }

    fn blobs(&mut self, space: SpaceId) -> Result<Vec<BlobRow>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(Vec::new());
        };
        let mut statement = self.statement(
            "SELECT name, source, used, chunks, bytes, state FROM blob WHERE sid = ? ORDER BY name",
        )?;
        let mut rows = statement.query([sid]).map_err(store_error)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(store_error)? {
            found.push(blob_row(row)?);
        }
        Ok(found)
    }

    fn blob_rename(&mut self, space: SpaceId, from: Hash, to: Hash) -> Result<(), StoreError> {
        let bid = self.blob_known(space, from)?;
        self.statement("UPDATE blob SET name = ?, source = ? WHERE bid = ?")?
            .execute(params![to.0, from.0, bid])
            .map_err(store_error)?;
        Ok(())
    }

    fn blob_remove(&mut self, space: SpaceId, name: Hash) -> Result<(), StoreError> {
        let Some(bid) = self.blob_number(space, name)? else {
            return Ok(());
        };
        let (first, end) = (chunk_number(bid, 0)?, chunk_number(bid + 1, 0)?);
        self.statement("DELETE FROM chunk WHERE n >= ? AND n < ?")?
            .execute([first, end])
            .map_err(store_error)?;
        for sql in [
            "DELETE FROM manifest WHERE bid = ?",
            "DELETE FROM blob WHERE bid = ?",
        ] {
            self.statement(sql)?.execute([bid]).map_err(store_error)?;
        }
        Ok(())
    }

    fn manifest_put(
        &mut self,
        space: SpaceId,
        name: Hash,
        manifest: &[u8],
    ) -> Result<(), StoreError> {
        let bid = self.blob_known(space, name)?;
        self.statement("INSERT OR REPLACE INTO manifest(bid, bytes) VALUES(?,?)")?
            .execute(params![bid, manifest])
            .map_err(store_error)?;
        Ok(())
    }

    fn manifest(&mut self, space: SpaceId, name: Hash) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(bid) = self.blob_number(space, name)? else {
            return Ok(None);
        };
        self.statement("SELECT bytes FROM manifest WHERE bid = ?")?
            .query_row([bid], |row| row.get(0))
            .optional()
            .map_err(store_error)
    }

    fn chunk_put(
        &mut self,
        space: SpaceId,
        name: Hash,
        n: u32,
        hash: Hash,
        chunk: &[u8],
    ) -> Result<(), StoreError> {
        let bid = self.blob_known(space, name)?;
        let new = self
            .statement("INSERT OR IGNORE INTO chunk(n, hash, bytes) VALUES(?,?,?)")?
            .execute(params![chunk_number(bid, n)?, hash.0, chunk])
            .map_err(store_error)?;
        if new > 0 {
            self.statement("UPDATE blob SET chunks = chunks + 1, bytes = bytes + ? WHERE bid = ?")?
                .execute(params![chunk.len() as i64, bid])
                .map_err(store_error)?;
        }
        Ok(())
    }

    fn chunk(&mut self, space: SpaceId, name: Hash, n: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(bid) = self.blob_number(space, name)? else {
            return Ok(None);
        };
        self.statement("SELECT bytes FROM chunk WHERE n = ?")?
            .query_row([chunk_number(bid, n)?], |row| row.get(0))
            .optional()
            .map_err(store_error)
    }

    fn chunk_hashes(&mut self, space: SpaceId, name: Hash) -> Result<Vec<(u32, Hash)>, StoreError> {
        let Some(bid) = self.blob_number(space, name)? else {
            return Ok(Vec::new());
        };
        let (first, end) = (chunk_number(bid, 0)?, chunk_number(bid + 1, 0)?);
        let mut statement =
            self.statement("SELECT n, hash FROM chunk WHERE n >= ? AND n < ? ORDER BY n")?;
        let mut rows = statement.query([first, end]).map_err(store_error)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(store_error)? {
            let read = || -> rusqlite::Result<_> {
                Ok((row.get::<_, i64>(0)?, row.get_ref(1)?.as_blob()?))
            };
            let (number, hash) = read().map_err(store_error)?;
            let n = (number & ((1 << PLACE_BITS) - 1)) as u32;
            found.push((n, Hash(fixed(hash, "chunk hash")?)));
        }
        Ok(found)
    }

    fn chunks_bytes(&mut self) -> Result<u64, StoreError> {
        let sum: i64 = self
            .statement("SELECT ifnull(sum(bytes), 0) FROM blob")?
            .query_row([], |row| row.get(0))
            .map_err(store_error)?;
        u64::try_from(sum).map_err(|_| corrupt("negative length"))
    }

    fn blob_use_put(
        &mut self,
        space: SpaceId,
        blob: Hash,
        feed: FeedId,
        seq: u64,
    ) -> Result<(), StoreError> {
        let sid = self.space_number(space)?;
        let fid = self.feed_number_or_new(sid, feed)?;
        self.statement("INSERT OR IGNORE INTO blob_use(sid, blob, entry) VALUES(?,?,?)")?
            .execute(params![sid, blob.0, entry_number(fid, seq)?])
            .map_err(store_error)?;
        Ok(())
    }

    fn blob_used(&mut self, space: SpaceId, blob: Hash) -> Result<bool, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(false);
        };
        self.statement(
            "SELECT EXISTS(SELECT 1 FROM blob_use u JOIN entry e ON e.n = u.entry WHERE u.sid = ? AND u.blob = ?)",
        )?
        .query_row(params![sid, blob.0], |row| row.get(0))
        .map_err(store_error)
    }
}
