//! Records loaded for a run of changes, and their rows written back once.
//!
//! Invariant: the sum over object versions always is that of the rows in the store.

use std::collections::BTreeMap;

use dxos_base::{FeedId, Hash, ObjectId, SpaceId};

use crate::cascade::Link;
use crate::change::Change;
use crate::error::EchoError;
use crate::record::{Record, object_version};
use crate::space::{Space, Touched};
use crate::store::{ObjectRow, Store};
use crate::view::{bare_type, full_text, index_keys, references};

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
    /// Writes the rows of changed records and keeps the digest.
    pub(crate) fn flush(
        &mut self,
        batch: Batch,
        store: &mut dyn Store,
    ) -> Result<Touched, EchoError> {
        let mut touched = Touched::default();
        let mut relinked = Vec::new();
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
        self.touch_descendants(store, relinked, &mut touched)?;
        Ok(touched)
    }
}

/// The part of a hash that is summed up.
pub(crate) fn first_16(hash: &Hash) -> u128 {
    u128::from_le_bytes(hash.0[..16].try_into().expect("16 of 32 bytes"))
}
