//! The [`Store`] of dxos-echo, method by method: profile values, credentials, feeds, pending changes, texts.
//!
//! Reading of an unknown space or feed gives nothing; only writing makes a row for it.

use dxos_base::query::TextMode;
use dxos_base::{FeedId, Hash, ObjectId, SpaceId, TextId};
use dxos_echo::store::{
    BranchPlace, BranchRow, Durability, EntryRow, EntryState, FeedRow, Findable, IndexScan,
    ObjectPut, ObjectRow, Store, StoreError, TextRow,
};
use rusqlite::{OptionalExtension as _, Row, params};

use crate::error::{corrupt, fixed, store_error};
use crate::sqlite::SqliteStore;

/// Sequence numbers are signed in SQLite; no writer gets there, so a greater one is refused, not wrapped.
fn sequence(seq: u64) -> Result<i64, StoreError> {
    i64::try_from(seq).map_err(|_| StoreError::Failed {
        detail: format!("sequence number {seq}"),
    })
}

fn stored_sequence(seq: i64) -> Result<u64, StoreError> {
    u64::try_from(seq).map_err(|_| corrupt("negative sequence number"))
}

/// Bits of an entry's number that are its place; those above are the feed's number.
const PLACE_BITS: u32 = 40;

/// The number of an entry: ascending by place within a feed.
pub(crate) fn entry_number(fid: i64, seq: u64) -> Result<i64, StoreError> {
    let fits = seq < 1 << PLACE_BITS && (0..1 << (63 - PLACE_BITS)).contains(&fid);
    if !fits {
        return Err(StoreError::Failed {
            detail: format!("entry {seq} of feed number {fid}"),
        });
    }
    Ok(fid << PLACE_BITS | seq as i64)
}

/// The short form of an object's id in `touch`.
fn short(object: &ObjectId) -> i64 {
    let id = object.as_bytes();
    i64::from_be_bytes([id[0], id[1], id[2], id[3], id[4], id[5], id[14], id[15]])
}

/// Columns number, hash, state, bytes.
fn entry_row(feed: FeedId, row: &Row<'_>) -> Result<EntryRow, StoreError> {
    let read = || -> rusqlite::Result<_> {
        let hash = row.get_ref(1)?.as_blob()?;
        Ok((
            row.get::<_, i64>(0)?,
            hash,
            row.get::<_, i64>(2)?,
            row.get(3)?,
        ))
    };
    let (number, hash, state, bytes) = read().map_err(store_error)?;
    Ok(EntryRow {
        feed,
        seq: stored_sequence(number & ((1 << PLACE_BITS) - 1))?,
        hash: Hash(fixed(hash, "hash")?),
        state: match state {
            0 => EntryState::Applied,
            1 => EntryState::Waiting,
            2 => EntryState::Void,
            _ => return Err(corrupt("unknown state of an entry")),
        },
        bytes,
    })
}

fn branch_place(row: &Row<'_>) -> Result<BranchPlace, StoreError> {
    let blob = |at: usize| {
        row.get_ref(at)
            .and_then(|value| Ok(value.as_blob()?))
            .map_err(store_error)
    };
    Ok(BranchPlace {
        feed: FeedId(fixed(blob(0)?, "feed id")?),
        hash: Hash(fixed(blob(1)?, "entry hash")?),
        seq: stored_sequence(row.get(2).map_err(store_error)?)?,
        previous: Hash(fixed(blob(3)?, "entry hash")?),
        reissued: row.get(4).map_err(store_error)?,
    })
}

/// (number, bytes) pairs.
fn numbered(mut rows: rusqlite::Rows<'_>) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        let number: i64 = row.get(0).map_err(store_error)?;
        found.push((stored_sequence(number)?, row.get(1).map_err(store_error)?));
    }
    Ok(found)
}

impl SqliteStore {
    fn feed_number(&self, sid: i64, feed: FeedId) -> Result<Option<i64>, StoreError> {
        self.statement("SELECT fid FROM feed WHERE sid = ? AND feed = ?")?
            .query_row(params![sid, feed.as_bytes()], |row| row.get(0))
            .optional()
            .map_err(store_error)
    }

    pub(crate) fn feed_number_or_new(&mut self, sid: i64, feed: FeedId) -> Result<i64, StoreError> {
        if let Some(fid) = self.feed_number(sid, feed)? {
            return Ok(fid);
        }
        self.statement(
            "INSERT INTO feed(sid, feed, stored_seq, head, applied_seq, state)
             VALUES(?, ?, 0, zeroblob(32), 0, x'')",
        )?
        .insert(params![sid, feed.as_bytes()])
        .map_err(store_error)
    }

    fn text_number(&self, sid: i64, text: TextId) -> Result<Option<i64>, StoreError> {
        self.statement("SELECT tid FROM text WHERE sid = ? AND text = ?")?
            .query_row(params![sid, text.as_bytes()], |row| row.get(0))
            .optional()
            .map_err(store_error)
    }

    fn text_number_or_new(&mut self, space: SpaceId, text: TextId) -> Result<i64, StoreError> {
        let sid = self.space_number(space)?;
        if let Some(tid) = self.text_number(sid, text)? {
            return Ok(tid);
        }
        self.statement("INSERT INTO text(sid, text, snapshot) VALUES(?, ?, x'')")?
            .insert(params![sid, text.as_bytes()])
            .map_err(store_error)
    }
}

impl Store for SqliteStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.transaction_begin()
    }

    fn commit(&mut self, durability: Durability) -> Result<(), StoreError> {
        self.transaction_commit(durability)
    }

    fn rollback(&mut self) {
        self.transaction_rollback();
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.statement("SELECT value FROM kv WHERE key = ?")?
            .query_row([key], |row| row.get(0))
            .optional()
            .map_err(store_error)
    }

    fn set(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        match value {
            Some(value) => self
                .statement(
                    "INSERT INTO kv VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2",
                )?
                .execute(params![key, value]),
            None => self
                .statement("DELETE FROM kv WHERE key = ?")?
                .execute([key]),
        }
        .map_err(store_error)?;
        Ok(())
    }

    fn list(&mut self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut statement =
            self.statement("SELECT key, value FROM kv WHERE key >= ? ORDER BY key")?;
        let mut rows = statement.query([prefix]).map_err(store_error)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(store_error)? {
            let key: String = row.get(0).map_err(store_error)?;
            if !key.starts_with(prefix) {
                break;
            }
            found.push((key, row.get(1).map_err(store_error)?));
        }
        Ok(found)
    }

    fn credential_put(
        &mut self,
        space: SpaceId,
        hash: Hash,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let sid = self.space_number(space)?;
        self.statement("INSERT OR IGNORE INTO cred(sid, hash, bytes) VALUES(?,?,?)")?
            .execute(params![sid, &hash.0[..], bytes])
            .map_err(store_error)?;
        Ok(())
    }

    fn credentials(&mut self, space: SpaceId) -> Result<Vec<(Hash, Vec<u8>)>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(Vec::new());
        };
        let mut statement =
            self.statement("SELECT hash, bytes FROM cred WHERE sid = ? ORDER BY n")?;
        let mut rows = statement.query([sid]).map_err(store_error)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(store_error)? {
            let hash = row
                .get_ref(0)
                .and_then(|hash| Ok(hash.as_blob()?))
                .map_err(store_error)?;
            found.push((Hash(fixed(hash, "hash")?), row.get(1).map_err(store_error)?));
        }
        Ok(found)
    }

    fn feeds(&mut self, space: SpaceId) -> Result<Vec<FeedRow>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(Vec::new());
        };
        let mut statement = self.statement(
            "SELECT feed, stored_seq, head, applied_seq, state FROM feed WHERE sid = ? ORDER BY feed",
        )?;
        let mut rows = statement.query([sid]).map_err(store_error)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(store_error)? {
            let read = || -> rusqlite::Result<_> {
                let feed = row.get_ref(0)?.as_blob()?;
                Ok((
                    feed,
                    row.get(1)?,
                    row.get_ref(2)?.as_blob()?,
                    row.get(3)?,
                    row.get(4)?,
                ))
            };
            let (feed, stored_seq, head, applied_seq, state) = read().map_err(store_error)?;
            found.push(FeedRow {
                feed: FeedId(fixed(feed, "feed id")?),
                stored_seq: stored_sequence(stored_seq)?,
                head: Hash(fixed(head, "hash")?),
                applied_seq: stored_sequence(applied_seq)?,
                state,
            });
        }
        Ok(found)
    }

    fn feed_put(&mut self, space: SpaceId, row: &FeedRow) -> Result<(), StoreError> {
        let sid = self.space_number(space)?;
        self.statement(
            "INSERT INTO feed(sid, feed, stored_seq, head, applied_seq, state) VALUES(?1,?2,?3,?4,?5,?6)
             ON CONFLICT(sid, feed)
             DO UPDATE SET stored_seq = ?3, head = ?4, applied_seq = ?5, state = ?6",
        )?
        .execute(params![
            sid,
            row.feed.as_bytes(),
            sequence(row.stored_seq)?,
            &row.head.0[..],
            sequence(row.applied_seq)?,
            row.state
        ])
        .map_err(store_error)?;
        Ok(())
    }

    fn entry_put(&mut self, space: SpaceId, row: &EntryRow) -> Result<(), StoreError> {
        let sid = self.space_number(space)?;
        let fid = self.feed_number_or_new(sid, row.feed)?;
        self.statement("INSERT OR REPLACE INTO entry(n, state, hash, bytes) VALUES(?,?,?,?)")?
            .execute(params![
                entry_number(fid, row.seq)?,
                row.state as i64,
                &row.hash.0[..],
                row.bytes
            ])
            .map_err(store_error)?;
        Ok(())
    }

    fn entry_state(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        seq: u64,
        state: EntryState,
    ) -> Result<(), StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(());
        };
        let Some(fid) = self.feed_number(sid, feed)? else {
            return Ok(());
        };
        self.statement("UPDATE entry SET state = ? WHERE n = ?")?
            .execute(params![state as i64, entry_number(fid, seq)?])
            .map_err(store_error)?;
        Ok(())
    }

    fn entries(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        from_seq: u64,
        bytes_max: usize,
    ) -> Result<Vec<EntryRow>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(Vec::new());
        };
        let Some(fid) = self.feed_number(sid, feed)? else {
            return Ok(Vec::new());
        };
        let Ok(from) = entry_number(fid, from_seq) else {
            return Ok(Vec::new());
        };
        let end = (fid + 1) << PLACE_BITS;
        let mut statement = self.statement(
            "SELECT n, hash, state, bytes FROM entry WHERE n >= ?1 AND n < ?2 ORDER BY n",
        )?;
        let mut rows = statement.query(params![from, end]).map_err(store_error)?;
        let mut found = Vec::new();
        let mut bytes_count = 0usize;
        while let Some(row) = rows.next().map_err(store_error)? {
            let entry = entry_row(feed, row)?;
            bytes_count = bytes_count.saturating_add(entry.bytes.len());
            if bytes_count > bytes_max && !found.is_empty() {
                break;
            }
            found.push(entry);
        }
        Ok(found)
    }

    fn entries_waiting(&mut self, space: SpaceId) -> Result<Vec<EntryRow>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(Vec::new());
        };
        let mut statement = self.statement(
            "SELECT e.n, e.hash, e.state, e.bytes, f.feed
             FROM entry e JOIN feed f ON f.fid = e.n >> 40
             WHERE e.state = 1 AND f.sid = ? ORDER BY f.feed, e.n",
        )?;
        let mut rows = statement.query([sid]).map_err(store_error)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(store_error)? {
            let feed = row
                .get_ref(4)
                .and_then(|feed| Ok(feed.as_blob()?))
                .map_err(store_error)?;
            found.push(entry_row(FeedId(fixed(feed, "feed id")?), row)?);
        }
        Ok(found)
    }

    fn entries_remove(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        from_seq: u64,
    ) -> Result<(), StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(());
        };
        let Some(fid) = self.feed_number(sid, feed)? else {
            return Ok(());
        };
        let Ok(from) = entry_number(fid, from_seq) else {
            return Ok(());
        };
        self.statement("DELETE FROM entry WHERE n >= ?1 AND n < ?2")?
            .execute(params![from, (fid + 1) << PLACE_BITS])
            .map_err(store_error)?;
        Ok(())
    }

    fn touch_put(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        seq: u64,
        objects: &[ObjectId],
    ) -> Result<(), StoreError> {
        let sid = self.space_number(space)?;
        let entry = entry_number(self.feed_number_or_new(sid, feed)?, seq)?;
        let mut insert = self.statement("INSERT OR IGNORE INTO touch VALUES(?,?)")?;
        for object in objects {
            insert
                .execute(params![short(object), entry])
                .map_err(store_error)?;
        }
        Ok(())
    }

    fn touched(
        &mut self,
        space: SpaceId,
        object: ObjectId,
    ) -> Result<Vec<(FeedId, u64)>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(Vec::new());
        };
        let mut statement = self.statement(
            "SELECT f.feed, t.entry FROM touch t JOIN feed f ON f.fid = t.entry >> 40
             WHERE t.short = ? AND f.sid = ? ORDER BY f.feed, t.entry",
        )?;
        let mut rows = statement
            .query(params![short(&object), sid])
            .map_err(store_error)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(store_error)? {
            let feed = row
                .get_ref(0)
                .and_then(|feed| Ok(feed.as_blob()?))
                .map_err(store_error)?;
            let entry: i64 = row.get(1).map_err(store_error)?;
            let seq = stored_sequence(entry & ((1 << PLACE_BITS) - 1))?;
            found.push((FeedId(fixed(feed, "feed id")?), seq));
        }
        Ok(found)
    }

    fn branch_put(&mut self, space: SpaceId, row: &BranchRow) -> Result<(), StoreError> {
        let sid = self.space_number(space)?;
        let place = &row.place;
        self.statement(
            "INSERT OR REPLACE INTO branch(sid, feed, hash, seq, previous, reissued, bytes)
             VALUES(?,?,?,?,?,?,?)",
        )?
        .execute(params![
            sid,
            place.feed.as_bytes(),
            &place.hash.0[..],
            sequence(place.seq)?,
            &place.previous.0[..],
            place.reissued,
            row.bytes
        ])
        .map_err(store_error)?;
        Ok(())
    }

    fn branch(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        hash: Hash,
    ) -> Result<Option<BranchRow>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(None);
        };
        let mut statement = self.statement(
            "SELECT feed, hash, seq, previous, reissued, bytes FROM branch
             WHERE sid = ? AND feed = ? AND hash = ?",
        )?;
        let mut rows = statement
            .query(params![sid, feed.as_bytes(), &hash.0[..]])
            .map_err(store_error)?;
        let Some(row) = rows.next().map_err(store_error)? else {
            return Ok(None);
        };
        Ok(Some(BranchRow {
            place: branch_place(row)?,
            bytes: row.get(5).map_err(store_error)?,
        }))
    }

    fn branch_remove(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        hash: Hash,
    ) -> Result<(), StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(());
        };
        self.statement("DELETE FROM branch WHERE sid = ? AND feed = ? AND hash = ?")?
            .execute(params![sid, feed.as_bytes(), &hash.0[..]])
            .map_err(store_error)?;
        Ok(())
    }

    fn branches(&mut self, space: SpaceId) -> Result<Vec<BranchPlace>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(Vec::new());
        };
        let mut statement = self.statement(
            "SELECT feed, hash, seq, previous, reissued FROM branch WHERE sid = ?
             ORDER BY feed, seq, hash",
        )?;
        let mut rows = statement.query([sid]).map_err(store_error)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(store_error)? {
            found.push(branch_place(row)?);
        }
        Ok(found)
    }

    fn pending_put(&mut self, space: SpaceId, bytes: &[u8]) -> Result<u64, StoreError> {
        let sid = self.space_number(space)?;
        let number = self.pending_next();
        self.statement("INSERT INTO pending(n, sid, bytes) VALUES(?,?,?)")?
            .execute(params![sequence(number)?, sid, bytes])
            .map_err(store_error)?;
        Ok(number)
    }

    fn pending(&mut self, space: SpaceId) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(Vec::new());
        };
        // No index by space: the table holds what came in the last second.
        let mut statement =
            self.statement("SELECT n, bytes FROM pending WHERE sid = ? ORDER BY n")?;
        numbered(statement.query([sid]).map_err(store_error)?)
    }

    fn pending_clear(&mut self, space: SpaceId, through: u64) -> Result<(), StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(());
        };
        self.statement("DELETE FROM pending WHERE n <= ? AND sid = ?")?
            .execute(params![i64::try_from(through).unwrap_or(i64::MAX), sid])
            .map_err(store_error)?;
        Ok(())
    }

    fn object(
        &mut self,
        space: SpaceId,
        object: ObjectId,
    ) -> Result<Option<ObjectRow>, StoreError> {
        self.object_read(space, object)
    }

    fn object_put(
        &mut self,
        space: SpaceId,
        row: &ObjectRow,
        before: Option<&Findable>,
        now: &Findable,
    ) -> Result<(), StoreError> {
        self.object_write(space, row, before, now)
    }

    fn objects_put(&mut self, space: SpaceId, puts: &[ObjectPut]) -> Result<(), StoreError> {
        self.objects_write(space, puts)
    }

    fn objects(
        &mut self,
        space: SpaceId,
        type_name: Option<&str>,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<ObjectRow>, StoreError> {
        self.objects_read(space, type_name, after, limit)
    }

    fn index_scan(
        &mut self,
        space: SpaceId,
        scan: &IndexScan,
    ) -> Result<Vec<ObjectId>, StoreError> {
        self.index_read(space, scan)
    }

    fn search(
        &mut self,
        space: SpaceId,
        query: &str,
        mode: TextMode,
        limit: usize,
    ) -> Result<Vec<ObjectId>, StoreError> {
        self.search_read(space, query, mode, limit)
    }

    fn referrers(&mut self, space: SpaceId, target: ObjectId) -> Result<Vec<ObjectId>, StoreError> {
        self.referrers_read(space, target)
    }

    fn findable_clear(&mut self, space: SpaceId) -> Result<(), StoreError> {
        self.findable_remove(space)
    }

    fn objects_clear(&mut self, space: SpaceId) -> Result<(), StoreError> {
        self.objects_remove(space)
    }

    fn text(&mut self, space: SpaceId, text: TextId) -> Result<TextRow, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(TextRow::default());
        };
        let Some(tid) = self.text_number(sid, text)? else {
            return Ok(TextRow::default());
        };
        let snapshot = self
            .statement("SELECT snapshot FROM text WHERE tid = ?")?
            .query_row([tid], |row| row.get(0))
            .map_err(store_error)?;
        let mut statement = self.statement("SELECT n, bytes FROM tail WHERE tid = ? ORDER BY n")?;
        let tail = numbered(statement.query([tid]).map_err(store_error)?)?;
        Ok(TextRow { snapshot, tail })
    }

    fn text_append(
        &mut self,
        space: SpaceId,
        text: TextId,
        update: &[u8],
    ) -> Result<u64, StoreError> {
        let tid = self.text_number_or_new(space, text)?;
        let number = self.tail_next();
        self.statement("INSERT INTO tail(n, tid, bytes) VALUES(?,?,?)")?
            .execute(params![sequence(number)?, tid, update])
            .map_err(store_error)?;
        Ok(number)
    }

    fn text_snapshot(
        &mut self,
        space: SpaceId,
        text: TextId,
        snapshot: &[u8],
        through: u64,
    ) -> Result<(), StoreError> {
        let tid = self.text_number_or_new(space, text)?;
        self.statement("UPDATE text SET snapshot = ? WHERE tid = ?")?
            .execute(params![snapshot, tid])
            .map_err(store_error)?;
        self.statement("DELETE FROM tail WHERE tid = ? AND n <= ?")?
            .execute(params![tid, i64::try_from(through).unwrap_or(i64::MAX)])
            .map_err(store_error)?;
        Ok(())
    }

    fn texts(&mut self, space: SpaceId) -> Result<Vec<TextId>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(Vec::new());
        };
        let mut statement = self.statement("SELECT text FROM text WHERE sid = ? ORDER BY text")?;
        let mut rows = statement.query([sid]).map_err(store_error)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(store_error)? {
            let text = row
                .get_ref(0)
                .and_then(|text| Ok(text.as_blob()?))
                .map_err(store_error)?;
            found.push(TextId(fixed(text, "text id")?));
        }
        Ok(found)
    }

    fn space_remove(&mut self, space: SpaceId) -> Result<(), StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(());
        };
        self.objects_remove(space)?;
        self.blobs_remove(sid)?;
        for sql in [
            "DELETE FROM entry WHERE n >> 40 IN (SELECT fid FROM feed WHERE sid = ?)",
            "DELETE FROM touch WHERE entry >> 40 IN (SELECT fid FROM feed WHERE sid = ?)",
            "DELETE FROM feed WHERE sid = ?",
            "DELETE FROM branch WHERE sid = ?",
            "DELETE FROM cred WHERE sid = ?",
            "DELETE FROM pending WHERE sid = ?",
            "DELETE FROM tail WHERE tid IN (SELECT tid FROM text WHERE sid = ?)",
            "DELETE FROM text WHERE sid = ?",
            "DELETE FROM space WHERE sid = ?",
        ] {
            self.statement(sql)?.execute([sid]).map_err(store_error)?;
        }
        self.space_forget(space);
        Ok(())
    }
}
