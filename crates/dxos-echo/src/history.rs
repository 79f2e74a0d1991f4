//! The history of an object: its edits, how it was at a point, and what changed since one.
//!
//! Which entries change an object is noted when they are applied (table `touch`); what they say is read from them.
//! Invariant: what is void, or waits, is no part of any history.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::history::{Edit, EditKind, HistoryPage, HistoryWindow, Point, Version};
use dxos_base::{
    BlobId, FeedId, Hash, ObjectId, PlainObject, SpaceId, Stamp, Step, TextId, limits,
};

use crate::access::Access;
use crate::change::{Change, Operation};
use crate::entry::Entry;
use crate::error::EchoError;
use crate::record::Record;
use crate::space::{Space, WriteContext};
use crate::store::{EntryRow, EntryState, Store};
use crate::text::TextEngine;
use crate::texts::text_at;

/// Form of the notes: a space without this mark was written by a build that made none.
const FORM: u8 = 1;
/// Bytes of entries read at once where one follows the other.
const CHUNK_BYTES: usize = 256 * 1024;
/// Instance of the engine in which texts are read as they were, beside those that are open.
const SCRATCH: TextId = TextId([0xfe; 16]);

/// Key of the form a space's notes have.
pub(crate) fn form_key(space: &SpaceId) -> String {
    format!("echo/{space}/history")
}

/// An object as it was: its registers, and the updates of its texts in the order of all writes.
#[derive(Debug, Default)]
pub(crate) struct Past {
    pub record: Record,
    updates: BTreeMap<TextId, Vec<(Stamp, Vec<u8>)>>,
}

impl Past {
    /// What a text said then.
    pub fn text(&mut self, engine: &mut dyn TextEngine, text: TextId) -> Result<String, EchoError> {
        let Some(updates) = self.updates.get_mut(&text) else {
            return Ok(String::new());
        };
        updates.sort();
        let all: Vec<&[u8]> = updates.iter().map(|(_, update)| &update[..]).collect();
        if engine.open(SCRATCH, 0, &[], &all).is_err() {
            engine.open(SCRATCH, 0, &[], &[])?;
            for update in all {
                // What the engine gives up on is set aside, as in the text itself.
                engine.import(SCRATCH, update).ok();
            }
        }
        let content = engine.content(SCRATCH);
        engine.close(SCRATCH);
        Ok(content?)
    }
}

impl Space {
    /// Notes which objects an entry that counts changes.
    pub(crate) fn note_touched(
        &self,
        store: &mut dyn Store,
        (feed, seq): (FeedId, u64),
        objects: impl Iterator<Item = ObjectId>,
    ) -> Result<(), EchoError> {
        let mut objects: Vec<ObjectId> = objects.collect();
        objects.sort_unstable();
        objects.dedup();
        Ok(store.touch_put(self.space, feed, seq, &objects)?)
    }

    /// Notes which blobs an entry that counts refers to.
    pub(crate) fn note_blobs(
        &self,
        store: &mut dyn Store,
        (feed, seq): (FeedId, u64),
        blobs: impl Iterator<Item = BlobId>,
    ) -> Result<(), EchoError> {
        for blob in blobs {
            store.blob_use_put(self.space, Hash(blob.0), feed, seq)?;
        }
        Ok(())
    }

    /// Says that all entries are noted.
    pub(crate) fn note_history(&self, store: &mut dyn Store) -> Result<(), EchoError> {
        Ok(store.set(&form_key(&self.space), Some(&[FORM]))?)
    }

    /// Notes all entries, if an earlier build stored them without.
    fn note_anew(&self, store: &mut dyn Store, access: &dyn Access) -> Result<(), EchoError> {
        if store.get(&form_key(&self.space))?.as_deref() == Some(&[FORM]) {
            return Ok(());
        }
        let mut notes = Vec::new();
        self.log(store, access, &mut |entry| {
            let objects: BTreeSet<ObjectId> = entry.changes.iter().map(|c| c.object).collect();
            notes.push(((entry.feed, entry.seq), objects));
        })?;
        for (place, objects) in notes {
            self.note_touched(store, place, objects.into_iter())?;
        }
        self.note_history(store)
    }

    /// Shows `visit` all changes of an object that count, with their stamps and places, feed by feed; those not sealed
    /// yet come last.
    fn changes_of(
        &self,
        store: &mut dyn Store,
        access: &dyn Access,
        object: ObjectId,
        visit: &mut dyn FnMut(Stamp, u64, &Change),
    ) -> Result<(), EchoError> {
        self.note_anew(store, access)?;
        let places = store.touched(self.space, object)?;
        let mut read: std::iter::Peekable<std::vec::IntoIter<EntryRow>> =
            Vec::new().into_iter().peekable();
        for (at, (feed, seq)) in places.iter().enumerate() {
            while read
                .next_if(|row| row.feed == *feed && row.seq < *seq)
                .is_some()
            {}
            if read
                .peek()
                .is_none_or(|row| (row.feed, row.seq) != (*feed, *seq))
            {
                let follows = places.get(at + 1) == Some(&(*feed, *seq + 1));
                let bytes_max = if follows { CHUNK_BYTES } else { 1 };
                let rows = store.entries(self.space, *feed, *seq, bytes_max)?;
                read = rows.into_iter().peekable();
            }
            let row = read.next_if(|row| (row.feed, row.seq) == (*feed, *seq));
            let Some(row) = row.filter(|row| row.state == EntryState::Applied) else {
                continue;
            };
            let damaged = |_| EchoError::Damaged { what: "entry" };
            let entry = Entry::decode(&row.bytes).map_err(damaged)?;
            let key = access.key(&entry.header.key);
            let Some(Ok(body)) = key.map(|key| entry.open(&key)) else {
                continue;
            };
            for change in body.changes.iter().filter(|c| c.object == object) {
                visit(stamp_of(change, *feed), *seq, change);
            }
        }
        let next = self.feeds.get(&self.own).map_or(0, |feed| feed.stored_seq) + 1;
        let pending = self.pending.iter().flat_map(|(_, set)| &set.changes);
        for change in pending.filter(|change| change.object == object) {
            visit(stamp_of(change, self.own), next, change);
        }
        Ok(())
    }

    /// Edits of an object, the latest first.
    ///
    /// # Errors
    /// When the store fails or a row is damaged. Of an object that is not here there are none.
    pub fn history(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        object: ObjectId,
        window: &HistoryWindow,
    ) -> Result<HistoryPage, EchoError> {
        self.end_runs(cx)?;
        let mut writes: Vec<(Stamp, EditKind, String)> = Vec::new();
        self.changes_of(cx.store, access, object, &mut |stamp, _, change| {
            let name = match change.path.first() {
                Some(Step::Key(name)) => name.clone(),
                _ => String::new(),
            };
            writes.push((stamp, kind_of(&change.operation), name));
        })?;
        writes.sort_by_key(|(stamp, ..)| *stamp);
        let mut edits: Vec<Edit> = Vec::new();
        for (stamp, kind, name) in writes {
            let goes_on = |edit: &&mut Edit| {
                edit.last.feed == stamp.feed
                    && stamp.clock.ms().saturating_sub(edit.last.clock.ms()) <= window.pause_ms
            };
            let begins = edits.is_empty();
            let edit = match edits.last_mut().filter(goes_on) {
                Some(edit) => edit,
                None => {
                    edits.push(Edit {
                        first: stamp,
                        last: stamp,
                        by: self.author(&stamp.feed),
                        writes: 0,
                        properties: BTreeMap::new(),
                        begins,
                    });
                    edits.last_mut().expect("pushed above")
                }
            };
            edit.last = stamp;
            edit.writes += 1;
            let held = edit.properties.entry(name).or_insert(kind);
            *held = kind.max(*held);
        }
        let total = edits.len() as u64;
        let limit = (window.limit as usize).min(limits::HISTORY_EDITS_MAX);
        let wanted = |edit: &Edit| window.before.is_none_or(|before| edit.last < before);
        let edits = edits.into_iter().rev().filter(wanted).take(limit).collect();
        Ok(HistoryPage { edits, total })
    }

    /// What an object was made of at a point.
    pub(crate) fn past(
        &self,
        store: &mut dyn Store,
        access: &dyn Access,
        object: ObjectId,
        point: &Point,
    ) -> Result<Past, EchoError> {
        let mut past = Past::default();
        self.changes_of(store, access, object, &mut |stamp, seq, change| {
            if !point.covers(stamp, seq) {
                return;
            }
            match &change.operation {
                Operation::Text { id, update, .. } => {
                    let updates = past.updates.entry(*id).or_default();
                    updates.push((stamp, update.clone()));
                }
                _ => {
                    past.record.apply(change, stamp.feed);
                }
            }
        })?;
        Ok(past)
    }

    /// An object as it was at a point; `None` if there was none yet.
    ///
    /// # Errors
    /// When the store or the text engine fails, or a row is damaged.
    pub fn version_at(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        object: ObjectId,
        point: &Point,
    ) -> Result<Option<Version>, EchoError> {
        self.end_runs(cx)?;
        let mut past = self.past(cx.store, access, object, point)?;
        if past.record.is_empty() {
            return Ok(None);
        }
        let mut view = past.record.view(object);
        let (created, updated) = past.record.writers();
        view.meta.created_by = self.author(&created);
        view.meta.updated_by = self.author(&updated);
        let mut texts = BTreeMap::new();
        for (path, _) in PlainObject::text_paths(&view) {
            if let Some(text) = text_at(&past.record, &path) {
                let content = past.text(cx.text, text)?;
                texts.insert(path, content);
            }
        }
        Ok(Some(Version {
            object: view,
            texts,
        }))
    }

    /// Objects written since a point, at most `limit` of them after `after`, in the order of their ids. Costs a walk
    /// over the whole log.
    ///
    /// # Errors
    /// When the store fails or a row is damaged.
    pub fn changed_since(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        point: &Point,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<ObjectId>, EchoError> {
        self.end_runs(cx)?;
        let mut changed = BTreeSet::new();
        self.log(cx.store, access, &mut |entry| {
            let later = |change: &&Change| !point.covers(stamp_of(change, entry.feed), entry.seq);
            changed.extend(entry.changes.iter().filter(later).map(|c| c.object));
        })?;
        let wanted = changed.into_iter().filter(|id| Some(*id) > after);
        Ok(wanted.take(limit).collect())
    }
}

fn stamp_of(change: &Change, feed: FeedId) -> Stamp {
    Stamp {
        clock: change.clock,
        feed,
    }
}

fn kind_of(operation: &Operation) -> EditKind {
    match operation {
        Operation::Set(_)
        | Operation::Assign { .. }
        | Operation::SetText(_)
        | Operation::SetCounter(_) => EditKind::Set,
        Operation::Delete { .. } => EditKind::Removed,
        Operation::Index(_) => EditKind::Moved,
        Operation::Count { .. } => EditKind::Counted,
        Operation::Text { .. } => EditKind::Typed,
    }
}
