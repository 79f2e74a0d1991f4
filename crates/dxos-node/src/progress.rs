//! Progress: how far this device is with each peer, and why it does not get further (DESIGN 4.5, honest state).
//!
//! Invariants
//! * a peer is called stalled only after [`STALL_MS`] in which nothing moved in either direction.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{FeedId, Hash, PeerId, Tick};
use dxos_echo::Tip;
use dxos_services::{StallReason, SyncProgress, WaitingView};

use crate::node::Node;
use crate::peers::PeerSpace;
use crate::space::SpaceState;

/// Apart and without a move for this long: stalled. A few times what a lost question takes to be asked again.
const STALL_MS: u64 = 20_000;

/// How far this device and a peer are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Entries it has that we lack.
    pub(crate) behind: u64,
    /// Entries we have that it lacks.
    pub(crate) ahead: u64,
    control: (Hash, Option<Hash>),
    known: bool,
    same_branches: bool,
}

impl Standing {
    pub(crate) fn of(space: &SpaceState, peer: &PeerSpace, tips: &BTreeSet<Tip>) -> Self {
        let theirs = |feed| peer.remote.get(feed).copied().unwrap_or(0);
        let behind = peer.remote.iter();
        let behind = behind
            .map(|(feed, seq)| seq.saturating_sub(space.stored_seq(feed)))
            .sum();
        let ahead = space.data.timeframe().iter();
        let ahead = ahead
            .map(|(feed, head)| head.seq.saturating_sub(theirs(feed)))
            .sum();
        Standing {
            behind,
            ahead,
            control: (space.graph.digest(), peer.remote_control),
            known: peer.remote_known,
            same_branches: peer.remote_tips.values().flatten().eq(tips.iter()),
        }
    }

    /// The same entries and credentials, as far as both were told.
    pub(crate) fn synced(&self) -> bool {
        let same_entries = self.behind == 0 && self.ahead == 0 && self.same_branches;
        same_entries && self.same_control() && self.known
    }

    fn same_control(&self) -> bool {
        self.control.1 == Some(self.control.0)
    }

    /// Why it does not get smaller.
    fn reason(&self, failed: bool, not_taken: bool) -> StallReason {
        match self {
            _ if failed => StallReason::Storage,
            _ if !self.same_control() => StallReason::Credentials,
            Standing { behind: 0, .. } if self.known => StallReason::NotAsking,
            _ if not_taken => StallReason::NotTaken,
            _ => StallReason::NoAnswer,
        }
    }
}

/// Since when a peer stands where it stands.
#[derive(Debug, Default)]
pub(crate) struct Movement {
    last: Option<(Standing, Tick)>,
    pub(crate) stalled: Option<StallReason>,
}

impl Movement {
    /// Notes where the peer stands; whether what is shown of it changed.
    fn note(&mut self, now: Tick, standing: Standing, failed: bool, not_taken: bool) -> bool {
        let since = match self.last {
            Some((last, since)) if last == standing => since,
            _ => now,
        };
        self.last = Some((standing, since));
        let stands = !standing.synced() && now >= since.plus_ms(STALL_MS);
        let stalled = stands.then(|| standing.reason(failed, not_taken));
        std::mem::replace(&mut self.stalled, stalled) != stalled
    }
}

/// Stored entries that are not applied, by what they wait for.
pub(crate) fn waiting(space: &SpaceState) -> Vec<WaitingView> {
    let view = |(reason, entries): (dxos_echo::WaitReason, usize)| WaitingView {
        reason: match reason {
            dxos_echo::WaitReason::Credentials => dxos_services::WaitReason::Credentials,
            dxos_echo::WaitReason::Key => dxos_services::WaitReason::Key,
            dxos_echo::WaitReason::Version => dxos_services::WaitReason::Version,
        },
        entries: entries as u64,
    };
    space.data.waiting().into_iter().map(view).collect()
}

impl Node {
    /// What is stored of a space, of what any connected peer told of.
    pub(crate) fn progress(&self, space: &SpaceState) -> SyncProgress {
        let stored = space.stored();
        let mut known: BTreeMap<FeedId, u64> = stored.iter().copied().collect();
        for peer in self.conversations.values() {
            let remote = peer.spaces.get(&space.id).into_iter();
            for (feed, seq) in remote.flat_map(|peer| &peer.remote) {
                let known = known.entry(*feed).or_default();
                *known = (*known).max(*seq);
            }
        }
        SyncProgress {
            stored: stored.iter().map(|(_, seq)| seq).sum(),
            known: known.values().sum(),
        }
    }

    /// Looks which peers stand still.
    pub(crate) fn find_stalls(&mut self, now: Tick) {
        let mut changed = false;
        let spaces = &self.spaces;
        let each = self.conversations.iter_mut();
        let each =
            each.flat_map(|(peer, c): (&PeerId, _)| c.spaces.iter_mut().map(move |s| (peer, s)));
        for (peer, (id, peer_space)) in each {
            let Some(space) = spaces.get(id).filter(|_| peer_space.device.is_some()) else {
                continue;
            };
            let tips: BTreeSet<Tip> = space.data.tips().into_iter().collect();
            let standing = Standing::of(space, peer_space, &tips);
            let not_taken = peer_space.not_taken;
            if peer_space
                .movement
                .note(now, standing, space.failed, not_taken)
            {
                tracing::info!(%peer, space = %id, stalled = ?peer_space.movement.stalled, "peer.stalled");
                changed = true;
            }
        }
        if changed {
            self.status_dirty(now);
        }
    }
}
