//! Feeds as remembered, and which one this device writes.
//!
//! Invariants
//! * a feed this device writes is marked with the instance that writes it before anything is acknowledged in it;
//! * an instance never goes on in a feed another instance of the same device has written: a copied or restored
//!   profile opens a new one, and so does one that learns of its copy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use dxos_base::{FeedId, Hash, Tick, limits};

use crate::entry::feed_id;
use crate::error::EchoError;
use crate::space::{FeedHead, Space};
use crate::store::{FeedRow, Store};

/// What a waiting entry waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WaitReason {
    /// Credentials its writer had and we have not.
    Credentials,
    /// The space key it is sealed under.
    Key,
    /// A build that understands its format.
    Version,
}

/// What is remembered of a feed besides its row's plain columns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct FeedState {
    /// Control heads by the first entry they hold for, from before the first waiting entry on; the last one holds
    /// for what comes next.
    pub heads: Vec<(u64, Vec<Hash>)>,
    /// Control heads of the first entry.
    pub first: Vec<Hash>,
    /// Waiting entries, and for what they wait.
    pub waiting: BTreeMap<u64, WaitReason>,
    /// Of a feed this device wrote: the instance that wrote it and what it had seen at its last entry.
    pub own: Option<OwnFeed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnFeed {
    pub marker: [u8; 16],
    pub seen: BTreeMap<FeedId, u64>,
    /// Taken while unsealed writes of a former feed were pending that are not re-issued yet.
    pub reissue: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Feed {
    pub stored_seq: u64,
    pub head: Hash,
    pub state: FeedState,
}

impl Feed {
    pub fn new() -> Feed {
        Feed {
            stored_seq: 0,
            head: Hash::default(),
            state: FeedState::default(),
        }
    }

    /// Greatest seq of the gap-free applied prefix.
    pub fn applied_seq(&self) -> u64 {
        self.state
            .waiting
            .first_key_value()
            .map_or(self.stored_seq, |(first, _)| first - 1)
    }

    /// Control heads that hold at entry `seq`.
    pub fn heads_at(&self, seq: u64) -> &[Hash] {
        let held = self.state.heads.iter().rev().find(|(from, _)| *from <= seq);
        held.map_or(&[], |(_, heads)| heads)
    }

    /// Notes the heads of a new last entry and forgets those nothing waiting needs.
    pub fn push_heads(&mut self, seq: u64, heads: &[Hash]) {
        if seq == 1 {
            self.state.first = heads.to_vec();
        }
        if !heads.is_empty() {
            self.state.heads.push((seq, heads.to_vec()));
        }
        // The entry being decided on, and the first waiting one, need the heads of the entry before.
        let oldest = self.applied_seq().min(self.stored_seq.saturating_sub(1));
        while self.state.heads.len() > 1 && self.state.heads[1].0 <= oldest {
            self.state.heads.remove(0);
        }
    }
}

/// Marks an own feed that another instance of this device writes too.
const LEFT: [u8; 16] = [0; 16];

impl Space {
    /// Writes a feed's row.
    pub(crate) fn put_feed(&mut self, store: &mut dyn Store, id: FeedId) -> Result<(), EchoError> {
        let feed = &self.feeds[&id];
        if feed.stored_seq == 0 {
            self.timeframe.remove(&id);
        } else {
            self.timeframe.insert(
                id,
                FeedHead {
                    seq: feed.stored_seq,
                    hash: feed.head,
                },
            );
        }
        let row = FeedRow {
            feed: id,
            stored_seq: feed.stored_seq,
            head: feed.head,
            applied_seq: feed.applied_seq(),
            state: dxos_base::encode(&feed.state),
        };
        Ok(store.feed_put(self.space, &row)?)
    }

    /// All feeds this device may write.
    pub(crate) fn own_feeds(&self) -> Vec<FeedId> {
        (0..limits::FEEDS_PER_DEVICE_MAX)
            .map(|n| feed_id(&self.space, &self.device, n))
            .collect()
    }

    /// The feed to write: the one this instance has begun, else the first never used.
    pub(crate) fn choose_feed(&mut self) {
        let feeds = self.own_feeds();
        self.feeds_used_up = false;
        let mine = feeds.iter().rev().find(|id| {
            let own = self.feeds.get(id).and_then(|feed| feed.state.own.as_ref());
            own.is_some_and(|own| own.marker == self.marker)
        });
        // Used by another instance: a row that is not ours, even an empty one.
        let free = feeds
            .iter()
            .rposition(|id| self.feeds.contains_key(id))
            .map_or(0, |last| last + 1)
            .max(self.instance);
        self.own = match (mine, feeds.get(free)) {
            (Some(mine), _) => *mine,
            (None, Some(free)) => *free,
            (None, None) => {
                self.feeds_used_up = true;
                self.own
            }
        };
        let begun = self.feeds.get(&self.own).and_then(|f| f.state.own.as_ref());
        let reissue = begun.is_none_or(|own| own.marker != self.marker || own.reissue);
        self.needs_rebuild = reissue && !self.pending.is_empty();
    }

    /// Control heads of the own feed's first entry; empty before there is one.
    pub fn own_first_heads(&self) -> &[Hash] {
        let own = self.feeds.get(&self.own);
        own.map_or(&[], |feed| &feed.state.first)
    }

    /// Goes on in the next feed, within a transaction: another instance of this device writes the own one, or a cut
    /// ended it.
    pub fn leave_feed(&mut self, store: &mut dyn Store) -> Result<(), EchoError> {
        if let Some(own) = self
            .feeds
            .get_mut(&self.own)
            .and_then(|feed| feed.state.own.as_mut())
        {
            own.marker = LEFT;
            self.put_feed(store, self.own)?;
        }
        self.choose_feed();
        self.reload_mark();
        Ok(())
    }

    /// Takes the chosen feed for re-issued writes.
    pub(crate) fn reclaim(&mut self, store: &mut dyn Store) -> Result<(), EchoError> {
        self.claim_feed(store)?;
        let feed = self.feeds.get_mut(&self.own);
        if let Some(own) = feed.and_then(|feed| feed.state.own.as_mut()) {
            own.reissue = false;
            self.put_feed(store, self.own)?;
        }
        self.reload_mark();
        Ok(())
    }

    pub(crate) fn reload_mark(&mut self) {
        let own = self.feeds.get(&self.own);
        self.mark = match own {
            Some(feed) => (
                feed.heads_at(u64::MAX).to_vec(),
                feed.state
                    .own
                    .as_ref()
                    .map(|own| own.seen.clone())
                    .unwrap_or_default(),
            ),
            None => Default::default(),
        };
        for (_, set) in &self.pending {
            if !set.heads.is_empty() {
                self.mark.0 = set.heads.clone();
            }
            self.mark.1.extend(set.seen.iter().copied());
        }
        self.pending_since = (!self.pending.is_empty()).then_some(Tick(0));
    }

    /// Makes sure the own feed is marked as this instance's before anything is acknowledged in it.
    pub(crate) fn claim_feed(&mut self, store: &mut dyn Store) -> Result<(), EchoError> {
        if self.feeds_used_up {
            return Err(EchoError::NoFeedLeft { space: self.space });
        }
        let feed = self.feeds.entry(self.own).or_insert_with(Feed::new);
        if feed.state.own.is_none() {
            feed.state.own = Some(OwnFeed {
                marker: self.marker,
                seen: BTreeMap::new(),
                reissue: self.needs_rebuild,
            });
            self.put_feed(store, self.own)?;
        }
        Ok(())
    }
}
