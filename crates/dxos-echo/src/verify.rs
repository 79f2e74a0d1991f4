//! Verification: everything materialised is made again from entries and pending writes, and compared with what stood
//! in the store.
//!
//! Invariants
//! * entries are the truth: one whose hash, signature or place in the chain is wrong is reported, never repaired here,
//!   and then nothing else is judged or changed;
//! * otherwise the made-again state stands in the open transaction: committed it is the repair, rolled back nothing
//!   happened.
//!
//! Not compared: the full-text index. It is made again with the rest.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{FeedId, Hash, ObjectId, TextId, hash};

use crate::access::Access;
use crate::entry::Entry;
use crate::error::EchoError;
use crate::receive::Received;
use crate::record::Record;
use crate::space::{Space, WriteContext};
use crate::store::{IndexScan, ObjectRow, Store};
use crate::view::{Shape, index_keys};

/// What verification found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Entries read.
    pub entries: u64,
    /// Objects they make.
    pub objects: u64,
    /// Texts they make.
    pub texts: u64,
    /// Entries that are not what their feed's device signed, or do not continue their feed.
    pub entries_damaged: Vec<(FeedId, u64)>,
    /// Objects whose row was another, was missing, or should not have been there.
    pub objects_wrong: BTreeSet<ObjectId>,
    /// Properties whose index was another.
    pub indexes_wrong: BTreeSet<String>,
    /// Texts that read otherwise, or not at all.
    pub texts_wrong: BTreeSet<TextId>,
    /// Entries that had another standing (applied, waiting, void) than the credentials give.
    pub entries_redecided: u64,
    /// The digest told to peers as this space's state was another.
    pub digest_wrong: bool,
}

impl Verified {
    /// Nothing was wrong.
    pub fn is_sound(&self) -> bool {
        self.entries_damaged.is_empty()
            && self.objects_wrong.is_empty()
            && self.indexes_wrong.is_empty()
            && self.texts_wrong.is_empty()
            && self.entries_redecided == 0
            && !self.digest_wrong
    }
}

/// Bytes of entries read at once.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// Rows of objects read at once.
const CHUNK_ROWS: usize = 1024;
/// Instance of the engine in which stored texts are read, beside those that are open.
const SCRATCH: TextId = TextId([0xff; 16]);

/// What stands in the materialised tables, in short.
#[derive(Debug, PartialEq)]
struct Picture {
    rows: BTreeMap<ObjectId, Hash>,
    indexes: BTreeMap<String, Hash>,
    texts: BTreeMap<TextId, Option<Hash>>,
    digest: [u8; 16],
}

impl Space {
    /// Verifies the space within a transaction. Commit to repair what was wrong; or roll back and [`Space::reload`].
    pub fn verify(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
    ) -> Result<(Verified, Received), EchoError> {
        let mut found = Verified::default();
        self.verify_chains(cx.store, access, &mut found)?;
        if !found.entries_damaged.is_empty() {
            return Ok((found, Received::default()));
        }
        // What was typed and has no update yet is in no table.
        self.end_every_run(cx)?;
        let names = self.indexed_names(cx.store)?;
        let before = self.picture(cx, &names)?;
        let received = self.rebuild(cx, access)?;
        let names = &names | &self.indexed_names(cx.store)?;
        let after = self.picture(cx, &names)?;
        found.objects = after.rows.len() as u64;
        found.texts = after.texts.len() as u64;
        found.objects_wrong = differing(&before.rows, &after.rows);
        found.texts_wrong = differing(&before.texts, &after.texts);
        found.indexes_wrong = differing(&before.indexes, &after.indexes);
        found.digest_wrong = before.digest != after.digest;
        found.entries_redecided = received.redecided;
        Ok((found, received))
    }

    /// Checks hash, signature and chain of every stored entry.
    fn verify_chains(
        &self,
        store: &mut dyn Store,
        access: &dyn Access,
        found: &mut Verified,
    ) -> Result<(), EchoError> {
        for (id, feed) in &self.feeds {
            let (mut from, mut previous) = (1, Hash::default());
            loop {
                let rows = store.entries(self.space, *id, from, CHUNK_BYTES)?;
                let Some(last) = rows.last() else { break };
                let next = last.seq + 1;
                for row in &rows {
                    found.entries += 1;
                    let device = access.device_of_feed(id);
                    let right = row.seq == from
                        && Entry::decode(&row.bytes).is_ok_and(|entry| {
                            let header = &entry.header;
                            (header.space, header.feed, header.seq) == (self.space, *id, from)
                                && (header.previous, entry.hash) == (previous, row.hash)
                                && device.is_none_or(|device| entry.verify(&device))
                        });
                    if !right {
                        found.entries_damaged.push((*id, row.seq));
                    }
                    (from, previous) = (row.seq + 1, row.hash);
                }
                from = next;
            }
            if (from - 1, previous) != (feed.stored_seq, feed.head) {
                found.entries_damaged.push((*id, feed.stored_seq));
            }
        }
        found.entries_damaged.dedup();
        Ok(())
    }

    /// Walks all object rows.
    fn each_row(
        &self,
        store: &mut dyn Store,
        mut look: impl FnMut(ObjectRow),
    ) -> Result<(), EchoError> {
        let mut after = None;
        loop {
            let rows = store.objects(self.space, None, after, CHUNK_ROWS)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = Some(last.object);
            rows.into_iter().for_each(&mut look);
        }
    }

    /// Properties that objects as stored put into the index. Rows that do not read name none.
    fn indexed_names(&self, store: &mut dyn Store) -> Result<BTreeSet<String>, EchoError> {
        let mut names = BTreeSet::new();
        self.each_row(store, |row| {
            if let Ok(record) = Record::decode(&row.body) {
                let view = record.view(row.object);
                let keys = index_keys(Shape::from(&view), |name| self.policy.covers(name));
                names.extend(keys.into_iter().map(|key| key.property));
            }
        })?;
        Ok(names)
    }

    fn picture(
        &self,
        cx: &mut WriteContext<'_>,
        names: &BTreeSet<String>,
    ) -> Result<Picture, EchoError> {
        let mut rows = BTreeMap::new();
        self.each_row(cx.store, |row| {
            let plain = dxos_base::encode(&(row.shown, &row.type_name));
            rows.insert(row.object, hash("verify row", &[&plain, &row.body]));
        })?;
        let mut indexes = BTreeMap::new();
        for property in names {
            let scan = IndexScan {
                property: property.clone(),
                from: None,
                to: None,
                descending: false,
                skip: 0,
                limit: u32::MAX as usize >> 1,
            };
            let order = cx.store.index_scan(self.space, &scan)?;
            let order: Vec<&[u8]> = order.iter().map(|object| &object.0[..]).collect();
            indexes.insert(property.clone(), hash("verify index", &order));
        }
        let mut texts = BTreeMap::new();
        for text in cx.store.texts(self.space)? {
            let content = self.stored_content(cx, text, SCRATCH);
            let content = content.map(|content| hash("verify text", &[content.as_bytes()]));
            texts.insert(text, content);
        }
        let digest = self.state_digest();
        Ok(Picture {
            rows,
            indexes,
            texts,
            digest,
        })
    }
}

/// Keys whose values are not the same on both sides.
fn differing<K: Ord + Clone, V: PartialEq>(a: &BTreeMap<K, V>, b: &BTreeMap<K, V>) -> BTreeSet<K> {
    let keys = a.keys().chain(b.keys());
    keys.filter(|key| a.get(key) != b.get(key))
        .cloned()
        .collect()
}
