//! Sealing: moves acknowledged change sets into signed entries of the own feed (DESIGN 4.4).
//!
//! The caller commits with [`Durability::Synced`](crate::store::Durability::Synced) and only then sends.

use dxos_base::{FeedId, Hash, SigningKey, SpaceKey, invariant, limits};

use crate::change::{Change, Operation, Step};
use crate::entry::{ENTRY_VERSION, EntryHeader, make_entry};
use crate::error::EchoError;
use crate::space::{PendingSet, Space, WriteContext};
use crate::store::{EntryRow, EntryState};

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
        let Some((through, _)) = self.pending.last() else {
            return Ok(Vec::new());
        };
        if self.needs_rebuild {
            return Ok(Vec::new());
        }
        let through = *through;
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
                version: ENTRY_VERSION,
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
        cx.store.pending_clear(self.space, through)?;
        self.put_summary(cx.store)?;
        self.pending_since = None;
        self.pending_objects.clear();
        Ok(sealed)
    }
}

/// Cuts change sets into entries: where the mark changes, and at the limits of an entry.
fn groups(sets: impl Iterator<Item = PendingSet>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut size = 0;
    for set in sets {
        let mut mark = Some((set.heads, set.seen));
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
