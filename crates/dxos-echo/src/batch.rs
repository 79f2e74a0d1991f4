//! Records loaded for a run of changes, and their rows written back once.
//!
//! Invariant: the sum over object versions always is that of the rows in the store.

use std::collections::BTreeMap;

use dxos_base::limits::TOUCHED_VIEWS_MAX;
use dxos_base::{FeedId, Hash, ObjectId, ObjectView, SpaceId};

use crate::cascade::Link;
use crate::change::Change;
use crate::error::EchoError;
use crate::record::{Record, object_version};
use crate::space::{Space, Touched};
use crate::store::{ObjectRow, Store};
use crate::view::{bare_type, full_text, index_keys, references};

/// Form of index values and of what is indexed: 1 had integers and floats apart, and neither tags nor keys.
const INDEX_FORM: u8 = 2;
/// Rows read at once when the index is made anew.
const ROWS_AT_ONCE: usize = 256;

/// Key of the form a space's index has.
pub(crate) fn index_form_key(space: &SpaceId) -> String {
    format!("echo/{space}/index")
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
    /// What its children knew of it when loaded.
    link: Link,
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
                    link: record.link(space),
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

impl Space {
    /// Writes an object's row and makes it findable.
    fn put_row(
        &self,
        store: &mut dyn Store,
        row: &ObjectRow,
        view: &ObjectView,
    ) -> Result<(), EchoError> {
        let index = index_keys(view, |property| self.policy.covers(property));
        let text = match self.policy.full_text {
            true => full_text(view),
            false => String::new(),
        };
        let references = references(view, self.space);
        Ok(store.object_put(self.space, row, &index, &text, &references)?)
    }

    /// Makes all objects findable anew if an earlier form of the index did so.
    pub(crate) fn index_anew(&self, store: &mut dyn Store) -> Result<(), EchoError> {
        let key = index_form_key(&self.space);
        if store.get(&key)?.as_deref() == Some(&[INDEX_FORM]) {
            return Ok(());
        }
        let mut after = None;
        loop {
            let rows = store.objects(self.space, None, after, ROWS_AT_ONCE)?;
            for row in &rows {
                let view = Record::decode(&row.body)?.view(row.object);
                self.put_row(store, row, &view)?;
            }
            match rows.last() {
                Some(last) if rows.len() == ROWS_AT_ONCE => after = Some(last.object),
                _ => break,
            }
        }
        Ok(store.set(&key, Some(&[INDEX_FORM]))?)
    }

    /// Writes the rows of changed records and keeps the digest.
    pub(crate) fn flush(
        &mut self,
        batch: Batch,
        store: &mut dyn Store,
    ) -> Result<Touched, EchoError> {
        let mut touched = Touched::default();
        let mut relinked = Vec::new();
        let mut pictures = Vec::new();
        for (object, loaded) in batch.records {
            if !loaded.changed {
                continue;
            }
            self.links.forget(&object);
            if loaded.record.link(self.space) != loaded.link {
                relinked.push(object);
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
            let row = ObjectRow {
                object,
                version: u64::from_le_bytes(version.0[..8].try_into().expect("8 of 32 bytes")),
                type_name: type_name.clone(),
                shown: view.shown,
                body,
            };
            self.put_row(store, &row, &view)?;
            for open in self
                .open_texts
                .values_mut()
                .filter(|open| open.object == object)
            {
                open.registered = false;
            }
            touched.objects.insert(object);
            touched.types.insert(type_name);
            if !self.views_wanted || pictures.len() >= TOUCHED_VIEWS_MAX {
                touched.views_left_out = true;
            } else {
                pictures.push((loaded.record, view));
            }
        }
        // Only now: what shows of an object depends on its parents' rows too.
        for (record, view) in pictures {
            touched.show(self.seen_by_reader(store, &record, view)?);
        }
        self.touch_descendants(store, relinked, &mut touched)?;
        Ok(touched)
    }
}

/// The part of a hash that is summed up.
pub(crate) fn first_16(hash: &Hash) -> u128 {
    u128::from_le_bytes(hash.0[..16].try_into().expect("16 of 32 bytes"))
}
