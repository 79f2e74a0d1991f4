//! A store in memory, for tests: the naive model of the [`Store`] contract. A transaction keeps a copy of
//! everything; a crash is a rollback, or dropping back to a clone.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::query::{TextMode, has_words, words};
use dxos_base::{FeedId, Hash, ObjectId, SpaceId, TextId};

use crate::store::*;

/// Everything of one profile.
#[derive(Debug, Clone, Default, PartialEq)]
struct Content {
    values: BTreeMap<String, Vec<u8>>,
    spaces: BTreeMap<SpaceId, SpaceContent>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct SpaceContent {
    credentials: Vec<(Hash, Vec<u8>)>,
    feeds: BTreeMap<FeedId, FeedRow>,
    entries: BTreeMap<(FeedId, u64), EntryRow>,
    branches: BTreeMap<(FeedId, Hash), BranchRow>,
    pending: BTreeMap<u64, Vec<u8>>,
    pending_last: u64,
    objects: BTreeMap<ObjectId, Object>,
    index: BTreeSet<(String, Vec<u8>, ObjectId)>,
    texts: BTreeMap<TextId, (TextRow, u64)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Object {
    row: ObjectRow,
    findable: Findable,
}

/// A store in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    content: Content,
    before: Option<Content>,
}

impl MemoryStore {
    fn space(&mut self, space: SpaceId) -> &mut SpaceContent {
        self.content.spaces.entry(space).or_default()
    }
}

impl PartialEq for MemoryStore {
    fn eq(&self, other: &Self) -> bool {
        self.content == other.content
    }
}

impl Store for MemoryStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        if self.before.is_some() {
            return Err(StoreError::Failed {
                detail: "transactions do not nest".to_owned(),
            });
        }
        self.before = Some(self.content.clone());
        Ok(())
    }
    fn commit(&mut self, _: Durability) -> Result<(), StoreError> {
        self.before = None;
        Ok(())
    }
    fn rollback(&mut self) {
        if let Some(before) = self.before.take() {
            self.content = before;
        }
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.content.values.get(key).cloned())
    }
    fn set(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        match value {
            Some(value) => self.content.values.insert(key.to_owned(), value.to_vec()),
            None => self.content.values.remove(key),
        };
        Ok(())
    }
    fn list(&mut self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let all = self.content.values.range(prefix.to_owned()..);
        let held = all.take_while(|(key, _)| key.starts_with(prefix));
        Ok(held
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn credential_put(
        &mut self,
        space: SpaceId,
        hash: Hash,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let held = &mut self.space(space).credentials;
        if held.iter().all(|(known, _)| *known != hash) {
            held.push((hash, bytes.to_vec()));
        }
        Ok(())
    }
    fn credentials(&mut self, space: SpaceId) -> Result<Vec<(Hash, Vec<u8>)>, StoreError> {
        Ok(self.space(space).credentials.clone())
    }

    fn feeds(&mut self, space: SpaceId) -> Result<Vec<FeedRow>, StoreError> {
        Ok(self.space(space).feeds.values().cloned().collect())
    }
    fn feed_put(&mut self, space: SpaceId, row: &FeedRow) -> Result<(), StoreError> {
        self.space(space).feeds.insert(row.feed, row.clone());
        Ok(())
    }
    fn entry_put(&mut self, space: SpaceId, row: &EntryRow) -> Result<(), StoreError> {
        self.space(space)
            .entries
            .insert((row.feed, row.seq), row.clone());
        Ok(())
    }
    fn entry_state(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        seq: u64,
        state: EntryState,
    ) -> Result<(), StoreError> {
        if let Some(row) = self.space(space).entries.get_mut(&(feed, seq)) {
            row.state = state;
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
        let mut out = Vec::new();
        let mut bytes = 0;
        for (_, row) in self
            .space(space)
            .entries
            .range((feed, from_seq)..=(feed, u64::MAX))
        {
            bytes += row.bytes.len();
            out.push(row.clone());
            if bytes > bytes_max {
                break;
            }
        }
        Ok(out)
    }
    fn entries_waiting(&mut self, space: SpaceId) -> Result<Vec<EntryRow>, StoreError> {
        let entries = self.space(space).entries.values();
        Ok(entries
            .filter(|row| row.state == EntryState::Waiting)
            .cloned()
            .collect())
    }

    fn entries_remove(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        from_seq: u64,
    ) -> Result<(), StoreError> {
        self.space(space)
            .entries
            .retain(|(of, seq), _| *of != feed || *seq < from_seq);
        Ok(())
    }

    fn branch_put(&mut self, space: SpaceId, row: &BranchRow) -> Result<(), StoreError> {
        let key = (row.place.feed, row.place.hash);
        self.space(space).branches.insert(key, row.clone());
        Ok(())
    }
    fn branch(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        hash: Hash,
    ) -> Result<Option<BranchRow>, StoreError> {
        Ok(self.space(space).branches.get(&(feed, hash)).cloned())
    }
    fn branch_remove(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        hash: Hash,
    ) -> Result<(), StoreError> {
        self.space(space).branches.remove(&(feed, hash));
        Ok(())
    }
    fn branches(&mut self, space: SpaceId) -> Result<Vec<BranchPlace>, StoreError> {
        let rows = self.space(space).branches.values();
        let mut places: Vec<BranchPlace> = rows.map(|row| row.place).collect();
        places.sort_unstable();
        Ok(places)
    }

    fn pending_put(&mut self, space: SpaceId, bytes: &[u8]) -> Result<u64, StoreError> {
        let space = self.space(space);
        space.pending_last += 1;
        space.pending.insert(space.pending_last, bytes.to_vec());
        Ok(space.pending_last)
    }
    fn pending(&mut self, space: SpaceId) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        Ok(self
            .space(space)
            .pending
            .iter()
            .map(|(row, bytes)| (*row, bytes.clone()))
            .collect())
    }
    fn pending_clear(&mut self, space: SpaceId, through: u64) -> Result<(), StoreError> {
        self.space(space).pending.retain(|row, _| *row > through);
        Ok(())
    }

    fn object(
        &mut self,
        space: SpaceId,
        object: ObjectId,
    ) -> Result<Option<ObjectRow>, StoreError> {
        Ok(self
            .space(space)
            .objects
            .get(&object)
            .map(|held| held.row.clone()))
    }
    fn object_put(
        &mut self,
        space: SpaceId,
        row: &ObjectRow,
        _: Option<&Findable>,
        now: &Findable,
    ) -> Result<(), StoreError> {
        let space = self.space(space);
        let new = Object {
            row: row.clone(),
            findable: now.clone(),
        };
        let old = space.objects.insert(row.object, new);
        for key in old.iter().flat_map(|old| &old.findable.keys) {
            space
                .index
                .remove(&(key.property.clone(), key.value.clone(), row.object));
        }
        for key in &now.keys {
            space
                .index
                .insert((key.property.clone(), key.value.clone(), row.object));
        }
        Ok(())
    }
    fn objects(
        &mut self,
        space: SpaceId,
        type_name: Option<&str>,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<ObjectRow>, StoreError> {
        let rows = self.space(space).objects.values().map(|held| &held.row);
        Ok(rows
            .filter(|row| after.is_none_or(|after| row.object > after))
            .filter(|row| type_name.is_none_or(|wanted| row.type_name == wanted))
            .take(limit)
            .cloned()
            .collect())
    }
    fn index_scan(
        &mut self,
        space: SpaceId,
        scan: &IndexScan,
    ) -> Result<Vec<ObjectId>, StoreError> {
        let mut ids: Vec<ObjectId> = self
            .space(space)
            .index
            .iter()
            .filter(|(property, value, _)| {
                *property == scan.property
                    && scan.from.as_ref().is_none_or(|from| value >= from)
                    && scan.to.as_ref().is_none_or(|to| value < to)
            })
            .map(|(_, _, object)| *object)
            .collect();
        if scan.descending {
            ids.reverse();
        }
        Ok(ids.into_iter().skip(scan.skip).take(scan.limit).collect())
    }
    fn search(
        &mut self,
        space: SpaceId,
        query: &str,
        mode: TextMode,
        limit: usize,
    ) -> Result<Vec<ObjectId>, StoreError> {
        let asked: Vec<String> = words(query).collect();
        let objects = self.space(space).objects.iter();
        let mut found: Vec<(usize, ObjectId)> = objects
            .filter(|(_, held)| has_words(&held.findable.full_text, query, mode))
            .map(|(id, held)| {
                let hits = words(&held.findable.full_text).filter(|word| asked.contains(word));
                (usize::MAX - hits.count(), *id)
            })
            .collect();
        found.sort_unstable();
        Ok(found.into_iter().map(|(_, id)| id).take(limit).collect())
    }
    fn referrers(&mut self, space: SpaceId, target: ObjectId) -> Result<Vec<ObjectId>, StoreError> {
        let objects = self.space(space).objects.iter();
        Ok(objects
            .filter(|(_, held)| held.findable.references.contains(&target))
            .map(|(id, _)| *id)
            .collect())
    }
    fn findable_clear(&mut self, space: SpaceId) -> Result<(), StoreError> {
        let space = self.space(space);
        for held in space.objects.values_mut() {
            held.findable = Findable::default();
        }
        space.index.clear();
        Ok(())
    }
    fn objects_clear(&mut self, space: SpaceId) -> Result<(), StoreError> {
        let space = self.space(space);
        space.objects.clear();
        space.index.clear();
        Ok(())
    }

    fn text(&mut self, space: SpaceId, text: TextId) -> Result<TextRow, StoreError> {
        Ok(self
            .space(space)
            .texts
            .get(&text)
            .map(|(row, _)| row.clone())
            .unwrap_or_default())
    }
    fn text_append(
        &mut self,
        space: SpaceId,
        text: TextId,
        update: &[u8],
    ) -> Result<u64, StoreError> {
        let (row, last) = self.space(space).texts.entry(text).or_default();
        *last += 1;
        row.tail.push((*last, update.to_vec()));
        Ok(*last)
    }
    fn text_snapshot(
        &mut self,
        space: SpaceId,
        text: TextId,
        snapshot: &[u8],
        through: u64,
    ) -> Result<(), StoreError> {
        let (row, _) = self.space(space).texts.entry(text).or_default();
        row.snapshot = snapshot.to_vec();
        row.tail.retain(|(number, _)| *number > through);
        Ok(())
    }
    fn texts(&mut self, space: SpaceId) -> Result<Vec<TextId>, StoreError> {
        Ok(self.space(space).texts.keys().copied().collect())
    }

    fn space_remove(&mut self, space: SpaceId) -> Result<(), StoreError> {
        self.content.spaces.remove(&space);
        Ok(())
    }
}
