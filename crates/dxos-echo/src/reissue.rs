//! Issuing again what this device wrote on a branch that was not picked (DESIGN 4.4): nothing is dropped.
//!
//! Invariants
//! * changes keep their clocks, so they win and lose against others as they would have;
//! * steps of a counter go into a slot named by their branch, the hash of its first entry: issued again twice, by two
//!   instances of the device, they count once;
//! * a counter whose base was given on the branch names the feed it was given in, so that steps of those who saw it
//!   there count on;
//! * an entry is marked in the transaction in which its changes are acknowledged in the new feed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use dxos_base::{Clock, FeedId, Hash, ObjectId, Path, SpaceKey};

use crate::access::Access;
use crate::batch::Batch;
use crate::change::{Change, Operation, Stamp};
use crate::entry::{self, Body};
use crate::error::EchoError;
use crate::forks::{CHUNK_BYTES, Tree, children};
use crate::receive::Received;
use crate::space::{Space, WriteContext};
use crate::store::{BranchPlace, BranchRow, Store};

/// What issuing again did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reissued {
    /// Entries whose changes were issued again.
    pub entries: u64,
    /// What changed.
    pub received: Received,
}

/// Running totals of a feed's own slots.
type Totals = BTreeMap<(ObjectId, Path, Stamp), i64>;

impl Space {
    /// Entries this device wrote on branches that were not picked and whose changes it has not issued again.
    pub fn to_reissue(&self) -> Vec<BranchPlace> {
        let mut places = Vec::new();
        for id in self.own_feeds() {
            let Some(tree) = self.forks.get(&id) else {
                continue;
            };
            let stored = self.feeds.get(&id).map_or(0, |feed| feed.stored_seq);
            let open = tree.values().filter(|place| !place.reissued);
            places.extend(open.filter(|place| root_of(tree, place).seq <= stored));
        }
        places
    }

    /// Issues again what this device wrote on branches that were not picked. Entries whose key is not held wait.
    pub fn reissue(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        control_heads: &[Hash],
    ) -> Result<Reissued, EchoError> {
        let mut out = Reissued::default();
        if self.feeds_used_up {
            return Ok(out);
        }
        let mut bases: BTreeMap<Hash, Totals> = BTreeMap::new();
        for place in self.to_reissue() {
            let Some(mut row) = cx.store.branch(self.space, place.feed, place.hash)? else {
                return Err(EchoError::Damaged { what: "branch" });
            };
            let Some(body) = self.open_branch(&row, access)? else {
                continue;
            };
            if let Some(body) = body {
                let changes = self.renamed(cx.store, access, &place, body.changes, &mut bases)?;
                self.issue_again(cx, control_heads, changes, &mut out.received)?;
                out.entries += 1;
            }
            row.place.reissued = true;
            self.branch_put(cx.store, row.place, row.bytes)?;
        }
        Ok(out)
    }

    /// The body of a branch's entry: `None` if its key is not held yet, `Some(None)` if it is void for all.
    fn open_branch(
        &self,
        row: &BranchRow,
        access: &dyn Access,
    ) -> Result<Option<Option<Body>>, EchoError> {
        let read =
            entry::Entry::decode(&row.bytes).map_err(|_| EchoError::Damaged { what: "branch" })?;
        if read.header.version > self.entry_version {
            return Ok(None);
        }
        let key: Option<SpaceKey> = access.key(&read.header.key);
        Ok(key.map(|key| read.open(&key).ok()))
    }

    /// The changes of a branch's entry as they are issued again: totals of the feed's slots become those of the
    /// branch's.
    fn renamed(
        &self,
        store: &mut dyn Store,
        access: &dyn Access,
        place: &BranchPlace,
        mut changes: Vec<Change>,
        bases: &mut BTreeMap<Hash, Totals>,
    ) -> Result<Vec<Change>, EchoError> {
        let first = first_of(&self.forks[&place.feed], place);
        let mut origins = Vec::new();
        for change in &mut changes {
            let made = match &change.operation {
                Operation::SetCounter(_) => Some(change.clock),
                Operation::Count { assignment, .. } if assignment.feed == place.feed => {
                    Some(assignment.clock)
                }
                _ => None,
            };
            origins.extend(made.map(|clock| self.origin(clock, change, place.feed)));
            let Operation::Count {
                assignment,
                slot,
                total,
            } = &mut change.operation
            else {
                continue;
            };
            if *slot != place.feed {
                continue;
            }
            let base = match bases.entry(first.hash) {
                Entry::Occupied(held) => held.into_mut(),
                Entry::Vacant(vacant) => vacant.insert(self.totals_before(store, access, &first)?),
            };
            let key = (change.object, change.path.clone(), *assignment);
            let before = base.get(&key).copied().unwrap_or(0);
            *total = total.wrapping_sub(before);
            *slot = branch_slot(&first.hash);
        }
        changes.extend(origins);
        Ok(changes)
    }

    /// Says that the assignment of a counter at `clock` in the own feed is the one that was made in `feed`.
    fn origin(&self, clock: Clock, counter: &Change, feed: FeedId) -> Change {
        Change {
            clock,
            object: counter.object,
            path: counter.path.clone(),
            operation: Operation::Count {
                assignment: Stamp {
                    clock,
                    feed: self.own,
                },
                slot: feed,
                total: 0,
            },
        }
    }

    /// Totals of a feed's own slots where a branch begins.
    fn totals_before(
        &self,
        store: &mut dyn Store,
        access: &dyn Access,
        first: &BranchPlace,
    ) -> Result<Totals, EchoError> {
        let tree = &self.forks[&first.feed];
        let mut totals = Totals::new();
        let mut take = |bytes: &[u8]| -> Result<(), EchoError> {
            let read =
                entry::Entry::decode(bytes).map_err(|_| EchoError::Damaged { what: "entry" })?;
            let body = access.key(&read.header.key).map(|key| read.open(&key));
            let Some(Ok(body)) = body else { return Ok(()) };
            for change in body.changes {
                if let Operation::Count {
                    assignment,
                    slot,
                    total,
                } = change.operation
                    && slot == first.feed
                {
                    totals.insert((change.object, change.path, assignment), total);
                }
            }
            Ok(())
        };
        let root = root_of(tree, first);
        let mut from = 1;
        while from < root.seq {
            let rows = store.entries(self.space, first.feed, from, CHUNK_BYTES)?;
            let Some(last) = rows.last() else { break };
            from = last.seq + 1;
            for row in rows.iter().filter(|row| row.seq < root.seq) {
                take(&row.bytes)?;
            }
        }
        let mut path = Vec::new();
        let mut at = (first.seq - 1, first.previous);
        while let Some(place) = tree.get(&at) {
            path.push(place.hash);
            at = (at.0 - 1, place.previous);
        }
        for hash in path.into_iter().rev() {
            if let Some(row) = store.branch(self.space, first.feed, hash)? {
                take(&row.bytes)?;
            }
        }
        Ok(totals)
    }

    /// Applies changes and acknowledges them in the own feed.
    fn issue_again(
        &mut self,
        cx: &mut WriteContext<'_>,
        control_heads: &[Hash],
        changes: Vec<Change>,
        out: &mut Received,
    ) -> Result<(), EchoError> {
        self.claim_feed(cx.store)?;
        let mut batch = Batch::default();
        let own = (self.device, self.own);
        self.apply_changes(cx, &mut batch, &changes, own, out)?;
        out.touched.merge(self.flush(batch, cx.store)?);
        self.acknowledge(cx, control_heads, changes, None)
    }
}

/// The slot of a branch, named by its first entry.
fn branch_slot(first: &Hash) -> FeedId {
    FeedId(first.0[..16].try_into().expect("a hash has 32 bytes"))
}

/// The row of a tree that hangs on the standing chain and that `place` continues.
fn root_of(tree: &Tree, place: &BranchPlace) -> BranchPlace {
    let mut root = *place;
    while let Some(before) = tree.get(&(root.seq - 1, root.previous)) {
        root = *before;
    }
    root
}

/// The first entry of the branch a row is on: the last fork before it.
fn first_of(tree: &Tree, place: &BranchPlace) -> BranchPlace {
    let mut first = *place;
    while let Some(before) = tree.get(&(first.seq - 1, first.previous)) {
        if children(tree, first.seq, first.previous).len() > 1 {
            break;
        }
        first = *before;
    }
    first
}
