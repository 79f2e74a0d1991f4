//! Forks: feeds of which more than one entry was signed for one place (DESIGN 4.4).
//!
//! Two signed entries at one (feed, seq) are the proof of a fork. Both are kept, and so is what continues them; at
//! the fork the feed stands still until a *FeedCut* picks a branch. The standing chain is in the table of entries; all
//! else is in the table of branches, whose rows form a tree that hangs on the standing chain.
//!
//! Invariants
//! * what stands is a function of the entries held and of the picks ([`Access::picked`]), never of what came first;
//! * a pick has an effect only where a fork is proved: nobody ends a feed by picking an entry that does not exist;
//! * every branch row's predecessor is another branch row of the feed, or stands.
//!
//! What the device that wrote a branch does with its changes: [`reissue`](crate::reissue).

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{FeedId, Hash, limits};

use crate::access::Access;
use crate::entry::Entry;
use crate::error::EchoError;
use crate::feed::OwnFeed;
use crate::receive::Received;
use crate::space::{Space, WriteContext};
use crate::store::{BranchPlace, BranchRow, EntryRow, EntryState, Store};

/// Branch rows of one feed, by seq and hash.
pub(crate) type Tree = BTreeMap<(u64, Hash), BranchPlace>;

/// Bytes of entries read or moved at once.
pub(crate) const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// Feeds among which a forked device chooses: two instances that learn of each other choose at the same time.
const FEEDS_CHOSEN_FROM: usize = 3;

/// The end of a chain of entries that is held, standing or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tip {
    /// The feed.
    pub feed: FeedId,
    /// Sequence number of its last entry.
    pub seq: u64,
    /// Hash of that entry.
    pub hash: Hash,
}

/// A proved fork from which nobody has picked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fork {
    /// The feed; it stands at `seq` - 1.
    pub feed: FeedId,
    /// The place for which more than one entry was signed.
    pub seq: u64,
    /// Of the longest branch held (of several the one with the smallest hash): the entry at `seq`.
    pub longest: Hash,
}

impl Space {
    /// Ends of all chains held of forked feeds, standing or not. Empty where nothing ever forked.
    pub fn tips(&self) -> Vec<Tip> {
        self.forks
            .keys()
            .flat_map(|feed| self.tips_of(feed))
            .collect()
    }

    /// Ends of all chains held of one feed.
    pub fn tips_of(&self, feed: &FeedId) -> Vec<Tip> {
        let empty = Tree::new();
        let tree = self.forks.get(feed).unwrap_or(&empty);
        let continued: BTreeSet<Hash> = tree.values().map(|place| place.previous).collect();
        let standing = self.feeds.get(feed).filter(|feed| feed.stored_seq > 0);
        let standing = standing.map(|held| (held.stored_seq, held.head));
        let ends = standing.into_iter().chain(tree.keys().copied());
        let tip = |(seq, hash)| Tip {
            feed: *feed,
            seq,
            hash,
        };
        ends.filter(|(_, hash)| !continued.contains(hash))
            .map(tip)
            .collect()
    }

    /// Feeds of which branches are held.
    pub fn forked(&self) -> impl Iterator<Item = FeedId> + '_ {
        self.forks.keys().copied()
    }

    /// Whether branches of a feed are held.
    pub fn is_forked(&self, feed: &FeedId) -> bool {
        self.forks.contains_key(feed)
    }

    /// Forks from which nobody has picked.
    pub fn open_forks(&self) -> Vec<Fork> {
        self.forks
            .iter()
            .filter_map(|(id, tree)| {
                let feed = self.feeds.get(id);
                let (stored, head) = feed.map_or_else(Default::default, |f| (f.stored_seq, f.head));
                let seq = stored + 1;
                let branches = children(tree, seq, head);
                let longest = branches
                    .into_iter()
                    .max_by_key(|hash| (depth(tree, *hash, seq), std::cmp::Reverse(*hash)))?;
                Some(Fork {
                    feed: *id,
                    seq,
                    longest,
                })
            })
            .collect()
    }

    /// Whether an entry is held, standing or not.
    pub fn holds(&self, store: &mut dyn Store, tip: &Tip) -> Result<bool, EchoError> {
        let tree = self.forks.get(&tip.feed);
        if tree.is_some_and(|tree| tree.contains_key(&(tip.seq, tip.hash))) {
            return Ok(true);
        }
        Ok(tip.seq > 0 && self.standing_at(store, tip.feed, tip.seq)? == Some(tip.hash))
    }

    /// Points of a feed by which another replica finds what we lack of it: the ends of all chains, and points of the
    /// standing one that lie ever farther apart.
    pub fn points(
        &self,
        store: &mut dyn Store,
        feed: FeedId,
    ) -> Result<Vec<(u64, Hash)>, EchoError> {
        let tips = self.tips_of(&feed);
        let mut points: Vec<(u64, Hash)> = tips.iter().map(|tip| (tip.seq, tip.hash)).collect();
        let stored = self.feeds.get(&feed).map_or(0, |feed| feed.stored_seq);
        let mut back = 0;
        while back < stored {
            let seq = stored - back;
            if let Some(hash) = self.standing_at(store, feed, seq)? {
                points.push((seq, hash));
            }
            back = back * 2 + 1;
        }
        points.truncate(limits::FEED_POINTS_MAX);
        Ok(points)
    }

    /// The chain that ends at `tip`, in order, from after the last entry that is among `points`; about `bytes_max`
    /// of it. Empty if the tip is not held.
    pub fn chain_to(
        &self,
        store: &mut dyn Store,
        tip: &Tip,
        points: &[(u64, Hash)],
        bytes_max: usize,
    ) -> Result<Vec<Vec<u8>>, EchoError> {
        let empty = Tree::new();
        let tree = self.forks.get(&tip.feed).unwrap_or(&empty);
        let mut path = Vec::new();
        let mut at = (tip.seq, tip.hash);
        let mut known = points.contains(&at);
        while let Some(place) = tree.get(&at).filter(|_| !known) {
            path.push(place.hash);
            at = (at.0 - 1, place.previous);
            known = points.contains(&at);
        }
        let mut entries = Vec::new();
        let mut bytes = 0;
        if !known {
            if self.standing_at(store, tip.feed, at.0)? != Some(at.1) {
                return Ok(Vec::new());
            }
            let mut from = 1;
            for (seq, hash) in points.iter().filter(|(seq, _)| (1..=at.0).contains(seq)) {
                if *seq >= from && self.standing_at(store, tip.feed, *seq)? == Some(*hash) {
                    from = seq + 1;
                }
            }
            if from <= at.0 {
                let rows = store.entries(self.space, tip.feed, from, bytes_max)?;
                for row in rows.into_iter().filter(|row| row.seq <= at.0) {
                    bytes += row.bytes.len();
                    entries.push(row.bytes);
                }
            }
            if (entries.len() as u64) < (at.0 + 1).saturating_sub(from) {
                // The window is full before the branch begins.
                return Ok(entries);
            }
        }
        for hash in path.into_iter().rev() {
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            let Some(row) = store.branch(self.space, tip.feed, hash)? else {
                return Err(EchoError::Damaged { what: "branch" });
            };
            bytes += row.bytes.len();
            entries.push(row.bytes);
        }
        Ok(entries)
    }

    /// Lets feeds stand as the picks have it: after new credentials.
    pub fn settle_forks(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
    ) -> Result<Received, EchoError> {
        let feeds: BTreeSet<FeedId> = self.forks.keys().copied().collect();
        self.stand(cx, access, feeds)
    }

    /// Lets these feeds stand as the picks have it. Where that changes what stands, all state is made again: what
    /// stopped counting is in it no more.
    pub(crate) fn stand(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        feeds: BTreeSet<FeedId>,
    ) -> Result<Received, EchoError> {
        let mut changed = false;
        for feed in &feeds {
            changed |= self.stand_feed(cx.store, access, *feed)?;
            changed |= self.counts_past_cut(cx.store, access, *feed)?;
        }
        match changed {
            true => self.rebuild(cx, access),
            false => Ok(Received::default()),
        }
    }

    /// Moves entries between the standing chain and the branches; tells whether any moved. The caller makes the
    /// state again.
    fn stand_feed(
        &mut self,
        store: &mut dyn Store,
        access: &dyn Access,
        id: FeedId,
    ) -> Result<bool, EchoError> {
        let mut changed = false;
        if let Some(seq) = self.leaves_at(store, access, id)? {
            self.unstand(store, id, seq)?;
            changed = true;
        }
        loop {
            let (stored, head) = self
                .feeds
                .get(&id)
                .map_or_else(Default::default, |feed| (feed.stored_seq, feed.head));
            let seq = stored + 1;
            let branches = children(&self.forks[&id], seq, head);
            let next = match &branches[..] {
                [] => break,
                [only] => *only,
                _ => match access.picked(&id, seq) {
                    Some(picked) if branches.contains(&picked) => picked,
                    _ => break,
                },
            };
            let Some(row) = store.branch(self.space, id, next)? else {
                return Err(EchoError::Damaged { what: "branch" });
            };
            store.branch_remove(self.space, id, next)?;
            let row = EntryRow {
                feed: id,
                seq,
                hash: next,
                state: EntryState::Void,
                bytes: row.bytes,
            };
            store.entry_put(self.space, &row)?;
            if let Some(tree) = self.forks.get_mut(&id) {
                tree.remove(&(seq, next));
            }
            let feed = self.feeds.entry(id).or_insert_with(crate::feed::Feed::new);
            (feed.stored_seq, feed.head) = (seq, next);
            changed = true;
        }
        if changed {
            self.put_feed(store, id)?;
        }
        if self.forks.get(&id).is_some_and(Tree::is_empty) {
            self.forks.remove(&id);
        }
        Ok(changed)
    }

    /// The lowest fork at which the standing chain is not, or no longer, the picked branch.
    fn leaves_at(
        &self,
        store: &mut dyn Store,
        access: &dyn Access,
        id: FeedId,
    ) -> Result<Option<u64>, EchoError> {
        let stored = self.feeds.get(&id).map_or(0, |feed| feed.stored_seq);
        for place in self.forks[&id].values() {
            if place.seq > stored {
                break;
            }
            let hangs_on = self.standing_at(store, id, place.seq - 1)?;
            if hangs_on != Some(place.previous) {
                continue;
            }
            let stands = self.standing_at(store, id, place.seq)?;
            if access.picked(&id, place.seq) != stands {
                return Ok(Some(place.seq));
            }
        }
        Ok(None)
    }

    /// Moves the standing chain from `seq` on to the branches.
    fn unstand(&mut self, store: &mut dyn Store, id: FeedId, seq: u64) -> Result<(), EchoError> {
        let head = self.standing_at(store, id, seq - 1)?.unwrap_or_default();
        let (mut from, mut previous) = (seq, head);
        loop {
            let rows = store.entries(self.space, id, from, CHUNK_BYTES)?;
            let Some(last) = rows.last() else { break };
            from = last.seq + 1;
            for row in rows {
                let place = BranchPlace {
                    feed: id,
                    seq: row.seq,
                    hash: row.hash,
                    previous: std::mem::replace(&mut previous, row.hash),
                    reissued: false,
                };
                self.branch_put(store, place, row.bytes)?;
            }
        }
        store.entries_remove(self.space, id, seq)?;
        if let Some(feed) = self.feeds.get_mut(&id) {
            (feed.stored_seq, feed.head) = (seq - 1, head);
            feed.state.waiting.retain(|waiting, _| *waiting < seq);
        }
        self.put_feed(store, id)
    }

    /// Where a feed is cut because a removal names an entry on a branch that does not stand: at the fork.
    pub(crate) fn cut_at_fork(&self, access: &dyn Access, id: &FeedId) -> Option<u64> {
        let tree = self.forks.get(id)?;
        let named = access.cut_points(id).into_iter();
        let named = named.filter_map(|point| tree.get(&point));
        named.map(|place| root_of(tree, place).seq).min()
    }

    /// Whether an entry counts by what was held when it was decided on, and a branch that came since cuts it.
    fn counts_past_cut(
        &self,
        store: &mut dyn Store,
        access: &dyn Access,
        id: FeedId,
    ) -> Result<bool, EchoError> {
        let Some(at) = self.cut_at_fork(access, &id) else {
            return Ok(false);
        };
        let rows = store.entries(self.space, id, at, CHUNK_BYTES)?;
        Ok(rows.iter().any(|row| row.state != EntryState::Void))
    }

    /// Adds an entry to the branches.
    pub(crate) fn branch_put(
        &mut self,
        store: &mut dyn Store,
        place: BranchPlace,
        bytes: Vec<u8>,
    ) -> Result<(), EchoError> {
        store.branch_put(self.space, &BranchRow { place, bytes })?;
        self.forks
            .entry(place.feed)
            .or_default()
            .insert((place.seq, place.hash), place);
        Ok(())
    }

    /// Hash of the standing entry at a place; zeros before the first.
    pub(crate) fn standing_at(
        &self,
        store: &mut dyn Store,
        id: FeedId,
        seq: u64,
    ) -> Result<Option<Hash>, EchoError> {
        let feed = self.feeds.get(&id);
        let (stored, head) = feed.map_or_else(Default::default, |f| (f.stored_seq, f.head));
        match seq {
            0 => Ok(Some(Hash::default())),
            _ if seq > stored => Ok(None),
            _ if seq == stored => Ok(Some(head)),
            _ => {
                let rows = store.entries(self.space, id, seq, 0)?;
                let row = rows.first().filter(|row| row.seq == seq);
                Ok(row.map(|row| row.hash))
            }
        }
    }

    /// Where a verified entry belongs that neither continues the standing chain nor is held.
    pub(crate) fn place_apart(
        &self,
        store: &mut dyn Store,
        access: &dyn Access,
        entry: &Entry<'_>,
    ) -> Result<Apart, EchoError> {
        let (id, seq) = (entry.header.feed, entry.header.seq);
        let previous = entry.header.previous;
        let empty = Tree::new();
        let tree = self.forks.get(&id).unwrap_or(&empty);
        let on_branch = tree.contains_key(&(seq - 1, previous));
        if !on_branch && self.standing_at(store, id, seq - 1)? != Some(previous) {
            return Ok(Apart::Unknown);
        }
        let new_branch = !on_branch || tree.values().any(|place| place.previous == previous);
        let full = self.tips_of(&id).len() >= limits::FEED_BRANCHES_MAX;
        if new_branch && full && access.picked(&id, seq) != Some(entry.hash) {
            return Ok(Apart::TooMany);
        }
        Ok(Apart::Branch)
    }

    /// Whether an undecided fork follows the standing chain: then nothing continues it.
    pub(crate) fn is_forked_at_end(&self, id: &FeedId) -> bool {
        let feed = self.feeds.get(id);
        let (stored, head) = feed.map_or_else(Default::default, |f| (f.stored_seq, f.head));
        let tree = self.forks.get(id);
        tree.is_some_and(|tree| !children(tree, stored + 1, head).is_empty())
    }

    /// Leaves the own feed because another instance of this device wrote it too, and takes another at once. Which one
    /// hangs on what this instance wrote: the other one chooses too.
    pub(crate) fn leave_forked_feed(&mut self, store: &mut dyn Store) -> Result<(), EchoError> {
        let head = self.feeds.get(&self.own).map(|feed| feed.head);
        let told = self
            .feeds
            .get(&self.own)
            .map(|f| f.heads_at(u64::MAX).to_vec());
        if let (Some((_, first)), Some(told)) = (self.pending.first_mut(), told)
            && first.heads.is_empty()
        {
            first.heads = told;
        }
        self.leave_feed(store)?;
        if self.feeds_used_up {
            return Ok(());
        }
        let feeds = self.own_feeds();
        let first = feeds.iter().position(|id| *id == self.own).unwrap_or(0);
        let choices = (feeds.len() - first).min(FEEDS_CHOSEN_FROM);
        let choice = head.map_or(0, |head| usize::from(head.0[0]) % choices);
        self.own = feeds[first + choice];
        let feed = self
            .feeds
            .entry(self.own)
            .or_insert_with(crate::feed::Feed::new);
        feed.state.own = Some(OwnFeed {
            marker: self.marker,
            seen: BTreeMap::new(),
            reissue: !self.pending.is_empty(),
        });
        self.put_feed(store, self.own)?;
        self.choose_feed();
        self.reload_mark();
        Ok(())
    }
}

/// Where an entry belongs that does not continue the standing chain.
pub(crate) enum Apart {
    /// On a branch, or it begins one.
    Branch,
    /// What it continues is not held.
    Unknown,
    /// More branches of this feed are not kept.
    TooMany,
}

/// Branch rows at `seq` that continue `head`.
pub(crate) fn children(tree: &Tree, seq: u64, head: Hash) -> Vec<Hash> {
    tree.range((seq, Hash([0; 32]))..=(seq, Hash([255; 32])))
        .filter(|(_, place)| place.previous == head)
        .map(|((_, hash), _)| *hash)
        .collect()
}

/// The row of a tree that hangs on the standing chain and that `place` continues.
pub(crate) fn root_of(tree: &Tree, place: &BranchPlace) -> BranchPlace {
    let mut root = *place;
    while let Some(before) = tree.get(&(root.seq - 1, root.previous)) {
        root = *before;
    }
    root
}

/// Greatest seq of what continues the row at (`seq`, `hash`).
fn depth(tree: &Tree, hash: Hash, seq: u64) -> u64 {
    let mut ends = BTreeSet::from([hash]);
    let mut last = seq;
    for ((seq, hash), place) in tree.range((seq + 1, Hash([0; 32]))..) {
        if ends.contains(&place.previous) {
            ends.insert(*hash);
            last = last.max(*seq);
        }
    }
    last
}
