//! Sealing: moves acknowledged change sets into signed entries of the own feed (DESIGN 4.4).
//!
//! The caller commits with [`Durability::Synced`](crate::store::Durability::Synced) and only then sends.

use dxos_base::crypto::Cipher;
use dxos_base::{FeedId, Hash, ObjectWrite, SigningKey, SpaceKey, TextId, invariant, limits};

use crate::blobs::blob_of_change;
use crate::change::ChangeRef;
use crate::entry::{EntryHeader, make_entry};
use crate::error::EchoError;
use crate::planned::Planned;
use crate::space::{PendingSet, Space, Touched, WriteContext};
use crate::store::{EntryRow, EntryState};
use crate::typing::Typed;

/// What sealing needs: the newest space key and the device's signing key.
#[derive(Debug, Clone, Copy)]
pub struct Sealing<'a> {
    /// The space key, chosen by the rule of DESIGN 5.
    pub key: &'a SpaceKey,
    /// The device key; its public half is the one the space was opened with.
    pub signer: &'a SigningKey,
}

/// A new entry of the own feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedEntry {
    /// The feed.
    pub feed: FeedId,
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// The signed bytes.
    pub bytes: Vec<u8>,
}

/// Control heads, and feeds seen: what they tell beyond the mark before.
type Mark = (Vec<Hash>, Vec<(FeedId, u64)>);

/// Changes that go into one entry.
#[derive(Default)]
struct Group<'a> {
    mark: Mark,
    changes: Vec<ChangeRef<'a>>,
    bytes: usize,
}

impl Space {
    /// As [`Space::write`], but what is more than one entry holds is sealed by the transaction that acknowledges it,
    /// with all that is pending: its bytes are written once instead of twice and removed again. Where entries are
    /// given the caller commits as after [`Space::seal`].
    pub fn write_and_seal(
        &mut self,
        cx: &mut WriteContext<'_>,
        control_heads: &[Hash],
        writes: &[ObjectWrite],
        sealing: &Sealing<'_>,
    ) -> Result<(Touched, Vec<SealedEntry>), EchoError> {
        let (touched, plan) = self.apply_writes(cx, writes)?;
        let mut sealed = Vec::new();
        if self.needs_rebuild || !plan.is_long() {
            self.acknowledge(cx, control_heads, plan.into_changes(), None)?;
        } else {
            let mark = self.take_mark(cx, control_heads)?;
            sealed = self.seal_with(cx, sealing, Some((mark, &plan)))?;
        }
        Ok((touched, sealed))
    }

    /// Seals everything pending; gives the new entries, in order. Empty if nothing is pending, or if a rebuild
    /// must come first.
    pub fn seal(
        &mut self,
        cx: &mut WriteContext<'_>,
        sealing: &Sealing<'_>,
    ) -> Result<Vec<SealedEntry>, EchoError> {
        if self.pending.is_empty() {
            return Ok(Vec::new());
        }
        self.seal_with(cx, sealing, None)
    }

    /// Seals everything pending, and what is acknowledged by being sealed.
    fn seal_with(
        &mut self,
        cx: &mut WriteContext<'_>,
        sealing: &Sealing<'_>,
        last: Option<(Mark, &Planned<'_>)>,
    ) -> Result<Vec<SealedEntry>, EchoError> {
        invariant!(
            sealing.signer.device_key() == self.device,
            "a space is sealed by the device that opened it"
        );
        if self.needs_rebuild {
            return Ok(Vec::new());
        }
        let texts: Vec<TextId> = self.runs().into_keys().collect();
        self.end_runs(cx)?;
        if last.is_none() && self.pending.iter().all(|(_, set)| set.changes.is_empty()) {
            return Ok(Vec::new());
        }
        // What was typed and waits for the engine stays pending, behind what is written next.
        let waiting: Vec<Typed> = self
            .runs()
            .into_keys()
            .flat_map(|text| self.run_of(text))
            .collect();
        let through = self.pending.iter().map(|(row, _)| *row).max().unwrap_or(0);
        let pending = std::mem::take(&mut self.pending);
        let cipher = sealing.key.cipher("entry");
        let mut sealed = Vec::new();
        let mut cutter = Cutter::default();
        for (
            _,
            PendingSet {
                heads,
                seen,
                changes,
                ..
            },
        ) in &pending
        {
            let mark = (heads.clone(), seen.clone());
            cutter.add(mark, changes.iter().map(ChangeRef::Whole), |group| {
                sealed.push(self.make_entry(cx, sealing, &cipher, group)?);
                Ok(())
            })?;
        }
        if let Some((mark, plan)) = last {
            cutter.add(mark, plan.iter(), |group| {
                sealed.push(self.make_entry(cx, sealing, &cipher, group)?);
                Ok(())
            })?;
        }
        if !cutter.group.changes.is_empty() {
            sealed.push(self.make_entry(cx, sealing, &cipher, &cutter.group)?);
        }
        self.put_feed(cx.store, self.own)?;
        if through > 0 {
            cx.store.pending_clear(self.space, through)?;
        }
        self.put_summary(cx.store)?;
        self.pending_since = None;
        for typed in waiting {
            self.put_pending(cx.store, Vec::new(), Vec::new(), Vec::new(), Some(typed))?;
            self.pending_since.get_or_insert(cx.now);
        }
        for text in texts {
            self.fold_if_long(cx, text)?;
        }
        Ok(sealed)
    }

    /// Makes the feed's next entry and stores it.
    fn make_entry(
        &mut self,
        cx: &mut WriteContext<'_>,
        sealing: &Sealing<'_>,
        cipher: &Cipher,
        group: &Group<'_>,
    ) -> Result<SealedEntry, EchoError> {
        let (heads, seen) = &group.mark;
        let feed = self
            .feeds
            .get_mut(&self.own)
            .expect("acknowledging claimed the feed");
        let seq = feed.stored_seq + 1;
        let control_heads = match feed.heads_at(u64::MAX) == *heads {
            true => Vec::new(),
            false => heads.clone(),
        };
        let header = EntryHeader {
            version: self.entry_version,
            space: self.space,
            feed: self.own,
            seq,
            previous: feed.head,
            clock: group.changes[0].clock(),
            kind: 0,
            key: sealing.key.id(),
            control_heads,
        };
        let own = feed
            .state
            .own
            .as_mut()
            .expect("acknowledging claimed the feed");
        own.seen.extend(seen.iter().copied());
        let (hash, bytes) = make_entry(
            &header,
            seen,
            &group.changes,
            cipher,
            sealing.signer,
            cx.entropy,
        );
        feed.stored_seq = seq;
        feed.head = hash;
        feed.push_heads(seq, &header.control_heads);
        let row = EntryRow {
            feed: self.own,
            seq,
            hash,
            state: EntryState::Applied,
            bytes,
        };
        cx.store.entry_put(self.space, &row)?;
        let objects = group.changes.iter().map(ChangeRef::object);
        self.note_touched(cx.store, (self.own, seq), objects)?;
        // References to blobs are no flat values.
        let blobs = group.changes.iter().filter_map(|change| match change {
            ChangeRef::Whole(change) => blob_of_change(change),
            ChangeRef::Flat { .. } => None,
        });
        self.note_blobs(cx.store, (self.own, seq), blobs)?;
        Ok(SealedEntry {
            feed: self.own,
            seq,
            hash,
            bytes: row.bytes,
        })
    }
}

/// Cuts change sets into entries: where the mark changes, and at the limits of an entry.
#[derive(Default)]
struct Cutter<'a> {
    group: Group<'a>,
    /// Of sets without changes, whose mark is that of the next ones.
    held: Mark,
}

impl<'a> Cutter<'a> {
    /// Takes a set in; groups that are full go to `full`, the last one stays.
    fn add(
        &mut self,
        (heads, seen): Mark,
        changes: impl Iterator<Item = ChangeRef<'a>>,
        mut full: impl FnMut(&Group<'a>) -> Result<(), EchoError>,
    ) -> Result<(), EchoError> {
        if !heads.is_empty() {
            self.held.0 = heads;
        }
        self.held.1 = later_of(std::mem::take(&mut self.held.1), seen);
        for change in changes {
            let bytes = change.size();
            let moved = !self.held.0.is_empty() || !self.held.1.is_empty();
            let group = &mut self.group;
            let long = group.changes.len() >= limits::ENTRY_CHANGES_MAX
                || group.bytes + bytes > limits::ENTRY_BODY_BYTES_SOFT;
            if (long || moved) && !group.changes.is_empty() {
                full(group)?;
                group.changes.clear();
                (group.bytes, group.mark) = (0, Mark::default());
            }
            if group.changes.is_empty() {
                group.mark = std::mem::take(&mut self.held);
            }
            group.bytes += bytes;
            group.changes.push(change);
        }
        Ok(())
    }
}

/// Both, ascending by feed; the later of two for one feed.
fn later_of(mut held: Vec<(FeedId, u64)>, later: Vec<(FeedId, u64)>) -> Vec<(FeedId, u64)> {
    if held.is_empty() {
        return later;
    }
    held.retain(|(feed, _)| later.iter().all(|(other, _)| other != feed));
    held.extend(later);
    held.sort_unstable();
    held
}
