//! Text updates of entries that do not stand or do not count (DESIGN 4.3, 4.4).
//!
//! A text merges all it is given, in any order, so it need not wait for a fork to be settled: what branches say of texts
//! is in them at once, as it will be when their writer has issued it again. An update of a void entry is put *aside*,
//! and imported, whole, iff one that counts depends on it: else what others wrote on seeing it would be lost.
//!
//! Invariants
//! * both hang on the entries held and the credentials only, never on what came first;
//! * neither is in the state digest, which compares what counts;
//! * entries that wait for credentials or a key are remembered on disk until they are read or state is made anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use dxos_base::{DeviceKey, FeedId, Hash, SpaceId};

use crate::access::{Access, Claim, Decision};
use crate::change::Operation;
use crate::entry::{Body, Entry};
use crate::error::EchoError;
use crate::forks::{CHUNK_BYTES, root_of};
use crate::receive::Received;
use crate::space::{Space, WriteContext, decode_row};
use crate::store::{BranchPlace, EntryState, Store};
use crate::text::TextEngine;
use crate::texts::{OpenText, TailState};

/// How the entry stands that a text update is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It counts.
    Counts,
    /// It would count if its branch stood.
    Branch,
    /// It is void.
    Void,
}

/// Where an entry is in its feed, and its hash.
pub(crate) type Place = (FeedId, u64, Hash);

/// Entries remembered that cannot be read yet; who writes more under keys nobody has is not waited for.
const UNREAD_MAX: usize = 1_024;

/// Storage key of entries that do not count or stand, and whose texts wait for credentials or a key.
pub(crate) fn unread_key(space: &SpaceId) -> String {
    format!("echo/{space}/unread")
}

impl Space {
    /// Puts the text updates of a void entry aside.
    pub(crate) fn put_aside(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        entry: &Entry<'_>,
        device: DeviceKey,
        out: &mut Received,
    ) -> Result<(), EchoError> {
        match self.body_of(access, entry) {
            Some(body) => self.take_texts(cx, body, device, Standing::Void, out),
            None => {
                let header = &entry.header;
                let place = (header.feed, header.seq, entry.hash);
                self.leave_unread(cx.store, place)
            }
        }
    }

    /// Remembers an entry whose texts cannot be taken up yet.
    fn leave_unread(&mut self, store: &mut dyn Store, place: Place) -> Result<(), EchoError> {
        if self.unread.len() < UNREAD_MAX && self.unread.insert(place) {
            self.put_unread(store)?;
        }
        Ok(())
    }

    fn put_unread(&self, store: &mut dyn Store) -> Result<(), EchoError> {
        let bytes = (!self.unread.is_empty()).then(|| dxos_base::encode(&self.unread));
        Ok(store.set(&unread_key(&self.space), bytes.as_deref())?)
    }

    /// Reads from disk which entries' texts could not be taken up yet.
    pub(crate) fn reload_unread(&mut self, store: &mut dyn Store) -> Result<(), EchoError> {
        self.unread = match store.get(&unread_key(&self.space))? {
            Some(bytes) => decode_row(&bytes, "unread entries")?,
            None => BTreeSet::new(),
        };
        Ok(())
    }

    /// Takes up what an entry of a branch says of texts.
    pub(crate) fn take_branch(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        place: &BranchPlace,
        out: &mut Received,
    ) -> Result<(), EchoError> {
        let Some(row) = cx.store.branch(self.space, place.feed, place.hash)? else {
            return Err(EchoError::Damaged { what: "branch" });
        };
        let entry = Entry::decode(&row.bytes).map_err(|_| EchoError::Damaged { what: "branch" })?;
        let body = self.body_of(access, &entry);
        let device = access.device_of_feed(&place.feed);
        let decision = self.decide_branch(cx.store, access, place, &entry, device)?;
        match (decision, body, device) {
            (Decision::Counts, Some(body), Some(device)) => {
                self.take_texts(cx, body, device, Standing::Branch, out)
            }
            (Decision::Void, Some(body), Some(device)) => {
                self.take_texts(cx, body, device, Standing::Void, out)
            }
            _ => self.leave_unread(cx.store, (place.feed, place.seq, place.hash)),
        }
    }

    /// Takes up the texts of all branches: when all state is made.
    pub(crate) fn take_branches(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        out: &mut Received,
    ) -> Result<(), EchoError> {
        let places = self.forks.values().flat_map(|tree| tree.values().copied());
        for place in places.collect::<Vec<_>>() {
            self.take_branch(cx, access, &place, out)?;
        }
        Ok(())
    }

    /// Forgets which entries' texts could not be taken up: all are looked at again.
    pub(crate) fn forget_unread(&mut self, store: &mut dyn Store) -> Result<(), EchoError> {
        self.unread.clear();
        self.put_unread(store)
    }

    /// Takes up the texts of entries that waited for credentials or a key.
    pub(crate) fn retry_unread(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        out: &mut Received,
    ) -> Result<(), EchoError> {
        if self.unread.is_empty() {
            return Ok(());
        }
        let before = std::mem::take(&mut self.unread);
        for (feed, seq, hash) in &before {
            let tree = self.forks.get(feed);
            if let Some(place) = tree.and_then(|tree| tree.get(&(*seq, *hash))).copied() {
                self.take_branch(cx, access, &place, out)?;
                continue;
            }
            let rows = cx.store.entries(self.space, *feed, *seq, 0)?;
            let row = rows.first().filter(|row| row.hash == *hash);
            let row = row.filter(|row| row.state == EntryState::Void);
            if let (Some(row), Some(device)) = (row, access.device_of_feed(feed)) {
                let entry =
                    Entry::decode(&row.bytes).map_err(|_| EchoError::Damaged { what: "entry" })?;
                self.put_aside(cx, access, &entry, device, out)?;
            }
        }
        if self.unread != before {
            self.put_unread(cx.store)?;
        }
        Ok(())
    }

    /// The body of an entry, if this build and the keys held open it.
    fn body_of(&self, access: &dyn Access, entry: &Entry<'_>) -> Option<Body> {
        let header = &entry.header;
        let known = header.version <= self.entry_version;
        let key = access.key(&header.key).filter(|_| known)?;
        entry.open(&key).ok()
    }

    fn take_texts(
        &mut self,
        cx: &mut WriteContext<'_>,
        body: Body,
        device: DeviceKey,
        standing: Standing,
        out: &mut Received,
    ) -> Result<(), EchoError> {
        for change in body.changes {
            let Operation::Text { id, nonce, update } = &change.operation else {
                continue;
            };
            let told = (*id, *nonce, &update[..]);
            let delta = self.receive_text(cx, device, change.clock, told, standing)?;
            if let Some(delta) = delta {
                out.touched.texts.insert(*id);
                out.text_deltas.push((*id, delta));
            }
        }
        Ok(())
    }

    /// Whether an entry of a branch would count if its branch stood.
    fn decide_branch(
        &mut self,
        store: &mut dyn Store,
        access: &dyn Access,
        place: &BranchPlace,
        entry: &Entry<'_>,
        device: Option<DeviceKey>,
    ) -> Result<Decision, EchoError> {
        let Some(device) = device else {
            return Ok(Decision::Wait);
        };
        let root = root_of(&self.forks[&place.feed], place);
        let control_heads = self.branch_heads(store, place)?;
        let before = self.forks[&place.feed].get(&(place.seq - 1, place.previous));
        let previous_heads = match before.copied() {
            Some(before) => self.branch_heads(store, &before)?,
            None => self.standing_heads(store, place.feed, place.seq - 1)?,
        };
        let first_heads = match root.seq {
            1 => self.branch_heads(store, &root)?,
            _ => self.feeds[&place.feed].state.first.as_slice().into(),
        };
        let decision = access.decide(&Claim {
            header: &entry.header,
            hash: place.hash,
            device,
            control_heads: &control_heads,
            previous_heads: &previous_heads,
            first_heads: &first_heads,
        });
        Ok(match decision {
            Decision::Counts if self.is_cut_off(access, place) => Decision::Void,
            decision => decision,
        })
    }

    /// Whether a cut names an entry of the feed that does not follow this one.
    fn is_cut_off(&self, access: &dyn Access, place: &BranchPlace) -> bool {
        let tree = &self.forks[&place.feed];
        access.cut_points(&place.feed).into_iter().any(|mut at| {
            while at != (place.seq, place.hash) {
                match tree.get(&at) {
                    Some(after) if after.seq > place.seq => at = (after.seq - 1, after.previous),
                    _ => return true,
                }
            }
            false
        })
    }

    /// Control heads that hold at an entry of a branch.
    fn branch_heads(
        &mut self,
        store: &mut dyn Store,
        place: &BranchPlace,
    ) -> Result<Arc<[Hash]>, EchoError> {
        let mut path = Vec::new();
        let mut at = *place;
        let mut heads = loop {
            if let Some(heads) = self.branch_heads.get(&at.hash) {
                break heads.clone();
            }
            path.push(at);
            match self.forks[&at.feed].get(&(at.seq - 1, at.previous)) {
                Some(before) => at = *before,
                None => break self.standing_heads(store, at.feed, at.seq - 1)?,
            }
        };
        for at in path.into_iter().rev() {
            let Some(row) = store.branch(self.space, at.feed, at.hash)? else {
                return Err(EchoError::Damaged { what: "branch" });
            };
            let entry =
                Entry::decode(&row.bytes).map_err(|_| EchoError::Damaged { what: "branch" })?;
            if !entry.header.control_heads.is_empty() {
                heads = entry.header.control_heads.as_slice().into();
            }
            self.branch_heads.insert(at.hash, heads.clone());
        }
        Ok(heads)
    }

    /// Control heads that hold at a standing entry, also where no decision needs them any more.
    fn standing_heads(
        &self,
        store: &mut dyn Store,
        id: FeedId,
        seq: u64,
    ) -> Result<Arc<[Hash]>, EchoError> {
        let kept = self.feeds.get(&id).map(|feed| &feed.state.heads[..]);
        let kept = kept.unwrap_or_default();
        if let Some((_, heads)) = kept.iter().rev().find(|(from, _)| *from <= seq) {
            return Ok(heads.as_slice().into());
        }
        let mut heads: Arc<[Hash]> = Arc::default();
        let mut from = 1;
        while from <= seq {
            let rows = store.entries(self.space, id, from, CHUNK_BYTES)?;
            let Some(last) = rows.last() else { break };
            from = last.seq + 1;
            for row in rows.iter().filter(|row| row.seq <= seq) {
                let entry =
                    Entry::decode(&row.bytes).map_err(|_| EchoError::Damaged { what: "entry" })?;
                if !entry.header.control_heads.is_empty() {
                    heads = entry.header.control_heads.as_slice().into();
                }
            }
        }
        Ok(heads)
    }
}

impl OpenText {
    /// Brings in updates put aside on which others depend that are to be in the text; tells whether there were any.
    pub(crate) fn bring_in(&mut self, engine: &mut dyn TextEngine) -> Result<bool, EchoError> {
        if !self.tail.iter().any(|held| held.state == TailState::Aside) {
            return Ok(false);
        }
        let mut lacking = BTreeSet::new();
        for held in &mut self.tail {
            if matches!(held.state, TailState::Held | TailState::Handed)
                && let Some(range) = held.range(engine)?
            {
                let before = range.start.checked_sub(1).map(|last| (range.peer, last));
                lacking.extend(range.after.iter().copied().chain(before));
            }
        }
        lacking.retain(|(peer, last)| {
            let end = self.sessions.get(peer).map_or(0, |session| session.end);
            *last >= end
        });
        let mut brought = false;
        for held in &mut self.tail {
            if held.state == TailState::Aside
                && let Some(range) = held.range(engine)?
            {
                let first = (range.peer, range.start);
                let wanted = lacking.range(first..(range.peer, range.end)).next();
                if wanted.is_some() {
                    held.state = TailState::Held;
                    brought = true;
                }
            }
        }
        Ok(brought)
    }
}
