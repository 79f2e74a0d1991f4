//! Records loaded for a run of changes, and their rows written back once.
//!
//! Invariant: the sum over object versions always is that of the rows in the store.

use std::collections::BTreeMap;

use dxos_base::limits::TOUCHED_VIEWS_MAX;
use dxos_base::{FeedId, Hash, ObjectId, ObjectMeta, SpaceId};

use crate::cascade::Link;
use crate::change::Change;
use crate::error::EchoError;
use crate::fresh::Fresh;
use crate::record::{Record, object_version};
use crate::space::{IndexPolicy, Space, Touched};
use crate::store::{Findable, ObjectPut, ObjectRow, Store};
use crate::view::{Shape, bare_type, full_text_of, index_keys, references};

/// Form of index values and of what is indexed: 1 had integers and floats apart, and neither tags nor keys.
const INDEX_FORM: u8 = 2;
/// Rows read at once when the index is made anew.
const ROWS_AT_ONCE: usize = 256;

/// Key of the form a space's index has.
pub(crate) fn index_form_key(space: &SpaceId) -> String {
    format!("echo/{space}/index")
}

/// Records loaded for a run of changes, and new objects that need none, written back once.
#[derive(Default)]
pub(crate) struct Batch<'w> {
    records: BTreeMap<ObjectId, Loaded>,
    fresh: BTreeMap<ObjectId, Fresh<'w>>,
    /// The store has no object from here on up to there (`None`: to the end).
    free: Option<(ObjectId, Option<ObjectId>)>,
}

struct Loaded {
    record: Record,
    /// What the object added to the digest when loaded.
    before: u128,
    /// What its children knew of it when loaded.
    link: Link,
    /// What it was findable by when loaded; `None` if it was never written.
    findable: Option<Findable>,
    /// Its type when loaded; `None` if it was never written.
    type_name: Option<String>,
    changed: bool,
}

impl<'w> Batch<'w> {
    /// The record of an object; empty if it was never written.
    pub fn load(
        &mut self,
        space: SpaceId,
        policy: &IndexPolicy,
        object: ObjectId,
        store: &mut dyn Store,
    ) -> Result<&mut Record, EchoError> {
        let slot = match self.records.entry(object) {
            std::collections::btree_map::Entry::Occupied(held) => held.into_mut(),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                let loaded = match store.object(space, object)? {
                    Some(row) => {
                        let record = Record::decode(&row.body)?;
                        let view = record.view(object);
                        let findable = findable(Shape::from(&view), policy, space);
                        Loaded {
                            before: first_16(&object_version(&space, &object, &row.body)),
                            link: record.link(space),
                            findable: Some(findable),
                            type_name: Some(row.type_name),
                            record,
                            changed: false,
                        }
                    }
                    None => Loaded {
                        record: Record::default(),
                        before: 0,
                        link: Link::default(),
                        findable: None,
                        type_name: None,
                        changed: false,
                    },
                };
                vacant.insert(loaded)
            }
        };
        Ok(&mut slot.record)
    }

    /// Joins a change into its loaded record.
    pub fn apply(
        &mut self,
        space: SpaceId,
        policy: &IndexPolicy,
        change: &Change,
        feed: FeedId,
        store: &mut dyn Store,
    ) -> Result<(), EchoError> {
        if self
            .load(space, policy, change.object, store)?
            .apply(change, feed)
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

    /// Adds a new object whose changes were planned without a record.
    pub fn add_fresh(&mut self, fresh: Fresh<'w>) {
        self.fresh.insert(fresh.object, fresh);
    }

    /// Whether an object was never written, here or in the store, and its record is not loaded.
    pub fn is_unknown(
        &mut self,
        space: SpaceId,
        object: ObjectId,
        store: &mut dyn Store,
    ) -> Result<bool, EchoError> {
        if self.records.contains_key(&object) || self.fresh.contains_key(&object) {
            return Ok(false);
        }
        let is_free = |(from, to): (ObjectId, Option<ObjectId>)| {
            from <= object && to.is_none_or(|to| object < to)
        };
        if self.free.is_some_and(is_free) {
            return Ok(true);
        }
        // Ids of new objects mostly come after all others: one look tells it of all of them.
        let before = u128::from_be_bytes(object.0).checked_sub(1);
        let before = before.map(|before| ObjectId(before.to_be_bytes()));
        let next = store.objects(space, None, before, 1)?;
        let next = next.first().map(|row| row.object);
        if next == Some(object) {
            return Ok(false);
        }
        self.free = Some((object, next));
        Ok(true)
    }

    /// A new object is looked at again: it gets its record after all.
    pub fn settle_fresh(&mut self, object: ObjectId, feed: FeedId) {
        let Some(fresh) = self.fresh.remove(&object) else {
            return;
        };
        let loaded = Loaded {
            record: record_of(&fresh, feed),
            before: 0,
            link: Link::default(),
            findable: None,
            type_name: None,
            changed: true,
        };
        self.records.insert(object, loaded);
    }

    /// All new objects get their records.
    pub fn settle_all(&mut self, feed: FeedId) {
        let objects: Vec<ObjectId> = self.fresh.keys().copied().collect();
        for object in objects {
            self.settle_fresh(object, feed);
        }
    }

    pub fn len(&self) -> usize {
        self.records.len() + self.fresh.len()
    }
}

impl Space {
    /// Makes all objects findable anew if an earlier form of the index did so.
    pub(crate) fn index_anew(&self, store: &mut dyn Store) -> Result<(), EchoError> {
        let key = index_form_key(&self.space);
        if store.get(&key)?.as_deref() == Some(&[INDEX_FORM]) {
            return Ok(());
        }
        // What the earlier form gave can no longer be told.
        store.findable_clear(self.space)?;
        let mut after = None;
        loop {
            let rows = store.objects(self.space, None, after, ROWS_AT_ONCE)?;
            let count = rows.len();
            after = rows.last().map(|row| row.object);
            let mut puts = Vec::with_capacity(count);
            for row in rows {
                let view = Record::decode(&row.body)?.view(row.object);
                puts.push(ObjectPut {
                    row,
                    before: Some(Findable::default()),
                    now: findable(Shape::from(&view), &self.policy, self.space),
                });
            }
            store.objects_put(self.space, &puts)?;
            if count < ROWS_AT_ONCE {
                break;
            }
        }
        Ok(store.set(&key, Some(&[INDEX_FORM]))?)
    }

    /// Writes the rows of changed records and new objects, and keeps the digest.
    pub(crate) fn flush(
        &mut self,
        batch: Batch<'_>,
        store: &mut dyn Store,
    ) -> Result<Touched, EchoError> {
        let mut touched = Touched::default();
        let mut relinked = Vec::new();
        let mut puts = Vec::with_capacity(batch.len());
        let mut pictures = Vec::new();
        let pictures_max = match self.views_wanted {
            true => TOUCHED_VIEWS_MAX,
            false => 0,
        };
        for (object, loaded) in batch.records.into_iter().filter(|(_, l)| l.changed) {
            self.links.forget(&object);
            if loaded.record.link(self.space) != loaded.link {
                relinked.push(object);
            }
            let view = loaded.record.view(object);
            let row = ObjectRow {
                object,
                type_name: bare_type(&view.type_name).to_owned(),
                shown: view.shown,
                body: loaded.record.encode(),
            };
            self.count_row(&row, loaded.before);
            // Two devices made it at once: it is of the later one's type, and gone from those of the other.
            let other_type = loaded.type_name.filter(|before| *before != row.type_name);
            touched.types.extend(other_type);
            puts.push(ObjectPut {
                row,
                before: loaded.findable,
                now: findable(Shape::from(&view), &self.policy, self.space),
            });
            if pictures.len() < pictures_max {
                pictures.push((loaded.record, view));
            }
        }
        for fresh in batch.fresh.into_values() {
            self.links.forget(&fresh.object);
            let put = self.put_of(&fresh);
            self.count_row(&put.row, 0);
            puts.push(put);
            if pictures.len() < pictures_max {
                let record = record_of(&fresh, self.own);
                let view = record.view(fresh.object);
                pictures.push((record, view));
            }
        }
        touched.views_left_out = pictures.len() < puts.len();
        store.objects_put(self.space, &puts)?;
        for put in puts {
            self.note_put(put.row, &mut touched);
        }
        // Only now: what shows of an object depends on its parents' rows too.
        for (record, view) in pictures {
            touched.show(self.seen_by_reader(store, &record, view)?);
        }
        self.touch_descendants(store, relinked, &mut touched)?;
        Ok(touched)
    }

    /// Notes that a row was written.
    fn note_put(&mut self, row: ObjectRow, touched: &mut Touched) {
        let open = self.open_texts.values_mut();
        for open in open.filter(|open| open.object == row.object) {
            open.registered = false;
        }
        touched.objects.insert(row.object);
        if !touched.types.contains(&row.type_name) {
            touched.types.insert(row.type_name);
        }
    }

    /// Keeps the sum over object versions; `before` is what the object added to it.
    fn count_row(&mut self, row: &ObjectRow, before: u128) {
        let version = object_version(&self.space, &row.object, &row.body);
        self.summary.objects = self
            .summary
            .objects
            .wrapping_sub(before)
            .wrapping_add(first_16(&version));
    }

    /// The row of a new object, straight from what was written.
    fn put_of(&self, fresh: &Fresh<'_>) -> ObjectPut {
        let shape = Shape {
            shown: true,
            created_ms: fresh.first.ms(),
            updated_ms: fresh.last().ms(),
            meta: &ObjectMeta::default(),
            values: fresh.values,
        };
        let put = ObjectPut {
            row: ObjectRow {
                object: fresh.object,
                type_name: bare_type(fresh.type_name).to_owned(),
                shown: true,
                body: fresh.body(self.own),
            },
            before: None,
            now: findable(shape, &self.policy, self.space),
        };
        if cfg!(debug_assertions) {
            let record = record_of(fresh, self.own);
            let view = record.view(fresh.object);
            let slow = (
                record.encode(),
                findable(Shape::from(&view), &self.policy, self.space),
                (view.shown, bare_type(&view.type_name).to_owned()),
            );
            let row = (put.row.shown, put.row.type_name.clone());
            assert_eq!(
                slow,
                (put.row.body.clone(), put.now.clone(), row),
                "rows made without a record are those made with it"
            );
        }
        put
    }
}

/// The record of a new object.
fn record_of(fresh: &Fresh<'_>, feed: FeedId) -> Record {
    let mut record = Record::default();
    for change in fresh.to_changes() {
        record.apply(&change, feed);
    }
    record
}

/// What an object is found by. The store is told what stood before by this rule too, so a changed rule is a new
/// [`INDEX_FORM`].
fn findable(view: Shape<'_>, policy: &IndexPolicy, space: SpaceId) -> Findable {
    let mut keys = index_keys(view, |property| policy.covers(property));
    keys.sort_unstable();
    keys.dedup();
    Findable {
        keys,
        full_text: match policy.full_text && view.shown {
            true => full_text_of(view.values),
            false => String::new(),
        },
        references: references(view, space),
    }
}

/// The part of a hash that is summed up.
pub(crate) fn first_16(hash: &Hash) -> u128 {
    u128::from_le_bytes(hash.0[..16].try_into().expect("16 of 32 bytes"))
}
