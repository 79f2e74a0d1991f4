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
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use dxos_base::{
    Clock, DeviceKey, Entropy, FeedId, Hash, HybridClock, IdentityKey, ObjectId, ObjectView,
    ObjectWrite, Ref, SpaceId, Step, TextId, Tick, hash, queue, write::PARENT,
};

use crate::aside::{Place, unread_key};
use crate::batch::Batch;
use crate::cascade::Links;
use crate::change::Change;
use crate::entry::{ENTRY_VERSION, feed_id};
use crate::error::EchoError;
use crate::feed::{Feed, FeedState, WaitReason};
use crate::forks::Tree;
use crate::fresh::{Fresh, is_flat};
use crate::plan::Planner;
use crate::planned::Planned;
use crate::record::Record;
use crate::store::{EntryRow, ObjectRow, Store};
use crate::text::TextEngine;
use crate::texts::{OpenText, text_at};
use crate::typing::Typed;

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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Touched {
    /// Objects with a changed register.
    pub objects: BTreeSet<ObjectId>,
    /// Their types without version, those they had before too; empty string: untyped.
    pub types: BTreeSet<String>,
    /// Texts that got an update.
    pub texts: BTreeSet<TextId>,
    /// The objects as they show now, unless left out.
    pub views: BTreeMap<ObjectId, ObjectView>,
    /// `views` are not all: they were not wanted, or more than
    /// [`TOUCHED_VIEWS_MAX`](dxos_base::limits::TOUCHED_VIEWS_MAX) objects changed.
    pub views_left_out: bool,
}

impl Touched {
    /// Adds what another call changed.
    pub fn merge(&mut self, other: Touched) {
        self.objects.extend(other.objects);
        self.types.extend(other.types);
        self.texts.extend(other.texts);
        self.views_left_out |= other.views_left_out;
        for view in other.views.into_values() {
            self.show(view);
        }
    }

    /// Notes how a changed object shows now, if there is room.
    pub(crate) fn show(&mut self, view: ObjectView) {
        let known = self.views.contains_key(&view.object);
        if known || self.views.len() < dxos_base::limits::TOUCHED_VIEWS_MAX {
            self.views.insert(view.object, view);
        } else {
            self.views_left_out = true;
        }
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
    #[serde(with = "crate::change::grouped")]
    pub changes: Vec<Change>,
    /// A change of a text that has no update yet; it comes after `changes`.
    pub typed: Option<Typed>,
    pub summary: Summary,
}

/// Objects of a write held before their rows are written together.
const WRITE_BATCH_RECORDS: usize = 1024;

/// One space of the profile.
#[derive(Debug)]
pub struct Space {
    pub(crate) space: SpaceId,
    pub(crate) device: DeviceKey,
    pub(crate) marker: [u8; 16],
    pub(crate) instance: usize,
    pub(crate) policy: IndexPolicy,
    pub(crate) entry_version: u8,
    pub(crate) own: FeedId,
    pub(crate) feeds: BTreeMap<FeedId, Feed>,
    pub(crate) timeframe: BTreeMap<FeedId, FeedHead>,
    /// Of feeds that forked: what does not stand.
    pub(crate) forks: BTreeMap<FeedId, Tree>,
    /// Control heads that hold at entries of branches, as far as they were asked for.
    pub(crate) branch_heads: BTreeMap<Hash, Arc<[Hash]>>,
    /// Entries that do not count or stand, and whose texts wait for credentials or a key.
    pub(crate) unread: BTreeSet<Place>,
    pub(crate) clock: HybridClock,
    /// By row.
    pub(crate) pending: Vec<(u64, PendingSet)>,
    pub(crate) pending_since: Option<Tick>,
    /// Control heads and seen feeds of the last acknowledged set.
    pub(crate) mark: (Vec<Hash>, BTreeMap<FeedId, u64>),
    pub(crate) summary: Summary,
    pub(crate) open_texts: BTreeMap<TextId, OpenText>,
    /// Whose each feed is.
    authors: BTreeMap<FeedId, IdentityKey>,
    pub(crate) links: Links,
    pub(crate) needs_rebuild: bool,
    /// A snapshot of a text holds what an update that came late goes before.
    pub(crate) texts_unsettled: bool,
    /// Calls tell how changed objects show.
    pub(crate) views_wanted: bool,
    /// This device has no feed left to write in; reading goes on.
    pub(crate) feeds_used_up: bool,
}

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
            instance: 0,
            policy: IndexPolicy::default(),
            entry_version: ENTRY_VERSION,
            own: feed_id(&space, &device, 0),
            feeds: BTreeMap::new(),
            timeframe: BTreeMap::new(),
            forks: BTreeMap::new(),
            branch_heads: BTreeMap::new(),
            unread: BTreeSet::new(),
            clock: HybridClock::default(),
            pending: Vec::new(),
            pending_since: None,
            mark: Default::default(),
            summary: Summary::default(),
            open_texts: BTreeMap::new(),
            authors: BTreeMap::new(),
            links: Links::default(),
            needs_rebuild: false,
            texts_unsettled: false,
            views_wanted: false,
            feeds_used_up: false,
        };
        opened.instance = opened.note_instance(store)?;
        opened.reload(store)?;
        opened.index_anew(store)?;
        if opened.feeds.is_empty() {
            opened.note_history(store)?;
        }
        Ok(opened)
    }

    /// Which instance of the profile this is: 0 for the first, one more for each copy that was opened elsewhere or
    /// put back. Known even where the instance before has written nothing that the copy holds.
    fn note_instance(&self, store: &mut dyn Store) -> Result<usize, EchoError> {
        let key = format!("echo/{}/instances", self.space);
        let mut markers: Vec<[u8; 16]> = match store.get(&key)? {
            Some(bytes) => decode_row(&bytes, "instances")?,
            None => Vec::new(),
        };
        if let Some(known) = markers.iter().position(|marker| *marker == self.marker) {
            return Ok(known);
        }
        markers.push(self.marker);
        store.set(&key, Some(&dxos_base::encode(&markers)))?;
        Ok(markers.len() - 1)
    }

    /// Forgets what is in memory and reads it from the store: after a rolled-back transaction. Texts count as
    /// closed afterwards; open those on screen again.
    pub fn reload(&mut self, store: &mut dyn Store) -> Result<(), EchoError> {
        self.feeds.clear();
        self.timeframe.clear();
        self.forks.clear();
        self.branch_heads.clear();
        self.open_texts.clear();
        self.links.clear();
        self.needs_rebuild = false;
        self.texts_unsettled = false;
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
        for place in store.branches(self.space)? {
            let tree = self.forks.entry(place.feed).or_default();
            tree.insert((place.seq, place.hash), place);
        }
        self.reload_unread(store)?;
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
        store.set(&format!("echo/{space}/instances"), None)?;
        store.set(&unread_key(&space), None)?;
        store.set(&crate::batch::index_form_key(&space), None)?;
        store.set(&crate::history::form_key(&space), None)?;
        Ok(store.space_remove(space)?)
    }

    /// Whether calls tell how changed objects show now ([`Touched::views`]): somebody looks at queries of the space.
    pub fn set_views_wanted(&mut self, wanted: bool) {
        self.views_wanted = wanted;
    }

    /// Says which properties are indexed; right after opening, always the same for a store.
    pub fn set_index_policy(&mut self, policy: IndexPolicy) {
        self.policy = policy;
    }

    /// Says whose each feed is: shown as who made and who last wrote an object.
    pub fn set_authors(&mut self, authors: BTreeMap<FeedId, IdentityKey>) {
        self.authors = authors;
    }

    /// Whose a feed is, as far as told.
    pub(crate) fn author(&self, feed: &FeedId) -> Option<IdentityKey> {
        self.authors.get(feed).copied()
    }

    /// Writes and understands entries up to this version: [`ENTRY_VERSION`], but where tests play older and newer
    /// builds against each other. Call [`Space::retry_waiting`] after it grew.
    pub fn set_entry_version(&mut self, version: u8) {
        self.entry_version = version;
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
        let (touched, plan) = self.apply_writes(cx, writes)?;
        self.acknowledge(cx, control_heads, plan.into_changes(), None)?;
        Ok(touched)
    }

    /// Plans writes and writes their rows; what is acknowledged of them is the caller's to store.
    pub(crate) fn apply_writes<'w>(
        &mut self,
        cx: &mut WriteContext<'_>,
        writes: &'w [ObjectWrite],
    ) -> Result<(Touched, Planned<'w>), EchoError> {
        let mut touched = Touched::default();
        let mut batch = Batch::default();
        let mut plan = Planned::default();
        for write in writes {
            if batch.len() >= WRITE_BATCH_RECORDS {
                let full = std::mem::take(&mut batch);
                touched.merge(self.flush(full, cx.store)?);
            }
            let object = write.object();
            if let Some(parent) = parent_of(write)
                && parent.space.is_none_or(|other| other == self.space)
            {
                batch.settle_all(self.own);
                self.check_parent(&mut batch, cx.store, object, parent.object)?;
            }
            if let ObjectWrite::Create {
                type_name, values, ..
            } = write
                && is_flat(type_name, values)
                && batch.is_unknown(self.space, object, cx.store)?
                && let Some(first) = self.clock.run(cx.now, Fresh::changes_count(values))
            {
                let fresh = Fresh {
                    object,
                    type_name,
                    values,
                    first,
                };
                plan.push(fresh);
                batch.add_fresh(fresh);
                continue;
            }
            let planned = plan.changes.len();
            batch.settle_fresh(object, self.own);
            let record = batch.load(self.space, &self.policy, object, cx.store)?;
            let mut planner = Planner {
                space: self.space,
                feed: self.own,
                now: cx.now,
                clock: &mut self.clock,
                entropy: cx.entropy,
                changes: &mut plan.changes,
            };
            match write {
                ObjectWrite::Create { .. } if !record.is_empty() => {
                    return Err(EchoError::Exists { object });
                }
                ObjectWrite::Create { .. } => {}
                _ if record.is_empty() => {
                    return Err(EchoError::NotFound {
                        space: self.space,
                        object,
                    });
                }
                _ => check_record(record, write)?,
            }
            planner.write(record, write)?;
            if let ObjectWrite::Text { path, content, .. } = write
                && let Some(text) = text_at(record, path)
                && self.fill_text(cx, object, path, text, content, &mut plan.changes)?
            {
                touched.texts.insert(text);
            }
            batch.touch(&plan.changes[planned..]);
        }
        touched.merge(self.flush(batch, cx.store)?);
        Ok((touched, plan))
    }

    /// Stores a change set as pending, under the mark of now.
    pub(crate) fn acknowledge(
        &mut self,
        cx: &mut WriteContext<'_>,
        control_heads: &[Hash],
        changes: Vec<Change>,
        typed: Option<Typed>,
    ) -> Result<(), EchoError> {
        if changes.is_empty() && typed.is_none() {
            return Ok(());
        }
        let (heads, seen) = self.take_mark(cx, control_heads)?;
        self.put_pending(cx.store, heads, seen, changes, typed)?;
        self.pending_since.get_or_insert(cx.now);
        Ok(())
    }

    /// What the mark of now tells beyond the one before; the own feed is this instance's then.
    pub(crate) fn take_mark(
        &mut self,
        cx: &mut WriteContext<'_>,
        control_heads: &[Hash],
    ) -> Result<(Vec<Hash>, Vec<(FeedId, u64)>), EchoError> {
        self.claim_feed(cx.store)?;
        self.end_runs_at_mark(cx, control_heads)?;
        let heads = if control_heads == self.mark.0 {
            Vec::new()
        } else {
            control_heads.to_vec()
        };
        if !heads.is_empty() {
            self.mark.0 = heads.clone();
        }
        let seen: Vec<(FeedId, u64)> = self.seen_anew().collect();
        self.mark.1.extend(seen.iter().copied());
        Ok((heads, seen))
    }

    /// Other feeds whose applied prefix grew since the last acknowledged set.
    pub(crate) fn seen_anew(&self) -> impl Iterator<Item = (FeedId, u64)> + '_ {
        self.feeds.iter().filter_map(|(id, feed)| {
            let applied = feed.applied_seq();
            let grew = *id != self.own && applied > self.mark.1.get(id).copied().unwrap_or(0);
            grew.then_some((*id, applied))
        })
    }

    /// Writes one pending row.
    pub(crate) fn put_pending(
        &mut self,
        store: &mut dyn Store,
        heads: Vec<Hash>,
        seen: Vec<(FeedId, u64)>,
        changes: Vec<Change>,
        typed: Option<Typed>,
    ) -> Result<(), EchoError> {
        self.summary.revision += 1;
        self.summary.clock = self.clock.last();
        let set = PendingSet {
            heads,
            seen,
            changes,
            typed,
            summary: self.summary,
        };
        let row = store.pending_put(self.space, &dxos_base::encode(&set))?;
        self.pending.push((row, set));
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
    /// instance it was copied from, or a text that was opened is not what its updates make it.
    pub fn needs_rebuild(&self) -> bool {
        self.needs_rebuild || self.texts_unsettled
    }

    /// Entries that wait for a key, a credential or a newer version.
    pub fn waiting_count(&self) -> usize {
        self.feeds
            .values()
            .map(|feed| feed.state.waiting.len())
            .sum()
    }

    /// The same by what they wait for.
    pub fn waiting(&self) -> BTreeMap<WaitReason, usize> {
        let mut waiting = BTreeMap::new();
        for reason in self.feeds.values().flat_map(|f| f.state.waiting.values()) {
            *waiting.entry(*reason).or_default() += 1;
        }
        waiting
    }

    /// Whether [`Space::retry_waiting`] has anything to try.
    pub fn has_waiting(&self) -> bool {
        self.waiting_count() > 0 || !self.unread.is_empty()
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
        row.map(|row| self.view_of(store, &row)).transpose()
    }

    /// The picture of a stored object, with what its ancestors make of it.
    pub(crate) fn view_of(
        &self,
        store: &mut dyn Store,
        row: &ObjectRow,
    ) -> Result<ObjectView, EchoError> {
        let record = Record::decode(&row.body)?;
        let view = record.view(row.object);
        self.seen_by_reader(store, &record, view)
    }

    /// The picture of an object with what other objects, the space's members and unsealed writes make of it.
    pub(crate) fn seen_by_reader(
        &self,
        store: &mut dyn Store,
        record: &Record,
        mut view: ObjectView,
    ) -> Result<ObjectView, EchoError> {
        self.cascade(store, record, &mut view)?;
        let (created, updated) = record.writers();
        view.meta.created_by = self.authors.get(&created).copied();
        view.meta.updated_by = self.authors.get(&updated).copied();
        Ok(view)
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
}

/// Decodes a row of our own.
pub(crate) fn decode_row<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    what: &'static str,
) -> Result<T, EchoError> {
    dxos_base::codec::decode_trusted(bytes).map_err(|_| EchoError::Damaged { what })
}

/// Refuses to change a record of a queue, or to make one of an object that is there.
fn check_record(record: &Record, write: &ObjectWrite) -> Result<(), EchoError> {
    let is_record = || {
        let place = record.shown_at(&[Step::Key(queue::PLACE.to_owned())]);
        place.is_some_and(|place| queue::QueuePlace::from_value(&place).is_some())
    };
    match queue::makes_record(write) || (queue::changes_record(write) && is_record()) {
        true => Err(EchoError::Immutable {
            object: write.object(),
        }),
        false => Ok(()),
    }
}

/// The parent a write puts its object under.
fn parent_of(write: &ObjectWrite) -> Option<Ref> {
    match write {
        ObjectWrite::Create { values, .. } => values.get(PARENT)?.reference(),
        ObjectWrite::Set { path, value, .. } => match &path[..] {
            [Step::Key(name)] if name == PARENT => value.reference(),
            _ => None,
        },
        _ => None,
    }
}
