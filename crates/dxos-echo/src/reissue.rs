//! Issuing again what this device wrote on a branch that was not picked (DESIGN 4.4): nothing is dropped.
//!
//! Invariants
//! * changes keep their clocks, so they win and lose against others as they would have;
//! * steps of a counter go into a slot named by their branch, the hash of its first entry: issued again twice, by two
//!   instances of the device, they count once;
//! * a step that waited for sealing when the profile was copied was sealed by both copies: it is not issued again, unless
//!   the copy that stands is void;
//! * a counter whose base was given on the branch names the feed it was given in, so that steps of those who saw it
//!   there count on;
//! * an entry is marked in the transaction in which its changes are acknowledged in the new feed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{Clock, FeedId, Hash, ObjectId, Path, SpaceKey};

use crate::access::Access;
use crate::batch::Batch;
use crate::change::{Change, Operation, Stamp};
use crate::entry::{self, Body};
use crate::error::EchoError;
use crate::forks::{CHUNK_BYTES, Tree, children, root_of};
use crate::receive::Received;
use crate::space::{Space, WriteContext};
use crate::store::{BranchPlace, BranchRow, EntryState, Store};

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

/// A step of a feed's own slot: where, when, and the total after it.
type Step = (ObjectId, Path, Stamp, Clock, i64);

/// What of a branch's steps is told elsewhere.
struct Base {
    /// Totals where the branch begins, with the steps it shares.
    totals: Totals,
    /// Steps that another chain, which goes before, has too and where they count.
    shared: BTreeSet<Step>,
}

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
        let mut bases: BTreeMap<Hash, Base> = BTreeMap::new();
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
        bases: &mut BTreeMap<Hash, Base>,
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
                Entry::Vacant(vacant) => vacant.insert(self.base_of(store, access, &first)?),
            };
            let key = (change.object, change.path.clone(), *assignment);
            let before = base.totals.get(&key).copied().unwrap_or(0);
            let step = (key.0, key.1, key.2, change.clock, *total);
            *total = match base.shared.contains(&step) {
                true => 0,
                false => total.wrapping_sub(before),
            };
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

    /// What the steps on a branch are counted from.
    fn base_of(
        &self,
        store: &mut dyn Store,
        access: &dyn Access,
        first: &BranchPlace,
    ) -> Result<Base, EchoError> {
        let tree = &self.forks[&first.feed];
        let root = root_of(tree, first).seq;
        let mut base = Base {
            totals: Totals::new(),
            shared: BTreeSet::new(),
        };
        let mut from = 1;
        loop {
            let rows = store.entries(self.space, first.feed, from, CHUNK_BYTES)?;
            let Some(last) = rows.last() else { break };
            from = last.seq + 1;
            for row in &rows {
                for step in own_steps(access, first.feed, &row.bytes)? {
                    if row.seq < root {
                        base.count(step);
                    } else if row.state != EntryState::Void {
                        base.shared.insert(step);
                    }
                }
            }
        }
        let mut path = Vec::new();
        let mut at = (first.seq - 1, first.previous);
        while let Some(place) = tree.get(&at) {
            path.push(*place);
            at = (at.0 - 1, place.previous);
        }
        for place in path.iter().rev() {
            let steps = self.branch_steps(store, access, place)?;
            steps.into_iter().for_each(|step| base.count(step));
        }
        let (own, others): (Vec<&BranchPlace>, Vec<&BranchPlace>) =
            (tree.values()).partition(|place| first_of(tree, place).hash == first.hash);
        for place in others {
            // Of two branches without a place in what stands the one issued again first goes before.
            if place.reissued || first_of(tree, place).hash < first.hash {
                (base.shared).extend(self.branch_steps(store, access, place)?);
            }
        }
        for place in own {
            for step in self.branch_steps(store, access, place)? {
                if base.shared.contains(&step) {
                    base.count(step);
                }
            }
        }
        Ok(base)
    }

    fn branch_steps(
        &self,
        store: &mut dyn Store,
        access: &dyn Access,
        place: &BranchPlace,
    ) -> Result<Vec<Step>, EchoError> {
        match store.branch(self.space, place.feed, place.hash)? {
            Some(row) => own_steps(access, place.feed, &row.bytes),
            None => Err(EchoError::Damaged { what: "branch" }),
        }
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

impl Base {
    fn count(&mut self, step: Step) {
        let (object, path, assignment, _, total) = step;
        self.totals.insert((object, path, assignment), total);
    }
}

/// Steps of a feed's own slots in an entry of it; none where it cannot be read.
fn own_steps(access: &dyn Access, feed: FeedId, bytes: &[u8]) -> Result<Vec<Step>, EchoError> {
    let read = entry::Entry::decode(bytes).map_err(|_| EchoError::Damaged { what: "entry" })?;
    let body = access.key(&read.header.key).map(|key| read.open(&key));
    let Some(Ok(body)) = body else {
        return Ok(Vec::new());
    };
    let step = |change: Change| match change.operation {
        Operation::Count {
            assignment,
            slot,
            total,
        } if slot == feed => Some((change.object, change.path, assignment, change.clock, total)),
        _ => None,
    };
    Ok(body.changes.into_iter().filter_map(step).collect())
}

/// The slot of a branch, named by its first entry.
fn branch_slot(first: &Hash) -> FeedId {
    FeedId(first.0[..16].try_into().expect("a hash has 32 bytes"))
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
