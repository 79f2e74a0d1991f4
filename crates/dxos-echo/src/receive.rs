//! Receiving: verifies entries, stores them, decides what becomes of them and applies those that count.
//!
//! Invariants
//! * nothing is stored before its signature, space and place in the chain are verified;
//! * what becomes of an entry depends on the entry and the credentials only (the caller's [`Access`]), never on
//!   what arrived first;
//! * an entry is applied once: known ones are passed over;
//! * of two entries signed for one place both are kept, and neither counts until one is picked ([`forks`](crate::forks)).

use std::collections::BTreeSet;

use dxos_base::{DeviceKey, FeedId, Hash, TextDelta, TextId};

use crate::access::{Access, Claim, Decision};
use crate::aside::Standing;
use crate::batch::Batch;
use crate::blobs::blob_of_change;
use crate::change::{Change, Operation};
use crate::entry::Entry;
use crate::error::EchoError;
use crate::feed::{Feed, WaitReason};
use crate::forks::{Apart, Tip};
use crate::space::{Space, Summary, Touched, WriteContext};
use crate::store::{BranchPlace, EntryRow, EntryState, Store};

/// What receiving did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Received {
    /// New entries stored.
    pub stored: usize,
    /// Entries held before.
    pub known: usize,
    /// What changed.
    pub touched: Touched,
    /// How open texts changed, in order.
    pub text_deltas: Vec<(TextId, TextDelta)>,
    /// Entries not taken.
    pub refused: Vec<Refusal>,
    /// Feeds of which entries came that do not stand.
    pub forked: BTreeSet<FeedId>,
    /// Entries that a rebuild gave another standing than they had.
    pub redecided: u64,
}

/// An entry not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its feed, if it could be read.
    pub feed: Option<FeedId>,
    /// Its place; 0 if unknown.
    pub seq: u64,
    /// Why.
    pub reason: RefusalReason,
}

/// Why an entry was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// No entry: the sender is to blame.
    #[error("malformed entry")]
    Malformed,
    /// Of another space: the sender is to blame.
    #[error("entry of another space")]
    OtherSpace,
    /// Of a feed of no known device: ask for credentials first.
    #[error("feed of no known device")]
    UnknownFeed,
    /// Entries before it are missing: ask from there.
    #[error("entries after {stored_seq} are missing")]
    Gap {
        /// The last one held.
        stored_seq: u64,
    },
    /// Continues an entry that is not held: the feed forked before it. Ask for the branch that ends with it.
    #[error("entry continues another branch of its feed")]
    Apart {
        /// Its hash.
        hash: Hash,
    },
    /// The sender is to blame.
    #[error("signature does not match")]
    BadSignature,
    /// More branches of this feed are not kept.
    #[error("the feed has too many branches")]
    TooManyBranches,
}

/// Records held before their rows are written.
const BATCH_RECORDS: usize = 1024;
/// Bytes of entries read at once when rebuilding.
const REBUILD_CHUNK_BYTES: usize = 4 * 1024 * 1024;

impl Space {
    /// Takes entries from a peer, in feed order each.
    pub fn receive(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        entries: &[Vec<u8>],
    ) -> Result<Received, EchoError> {
        let mut out = Received::default();
        let mut batch = Batch::default();
        let mut changed: Vec<FeedId> = Vec::new();
        for bytes in entries {
            let entry = match Entry::decode(bytes) {
                Ok(entry) => entry,
                Err(_) => {
                    out.refused.push(Refusal {
                        feed: None,
                        seq: 0,
                        reason: RefusalReason::Malformed,
                    });
                    continue;
                }
            };
            match self.admit(cx.store, access, &entry)? {
                Admission::New(device) => {
                    self.store_entry(cx, access, &mut batch, &entry, device, bytes, &mut out)?;
                    if !changed.contains(&entry.header.feed) {
                        changed.push(entry.header.feed);
                    }
                    out.stored += 1;
                }
                Admission::Branch => {
                    self.store_branch(cx, access, &entry, bytes, &mut out)?;
                    out.forked.insert(entry.header.feed);
                    out.stored += 1;
                }
                Admission::Known => out.known += 1,
                Admission::Refused(reason) => {
                    let (feed, seq) = (Some(entry.header.feed), entry.header.seq);
                    out.refused.push(Refusal { feed, seq, reason });
                }
            }
            self.flush_if_long(&mut batch, cx.store, &mut out)?;
        }
        self.finish(cx, batch, changed, &mut out)?;
        if !out.forked.is_empty() {
            let stood = self.stand(cx, access, out.forked.clone())?;
            out.touched.merge(stood.touched);
            out.text_deltas.extend(stood.text_deltas);
            out.redecided += stood.redecided;
        }
        self.rebuild_unsettled(cx, access, &mut out)?;
        Ok(out)
    }

    /// Makes all state again if a snapshot of a text holds what another update goes before.
    fn rebuild_unsettled(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        out: &mut Received,
    ) -> Result<(), EchoError> {
        if self.texts_unsettled {
            let again = self.rebuild(cx, access)?;
            out.touched.merge(again.touched);
            out.text_deltas.extend(again.text_deltas);
            out.redecided += again.redecided;
        }
        Ok(())
    }

    /// Keeps an entry that does not continue the standing chain.
    fn store_branch(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        entry: &Entry<'_>,
        bytes: &[u8],
        out: &mut Received,
    ) -> Result<(), EchoError> {
        let place = BranchPlace {
            feed: entry.header.feed,
            seq: entry.header.seq,
            hash: entry.hash,
            previous: entry.header.previous,
            reissued: false,
        };
        self.branch_put(cx.store, place, bytes.to_vec())?;
        if place.feed == self.own {
            self.leave_forked_feed(cx.store)?;
        }
        self.take_branch(cx, access, &place, out)
    }

    /// Tries waiting entries again: after new credentials, keys, or an upgrade.
    pub fn retry_waiting(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
    ) -> Result<Received, EchoError> {
        let mut out = Received::default();
        self.retry_unread(cx, access, &mut out)?;
        if self.waiting_count() == 0 {
            self.rebuild_unsettled(cx, access, &mut out)?;
            return Ok(out);
        }
        let mut batch = Batch::default();
        let mut changed: Vec<FeedId> = Vec::new();
        for row in cx.store.entries_waiting(self.space)? {
            let settled = self.settle_row(cx, access, &mut batch, &row, &mut out)?;
            if !self.note_settled(row.feed, row.seq, settled) {
                continue;
            }
            let state = settled.state();
            if state != EntryState::Waiting {
                cx.store.entry_state(self.space, row.feed, row.seq, state)?;
            }
            if !changed.contains(&row.feed) {
                changed.push(row.feed);
            }
            self.flush_if_long(&mut batch, cx.store, &mut out)?;
        }
        self.finish(cx, batch, changed, &mut out)?;
        self.rebuild_unsettled(cx, access, &mut out)?;
        Ok(out)
    }

    /// Throws all materialised state away and makes it again from entries and pending writes, deciding anew on
    /// every entry: after a late cut, for repair, or when [`Space::needs_rebuild`] says so.
    pub fn rebuild(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
    ) -> Result<Received, EchoError> {
        let mut out = Received::default();
        self.end_every_run(cx)?;
        let before = self.contents_of_open(cx);
        cx.store.objects_clear(self.space)?;
        self.links.clear();
        self.forget_unread(cx.store)?;
        for text in cx.store.texts(self.space)? {
            cx.store
                .text_snapshot(self.space, text, &[], i64::MAX as u64)?;
        }
        self.open_texts.clear();
        self.texts_unsettled = false;
        self.summary = Summary {
            revision: self.summary.revision,
            ..Summary::default()
        };
        let mut batch = Batch::default();
        let feeds: Vec<FeedId> = self.feeds.keys().copied().collect();
        for feed in &feeds {
            if let Some(feed) = self.feeds.get_mut(feed) {
                feed.state.heads.clear();
                feed.state.waiting.clear();
            }
            let mut from = 1;
            loop {
                let rows = cx
                    .store
                    .entries(self.space, *feed, from, REBUILD_CHUNK_BYTES)?;
                let Some(last) = rows.last() else { break };
                from = last.seq + 1;
                for row in &rows {
                    self.note_heads(row)?;
                    let settled = self.settle_row(cx, access, &mut batch, row, &mut out)?;
                    self.note_settled(*feed, row.seq, settled);
                    if settled.state() != row.state {
                        out.redecided += 1;
                        cx.store
                            .entry_state(self.space, *feed, row.seq, settled.state())?;
                    }
                    self.flush_if_long(&mut batch, cx.store, &mut out)?;
                }
            }
        }
        self.take_branches(cx, access, &mut out)?;
        self.reissue_pending(cx, &mut batch)?;
        self.finish(cx, batch, feeds, &mut out)?;
        out.text_deltas = self.reopen_after(cx, before)?;
        self.note_history(cx.store)?;
        Ok(out)
    }

    /// Verifies what an entry claims, before anything of it is stored.
    fn admit(
        &self,
        store: &mut dyn Store,
        access: &dyn Access,
        entry: &Entry<'_>,
    ) -> Result<Admission, EchoError> {
        let header = &entry.header;
        if header.space != self.space {
            return Ok(Admission::Refused(RefusalReason::OtherSpace));
        }
        let Some(device) = access.device_of_feed(&header.feed) else {
            return Ok(Admission::Refused(RefusalReason::UnknownFeed));
        };
        let (stored_seq, head) = self
            .feeds
            .get(&header.feed)
            .map_or((0, Hash::default()), |feed| (feed.stored_seq, feed.head));
        let known = Tip {
            feed: header.feed,
            seq: header.seq,
            hash: entry.hash,
        };
        if self.holds(store, &known)? {
            return Ok(Admission::Known);
        }
        let ends = !self.is_forked_at_end(&header.feed);
        if header.seq > stored_seq + 1 && ends && !self.forks.contains_key(&header.feed) {
            return Ok(Admission::Refused(RefusalReason::Gap { stored_seq }));
        }
        if !entry.verify(&device) {
            return Ok(Admission::Refused(RefusalReason::BadSignature));
        }
        if header.seq == stored_seq + 1 && header.previous == head && ends {
            return Ok(Admission::New(device));
        }
        Ok(match self.place_apart(store, access, entry)? {
            Apart::Branch => Admission::Branch,
            Apart::Unknown if header.seq > stored_seq + 1 && ends => {
                Admission::Refused(RefusalReason::Gap { stored_seq })
            }
            Apart::Unknown => Admission::Refused(RefusalReason::Apart { hash: entry.hash }),
            Apart::TooMany => Admission::Refused(RefusalReason::TooManyBranches),
        })
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one entry's way from verified bytes to state"
    )]
    fn store_entry(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        batch: &mut Batch<'_>,
        entry: &Entry<'_>,
        device: DeviceKey,
        bytes: &[u8],
        out: &mut Received,
    ) -> Result<(), EchoError> {
        let (id, seq) = (entry.header.feed, entry.header.seq);
        let feed = self.feeds.entry(id).or_insert_with(Feed::new);
        feed.stored_seq = seq;
        feed.head = entry.hash;
        feed.push_heads(seq, &entry.header.control_heads);
        let settled = self.settle(cx, access, batch, entry, device, out)?;
        self.note_settled(id, seq, settled);
        let row = EntryRow {
            feed: id,
            seq,
            hash: entry.hash,
            state: settled.state(),
            bytes: bytes.to_vec(),
        };
        cx.store.entry_put(self.space, &row)?;
        if id == self.own {
            // Another instance of this device writes this feed: leave it to that one.
            self.leave_feed(cx.store)?;
        }
        Ok(())
    }

    fn settle_row(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        batch: &mut Batch<'_>,
        row: &EntryRow,
        out: &mut Received,
    ) -> Result<Settled, EchoError> {
        let entry = Entry::decode(&row.bytes).map_err(|_| EchoError::Damaged { what: "entry" })?;
        match access.device_of_feed(&row.feed) {
            Some(device) => self.settle(cx, access, batch, &entry, device, out),
            None => Ok(Settled::Waiting(WaitReason::Credentials)),
        }
    }

    /// Decides on a stored entry and applies it if it counts. Who may write is told by the header, which all
    /// versions have: what is not allowed is void in every version.
    fn settle(
        &mut self,
        cx: &mut WriteContext<'_>,
        access: &dyn Access,
        batch: &mut Batch<'_>,
        entry: &Entry<'_>,
        device: DeviceKey,
        out: &mut Received,
    ) -> Result<Settled, EchoError> {
        let header = &entry.header;
        let feed = &self.feeds[&header.feed];
        let claim = Claim {
            header,
            hash: entry.hash,
            device,
            control_heads: feed.heads_at(header.seq),
            previous_heads: feed.heads_at(header.seq - 1),
            first_heads: &feed.state.first,
        };
        let cut = self.cut_at_fork(access, &header.feed);
        match access.decide(&claim) {
            Decision::Wait => return Ok(Settled::Waiting(WaitReason::Credentials)),
            Decision::Counts if cut.is_none_or(|at| header.seq < at) => {}
            Decision::Void | Decision::Counts => {
                self.put_aside(cx, access, entry, device, out)?;
                return Ok(Settled::Void);
            }
        }
        if header.version > self.entry_version {
            return Ok(Settled::Waiting(WaitReason::Version));
        }
        let Some(key) = access.key(&header.key) else {
            return Ok(Settled::Waiting(WaitReason::Key));
        };
        let Ok(body) = entry.open(&key) else {
            return Ok(Settled::Void);
        };
        self.apply_changes(cx, batch, &body.changes, (device, header.feed), out)?;
        let objects = body.changes.iter().map(|change| change.object);
        self.note_touched(cx.store, (header.feed, header.seq), objects)?;
        let blobs = body.changes.iter().filter_map(blob_of_change);
        self.note_blobs(cx.store, (header.feed, header.seq), blobs)?;
        Ok(Settled::Applied)
    }

    /// Applies the changes of an entry to the batch and to texts; `by` is the device that wrote it and its feed.
    pub(crate) fn apply_changes(
        &mut self,
        cx: &mut WriteContext<'_>,
        batch: &mut Batch<'_>,
        changes: &[Change],
        by: (DeviceKey, FeedId),
        out: &mut Received,
    ) -> Result<(), EchoError> {
        let (device, feed) = by;
        for change in changes {
            self.clock.observe(cx.now, change.clock);
            if let Operation::Text { id, nonce, update } = &change.operation {
                let told = (*id, *nonce, &update[..]);
                let counts = Standing::Counts;
                let delta = self.receive_text(cx, device, change.clock, told, counts)?;
                out.touched.texts.insert(*id);
                out.text_deltas.extend(delta.map(|delta| (*id, delta)));
            } else {
                batch.apply(self.space, &self.policy, change, feed, cx.store)?;
            }
        }
        Ok(())
    }

    /// Remembers what became of an entry; tells whether that is another than before.
    fn note_settled(&mut self, feed: FeedId, seq: u64, settled: Settled) -> bool {
        let Some(feed) = self.feeds.get_mut(&feed) else {
            return false;
        };
        match settled {
            Settled::Waiting(reason) => feed.state.waiting.insert(seq, reason) != Some(reason),
            Settled::Applied | Settled::Void => feed.state.waiting.remove(&seq).is_some(),
        }
    }

    /// Rebuilding: notes an entry's heads as if it had just come. Heads of before the first waiting entry are
    /// forgotten only once that is known, so all entries up to this one count as applied.
    fn note_heads(&mut self, row: &EntryRow) -> Result<(), EchoError> {
        let entry = Entry::decode(&row.bytes).map_err(|_| EchoError::Damaged { what: "entry" })?;
        let feed = self
            .feeds
            .get_mut(&row.feed)
            .expect("rebuild walks the feeds in memory");
        let stored = std::mem::replace(&mut feed.stored_seq, row.seq);
        feed.push_heads(row.seq, &entry.header.control_heads);
        feed.stored_seq = stored;
        Ok(())
    }

    /// Applies pending writes on rebuilt rows; after a change of feed they begin with a full mark.
    fn reissue_pending(
        &mut self,
        cx: &mut WriteContext<'_>,
        batch: &mut Batch<'_>,
    ) -> Result<(), EchoError> {
        if self.needs_rebuild
            && let Some((through, _)) = self.pending.last()
        {
            let through = *through;
            // What the former feed had told holds for its unsealed writes too.
            let former = self
                .feeds
                .values()
                .filter(|feed| feed.state.own.is_some())
                .max_by_key(|f| f.stored_seq);
            let told = former
                .map(|feed| feed.heads_at(u64::MAX).to_vec())
                .unwrap_or_default();
            let mut first = true;
            let mut moved = Vec::new();
            for (_, mut set) in std::mem::take(&mut self.pending) {
                if std::mem::take(&mut first) && set.heads.is_empty() {
                    set.heads = told.clone();
                }
                self.summary.revision += 1;
                set.summary.revision = self.summary.revision;
                moved.push(set);
            }
            cx.store.pending_clear(self.space, through)?;
            for set in moved {
                let row = cx.store.pending_put(self.space, &dxos_base::encode(&set))?;
                self.pending.push((row, set));
            }
            self.needs_rebuild = false;
            self.reclaim(cx.store)?;
        }
        let pending = std::mem::take(&mut self.pending);
        for (_, set) in &pending {
            for change in &set.changes {
                self.clock.observe(cx.now, change.clock);
                if let Operation::Text { id, nonce, update } = &change.operation {
                    let told = (*id, *nonce, &update[..]);
                    let counts = Standing::Counts;
                    self.receive_text(cx, self.device, change.clock, told, counts)?;
                } else {
                    batch.apply(self.space, &self.policy, change, self.own, cx.store)?;
                }
            }
        }
        self.pending = pending;
        Ok(())
    }

    fn flush_if_long(
        &mut self,
        batch: &mut Batch<'_>,
        store: &mut dyn Store,
        out: &mut Received,
    ) -> Result<(), EchoError> {
        if batch.len() >= BATCH_RECORDS {
            out.touched.merge(self.flush(std::mem::take(batch), store)?);
        }
        Ok(())
    }

    fn finish(
        &mut self,
        cx: &mut WriteContext<'_>,
        batch: Batch<'_>,
        changed: Vec<FeedId>,
        out: &mut Received,
    ) -> Result<(), EchoError> {
        out.touched.merge(self.flush(batch, cx.store)?);
        for feed in &changed {
            self.put_feed(cx.store, *feed)?;
        }
        if !changed.is_empty() {
            self.put_summary(cx.store)?;
        }
        Ok(())
    }
}

/// What became of an entry, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    Applied,
    Void,
    Waiting(WaitReason),
}

impl Settled {
    fn state(self) -> EntryState {
        match self {
            Settled::Applied => EntryState::Applied,
            Settled::Void => EntryState::Void,
            Settled::Waiting(_) => EntryState::Waiting,
        }
    }
}

enum Admission {
    New(DeviceKey),
    Branch,
    Known,
    Refused(RefusalReason),
}
