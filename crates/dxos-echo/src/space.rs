//! One space's data machine: feeds, materialised objects, pending writes, open texts.
//!
//! Invariants
//! * every function runs inside a store transaction of the caller and leaves memory and store agreeing at its end;
//!   after an error the caller rolls back and calls [`Space::reload`];
//! * all that is in memory can be read from the store again at any commit boundary, open texts aside (their
//!   contents are in the store; who has them open is not);
//! * sealed bytes are made once: the only place that makes them moves `pending` into entries.
//!
//! Not here: who may write (the caller's [`Access`](crate::Access)), networking, transactions.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use dxos_base::{
    Clock, DeviceKey, Entropy, FeedId, Hash, HybridClock, ObjectId, ObjectView, ObjectWrite,
    SpaceId, TextId, Tick, hash, limits,
};

use crate::change::{Change, Edit, key_path};
use crate::entry::feed_id;
use crate::error::EchoError;
use crate::plan::Planner;
use crate::record::{Record, object_version};
use crate::store::{EntryRow, FeedRow, ObjectRow, Store};
use crate::text::TextEngine;
use crate::texts::OpenText;
use crate::view::{bare_type, full_text, index_keys, references};

/// What a call of a space may touch.
pub struct WriteContext<'a> {
    /// The host's clock.
    pub now: Tick,
    /// Storage, inside a transaction.
    pub store: &'a mut dyn Store,
    /// The text engine.
    pub text: &'a mut dyn TextEngine,
    /// Randomness.
    pub entropy: &'a mut dyn Entropy,
}

/// What a call changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Touched {
    /// Objects with a changed register.
    pub objects: BTreeSet<ObjectId>,
    /// Their types without version; empty string: untyped.
    pub types: BTreeSet<String>,
    /// Texts that got an update.
    pub texts: BTreeSet<TextId>,
}

impl Touched {
    /// Adds what another call changed.
    pub fn merge(&mut self, other: Touched) {
        self.objects.extend(other.objects);
        self.types.extend(other.types);
        self.texts.extend(other.texts);
    }

    /// Nothing changed.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.texts.is_empty()
    }
}

/// The end of a feed as stored here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedHead {
    /// Sequence number of the last entry.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

/// Which properties are made findable. Always the same for a store: rows are not written again when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPolicy {
    /// Top-level properties with an index; `None`: all scalars, `@created` and `@updated`.
    pub properties: Option<BTreeSet<String>>,
    /// Whether strings go into the full-text index.
    pub full_text: bool,
}

impl Default for IndexPolicy {
    fn default() -> Self {
        IndexPolicy {
            properties: None,
            full_text: true,
        }
    }
}

impl IndexPolicy {
    pub(crate) fn covers(&self, property: &str) -> bool {
        self.properties
            .as_ref()
            .is_none_or(|wanted| wanted.contains(property))
    }
}

/// What is remembered of a feed besides its row's plain columns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct FeedState {
    /// Control heads by the first entry they hold for, from before the first waiting entry on; the last one holds
    /// for what comes next.
    pub heads: Vec<(u64, Vec<Hash>)>,
    /// Control heads of the first entry.
    pub first: Vec<Hash>,
    /// Waiting entries.
    pub waiting: BTreeSet<u64>,
    /// Of a feed this device wrote: the instance that wrote it and what it had seen at its last entry.
    pub own: Option<OwnFeed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnFeed {
    pub marker: [u8; 16],
    pub seen: BTreeMap<FeedId, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Feed {
    pub stored_seq: u64,
    pub head: Hash,
    pub state: FeedState,
}

impl Feed {
    pub fn new() -> Feed {
        Feed {
            stored_seq: 0,
            head: Hash::default(),
            state: FeedState::default(),
        }
    }

    /// Greatest seq of the gap-free applied prefix.
    pub fn applied_seq(&self) -> u64 {
        self.state
            .waiting
            .first()
            .map_or(self.stored_seq, |first| first - 1)
    }

    /// Control heads that hold at entry `seq`.
    pub fn heads_at(&self, seq: u64) -> &[Hash] {
        let held = self.state.heads.iter().rev().find(|(from, _)| *from <= seq);
        held.map_or(&[], |(_, heads)| heads)
    }

    /// Notes the heads of a new last entry and forgets those nothing waiting needs.
    pub fn push_heads(&mut self, seq: u64, heads: &[Hash]) {
        if seq == 1 {
            self.state.first = heads.to_vec();
        }
        if !heads.is_empty() {
            self.state.heads.push((seq, heads.to_vec()));
        }
        // The entry being decided on, and the first waiting one, need the heads of the entry before.
        let oldest = self.applied_seq().min(self.stored_seq.saturating_sub(1));
        while self.state.heads.len() > 1 && self.state.heads[1].0 <= oldest {
            self.state.heads.remove(0);
        }
    }
}

/// Sums over state, and the last clock: written with every transaction, in the pending row or beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Grows with every change of the summary; the greatest stored one holds.
    pub revision: u64,
    pub clock: Clock,
    /// Sum of object versions.
    pub objects: u128,
    /// Sum of text updates applied.
    pub texts: u128,
}

/// An acknowledged change set as stored in `pending`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PendingSet {
    /// Control heads at acknowledgement; empty: as in the set before.
    pub heads: Vec<Hash>,
    /// Other feeds whose applied prefix grew since the set before.
    pub seen: Vec<(FeedId, u64)>,
    pub changes: Vec<Change>,
    pub summary: Summary,
}

/// One space of the profile.
#[derive(Debug)]
pub struct Space {
    pub(crate) space: SpaceId,
    pub(crate) device: DeviceKey,
    pub(crate) marker: [u8; 16],
    pub(crate) policy: IndexPolicy,
    pub(crate) own: FeedId,
    pub(crate) feeds: BTreeMap<FeedId, Feed>,
    pub(crate) timeframe: BTreeMap<FeedId, FeedHead>,
    pub(crate) clock: HybridClock,
    pub(crate) pending: Vec<(u64, PendingSet)>,
    pub(crate) pending_since: Option<Tick>,
    pub(crate) pending_objects: BTreeSet<ObjectId>,
    /// Control heads and seen feeds of the last acknowledged set.
    pub(crate) mark: (Vec<Hash>, BTreeMap<FeedId, u64>),
    pub(crate) summary: Summary,
    pub(crate) open_texts: BTreeMap<TextId, OpenText>,
    pub(crate) needs_rebuild: bool,
    /// This device has no feed left to write in; reading goes on.
    feeds_used_up: bool,
}

/// Marks an own feed that another instance of this device writes too.
const LEFT: [u8; 16] = [0; 16];

impl Space {
    /// Opens a space as stored; an unknown one is empty. `instance_marker` is kept outside the database: a
    /// restored or copied profile has another one and opens a new feed.
    pub fn open(
        space: SpaceId,
        device: DeviceKey,
        instance_marker: [u8; 16],
        store: &mut dyn Store,
    ) -> Result<Space, EchoError> {
        let mut opened = Space {
            space,
            device,
            marker: instance_marker,
            policy: IndexPolicy::default(),
            own: feed_id(&space, &device, 0),
            feeds: BTreeMap::new(),
            timeframe: BTreeMap::new(),
            clock: HybridClock::default(),
            pending: Vec::new(),
            pending_since: None,
            pending_objects: BTreeSet::new(),
            mark: Default::default(),
            summary: Summary::default(),
            open_texts: BTreeMap::new(),
            needs_rebuild: false,
            feeds_used_up: false,
        };
        opened.reload(store)?;
        Ok(opened)
    }

    /// Forgets what is in memory and reads it from the store: after a rolled-back transaction. Texts count as
    /// closed afterwards; open those on screen again.
    pub fn reload(&mut self, store: &mut dyn Store) -> Result<(), EchoError> {
        self.feeds.clear();
        self.timeframe.clear();
        self.open_texts.clear();
        self.needs_rebuild = false;
        for row in store.feeds(self.space)? {
            let state = if row.state.is_empty() {
                FeedState::default()
            } else {
                decode_row(&row.state, "feed")?
            };
            if row.stored_seq > 0 {
                self.timeframe.insert(
                    row.feed,
                    FeedHead {
                        seq: row.stored_seq,
                        hash: row.head,
                    },
                );
            }
            let feed = Feed {
                stored_seq: row.stored_seq,
                head: row.head,
                state,
            };
            self.feeds.insert(row.feed, feed);
        }
        self.pending = Vec::new();
        for (row, bytes) in store.pending(self.space)? {
            self.pending
                .push((row, decode_row(&bytes, "pending change set")?));
        }
        self.summary = match store.get(&self.summary_key())? {
            Some(bytes) => decode_row(&bytes, "space summary")?,
            None => Summary::default(),
        };
        if let Some((_, last)) = self.pending.last()
            && last.summary.revision > self.summary.revision
        {
            self.summary = last.summary;
        }
        self.clock = HybridClock::after(self.summary.clock);
        self.choose_feed();
        self.reload_mark();
        Ok(())
    }

    /// Removes everything of a space from the store.
    pub fn remove(store: &mut dyn Store, space: SpaceId) -> Result<(), EchoError> {
        store.set(&format!("echo/{space}/summary"), None)?;
        Ok(store.space_remove(space)?)
    }

    /// Says which properties are indexed; right after opening, always the same for a store.
    pub fn set_index_policy(&mut self, policy: IndexPolicy) {
        self.policy = policy;
    }

    /// The space.
    pub fn id(&self) -> SpaceId {
        self.space
    }

    /// The feed this device writes.
    pub fn feed(&self) -> FeedId {
        self.own
    }

    /// Applies writes and acknowledges them: changes with final clocks go into `pending`, rows and index rows
    /// follow. On an error nothing of it may be committed.
    pub fn write(
        &mut self,
        cx: &mut WriteContext<'_>,
        control_heads: &[Hash],
        writes: &[ObjectWrite],
    ) -> Result<Touched, EchoError> {
        let edits: Vec<Edit> = writes.iter().cloned().map(edit_of).collect();
        self.edit(cx, control_heads, &edits)
    }

    /// As [`Space::write`], for all edits there are: lists, counters, nested paths.
    pub fn edit(
        &mut self,
        cx: &mut WriteContext<'_>,
        control_heads: &[Hash],
        edits: &[Edit],
    ) -> Result<Touched, EchoError> {
        let mut batch = Batch::default();
        let mut changes = Vec::new();
        for edit in edits {
            let object = edit.object();
            let record = batch.load(self.space, object, cx.store)?;
            let create = matches!(edit, Edit::Create { .. });
            if create && !record.is_empty() {
                return Err(EchoError::Exists { object });
            }
            if !create && record.is_empty() {
                return Err(EchoError::NotFound {
                    space: self.space,
                    object,
                });
            }
            let mut planner = Planner {
                feed: self.own,
                now: cx.now,
                clock: &mut self.clock,
                entropy: cx.entropy,
                changes: &mut changes,
            };
            planner.edit(record, edit)?;
        }
        batch.touch(&changes);
        let touched = self.flush(batch, cx.store)?;
        self.acknowledge(cx, control_heads, changes)?;
        Ok(touched)
    }

    /// Stores a change set as pending, under the mark of now.
    pub(crate) fn acknowledge(
        &mut self,
        cx: &mut WriteContext<'_>,
        control_heads: &[Hash],
        changes: Vec<Change>,
    ) -> Result<(), EchoError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.claim_feed(cx.store)?;
        let heads = if control_heads == self.mark.0 {
            Vec::new()
        } else {
            control_heads.to_vec()
        };
        if !heads.is_empty() {
            self.mark.0 = heads.clone();
        }
        let mut seen = Vec::new();
        for (id, feed) in &self.feeds {
            let applied = feed.applied_seq();
            if *id != self.own && applied > self.mark.1.get(id).copied().unwrap_or(0) {
                seen.push((*id, applied));
                self.mark.1.insert(*id, applied);
            }
        }
        self.pending_objects
            .extend(changes.iter().map(|change| change.object));
        self.summary.revision += 1;
        self.summary.clock = self.clock.last();
        let set = PendingSet {
            heads,
            seen,
            changes,
            summary: self.summary,
        };
        let row = cx.store.pending_put(self.space, &dxos_base::encode(&set))?;
        self.pending.push((row, set));
        self.pending_since.get_or_insert(cx.now);
        Ok(())
    }

    /// Whether acknowledged writes wait for sealing.
    pub fn pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Since when writes wait for sealing; the epoch for those found at start.
    pub fn pending_since(&self) -> Option<Tick> {
        self.pending_since
    }

    /// Whether [`Space::rebuild`] must run before the next seal: a copied profile found unsealed writes of the
    /// instance it was copied from.
    pub fn needs_rebuild(&self) -> bool {
        self.needs_rebuild
    }

    /// Entries that wait for a key, a credential or a newer version.
    pub fn waiting_count(&self) -> usize {
        self.feeds
            .values()
            .map(|feed| feed.state.waiting.len())
            .sum()
    }

    /// What is stored: the last entry of every feed.
    pub fn timeframe(&self) -> &BTreeMap<FeedId, FeedHead> {
        &self.timeframe
    }

    /// What is applied without a gap, by feed.
    pub fn applied(&self) -> BTreeMap<FeedId, u64> {
        self.timeframe
            .keys()
            .map(|id| (*id, self.feeds[id].applied_seq()))
            .collect()
    }

    /// Hash over the timeframe: equal iff the stored entries are.
    pub fn data_digest(&self) -> Hash {
        let rows: Vec<_> = self
            .timeframe
            .iter()
            .map(|(id, head)| (id, head.seq, head.hash))
            .collect();
        hash(
            "timeframe",
            &[self.space.as_bytes(), &dxos_base::encode(&rows)],
        )
    }

    /// Sum over object versions and applied text updates; equal on all replicas that applied the same entries and
    /// have nothing pending.
    pub fn state_digest(&self) -> [u8; 16] {
        self.summary
            .objects
            .wrapping_add(self.summary.texts)
            .to_le_bytes()
    }

    /// Entries of a feed from `from_seq` on, about `bytes_max` of them (at least one, if there is one).
    pub fn entries_from(
        &self,
        store: &mut dyn Store,
        feed: FeedId,
        from_seq: u64,
        bytes_max: usize,
    ) -> Result<Vec<EntryRow>, EchoError> {
        Ok(store.entries(self.space, feed, from_seq, bytes_max)?)
    }

    /// One object as it shows, deleted or not; `None` if it was never written.
    pub fn object(
        &self,
        store: &mut dyn Store,
        object: ObjectId,
    ) -> Result<Option<ObjectView>, EchoError> {
        let row = store.object(self.space, object)?;
        row.map(|row| self.view_of(&row)).transpose()
    }

    pub(crate) fn view_of(&self, row: &ObjectRow) -> Result<ObjectView, EchoError> {
        let mut view = Record::decode(&row.body)?.view(row.object);
        view.saving = self.pending_objects.contains(&row.object);
        Ok(view)
    }

    /// Writes the rows of changed records and keeps the digest.
    pub(crate) fn flush(
        &mut self,
        batch: Batch,
        store: &mut dyn Store,
    ) -> Result<Touched, EchoError> {
        let mut touched = Touched::default();
        for (object, loaded) in batch.records {
            if !loaded.changed {
                continue;
            }
            let body = loaded.record.encode();
            let version = object_version(&self.space, &object, &body);
            self.summary.objects = self
                .summary
                .objects
                .wrapping_sub(loaded.before)
                .wrapping_add(first_16(&version));
            let view = loaded.record.view(object);
            let type_name = bare_type(&view.type_name).to_owned();
            let index = index_keys(&view, |property| self.policy.covers(property));
            let text = if self.policy.full_text {
                full_text(&view)
            } else {
                String::new()
            };
            let row = ObjectRow {
                object,
                version: u64::from_le_bytes(version.0[..8].try_into().expect("8 of 32 bytes")),
                type_name: type_name.clone(),
                shown: view.shown,
                body,
            };
            store.object_put(
                self.space,
                &row,
                &index,
                &text,
                &references(&view, self.space),
            )?;
            for open in self
                .open_texts
                .values_mut()
                .filter(|open| open.object == object)
            {
                open.registered = false;
            }
            touched.objects.insert(object);
            touched.types.insert(type_name);
        }
        Ok(touched)
    }

    /// Writes a feed's row.
    pub(crate) fn put_feed(&mut self, store: &mut dyn Store, id: FeedId) -> Result<(), EchoError> {
        let feed = &self.feeds[&id];
        if feed.stored_seq > 0 {
            self.timeframe.insert(
                id,
                FeedHead {
                    seq: feed.stored_seq,
                    hash: feed.head,
                },
            );
        }
        let row = FeedRow {
            feed: id,
            stored_seq: feed.stored_seq,
            head: feed.head,
            applied_seq: feed.applied_seq(),
            state: dxos_base::encode(&feed.state),
        };
        Ok(store.feed_put(self.space, &row)?)
    }

    /// Writes the summary beside the pending rows.
    pub(crate) fn put_summary(&mut self, store: &mut dyn Store) -> Result<(), EchoError> {
        self.summary.revision += 1;
        self.summary.clock = self.clock.last();
        Ok(store.set(&self.summary_key(), Some(&dxos_base::encode(&self.summary)))?)
    }

    fn summary_key(&self) -> String {
        format!("echo/{}/summary", self.space)
    }

    /// The feed to write: the one this instance has begun, else the first never used.
    fn choose_feed(&mut self) {
        let feeds =
            (0..limits::FEEDS_PER_DEVICE_MAX).map(|n| feed_id(&self.space, &self.device, n));
        let feeds: Vec<FeedId> = feeds.collect();
        self.feeds_used_up = false;
        let mine = feeds.iter().rev().find(|id| {
            let own = self.feeds.get(id).and_then(|feed| feed.state.own.as_ref());
            own.is_some_and(|own| own.marker == self.marker)
        });
        // Used by another instance: a row that is not ours, even an empty one.
        let free = feeds
            .iter()
            .rposition(|id| self.feeds.contains_key(id))
            .map_or(0, |last| last + 1);
        self.own = match (mine, feeds.get(free)) {
            (Some(mine), _) => *mine,
            (None, Some(free)) => *free,
            (None, None) => {
                self.feeds_used_up = true;
                self.own
            }
        };
        self.needs_rebuild = mine.is_none() && !self.pending.is_empty();
    }

    /// Leaves the own feed to another instance of this device that writes it, and goes on in the next one.
    pub(crate) fn leave_feed(&mut self, store: &mut dyn Store) -> Result<(), EchoError> {
        if let Some(own) = self
            .feeds
            .get_mut(&self.own)
            .and_then(|feed| feed.state.own.as_mut())
        {
            own.marker = LEFT;
            self.put_feed(store, self.own)?;
        }
        self.choose_feed();
        self.reload_mark();
        Ok(())
    }

    /// Takes the chosen feed for re-issued writes.
    pub(crate) fn reclaim(&mut self, store: &mut dyn Store) -> Result<(), EchoError> {
        self.claim_feed(store)?;
        self.reload_mark();
        Ok(())
    }

    fn reload_mark(&mut self) {
        let own = self.feeds.get(&self.own);
        self.mark = match own {
            Some(feed) => (
                feed.heads_at(u64::MAX).to_vec(),
                feed.state
                    .own
                    .as_ref()
                    .map(|own| own.seen.clone())
                    .unwrap_or_default(),
            ),
            None => Default::default(),
        };
        self.pending_objects.clear();
        for (_, set) in &self.pending {
            if !set.heads.is_empty() {
                self.mark.0 = set.heads.clone();
            }
            self.mark.1.extend(set.seen.iter().copied());
            self.pending_objects
                .extend(set.changes.iter().map(|change| change.object));
        }
        self.pending_since = (!self.pending.is_empty()).then_some(Tick(0));
    }

    /// Makes sure the own feed is marked as this instance's before anything is acknowledged in it.
    fn claim_feed(&mut self, store: &mut dyn Store) -> Result<(), EchoError> {
        if self.feeds_used_up {
            return Err(EchoError::NoFeedLeft { space: self.space });
        }
        let feed = self.feeds.entry(self.own).or_insert_with(Feed::new);
        if feed.state.own.is_none() {
            feed.state.own = Some(OwnFeed {
                marker: self.marker,
                seen: BTreeMap::new(),
            });
            self.put_feed(store, self.own)?;
        }
        Ok(())
    }
}

/// Records loaded for a run of changes, written back once.
#[derive(Default)]
pub(crate) struct Batch {
    records: BTreeMap<ObjectId, Loaded>,
}

struct Loaded {
    record: Record,
    /// What the object added to the digest when loaded.
    before: u128,
    changed: bool,
}

impl Batch {
    /// The record of an object; empty if it was never written.
    pub fn load(
        &mut self,
        space: SpaceId,
        object: ObjectId,
        store: &mut dyn Store,
    ) -> Result<&mut Record, EchoError> {
        let slot = match self.records.entry(object) {
            std::collections::btree_map::Entry::Occupied(held) => held.into_mut(),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                let (record, before) = match store.object(space, object)? {
                    Some(row) => (
                        Record::decode(&row.body)?,
                        first_16(&object_version(&space, &object, &row.body)),
                    ),
                    None => (Record::default(), 0),
                };
                vacant.insert(Loaded {
                    record,
                    before,
                    changed: false,
                })
            }
        };
        Ok(&mut slot.record)
    }

    /// Joins a change into its loaded record.
    pub fn apply(
        &mut self,
        space: SpaceId,
        change: &Change,
        feed: FeedId,
        store: &mut dyn Store,
    ) -> Result<(), EchoError> {
        if self.load(space, change.object, store)?.apply(change, feed)
            && let Some(loaded) = self.records.get_mut(&change.object)
        {
            loaded.changed = true;
        }
        Ok(())
    }

    /// Notes that planned changes were joined.
    pub fn touch(&mut self, changes: &[Change]) {
        for change in changes {
            if let Some(loaded) = self.records.get_mut(&change.object) {
                loaded.changed = true;
            }
        }
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }
}

/// The part of a hash that is summed up.
pub(crate) fn first_16(hash: &Hash) -> u128 {
    u128::from_le_bytes(hash.0[..16].try_into().expect("16 of 32 bytes"))
}

/// Decodes a row of our own.
pub(crate) fn decode_row<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    what: &'static str,
) -> Result<T, EchoError> {
    dxos_base::codec::decode_trusted(bytes).map_err(|_| EchoError::Damaged { what })
}

fn edit_of(write: ObjectWrite) -> Edit {
    match write {
        ObjectWrite::Create {
            object,
            type_name,
            values,
        } => Edit::Create {
            object,
            type_name,
            values,
        },
        ObjectWrite::Set {
            object,
            path,
            value: Some(value),
        } => Edit::Set {
            object,
            path: key_path(&path),
            value,
        },
        // An empty path would delete the object: refused as a path, like for a set.
        ObjectWrite::Set {
            object,
            path,
            value: None,
        } if path.is_empty() => Edit::Set {
            object,
            path: Vec::new(),
            value: dxos_base::Value::Null,
        },
        ObjectWrite::Set {
            object,
            path,
            value: None,
        } => Edit::Remove {
            object,
            path: key_path(&path),
        },
        ObjectWrite::Delete { object } => Edit::Remove {
            object,
            path: Vec::new(),
        },
        ObjectWrite::Restore { object } => Edit::Restore {
            object,
            path: Vec::new(),
        },
    }
}
