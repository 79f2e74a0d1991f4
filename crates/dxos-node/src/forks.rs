//! Forked feeds: chains that do not stand go to those who lack them; the device whose feed forked picks a branch and
//! issues again what it wrote on the others.
//!
//! Invariants
//! * a fork is proved by its entries, which travel as entries do: whoever holds two branches tells their ends;
//! * nobody but the device itself settles its forks unasked; its identity and admins can be asked to;
//! * all that is to be done can be told from what is stored, so a crash in between loses nothing.
//!
//! What stands and what counts: `dxos-echo`. Who may pick: `dxos-halo`.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{DeviceKey, FeedId, Hash, PeerId, SpaceId, limits};
use dxos_echo::store::{Durability, StoreError};
use dxos_echo::{Fork, Tip};
use dxos_halo::{CredentialBody, FeedPoint, Role};
use dxos_services::{Failure, FailureKind, Response};

use crate::failure::{failure, from_store, no_identity, no_space, not_allowed};
use crate::node::{Node, Turn};
use crate::replicate::{FEEDS_MAX, WANT_MS, WINDOW_BYTES};
use crate::space::{SpaceState, transaction};
use crate::wire::SpaceMessage;

/// Tips in one message.
const TIPS_MAX: usize = 4_096;

impl Node {
    /// Tells a peer the ends of all chains of forked feeds, if it was not told these.
    pub(crate) fn tell_tips(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, id: SpaceId) {
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        let tips: BTreeSet<Tip> = space.data.tips().into_iter().collect();
        let Some(peer_space) = self.peer_space(&peer, &id) else {
            return;
        };
        if peer_space.told_tips == tips {
            return;
        }
        let changed: BTreeSet<FeedId> = tips
            .symmetric_difference(&peer_space.told_tips)
            .map(|tip| tip.feed)
            .collect();
        peer_space.told_tips.clone_from(&tips);
        // How much of them stands is told again: what was pushed of them said nothing of it.
        peer_space.told.retain(|feed, _| !changed.contains(feed));
        let news = tips.into_iter().filter(|tip| changed.contains(&tip.feed));
        self.send_tips(turn, peer, id, news.collect());
    }

    fn send_tips(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, id: SpaceId, tips: Vec<Tip>) {
        let mut message = Vec::new();
        for of_feed in tips.chunk_by(|a, b| a.feed == b.feed) {
            message.extend(of_feed.iter().map(|tip| (tip.feed, tip.seq, tip.hash)));
            if message.len() + limits::FEED_BRANCHES_MAX >= TIPS_MAX {
                let tips = std::mem::take(&mut message);
                self.send_space(turn, peer, id, &SpaceMessage::Tips { tips });
            }
        }
        if !message.is_empty() {
            self.send_space(turn, peer, id, &SpaceMessage::Tips { tips: message });
        }
    }

    /// A peer has as many entries of every feed and another state: somewhere the entries may be others.
    pub(crate) fn suspect_fork(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, id: SpaceId) {
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        let Some(ours) = space.comparable_state() else {
            return;
        };
        let now = turn.cx.now;
        let stored: BTreeMap<FeedId, u64> = space.stored().into_iter().collect();
        let Some(peer_space) = self.peer_space(&peer, &id) else {
            return;
        };
        let Some(theirs) = peer_space.remote_state.filter(|theirs| *theirs != ours) else {
            return;
        };
        let as_much = stored
            .iter()
            .all(|(feed, seq)| peer_space.remote.get(feed) == Some(seq));
        let known = |(a, b, _)| (a, b) == (ours, theirs);
        if !as_much || peer_space.suspected.is_some_and(known) {
            return;
        }
        peer_space.suspected = Some((ours, theirs, now));
        self.tell_ends(turn, peer, id);
    }

    /// Tells a peer where the feeds end that are not known to have forked.
    pub(crate) fn tell_ends(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, id: SpaceId) {
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        let timeframe = space.data.timeframe().iter();
        let tips = timeframe.map(|(feed, head)| Tip {
            feed: *feed,
            seq: head.seq,
            hash: head.hash,
        });
        let tips = tips.filter(|tip| !space.data.is_forked(&tip.feed));
        self.send_tips(turn, peer, id, tips.collect());
    }

    pub(crate) fn tips_received(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
        tips: &[(FeedId, u64, Hash)],
    ) {
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        let mut of_feeds: BTreeMap<FeedId, BTreeSet<Tip>> = BTreeMap::new();
        for (feed, seq, hash) in tips.iter().take(TIPS_MAX) {
            let (feed, seq, hash) = (*feed, *seq, *hash);
            if seq > 0 && space.device_of_feed(&feed).is_some() {
                let tip = Tip { feed, seq, hash };
                of_feeds.entry(feed).or_default().insert(tip);
            }
        }
        // The end of a chain that only goes on from ours is asked for by its seq.
        let alone: Vec<Tip> = of_feeds
            .values()
            .filter(|tips| tips.len() == 1)
            .flat_map(|tips| tips.first().copied())
            .filter(|tip| tip.seq <= space.stored_seq(&tip.feed))
            .collect();
        let Some(peer_space) = self.peer_space(&peer, &id) else {
            return;
        };
        for (feed, tips) in of_feeds {
            let known = peer_space.remote_tips.contains_key(&feed);
            let room = known || peer_space.remote_tips.len() < FEEDS_MAX;
            if (1 < tips.len() && tips.len() <= limits::FEED_BRANCHES_MAX + 1 || known) && room {
                peer_space.remote_tips.insert(feed, tips);
            }
        }
        for tip in alone {
            self.ask_chain(turn, peer, id, tip);
        }
        self.ask_chains(turn, peer, id);
        self.status_dirty(turn.cx.now);
    }

    /// Asks a peer for the chains of forked feeds that it holds and we lack.
    pub(crate) fn ask_chains(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, id: SpaceId) {
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        // After a fork both sides hold the same for ever: that is seen without reading.
        let held: BTreeSet<Tip> = space.data.tips().into_iter().collect();
        let Some(peer_space) = self.peer_space(&peer, &id) else {
            return;
        };
        let tips = peer_space.remote_tips.values().flatten();
        let lacking = tips.filter(|tip| !held.contains(tip));
        for tip in lacking.copied().collect::<Vec<_>>() {
            self.ask_chain(turn, peer, id, tip);
        }
    }

    /// Asks a peer for the chain that ends at `tip`, unless it is held or asked for.
    pub(crate) fn ask_chain(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
        tip: Tip,
    ) {
        let now = turn.cx.now;
        let wants = (tip.feed, tip.hash);
        let Some(peer_space) = self.peer_space(&peer, &id) else {
            return;
        };
        peer_space.chain_wants.retain(|_, until| *until > now);
        if peer_space.chain_wants.contains_key(&wants) {
            return;
        }
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        let points = transaction(turn.cx, Durability::Acknowledged, |cx| {
            match space.data.holds(&mut *cx.store, &tip)? {
                true => Ok(None),
                false => space.data.points(&mut *cx.store, tip.feed).map(Some),
            }
        });
        match points {
            Ok(None) => {}
            Ok(Some(points)) => {
                if let Some(peer_space) = self.peer_space(&peer, &id) {
                    peer_space.chain_wants.insert(wants, now.plus_ms(WANT_MS));
                }
                let want = SpaceMessage::WantChain {
                    feed: tip.feed,
                    seq: tip.seq,
                    hash: tip.hash,
                    points,
                };
                self.send_space(turn, peer, id, &want);
            }
            Err(error) => self.storage_failed(turn, id, &error),
        }
    }

    pub(crate) fn chain_wanted(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
        tip: &Tip,
        points: &[(u64, Hash)],
    ) {
        let points = &points[..points.len().min(limits::FEED_POINTS_MAX)];
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        let chain = transaction(turn.cx, Durability::Acknowledged, |cx| {
            space
                .data
                .chain_to(&mut *cx.store, tip, points, WINDOW_BYTES)
        });
        match chain {
            // Not held any more, or nothing of it is lacking.
            Ok(entries) if entries.is_empty() => {}
            Ok(entries) => {
                self.send_space(turn, peer, id, &SpaceMessage::Entries { entries });
            }
            Err(error) => self.storage_failed(turn, id, &error),
        }
    }

    /// Lets forked feeds stand as the credentials have it by now.
    pub(crate) fn settle_forks(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        if space.data.forked().next().is_none() {
            return;
        }
        match transaction(turn.cx, Durability::Synced, |cx| space.settle_forks(cx)) {
            Ok(received) => self.entries_applied(turn, id, received),
            Err(error) => return self.storage_failed(turn, id, &error),
        }
        self.mend_forks(turn, id);
    }

    /// Picks a branch of this device's forked feeds, and issues again what it wrote on the others.
    pub(crate) fn mend_forks(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        if self.pick_branches(turn, id) {
            // The new credentials brought us here again.
            return;
        }
        self.reissue(turn, id);
    }

    /// Issues a FeedCut for each fork of a feed of this device that has none; tells whether there was any.
    fn pick_branches(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) -> bool {
        let (Some(space), Some(identity)) = (self.spaces.get(&id), &self.identity) else {
            return false;
        };
        let device = identity.device();
        let own = space.graph.state().devices.get(&device);
        if !own.is_some_and(|own| own.active) || unpicked(space, &device).is_empty() {
            return false;
        }
        match self.issue_cuts(turn, id, device) {
            Ok(true) => self.credentials_changed(turn, id),
            Ok(false) => return false,
            Err(error) => self.storage_failed(turn, id, &error.into()),
        }
        true
    }

    /// Picks branches for a device that does not do so itself: it is gone, or never comes back.
    pub(crate) fn settle_forks_of(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        device: DeviceKey,
    ) -> Result<Response, Failure> {
        self.ensure_open(turn, id)?;
        let me = self.identity.as_ref().ok_or_else(no_identity)?.identity();
        let space = self.spaces.get(&id).ok_or_else(no_space)?;
        let state = space.graph.state();
        let own = state.devices.get(&device).is_some_and(|d| d.identity == me);
        let role = state.members.get(&me).and_then(|member| member.role);
        if !(own || role >= Some(Role::Admin)) {
            return Err(not_allowed(
                "Only admins and owners settle the forks of others.",
            ));
        }
        if unpicked(space, &device).is_empty() {
            return Err(failure(
                FailureKind::NotFound,
                "This device has no fork to settle.",
                "See the devices with `dx status`.",
            ));
        }
        match self.issue_cuts(turn, id, device) {
            Ok(_) => {
                self.credentials_changed(turn, id);
                Ok(Response::Done)
            }
            Err(error) => {
                let told = from_store(&error);
                self.storage_failed(turn, id, &error.into());
                Err(told)
            }
        }
    }

    /// Picks the longest branch of each fork of a device; tells whether any credential is new.
    fn issue_cuts(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        device: DeviceKey,
    ) -> Result<bool, StoreError> {
        let (Some(space), Some(identity)) = (self.spaces.get_mut(&id), &self.identity) else {
            return Ok(false);
        };
        let agreement = identity.agreement().clone();
        transaction(turn.cx, Durability::Synced, |cx| {
            let mut issued = false;
            for fork in unpicked(space, &device) {
                let point = FeedPoint {
                    feed: fork.feed,
                    seq: fork.seq,
                    head: fork.longest,
                };
                let body = CredentialBody::FeedCut { device, point };
                let parents = space.graph.heads();
                let made = identity.issue(id, &parents, body, None, &mut *cx.entropy);
                // A body of fixed size and parents of our own: only a broken key fails, and then nothing is settled.
                let Ok(credential) = made else { continue };
                tracing::warn!(space = %id, feed = %fork.feed, seq = fork.seq, "feed.forked");
                issued |= space.add_credentials([credential], &agreement, cx)?;
            }
            Ok(issued)
        })
    }

    /// Issues again what this device wrote on branches that were not picked.
    fn reissue(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        let (Some(space), Some(identity)) = (self.spaces.get_mut(&id), &self.identity) else {
            return;
        };
        let may_write = space.graph.state().may_write(&identity.device());
        if !may_write || space.data.to_reissue().is_empty() {
            return;
        }
        if space.data.needs_rebuild() {
            match transaction(turn.cx, Durability::Synced, |cx| space.rebuild(cx)) {
                Ok(received) => self.entries_applied(turn, id, received),
                Err(error) => return self.storage_failed(turn, id, &error),
            }
        }
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        match transaction(turn.cx, Durability::Acknowledged, |cx| space.reissue(cx)) {
            Ok(again) if again.entries == 0 => {}
            Ok(again) => {
                space.reissued += again.entries;
                tracing::warn!(space = %id, entries = again.entries, "feed.reissued");
                let name = space.name();
                let text = format!(
                    "This device's profile was copied, and both copies wrote to \u{201c}{name}\u{201d}. Nothing is \
                     lost: what the other copy wrote is here too. Use one of them from now on."
                );
                self.warnings.insert("fork", text);
                self.entries_applied(turn, id, again.received);
                self.plan_seal(turn.cx.now, id);
                self.status_dirty(turn.cx.now);
            }
            Err(error) => self.storage_failed(turn, id, &error),
        }
    }
}

/// Forks of a device's feeds of which no branch is picked.
fn unpicked(space: &SpaceState, device: &DeviceKey) -> Vec<Fork> {
    let state = space.graph.state();
    let mut forks = space.data.open_forks();
    forks.retain(|fork| {
        space.device_of_feed(&fork.feed) == Some(*device)
            && state.picked(device, &fork.feed, fork.seq).is_none()
    });
    forks
}
