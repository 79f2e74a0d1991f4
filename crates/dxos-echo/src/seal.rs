//! Sealing: moves acknowledged change sets into signed entries of the own feed (DESIGN 4.4).
//!
//! The caller commits with [`Durability::Synced`](crate::store::Durability::Synced) and only then sends.

use dxos_base::{FeedId, Hash, ObjectWrite, SigningKey, SpaceKey, Step, TextId, invariant, limits};

use crate::change::{Change, Operation};
use crate::entry::{EntryHeader, make_entry};
use crate::error::EchoError;
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

/// Changes that go into one entry.
struct Group {
    heads: Vec<Hash>,
    seen: Vec<(FeedId, u64)>,
    changes: Vec<Change>,
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
        let (touched, changes) = self.apply_writes(cx, writes)?;
        let mut sealed = Vec::new();
        if self.needs_rebuild || !is_long(&changes) {
            self.acknowledge(cx, control_heads, changes, None)?;
        } else {
            let (heads, seen) = self.take_mark(cx, control_heads)?;
            let set = PendingSet {
                heads,
                seen,
                changes,
                typed: None,
                summary: self.summary,
            };
            self.pending.push((0, set));
            sealed = self.seal(cx, sealing)?;
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
        invariant!(
            sealing.signer.device_key() == self.device,
            "a space is sealed by the device that opened it"
        );
        if self.pending.is_empty() || self.needs_rebuild {
            return Ok(Vec::new());
        }
        let texts: Vec<TextId> = self.runs().into_keys().collect();
        self.end_runs(cx)?;
        if self.pending.iter().all(|(_, set)| set.changes.is_empty()) {
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
        for group in groups(pending.into_iter().map(|(_, set)| set)) {
            let feed = self
                .feeds
                .get_mut(&self.own)
                .expect("acknowledging claimed the feed");
            let seq = feed.stored_seq + 1;
            let told = feed.heads_at(u64::MAX);
            let control_heads = if told == group.heads {
                Vec::new()
            } else {
                group.heads
            };
            let header = EntryHeader {
                version: self.entry_version,
                space: self.space,
                feed: self.own,
                seq,
                previous: feed.head,
                clock: group.changes[0].clock,
                kind: 0,
                key: sealing.key.id(),
                control_heads,
            };
            let own = feed
                .state
                .own
                .as_mut()
                .expect("acknowledging claimed the feed");
            own.seen.extend(group.seen.iter().copied());
            let (hash, bytes) = make_entry(
                &header,
                group.seen,
                group.changes,
                &cipher,
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
            sealed.push(SealedEntry {
                feed: self.own,
                seq,
                hash,
                bytes: row.bytes,
            });
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
}

/// Whether changes are more than one entry holds.
fn is_long(changes: &[Change]) -> bool {
    let bytes = || changes.iter().map(size_of_change).sum::<usize>();
    changes.len() > limits::ENTRY_CHANGES_MAX || bytes() > limits::ENTRY_BODY_BYTES_SOFT
}

/// Cuts change sets into entries: where the mark changes, and at the limits of an entry.
fn groups(sets: impl Iterator<Item = PendingSet>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut size = 0;
    // The mark of sets without changes is that of the next ones.
    let mut held: (Vec<Hash>, Vec<(FeedId, u64)>) = Default::default();
    for set in sets {
        if !set.heads.is_empty() {
            held.0 = set.heads;
        }
        held.1 = later_of(std::mem::take(&mut held.1), set.seen);
        if set.changes.is_empty() {
            continue;
        }
        let mut mark = Some(std::mem::take(&mut held));
        for change in set.changes {
            let bytes = size_of_change(&change);
            let full = groups.last().is_none_or(|group| {
                group.changes.len() >= limits::ENTRY_CHANGES_MAX
                    || size + bytes > limits::ENTRY_BODY_BYTES_SOFT
            });
            let moved = mark
                .as_ref()
                .is_some_and(|(heads, seen)| !heads.is_empty() || !seen.is_empty());
            if full || moved {
                let (heads, seen) = mark.take().unwrap_or_default();
                groups.push(Group {
                    heads,
                    seen,
                    changes: Vec::new(),
                });
                size = 0;
            }
            mark = None;
            size += bytes;
            groups
                .last_mut()
                .expect("a group was begun")
                .changes
                .push(change);
        }
    }
    groups
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

/// Encoded size of a change, give or take a few bytes.
fn size_of_change(change: &Change) -> usize {
    let path: usize = change
        .path
        .iter()
        .map(|step| match step {
            Step::Key(name) => name.len() + 2,
            Step::Element(_) => 9,
        })
        .sum();
    let operation = match &change.operation {
        Operation::Set(crate::change::Scalar::String(text)) => text.len(),
        Operation::Set(crate::change::Scalar::Bytes(bytes)) => bytes.len(),
        Operation::Index(index) => index.len(),
        Operation::Text { update, .. } => update.len() + 28,
        _ => 24,
    };
    24 + path + operation + 8
}
