//! Reading a space's log: who wrote what, having seen what; and from it the concurrent writes that lost.
//!
//! Two writes are concurrent iff neither entry's *seen* covers the other (DESIGN 4.3). *Seen* of a feed's entries adds
//! up along the feed, void entries included.
//!
//! Costs a walk over the whole log: for what a person asks for, never for lists.

use std::collections::BTreeMap;

use dxos_base::{Conflict, FeedId, ObjectId, Step};

use crate::access::Access;
use crate::change::{Change, Operation, Stamp};
use crate::entry::Entry;
use crate::error::EchoError;
use crate::record::Record;
use crate::space::Space;
use crate::store::{EntryState, Store};

/// Bytes of entries read at once.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// One entry that counts, or a set of changes not sealed yet.
#[derive(Debug)]
pub struct LogEntry<'a> {
    /// The feed.
    pub feed: FeedId,
    /// Its place; what is not sealed yet has the place it will have at the earliest.
    pub seq: u64,
    /// How far the writer had applied each other feed.
    pub seen: &'a BTreeMap<FeedId, u64>,
    /// What it says.
    pub changes: &'a [Change],
}

impl Space {
    /// Shows `visit` every entry that counts and every change set not sealed yet, feed by feed, in order. What waits
    /// or is void is left out.
    ///
    /// # Errors
    /// When the store fails or a row is damaged.
    pub fn log(
        &self,
        store: &mut dyn Store,
        access: &dyn Access,
        visit: &mut dyn FnMut(&LogEntry<'_>),
    ) -> Result<(), EchoError> {
        let mut own_seen = BTreeMap::new();
        for feed in self.feeds.keys() {
            let mut seen: BTreeMap<FeedId, u64> = BTreeMap::new();
            let mut from = 1;
            loop {
                let rows = store.entries(self.space, *feed, from, CHUNK_BYTES)?;
                let Some(last) = rows.last() else { break };
                from = last.seq + 1;
                for row in &rows {
                    let damaged = |_| EchoError::Damaged { what: "entry" };
                    let entry = Entry::decode(&row.bytes).map_err(damaged)?;
                    let key = access.key(&entry.header.key);
                    let Some(Ok(body)) = key.map(|key| entry.open(&key)) else {
                        continue;
                    };
                    note(&mut seen, &body.seen);
                    if row.state == EntryState::Applied {
                        visit(&LogEntry {
                            feed: *feed,
                            seq: row.seq,
                            seen: &seen,
                            changes: &body.changes,
                        });
                    }
                }
            }
            if *feed == self.own {
                own_seen = seen;
            }
        }
        let stored = self.feeds.get(&self.own).map_or(0, |feed| feed.stored_seq);
        for (_, set) in &self.pending {
            note(&mut own_seen, &set.seen);
            visit(&LogEntry {
                feed: self.own,
                seq: stored + 1,
                seen: &own_seen,
                changes: &set.changes,
            });
        }
        Ok(())
    }

    /// Writes of a property that lost against one made without knowing of them, the latest first. They are told until
    /// somebody writes the property having seen them.
    ///
    /// # Errors
    /// When the object is not here, the store fails or a row is damaged.
    pub fn conflicts(
        &self,
        store: &mut dyn Store,
        access: &dyn Access,
        object: ObjectId,
        path: &[Step],
    ) -> Result<Vec<Conflict>, EchoError> {
        let row = store.object(self.space, object)?;
        let row = row.ok_or(EchoError::NotFound {
            space: self.space,
            object,
        })?;
        let standing = Record::decode(&row.body)?;
        let standing = standing.value(path).map(|register| register.stamp);
        let mut last: BTreeMap<FeedId, LastWrite> = BTreeMap::new();
        let mut own: BTreeMap<FeedId, Record> = BTreeMap::new();
        self.log(store, access, &mut |entry| {
            for change in entry.changes {
                if change.object != object || !change.path.starts_with(path) {
                    continue;
                }
                own.entry(entry.feed).or_default().apply(change, entry.feed);
                if change.path.len() == path.len() && assigns(&change.operation) {
                    let write = LastWrite {
                        stamp: Stamp {
                            clock: change.clock,
                            feed: entry.feed,
                        },
                        seq: entry.seq,
                        seen: entry.seen.clone(),
                    };
                    last.insert(entry.feed, write);
                }
            }
        })?;
        let known = |write: &LastWrite| {
            let feed = write.stamp.feed;
            last.values()
                .any(|other| other.seen.get(&feed).is_some_and(|seq| *seq >= write.seq))
        };
        let mut lost: Vec<&LastWrite> = last
            .values()
            .filter(|write| Some(write.stamp) != standing && !known(write))
            .collect();
        lost.sort_by_key(|write| std::cmp::Reverse(write.stamp));
        let conflict = |write: &LastWrite| Conflict {
            value: own[&write.stamp.feed].shown_at(path),
            written_ms: write.stamp.clock.ms(),
            by: self.author(&write.stamp.feed),
        };
        Ok(lost.into_iter().map(conflict).collect())
    }
}

/// A feed's last write of a path.
struct LastWrite {
    stamp: Stamp,
    seq: u64,
    seen: BTreeMap<FeedId, u64>,
}

fn note(seen: &mut BTreeMap<FeedId, u64>, grown: &[(FeedId, u64)]) {
    for (feed, seq) in grown {
        let held = seen.entry(*feed).or_default();
        *held = (*held).max(*seq);
    }
}

/// Whether an operation says what its path is.
fn assigns(operation: &Operation) -> bool {
    match operation {
        Operation::Set(_)
        | Operation::Assign { .. }
        | Operation::Delete { .. }
        | Operation::SetText(_)
        | Operation::SetCounter(_) => true,
        Operation::Index(_) | Operation::Count { .. } | Operation::Text { .. } => false,
    }
}
