//! A profile's storage in memory that can die: killed at any commit, without power, or without room.
//!
//! A [`MemoryStore`] whose commits remember how to be taken back, so that a power loss costs what it undoes.
//!
//! Invariants
//! * a kill keeps exactly the commits that took effect; an open transaction is gone;
//! * a power loss keeps at least the commits up to the last [`Durability::Synced`] one, in order, and of the later
//!   ones any number from the front;
//! * a failed call changes nothing; a dead store answers every call with an error.

mod blobs;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use dxos_base::query::TextMode;
use dxos_base::{FeedId, Hash, ObjectId, SpaceId, TextId, invariant};
use dxos_echo::memory::{MemoryStore, Undo};
use dxos_echo::store::{
    BranchPlace, BranchRow, Durability, EntryRow, EntryState, FeedRow, Findable, IndexScan,
    ObjectRow, Store, StoreError, TextRow,
};

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
    tables: MemoryStore,
    commits: u64,
}

/// See the module.
#[derive(Default)]
pub struct CrashStore {
    tables: MemoryStore,
    unsynced: VecDeque<Undo>,
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
    largest_commit: usize,
    waited: u64,
    voided: u64,
    entry_bytes: BTreeMap<SpaceId, u64>,
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

    /// Entries that came before what they wait for.
    pub fn waited(&self) -> u64 {
        self.waited
    }

    /// Entries that became void after they were applied.
    pub fn voided(&self) -> u64 {
        self.voided
    }

    /// Rows changed by one commit, at most.
    pub fn largest_commit(&self) -> usize {
        self.largest_commit
    }

    /// Measures [`CrashStore::largest_commit`] from here on.
    pub fn forget_largest_commit(&mut self) {
        self.largest_commit = 0;
    }

    /// Bytes of entries ever put into a space.
    pub fn entry_bytes(&self, space: SpaceId) -> u64 {
        self.entry_bytes.get(&space).copied().unwrap_or(0)
    }

    /// A copy of what is committed, as a backup tool would make it.
    pub fn copy(&self) -> Copy {
        invariant!(
            !self.tables.in_transaction(),
            "copies are made between transactions"
        );
        Copy {
            tables: self.tables.clone(),
            commits: self.commits,
        }
    }

    /// Puts a copy in place of what is there. Gives the number of the last commit it holds.
    pub fn restore(&mut self, copy: &Copy) -> u64 {
        self.kill();
        self.tables = copy.tables.clone();
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
        self.tables.rollback();
        self.crash = None;
        self.dead = None;
    }

    /// The power is gone: of the unsynced commits the first `keep` have reached the disk. Gives the number of the
    /// last commit kept.
    pub fn lose_power(&mut self, keep: u64) -> u64 {
        self.kill();
        while self.unsynced.len() as u64 > keep {
            let last = self.unsynced.pop_back().expect("counted above");
            self.tables.undo(last);
            self.commits -= 1;
            self.power_took += 1;
        }
        self.unsynced.clear();
        self.commits
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
        if !self.tables.in_transaction() {
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
}

impl Store for CrashStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.alive()?;
        if self.tables.in_transaction() {
            self.misuses.push("begin");
        }
        (self.took_entry, self.cleared_pending) = (None, false);
        self.tables.begin()
    }

    fn commit(&mut self, durability: Durability) -> Result<(), StoreError> {
        self.alive()?;
        if !self.tables.in_transaction() {
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
        if let Some(fault) = self.fault.filter(|_| self.tables.has_written()) {
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
            && !self.tables.pending(space)?.is_empty()
        {
            self.amid_pending += 1;
        }
        let undo = self.tables.keep().expect("checked above");
        self.largest_commit = self.largest_commit.max(undo.rows());
        match durability {
            Durability::Acknowledged => self.unsynced.push_back(undo),
            Durability::Synced => self.unsynced.clear(),
        }
        if dies == Some(CrashPoint::After) {
            self.dead = dies;
        }
        self.alive()
    }

    fn rollback(&mut self) {
        if self.dead.is_none() {
            self.tables.rollback();
        }
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.alive()?;
        self.tables.get(key)
    }

    fn set(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        self.writable("set")?;
        self.tables.set(key, value)
    }

    fn list(&mut self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.alive()?;
        self.tables.list(prefix)
    }

    fn credential_put(
        &mut self,
        space: SpaceId,
        hash: Hash,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        self.writable("credential_put")?;
        self.tables.credential_put(space, hash, bytes)
    }

    fn credentials(&mut self, space: SpaceId) -> Result<Vec<(Hash, Vec<u8>)>, StoreError> {
        self.alive()?;
        self.tables.credentials(space)
    }

    fn feeds(&mut self, space: SpaceId) -> Result<Vec<FeedRow>, StoreError> {
        self.alive()?;
        self.tables.feeds(space)
    }

    fn feed_put(&mut self, space: SpaceId, row: &FeedRow) -> Result<(), StoreError> {
        self.writable("feed_put")?;
        self.tables.feed_put(space, row)
    }

    fn entry_put(&mut self, space: SpaceId, row: &EntryRow) -> Result<(), StoreError> {
        self.writable("entry_put")?;
        self.took_entry = Some(space);
        self.waited += u64::from(row.state == EntryState::Waiting);
        *self.entry_bytes.entry(space).or_default() += row.bytes.len() as u64;
        self.tables.entry_put(space, row)
    }

    fn entry_state(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        seq: u64,
        state: EntryState,
    ) -> Result<(), StoreError> {
        self.writable("entry_state")?;
        if state == EntryState::Void {
            let before = self.tables.entries(space, feed, seq, 0)?;
            let applied = |row: &EntryRow| row.seq == seq && row.state == EntryState::Applied;
            self.voided += u64::from(before.iter().any(applied));
        }
        self.tables.entry_state(space, feed, seq, state)
    }

    fn entries(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        from_seq: u64,
        bytes_max: usize,
    ) -> Result<Vec<EntryRow>, StoreError> {
        self.alive()?;
        self.tables.entries(space, feed, from_seq, bytes_max)
    }

    fn entries_waiting(&mut self, space: SpaceId) -> Result<Vec<EntryRow>, StoreError> {
        self.alive()?;
        self.tables.entries_waiting(space)
    }

    fn entries_remove(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        from_seq: u64,
    ) -> Result<(), StoreError> {
        self.writable("entries_remove")?;
        self.tables.entries_remove(space, feed, from_seq)
    }

    fn touch_put(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        seq: u64,
        objects: &[ObjectId],
    ) -> Result<(), StoreError> {
        self.writable("touch_put")?;
        self.tables.touch_put(space, feed, seq, objects)
    }

    fn touched(
        &mut self,
        space: SpaceId,
        object: ObjectId,
    ) -> Result<Vec<(FeedId, u64)>, StoreError> {
        self.alive()?;
        self.tables.touched(space, object)
    }

    fn branch_put(&mut self, space: SpaceId, row: &BranchRow) -> Result<(), StoreError> {
        self.writable("branch_put")?;
        self.tables.branch_put(space, row)
    }

    fn branch(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        hash: Hash,
    ) -> Result<Option<BranchRow>, StoreError> {
        self.alive()?;
        self.tables.branch(space, feed, hash)
    }

    fn branch_remove(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        hash: Hash,
    ) -> Result<(), StoreError> {
        self.writable("branch_remove")?;
        self.tables.branch_remove(space, feed, hash)
    }

    fn branches(&mut self, space: SpaceId) -> Result<Vec<BranchPlace>, StoreError> {
        self.alive()?;
        self.tables.branches(space)
    }

    fn pending_put(&mut self, space: SpaceId, bytes: &[u8]) -> Result<u64, StoreError> {
        self.writable("pending_put")?;
        self.tables.pending_put(space, bytes)
    }

    fn pending(&mut self, space: SpaceId) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.alive()?;
        self.tables.pending(space)
    }

    fn pending_clear(&mut self, space: SpaceId, through: u64) -> Result<(), StoreError> {
        self.writable("pending_clear")?;
        self.cleared_pending = true;
        self.tables.pending_clear(space, through)
    }

    fn object(
        &mut self,
        space: SpaceId,
        object: ObjectId,
    ) -> Result<Option<ObjectRow>, StoreError> {
        self.alive()?;
        self.tables.object(space, object)
    }

    fn object_put(
        &mut self,
        space: SpaceId,
        row: &ObjectRow,
        before: Option<&Findable>,
        now: &Findable,
    ) -> Result<(), StoreError> {
        self.writable("object_put")?;
        if self.tables.findable(space, row.object) != before {
            self.misuses.push("object_put: what was put before");
        }
        self.tables.object_put(space, row, before, now)
    }

    fn objects(
        &mut self,
        space: SpaceId,
        type_name: Option<&str>,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<ObjectRow>, StoreError> {
        self.alive()?;
        self.tables.objects(space, type_name, after, limit)
    }

    fn index_scan(
        &mut self,
        space: SpaceId,
        scan: &IndexScan,
    ) -> Result<Vec<ObjectId>, StoreError> {
        self.alive()?;
        self.tables.index_scan(space, scan)
    }

    fn search(
        &mut self,
        space: SpaceId,
        query: &str,
        mode: TextMode,
        limit: usize,
    ) -> Result<Vec<ObjectId>, StoreError> {
        self.alive()?;
        self.tables.search(space, query, mode, limit)
    }

    fn referrers(&mut self, space: SpaceId, target: ObjectId) -> Result<Vec<ObjectId>, StoreError> {
        self.alive()?;
        self.tables.referrers(space, target)
    }

    fn findable_clear(&mut self, space: SpaceId) -> Result<(), StoreError> {
        self.writable("findable_clear")?;
        self.tables.findable_clear(space)
    }

    fn objects_clear(&mut self, space: SpaceId) -> Result<(), StoreError> {
        self.writable("objects_clear")?;
        self.tables.objects_clear(space)
    }

    fn text(&mut self, space: SpaceId, text: TextId) -> Result<TextRow, StoreError> {
        self.alive()?;
        self.tables.text(space, text)
    }

    fn text_append(
        &mut self,
        space: SpaceId,
        text: TextId,
        update: &[u8],
    ) -> Result<u64, StoreError> {
        self.writable("text_append")?;
        self.tables.text_append(space, text, update)
    }

    fn text_snapshot(
        &mut self,
        space: SpaceId,
        text: TextId,
        snapshot: &[u8],
        through: u64,
    ) -> Result<(), StoreError> {
        self.writable("text_snapshot")?;
        self.tables.text_snapshot(space, text, snapshot, through)
    }

    fn texts(&mut self, space: SpaceId) -> Result<Vec<TextId>, StoreError> {
        self.alive()?;
        self.tables.texts(space)
    }

    fn space_remove(&mut self, space: SpaceId) -> Result<(), StoreError> {
        self.writable("space_remove")?;
        self.tables.space_remove(space)
    }
}
