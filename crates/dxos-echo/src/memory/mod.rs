//! A store in memory, for tests and simulated disks.
//!
//! All tables are one ordered map of rows. A transaction notes how to take back each row it changes, so nothing is
//! ever copied whole: a crash is a rollback, a power loss is [`MemoryStore::undo`], a backup is a clone.
//!
//! Invariants
//! * a rollback leaves exactly what was there at [`Store::begin`]; so does undoing the last transaction kept;
//! * a write outside a transaction stands at once and cannot be taken back.

mod blobs;
mod rows;

use std::collections::BTreeMap;

use dxos_base::query::{TextMode, has_words, words};
use dxos_base::{FeedId, Hash, ObjectId, SpaceId, TextId};

use crate::store::*;
use rows::{Key, ObjectRecord, Row};

/// How to take back one transaction.
#[derive(Debug, Default)]
pub struct Undo(Vec<(Key, Option<Row>)>);

impl Undo {
    /// How many times the transaction changed a row.
    pub fn rows(&self) -> usize {
        self.0.len()
    }
}

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: BTreeMap<Key, Row>,
    open: Option<Undo>,
    full: bool,
}

impl MemoryStore {
    /// As a disk without room: while it is, every commit fails and changes nothing.
    pub fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// Whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the open transaction changed anything.
    pub fn has_written(&self) -> bool {
        self.open.as_ref().is_some_and(|undo| !undo.0.is_empty())
    }

    /// Ends the transaction, keeping all of it; gives how to take it back. Nothing if none is open.
    pub fn keep(&mut self) -> Option<Undo> {
        self.open.take()
    }

    /// Takes a kept transaction back: the last one that has not been taken back.
    pub fn undo(&mut self, undo: Undo) {
        for (key, before) in undo.0.into_iter().rev() {
            match before {
                Some(row) => self.rows.insert(key, row),
                None => self.rows.remove(&key),
            };
        }
    }

    /// What an object was made findable by; `None` if it has no row.
    pub fn findable(&self, space: SpaceId, object: ObjectId) -> Option<&Findable> {
        self.record(space, object).map(|record| &record.findable)
    }

    fn put(&mut self, key: Key, row: Row) {
        match &mut self.open {
            Some(undo) => {
                let before = self.rows.insert(key.clone(), row);
                undo.0.push((key, before));
            }
            None => drop(self.rows.insert(key, row)),
        }
    }

    fn remove(&mut self, key: Key) {
        if let Some(before) = self.rows.remove(&key)
            && let Some(undo) = &mut self.open
        {
            undo.0.push((key, Some(before)));
        }
    }

    fn remove_all(&mut self, of: impl Fn(&Key) -> bool) {
        let keys: Vec<Key> = self.rows.keys().filter(|key| of(key)).cloned().collect();
        keys.into_iter().for_each(|key| self.remove(key));
    }

    fn remove_between(&mut self, from: Key, through: Key) {
        let keys = self.rows.range(from..=through);
        let keys: Vec<Key> = keys.map(|(key, _)| key.clone()).collect();
        keys.into_iter().for_each(|key| self.remove(key));
    }

    /// The next number of a growing sequence; never given twice, even when its rows are removed.
    fn number(&mut self, key: Key) -> u64 {
        let next = match self.rows.get(&key) {
            Some(Row::Number(last)) => last + 1,
            _ => 1,
        };
        self.put(key, Row::Number(next));
        next
    }

    fn record(&self, space: SpaceId, object: ObjectId) -> Option<&ObjectRecord> {
        match self.rows.get(&Key::Object(space, object)) {
            Some(Row::Object(record)) => Some(record),
            _ => None,
        }
    }

    fn unlink(&mut self, space: SpaceId, object: ObjectId) {
        let Some(record) = self.record(space, object).cloned() else {
            return;
        };
        self.remove(Key::OfType(space, record.row.type_name, object));
        for index in record.findable.keys {
            self.remove(Key::Index(space, index.property, index.value, object));
        }
        for target in record.findable.references {
            self.remove(Key::Reference(space, target, object));
        }
    }

    fn mark_waiting(&mut self, space: SpaceId, feed: FeedId, seq: u64, state: EntryState) {
        let key = Key::Waiting(space, feed, seq);
        match state {
            EntryState::Waiting => self.put(key, Row::Mark),
            EntryState::Applied | EntryState::Void => self.remove(key),
        }
    }
}

/// What is committed: an open transaction is no part of a copy.
impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        let mut copy = MemoryStore {
            rows: self.rows.clone(),
            open: None,
            full: false,
        };
        if let Some(undo) = &self.open {
            copy.undo(Undo(undo.0.clone()));
        }
        copy
    }
}

impl PartialEq for MemoryStore {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl Store for MemoryStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        if self.open.is_some() {
            return Err(StoreError::Failed {
                detail: "transactions do not nest".to_owned(),
            });
        }
        self.open = Some(Undo::default());
        Ok(())
    }

    fn commit(&mut self, _: Durability) -> Result<(), StoreError> {
        if self.full {
            self.rollback();
            return Err(StoreError::Full);
        }
        self.open = None;
        Ok(())
    }

    fn rollback(&mut self) {
        if let Some(undo) = self.open.take() {
            self.undo(undo);
        }
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.rows.get(&Key::Setting(key.to_owned()));
        Ok(row.and_then(Row::bytes))
    }

    fn set(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        let key = Key::Setting(key.to_owned());
        match value {
            Some(value) => self.put(key, Row::Bytes(value.to_vec())),
            None => self.remove(key),
        }
        Ok(())
    }

    fn list(&mut self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let from = self.rows.range(Key::Setting(prefix.to_owned())..);
        let held = from.map_while(|(key, row)| match (key, row) {
            (Key::Setting(name), Row::Bytes(bytes)) if name.starts_with(prefix) => {
                Some((name.clone(), bytes.clone()))
            }
            _ => None,
        });
        Ok(held.collect())
    }

    fn credential_put(
        &mut self,
        space: SpaceId,
        hash: Hash,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        if !self.rows.contains_key(&Key::CredentialHash(space, hash)) {
            let place = self.number(Key::CredentialNumber(space));
            self.put(Key::CredentialHash(space, hash), Row::Number(place));
            self.put(
                Key::Credential(space, place, hash),
                Row::Bytes(bytes.to_vec()),
            );
        }
        Ok(())
    }

    fn credentials(&mut self, space: SpaceId) -> Result<Vec<(Hash, Vec<u8>)>, StoreError> {
        let from = Key::Credential(space, 0, Hash([0; 32]));
        let through = Key::Credential(space, u64::MAX, Hash([255; 32]));
        let rows = self.rows.range(from..=through);
        Ok(rows
            .filter_map(|(key, row)| match key {
                Key::Credential(_, _, hash) => row.bytes().map(|bytes| (*hash, bytes)),
                _ => None,
            })
            .collect())
    }

    fn feeds(&mut self, space: SpaceId) -> Result<Vec<FeedRow>, StoreError> {
        let (first, last) = (FeedId([0; 16]), FeedId([255; 16]));
        let rows = self
            .rows
            .range(Key::Feed(space, first)..=Key::Feed(space, last));
        Ok(rows
            .filter_map(|(_, row)| match row {
                Row::Feed(feed) => Some(feed.clone()),
                _ => None,
            })
            .collect())
    }

    fn feed_put(&mut self, space: SpaceId, row: &FeedRow) -> Result<(), StoreError> {
        self.put(Key::Feed(space, row.feed), Row::Feed(row.clone()));
        Ok(())
    }

    fn entry_put(&mut self, space: SpaceId, row: &EntryRow) -> Result<(), StoreError> {
        let key = Key::Entry(space, row.feed, row.seq);
        self.put(key, Row::Entry(row.clone()));
        self.mark_waiting(space, row.feed, row.seq, row.state);
        Ok(())
    }

    fn entry_state(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        seq: u64,
        state: EntryState,
    ) -> Result<(), StoreError> {
        let key = Key::Entry(space, feed, seq);
        if let Some(Row::Entry(entry)) = self.rows.get(&key) {
            let entry = EntryRow {
                state,
                ..entry.clone()
            };
            self.put(key, Row::Entry(entry));
            self.mark_waiting(space, feed, seq, state);
        }
        Ok(())
    }

    fn entries(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        from_seq: u64,
        bytes_max: usize,
    ) -> Result<Vec<EntryRow>, StoreError> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        let (from, through) = (
            Key::Entry(space, feed, from_seq),
            Key::Entry(space, feed, u64::MAX),
        );
        for (_, row) in self.rows.range(from..=through) {
            let Row::Entry(entry) = row else { continue };
            bytes += entry.bytes.len();
            found.push(entry.clone());
            if bytes > bytes_max {
                break;
            }
        }
        Ok(found)
    }

    fn entries_waiting(&mut self, space: SpaceId) -> Result<Vec<EntryRow>, StoreError> {
        let from = Key::Waiting(space, FeedId([0; 16]), 0);
        let through = Key::Waiting(space, FeedId([255; 16]), u64::MAX);
        let waiting = self.rows.range(from..=through);
        Ok(waiting
            .filter_map(|(key, _)| match key {
                Key::Waiting(_, feed, seq) => self.rows.get(&Key::Entry(space, *feed, *seq)),
                _ => None,
            })
            .filter_map(|row| match row {
                Row::Entry(entry) => Some(entry.clone()),
                _ => None,
            })
            .collect())
    }

    fn entries_remove(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        from_seq: u64,
    ) -> Result<(), StoreError> {
        let (first, last) = (from_seq, u64::MAX);
        self.remove_between(
            Key::Entry(space, feed, first),
            Key::Entry(space, feed, last),
        );
        self.remove_between(
            Key::Waiting(space, feed, first),
            Key::Waiting(space, feed, last),
        );
        Ok(())
    }

    fn touch_put(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        seq: u64,
        objects: &[ObjectId],
    ) -> Result<(), StoreError> {
        for object in objects {
            self.put(Key::Touch(space, *object, feed, seq), Row::Mark);
        }
        Ok(())
    }

    fn touched(
        &mut self,
        space: SpaceId,
        object: ObjectId,
    ) -> Result<Vec<(FeedId, u64)>, StoreError> {
        let first = Key::Touch(space, object, FeedId([0; FeedId::LEN]), 0);
        let last = Key::Touch(space, object, FeedId([u8::MAX; FeedId::LEN]), u64::MAX);
        let keys = self.rows.range(first..=last);
        let place = |key: &Key| match key {
            Key::Touch(_, _, feed, seq) => Some((*feed, *seq)),
            _ => None,
        };
        Ok(keys.filter_map(|(key, _)| place(key)).collect())
    }

    fn branch_put(&mut self, space: SpaceId, row: &BranchRow) -> Result<(), StoreError> {
        let key = Key::Branch(space, row.place.feed, row.place.hash);
        self.put(key, Row::Branch(row.clone()));
        Ok(())
    }

    fn branch(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        hash: Hash,
    ) -> Result<Option<BranchRow>, StoreError> {
        Ok(match self.rows.get(&Key::Branch(space, feed, hash)) {
            Some(Row::Branch(row)) => Some(row.clone()),
            _ => None,
        })
    }

    fn branch_remove(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        hash: Hash,
    ) -> Result<(), StoreError> {
        self.remove(Key::Branch(space, feed, hash));
        Ok(())
    }

    fn branches(&mut self, space: SpaceId) -> Result<Vec<BranchPlace>, StoreError> {
        let from = Key::Branch(space, FeedId([0; 16]), Hash([0; 32]));
        let through = Key::Branch(space, FeedId([255; 16]), Hash([255; 32]));
        let rows = self.rows.range(from..=through);
        let mut places: Vec<BranchPlace> = rows
            .filter_map(|(_, row)| match row {
                Row::Branch(row) => Some(row.place),
                _ => None,
            })
            .collect();
        places.sort_unstable();
        Ok(places)
    }

    fn pending_put(&mut self, space: SpaceId, bytes: &[u8]) -> Result<u64, StoreError> {
        let number = self.number(Key::PendingNumber(space));
        self.put(Key::Pending(space, number), Row::Bytes(bytes.to_vec()));
        Ok(number)
    }

    fn pending(&mut self, space: SpaceId) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let (from, through) = (Key::Pending(space, 0), Key::Pending(space, u64::MAX));
        let rows = self.rows.range(from..=through);
        Ok(rows
            .filter_map(|(key, row)| match key {
                Key::Pending(_, number) => row.bytes().map(|bytes| (*number, bytes)),
                _ => None,
            })
            .collect())
    }

    fn pending_clear(&mut self, space: SpaceId, through: u64) -> Result<(), StoreError> {
        self.remove_between(Key::Pending(space, 0), Key::Pending(space, through));
        Ok(())
    }

    fn object(
        &mut self,
        space: SpaceId,
        object: ObjectId,
    ) -> Result<Option<ObjectRow>, StoreError> {
        Ok(self.record(space, object).map(|record| record.row.clone()))
    }

    fn object_put(
        &mut self,
        space: SpaceId,
        row: &ObjectRow,
        _: Option<&Findable>,
        now: &Findable,
    ) -> Result<(), StoreError> {
        self.unlink(space, row.object);
        self.put(
            Key::OfType(space, row.type_name.clone(), row.object),
            Row::Mark,
        );
        for key in &now.keys {
            let (property, value) = (key.property.clone(), key.value.clone());
            self.put(Key::Index(space, property, value, row.object), Row::Mark);
        }
        for target in &now.references {
            self.put(Key::Reference(space, *target, row.object), Row::Mark);
        }
        let record = ObjectRecord {
            row: row.clone(),
            findable: now.clone(),
        };
        self.put(
            Key::Object(space, row.object),
            Row::Object(Box::new(record)),
        );
        Ok(())
    }

    fn objects(
        &mut self,
        space: SpaceId,
        type_name: Option<&str>,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<ObjectRow>, StoreError> {
        let (first, last) = (after.unwrap_or(ObjectId([0; 16])), ObjectId([255; 16]));
        let (from, through) = match type_name {
            Some(name) => (
                Key::OfType(space, name.to_owned(), first),
                Key::OfType(space, name.to_owned(), last),
            ),
            None => (Key::Object(space, first), Key::Object(space, last)),
        };
        let rows = self.rows.range(from..=through);
        Ok(rows
            .filter_map(|(key, _)| match key {
                Key::Object(_, object) | Key::OfType(_, _, object) => Some(*object),
                _ => None,
            })
            .filter(|object| Some(*object) != after)
            .filter_map(|object| self.record(space, object).map(|record| record.row.clone()))
            .take(limit)
            .collect())
    }

    fn index_scan(
        &mut self,
        space: SpaceId,
        scan: &IndexScan,
    ) -> Result<Vec<ObjectId>, StoreError> {
        let first = scan.from.clone().unwrap_or_default();
        let from = Key::Index(space, scan.property.clone(), first, ObjectId([0; 16]));
        let inside = |key: &Key| match key {
            Key::Index(of, property, value, object)
                if *of == space
                    && *property == scan.property
                    && scan.to.as_ref().is_none_or(|to| value < to) =>
            {
                Some(*object)
            }
            _ => None,
        };
        let rows = self.rows.range(from..);
        let mut found: Vec<ObjectId> = rows.map_while(|(key, _)| inside(key)).collect();
        if scan.descending {
            found.reverse();
        }
        let found = found.into_iter().skip(scan.skip);
        Ok(found.take(scan.limit).collect())
    }

    fn search(
        &mut self,
        space: SpaceId,
        query: &str,
        mode: TextMode,
        limit: usize,
    ) -> Result<Vec<ObjectId>, StoreError> {
        let asked: Vec<String> = words(query).collect();
        let (first, last) = (ObjectId([0; 16]), ObjectId([255; 16]));
        let rows = self
            .rows
            .range(Key::Object(space, first)..=Key::Object(space, last));
        let mut found = Vec::new();
        for (_, row) in rows {
            let Row::Object(record) = row else { continue };
            let text = &record.findable.full_text;
            if has_words(text, query, mode) {
                let hits = words(text).filter(|word| asked.contains(word)).count();
                found.push((usize::MAX - hits, record.row.object));
            }
        }
        found.sort_unstable();
        Ok(found.into_iter().map(|(_, id)| id).take(limit).collect())
    }

    fn referrers(&mut self, space: SpaceId, target: ObjectId) -> Result<Vec<ObjectId>, StoreError> {
        let from = Key::Reference(space, target, ObjectId([0; 16]));
        let through = Key::Reference(space, target, ObjectId([255; 16]));
        let rows = self.rows.range(from..=through);
        Ok(rows
            .filter_map(|(key, _)| match key {
                Key::Reference(_, _, from) => Some(*from),
                _ => None,
            })
            .collect())
    }

    fn findable_clear(&mut self, space: SpaceId) -> Result<(), StoreError> {
        self.remove_all(|key| {
            let found_by = matches!(key, Key::Index(..) | Key::Reference(..));
            found_by && key.space() == Some(space)
        });
        let (first, last) = (ObjectId([0; 16]), ObjectId([255; 16]));
        let rows = self
            .rows
            .range(Key::Object(space, first)..=Key::Object(space, last));
        let unfound: Vec<(Key, ObjectRecord)> = rows
            .filter_map(|(key, row)| match row {
                Row::Object(record) => {
                    let record = ObjectRecord {
                        row: record.row.clone(),
                        findable: Findable::default(),
                    };
                    Some((key.clone(), record))
                }
                _ => None,
            })
            .collect();
        for (key, record) in unfound {
            self.put(key, Row::Object(Box::new(record)));
        }
        Ok(())
    }

    fn objects_clear(&mut self, space: SpaceId) -> Result<(), StoreError> {
        self.remove_all(|key| key.materialised(space));
        Ok(())
    }

    fn text(&mut self, space: SpaceId, text: TextId) -> Result<TextRow, StoreError> {
        let snapshot = self.rows.get(&Key::TextSnapshot(space, text));
        let (from, through) = (
            Key::TextTail(space, text, 0),
            Key::TextTail(space, text, u64::MAX),
        );
        let tail = self
            .rows
            .range(from..=through)
            .filter_map(|(key, row)| match key {
                Key::TextTail(_, _, number) => row.bytes().map(|bytes| (*number, bytes)),
                _ => None,
            });
        Ok(TextRow {
            snapshot: snapshot.and_then(Row::bytes).unwrap_or_default(),
            tail: tail.collect(),
        })
    }

    fn text_append(
        &mut self,
        space: SpaceId,
        text: TextId,
        update: &[u8],
    ) -> Result<u64, StoreError> {
        let number = self.number(Key::TextNumber(space, text));
        let key = Key::TextTail(space, text, number);
        self.put(key, Row::Bytes(update.to_vec()));
        Ok(number)
    }

    fn text_snapshot(
        &mut self,
        space: SpaceId,
        text: TextId,
        snapshot: &[u8],
        through: u64,
    ) -> Result<(), StoreError> {
        let key = Key::TextSnapshot(space, text);
        self.put(key, Row::Bytes(snapshot.to_vec()));
        let first = Key::TextTail(space, text, 0);
        self.remove_between(first, Key::TextTail(space, text, through));
        Ok(())
    }

    fn texts(&mut self, space: SpaceId) -> Result<Vec<TextId>, StoreError> {
        let mut found: Vec<TextId> = self.rows.keys().filter_map(|key| key.text(space)).collect();
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn space_remove(&mut self, space: SpaceId) -> Result<(), StoreError> {
        self.remove_all(|key| key.space() == Some(space));
        Ok(())
    }
}
