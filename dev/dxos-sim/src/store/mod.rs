//! A profile's storage in memory that can die: killed at any commit, without power, or without room.
//!
//! All tables are one ordered map of rows; each commit remembers how to be taken back, so that a power loss costs
//! what it undoes and nothing is ever copied whole.
//!
//! Invariants
//! * a kill keeps exactly the commits that took effect; an open transaction is gone;
//! * a power loss keeps at least the commits up to the last [`Durability::Synced`] one, in order, and of the later
//!   ones any number from the front;
//! * a failed call changes nothing; a dead store answers every call with an error.

mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use dxos_base::query::TextMode;
use dxos_base::{FeedId, Hash, ObjectId, SpaceId, TextId, invariant};
use dxos_echo::store::{
    BranchPlace, BranchRow, Durability, EntryRow, EntryState, FeedRow, Findable, IndexScan,
    ObjectRow, Store, StoreError, TextRow,
};

use rows::{Key, ObjectRecord, Row, words};

/// Where in a commit the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Before it takes effect: its transaction is gone.
    Before,
    /// After it took effect and before its caller hears of it.
    After,
}

/// Storage that fails without dying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    /// The next commit fails once.
    Commit,
    /// Every write is refused until room is made: the disk is full.
    Full,
}

/// A copied profile.
pub struct Copy {
    rows: BTreeMap<Key, Row>,
    commits: u64,
}

/// How to take back one changed row.
type Undo = (Key, Option<Row>);

/// See the module.
#[derive(Default)]
pub struct CrashStore {
    rows: BTreeMap<Key, Row>,
    open: Option<Vec<Undo>>,
    unsynced: VecDeque<Vec<Undo>>,
    commits: u64,
    crash: Option<(u64, CrashPoint)>,
    fault: Option<WriteFault>,
    faults_hit: u64,
    dead: Option<CrashPoint>,
    /// What the open transaction did: took an entry, cleared pending changes.
    took_entry: Option<SpaceId>,
    cleared_pending: bool,
    amid_pending: u64,
    power_took: u64,
    misuses: Vec<&'static str>,
}

impl CrashStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Commits that took effect since the store was made, less those a power loss took back.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// Commits a power loss could take back now.
    pub fn unsynced(&self) -> u64 {
        self.unsynced.len() as u64
    }

    /// Lets the process die at the `nth` commit from now, 1 being the next.
    pub fn crash_at(&mut self, nth: u64, point: CrashPoint) {
        self.crash = Some((nth.max(1), point));
    }

    /// Lets the process live on.
    pub fn spare(&mut self) {
        self.crash = None;
    }

    /// Whether the process died in a call.
    pub fn dead(&self) -> bool {
        self.dead.is_some()
    }

    /// Where in a commit it died.
    pub fn died_at(&self) -> Option<CrashPoint> {
        self.dead
    }

    /// Commits that took entries of others while own changes were acknowledged and not yet sealed.
    pub fn amid_pending(&self) -> u64 {
        self.amid_pending
    }

    /// Commits that power losses have taken back.
    pub fn power_took(&self) -> u64 {
        self.power_took
    }

    /// A copy of what is committed, as a backup tool would make it.
    pub fn copy(&self) -> Copy {
        invariant!(self.open.is_none(), "copies are made between transactions");
        Copy {
            rows: self.rows.clone(),
            commits: self.commits,
        }
    }

    /// Puts a copy in place of what is there. Gives the number of the last commit it holds.
    pub fn restore(&mut self, copy: &Copy) -> u64 {
        self.kill();
        self.rows = copy.rows.clone();
        self.unsynced.clear();
        self.commits = copy.commits;
        copy.commits
    }

    /// Makes writes fail from now on, or (with `None`) succeed again.
    pub fn set_fault(&mut self, fault: Option<WriteFault>) {
        self.fault = fault;
    }

    /// How many calls a write fault has failed.
    pub fn faults_hit(&self) -> u64 {
        self.faults_hit
    }

    /// Calls that break the contract of [`Store`]: nested transactions, writes or commits outside one.
    pub fn misuses(&self) -> &[&'static str] {
        &self.misuses
    }

    /// The process is gone: what was not committed is too. The store can be opened again.
    pub fn kill(&mut self) {
        self.take_back();
        self.crash = None;
        self.dead = None;
    }

    /// The power is gone: of the unsynced commits the first `keep` have reached the disk. Gives the number of the
    /// last commit kept.
    pub fn lose_power(&mut self, keep: u64) -> u64 {
        self.kill();
        while self.unsynced.len() as u64 > keep {
            let frame = self.unsynced.pop_back().expect("counted above");
            self.undo(frame);
            self.commits -= 1;
            self.power_took += 1;
        }
        self.unsynced.clear();
        self.commits
    }

    /// Bytes of all rows, for searching what is stored.
    pub fn stored(&self) -> impl Iterator<Item = (String, &[u8])> {
        self.rows.iter().filter_map(|(key, row)| match row {
            Row::Bytes(bytes) => Some((format!("{key:?}"), bytes.as_slice())),
            Row::Entry(entry) => Some((format!("{key:?}"), entry.bytes.as_slice())),
            _ => None,
        })
    }

    fn undo(&mut self, frame: Vec<Undo>) {
        for (key, before) in frame.into_iter().rev() {
            match before {
                Some(row) => self.rows.insert(key, row),
                None => self.rows.remove(&key),
            };
        }
    }

    fn take_back(&mut self) {
        if let Some(frame) = self.open.take() {
            self.undo(frame);
        }
    }

    fn alive(&self) -> Result<(), StoreError> {
        if self.dead.is_some() {
            Err(StoreError::Failed {
                detail: "the process is dead".into(),
            })
        } else {
            Ok(())
        }
    }

    fn writable(&mut self, what: &'static str) -> Result<(), StoreError> {
        self.alive()?;
        if self.open.is_none() {
            self.misuses.push(what);
            return Err(StoreError::Failed {
                detail: format!("{what} outside a transaction"),
            });
        }
        if self.fault == Some(WriteFault::Full) {
            self.faults_hit += 1;
            return Err(StoreError::Full);
        }
        Ok(())
    }

    fn put(&mut self, key: Key, row: Row) {
        let before = self.rows.insert(key.clone(), row);
        self.open
            .as_mut()
            .expect("checked by writable")
            .push((key, before));
    }

    fn remove(&mut self, key: Key) {
        if let Some(before) = self.rows.remove(&key) {
            self.open
                .as_mut()
                .expect("checked by writable")
                .push((key, Some(before)));
        }
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

    fn keys_between(&self, from: Key, through: Key) -> Vec<Key> {
        self.rows
            .range(from..=through)
            .map(|(key, _)| key.clone())
            .collect()
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
        self.remove(Key::OfType(space, record.row.type_name.clone(), object));
        for index in record.findable.keys {
            self.remove(Key::Index(space, index.property, index.value, object));
        }
        for target in record.findable.references {
            self.remove(Key::Reference(space, target, object));
        }
    }
}

impl Store for CrashStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.alive()?;
        if self.open.is_some() {
            self.misuses.push("begin");
            return Err(StoreError::Failed {
                detail: "a transaction is open".into(),
            });
        }
        self.open = Some(Vec::new());
        (self.took_entry, self.cleared_pending) = (None, false);
        Ok(())
    }

    fn commit(&mut self, durability: Durability) -> Result<(), StoreError> {
        self.alive()?;
        if self.open.is_none() {
            self.misuses.push("commit");
            return Err(StoreError::Failed {
                detail: "no transaction is open".into(),
            });
        }
        let dies = match &mut self.crash {
            Some((1, point)) => Some(*point),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        if dies == Some(CrashPoint::Before) {
            self.dead = dies;
            return self.alive();
        }
        // A transaction that wrote nothing has nothing to fail on.
        let wrote = self.open.as_ref().is_some_and(|frame| !frame.is_empty());
        if let Some(fault) = self.fault.filter(|_| wrote) {
            self.faults_hit += 1;
            return Err(match fault {
                WriteFault::Commit => {
                    self.fault = None;
                    StoreError::Failed {
                        detail: "the commit failed".into(),
                    }
                }
                WriteFault::Full => StoreError::Full,
            });
        }
        self.commits += 1;
        if let Some(space) = self.took_entry
            && !self.cleared_pending
            && !self.pending(space)?.is_empty()
        {
            self.amid_pending += 1;
        }
        let frame = self.open.take().expect("checked above");
        match durability {
            Durability::Acknowledged => self.unsynced.push_back(frame),
            Durability::Synced => self.unsynced.clear(),
        }
        if dies == Some(CrashPoint::After) {
            self.dead = dies;
        }
        self.alive()
    }

    fn rollback(&mut self) {
        if self.dead.is_none() {
            self.take_back();
        }
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.alive()?;
        Ok(self
            .rows
            .get(&Key::Setting(key.to_owned()))
            .and_then(Row::bytes))
    }

    fn set(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        self.writable("set")?;
        let key = Key::Setting(key.to_owned());
        match value {
            Some(value) => self.put(key, Row::Bytes(value.to_vec())),
            None => self.remove(key),
        }
        Ok(())
    }

    fn list(&mut self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.alive()?;
        let mut found = Vec::new();
        for (key, row) in self.rows.range(Key::Setting(prefix.to_owned())..) {
            match (key, row) {
                (Key::Setting(name), Row::Bytes(bytes)) if name.starts_with(prefix) => {
                    found.push((name.clone(), bytes.clone()));
                }
                _ => break,
            }
        }
        Ok(found)
    }

    fn credential_put(
        &mut self,
        space: SpaceId,
        hash: Hash,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        self.writable("credential_put")?;
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
        self.alive()?;
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
        self.alive()?;
        let rows = self
            .rows
            .range(Key::Feed(space, FeedId([0; 16]))..=Key::Feed(space, FeedId([255; 16])));
        Ok(rows
            .filter_map(|(_, row)| {
                if let Row::Feed(feed) = row {
                    Some(feed.clone())
                } else {
                    None
                }
            })
            .collect())
    }

    fn feed_put(&mut self, space: SpaceId, row: &FeedRow) -> Result<(), StoreError> {
        self.writable("feed_put")?;
        self.put(Key::Feed(space, row.feed), Row::Feed(row.clone()));
        Ok(())
    }

    fn entry_put(&mut self, space: SpaceId, row: &EntryRow) -> Result<(), StoreError> {
        self.writable("entry_put")?;
        self.took_entry = Some(space);
        self.put(
            Key::Entry(space, row.feed, row.seq),
            Row::Entry(row.clone()),
        );
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
        self.writable("entry_state")?;
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
        self.alive()?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        let rows = self
            .rows
            .range(Key::Entry(space, feed, from_seq)..=Key::Entry(space, feed, u64::MAX));
        for (_, row) in rows {
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
        self.alive()?;
        let from = Key::Waiting(space, FeedId([0; 16]), 0);
        let through = Key::Waiting(space, FeedId([255; 16]), u64::MAX);
        let mut found = Vec::new();
        for (key, _) in self.rows.range(from..=through) {
            if let Key::Waiting(_, feed, seq) = key
                && let Some(Row::Entry(entry)) = self.rows.get(&Key::Entry(space, *feed, *seq))
            {
                found.push(entry.clone());
            }
        }
        Ok(found)
    }

    fn entries_remove(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        from_seq: u64,
    ) -> Result<(), StoreError> {
        self.writable("entries_remove")?;
        for key in self.keys_between(
            Key::Entry(space, feed, from_seq),
            Key::Entry(space, feed, u64::MAX),
        ) {
            self.remove(key);
        }
        for key in self.keys_between(
            Key::Waiting(space, feed, from_seq),
            Key::Waiting(space, feed, u64::MAX),
        ) {
            self.remove(key);
        }
        Ok(())
    }

    fn branch_put(&mut self, space: SpaceId, row: &BranchRow) -> Result<(), StoreError> {
        self.writable("branch_put")?;
        self.put(
            Key::Branch(space, row.place.feed, row.place.hash),
            Row::Branch(row.clone()),
        );
        Ok(())
    }

    fn branch(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        hash: Hash,
    ) -> Result<Option<BranchRow>, StoreError> {
        self.alive()?;
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
        self.writable("branch_remove")?;
        self.remove(Key::Branch(space, feed, hash));
        Ok(())
    }

    fn branches(&mut self, space: SpaceId) -> Result<Vec<BranchPlace>, StoreError> {
        self.alive()?;
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
        self.writable("pending_put")?;
        let number = self.number(Key::PendingNumber(space));
        self.put(Key::Pending(space, number), Row::Bytes(bytes.to_vec()));
        Ok(number)
    }

    fn pending(&mut self, space: SpaceId) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.alive()?;
        let rows = self
            .rows
            .range(Key::Pending(space, 0)..=Key::Pending(space, u64::MAX));
        Ok(rows
            .filter_map(|(key, row)| match key {
                Key::Pending(_, number) => row.bytes().map(|bytes| (*number, bytes)),
                _ => None,
            })
            .collect())
    }

    fn pending_clear(&mut self, space: SpaceId, through: u64) -> Result<(), StoreError> {
        self.writable("pending_clear")?;
        self.cleared_pending = true;
        for key in self.keys_between(Key::Pending(space, 0), Key::Pending(space, through)) {
            self.remove(key);
        }
        Ok(())
    }

    fn object(
        &mut self,
        space: SpaceId,
        object: ObjectId,
    ) -> Result<Option<ObjectRow>, StoreError> {
        self.alive()?;
        Ok(self.record(space, object).map(|record| record.row.clone()))
    }

    fn object_put(
        &mut self,
        space: SpaceId,
        row: &ObjectRow,
        before: Option<&Findable>,
        now: &Findable,
    ) -> Result<(), StoreError> {
        self.writable("object_put")?;
        let held = self.record(space, row.object);
        let known = held.map(|record| &record.findable) == before;
        if !known {
            self.misuses.push("object_put: what was put before");
        }
        self.unlink(space, row.object);
        self.put(
            Key::OfType(space, row.type_name.clone(), row.object),
            Row::Mark,
        );
        for key in &now.keys {
            self.put(
                Key::Index(space, key.property.clone(), key.value.clone(), row.object),
                Row::Mark,
            );
        }
        for target in &now.references {
            self.put(Key::Reference(space, *target, row.object), Row::Mark);
        }
        let record = ObjectRecord {
            row: row.clone(),
            words: words(&now.full_text),
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
        self.alive()?;
        let first = after.unwrap_or(ObjectId([0; 16]));
        let last = ObjectId([255; 16]);
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
        self.alive()?;
        let first = scan.from.clone().unwrap_or_default();
        let from = Key::Index(space, scan.property.clone(), first, ObjectId([0; 16]));
        let inside = |key: &Key| match key {
            Key::Index(of, property, value, object)
                if *of == space
                    && *property == scan.property
                    && scan.to.as_ref().is_none_or(|to| value < to) =>
            {
                Some((value.clone(), *object))
            }
            _ => None,
        };
        let mut found: Vec<(Vec<u8>, ObjectId)> = self
            .rows
            .range(from..)
            .map_while(|(key, _)| inside(key))
            .collect();
        if scan.descending {
            found.reverse();
        }
        Ok(found
            .into_iter()
            .map(|(_, object)| object)
            .skip(scan.skip)
            .take(scan.limit)
            .collect())
    }

    fn search(
        &mut self,
        space: SpaceId,
        query: &str,
        mode: TextMode,
        limit: usize,
    ) -> Result<Vec<ObjectId>, StoreError> {
        self.alive()?;
        let asked = words(query);
        let Some((last, whole)) = asked.split_last() else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let rows = self
            .rows
            .range(Key::Object(space, ObjectId([0; 16]))..=Key::Object(space, ObjectId([255; 16])));
        for (_, row) in rows {
            let Row::Object(record) = row else { continue };
            let has = |word: &String| record.words.contains(word);
            let begins = |word: &String| word.starts_with(last.as_str());
            let (fits, hits) = match mode {
                TextMode::All => (asked.iter().all(has), 1),
                TextMode::Any => (asked.iter().any(has), 1),
                TextMode::Prefix => (
                    whole.iter().all(has),
                    record.words.iter().filter(|word| begins(word)).count(),
                ),
            };
            if fits && hits > 0 {
                found.push((std::cmp::Reverse(hits), record.row.object));
            }
        }
        found.sort();
        Ok(found
            .into_iter()
            .map(|(_, object)| object)
            .take(limit)
            .collect())
    }

    fn referrers(&mut self, space: SpaceId, target: ObjectId) -> Result<Vec<ObjectId>, StoreError> {
        self.alive()?;
        let from = Key::Reference(space, target, ObjectId([0; 16]));
        let through = Key::Reference(space, target, ObjectId([255; 16]));
        Ok(self
            .rows
            .range(from..=through)
            .filter_map(|(key, _)| {
                if let Key::Reference(_, _, from) = key {
                    Some(*from)
                } else {
                    None
                }
            })
            .collect())
    }

    fn findable_clear(&mut self, space: SpaceId) -> Result<(), StoreError> {
        self.writable("findable_clear")?;
        let of_space = self.rows.keys().filter(|key| key.space() == Some(space));
        let keys: Vec<Key> = of_space.cloned().collect();
        for key in keys {
            match (&key, self.rows.get(&key)) {
                (Key::Index(..) | Key::Reference(..), _) => self.remove(key),
                (Key::Object(..), Some(Row::Object(record))) => {
                    let record = ObjectRecord {
                        row: record.row.clone(),
                        words: Vec::new(),
                        findable: Findable::default(),
                    };
                    self.put(key, Row::Object(Box::new(record)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn objects_clear(&mut self, space: SpaceId) -> Result<(), StoreError> {
        self.writable("objects_clear")?;
        let keys: Vec<Key> = self
            .rows
            .keys()
            .filter(|key| key.materialised(space))
            .cloned()
            .collect();
        keys.into_iter().for_each(|key| self.remove(key));
        Ok(())
    }

    fn text(&mut self, space: SpaceId, text: TextId) -> Result<TextRow, StoreError> {
        self.alive()?;
        let snapshot = self
            .rows
            .get(&Key::TextSnapshot(space, text))
            .and_then(Row::bytes);
        let rows = self
            .rows
            .range(Key::TextTail(space, text, 0)..=Key::TextTail(space, text, u64::MAX));
        let tail = rows
            .filter_map(|(key, row)| match key {
                Key::TextTail(_, _, number) => row.bytes().map(|bytes| (*number, bytes)),
                _ => None,
            })
            .collect();
        Ok(TextRow {
            snapshot: snapshot.unwrap_or_default(),
            tail,
        })
    }

    fn text_append(
        &mut self,
        space: SpaceId,
        text: TextId,
        update: &[u8],
    ) -> Result<u64, StoreError> {
        self.writable("text_append")?;
        let number = self.number(Key::TextNumber(space, text));
        self.put(
            Key::TextTail(space, text, number),
            Row::Bytes(update.to_vec()),
        );
        Ok(number)
    }

    fn text_snapshot(
        &mut self,
        space: SpaceId,
        text: TextId,
        snapshot: &[u8],
        through: u64,
    ) -> Result<(), StoreError> {
        self.writable("text_snapshot")?;
        self.put(
            Key::TextSnapshot(space, text),
            Row::Bytes(snapshot.to_vec()),
        );
        for key in self.keys_between(
            Key::TextTail(space, text, 0),
            Key::TextTail(space, text, through),
        ) {
            self.remove(key);
        }
        Ok(())
    }

    fn texts(&mut self, space: SpaceId) -> Result<Vec<TextId>, StoreError> {
        self.alive()?;
        let mut found: Vec<TextId> = self.rows.keys().filter_map(|key| key.text(space)).collect();
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn space_remove(&mut self, space: SpaceId) -> Result<(), StoreError> {
        self.writable("space_remove")?;
        let keys: Vec<Key> = self
            .rows
            .keys()
            .filter(|key| key.space() == Some(space))
            .cloned()
            .collect();
        keys.into_iter().for_each(|key| self.remove(key));
        Ok(())
    }
}

impl CrashStore {
    fn mark_waiting(&mut self, space: SpaceId, feed: FeedId, seq: u64, state: EntryState) {
        let key = Key::Waiting(space, feed, seq);
        if state == EntryState::Waiting {
            self.put(key, Row::Mark);
        } else {
            self.remove(key);
        }
    }
}
