//! Replication of one space with one peer (DESIGN 4.5): after the greetings the control graph, then timeframes; each
//! side asks for what it lacks in bounded windows. New entries are pushed by their writer, announced by everybody else.
//!
//! Invariants
//! * nothing of a space is told to a peer that has not proved a member's device, but the chain it asks for;
//! * what is pushed or told stands on a synced commit.

use dxos_base::{FeedId, Hash, PeerId, SpaceId, Tick, limits};
use dxos_echo::store::Durability;
use dxos_echo::{EntryHeader, Received, RefusalReason, SealedEntry, Tip};
use dxos_halo::Credential;
use dxos_mesh::StreamId;

use crate::node::{Node, Turn};
use crate::space::transaction;
use crate::wire::SpaceMessage;

/// Bytes of entries in one answer to `Want`.
pub(crate) const WINDOW_BYTES: usize = 256 * 1024;
/// A `Want` without answer is asked again after this.
pub(crate) const WANT_MS: u64 = 5_000;
/// Applied entries of others are announced together after this; their writer pushes them meanwhile.
const ANNOUNCE_MS: u64 = 40;
/// Credentials taken from one message.
const CREDENTIALS_MAX: usize = 4_096;
/// Of a refusal's reason so much is logged.
const REASON_CHARS_MAX: usize = 200;
/// Feeds a peer may name.
pub(crate) const FEEDS_MAX: usize = 65_536;

/// What is worth a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// Entries or credentials.
    Stored,
    /// Those, or the state alone.
    All,
}

impl Node {
    pub(crate) fn space_message(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        stream: StreamId,
        space: Option<SpaceId>,
        bytes: &[u8],
    ) {
        let Ok(message) =
            dxos_base::decode::<SpaceMessage>(bytes, limits::STREAM_MESSAGE_BYTES_MAX)
        else {
            tracing::warn!(peer = %peer, "peer.malformed");
            return self
                .swarm
                .drop_peer(turn.cx.now, peer, &mut *turn.cx.entropy, &mut turn.swarm);
        };
        self.count_message(message.kind(), bytes);
        if let SpaceMessage::Open {
            version,
            space,
            device,
            signature,
        } = message
        {
            if version != self.replicate_version {
                return self.refuse_version(turn, peer, stream, space, version);
            }
            return self.open_received(turn, peer, stream, space, (device, signature));
        }
        let Some(id) = space else { return };
        let Some(conversation) = self.conversations.get_mut(&peer) else {
            return;
        };
        let proved = conversation.is_open(&id);
        match message {
            SpaceMessage::NeedChain => self.chain_needed(turn, peer, id),
            SpaceMessage::Credentials { credentials } => {
                self.credentials_received(turn, peer, id, &credentials);
            }
            SpaceMessage::Refused { reason } => {
                let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
                tracing::warn!(peer = %peer, space = %id, ?reason, "peer.refused");
                conversation.spaces.remove(&id);
                conversation.streams.remove(&stream);
                self.swarm.close(&peer, stream, &mut turn.swarm);
            }
            SpaceMessage::Hello(greeting) if !proved => {
                if let Some(peer_space) = conversation.spaces.get_mut(&id) {
                    peer_space.early_greeting = Some(greeting);
                }
            }
            _ if !proved => {}
            // Who left gives what it wrote before, and gets nothing.
            SpaceMessage::Heads { .. }
            | SpaceMessage::Want { .. }
            | SpaceMessage::WantChain { .. }
                if !conversation.is_served(&id) => {}
            SpaceMessage::Hello(greeting) => self.greeting_received(turn, peer, id, greeting),
            SpaceMessage::Answer(answer) => self.answer_received(turn, peer, id, answer),
            SpaceMessage::Heads { heads } => self.heads_received(turn, peer, id, &heads),
            SpaceMessage::Have {
                feeds,
                control,
                state,
            } => {
                self.have_received(turn, peer, id, feeds, control, state);
            }
            SpaceMessage::Want { feed, after } => self.want_received(turn, peer, id, feed, after),
            SpaceMessage::Entries { entries } => self.entries_received(turn, peer, id, &entries),
            SpaceMessage::Nothing { feed } => {
                // The peer does not have what it told: forget what it told, its next word counts.
                if let Some(peer_space) = conversation.spaces.get_mut(&id) {
                    peer_space.wants.remove(&feed);
                    peer_space.remote.remove(&feed);
                }
                self.ask_missing(turn, peer, id);
            }
            SpaceMessage::Tips { tips } => self.tips_received(turn, peer, id, &tips),
            SpaceMessage::WantChain {
                feed,
                seq,
                hash,
                points,
            } => self.chain_wanted(turn, peer, id, &Tip { feed, seq, hash }, &points),
            SpaceMessage::Open { .. } => {}
        }
    }

    // ---- the control graph ------------------------------------------------------------------------------

    /// Sends our heads when the peer's graph is another one, once for each pair of states.
    pub(crate) fn send_heads_if_needed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
    ) {
        if !self.serves(&peer, &id) {
            return;
        }
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        let ours = space.graph.digest();
        let heads = space.graph.heads();
        let Some(conversation) = self.conversations.get_mut(&peer) else {
            return;
        };
        let Some(peer_space) = conversation.spaces.get_mut(&id) else {
            return;
        };
        let Some(theirs) = peer_space.remote_control else {
            return;
        };
        if theirs == ours || peer_space.heads_sent_for == Some((ours, theirs)) {
            return;
        }
        peer_space.heads_sent_for = Some((ours, theirs));
        self.send_space(turn, peer, id, &SpaceMessage::Heads { heads });
    }

    fn heads_received(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
        heads: &[Hash],
    ) {
        self.send_credentials(turn, peer, id, heads);
        // Heads we lack: our own heads tell the peer what to send.
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        if heads.iter().any(|head| !space.graph.contains(head)) {
            let heads = space.graph.heads();
            let ours = space.graph.digest();
            let Some(conversation) = self.conversations.get_mut(&peer) else {
                return;
            };
            let Some(peer_space) = conversation.spaces.get_mut(&id) else {
                return;
            };
            let theirs = peer_space.remote_control.unwrap_or_default();
            if peer_space.heads_sent_for != Some((ours, theirs)) {
                peer_space.heads_sent_for = Some((ours, theirs));
                self.send_space(turn, peer, id, &SpaceMessage::Heads { heads });
            }
        }
    }

    /// Sends the credentials that the given heads do not cover.
    pub(crate) fn send_credentials(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
        heads: &[Hash],
    ) {
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        let mut batch = Vec::new();
        let mut batches = Vec::new();
        let mut size = 0;
        for credential in space.graph.after(heads) {
            size += credential.bytes().len();
            batch.push(credential.bytes().to_vec());
            if size > WINDOW_BYTES || batch.len() == CREDENTIALS_MAX {
                batches.push(std::mem::take(&mut batch));
                size = 0;
            }
        }
        batches.push(batch);
        for credentials in batches.into_iter().filter(|batch| !batch.is_empty()) {
            self.send_space(turn, peer, id, &SpaceMessage::Credentials { credentials });
        }
    }

    fn credentials_received(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
        credentials: &[Vec<u8>],
    ) {
        let decoded = credentials
            .iter()
            .take(CREDENTIALS_MAX)
            .map(|bytes| Credential::decode(bytes));
        let Ok(credentials) = decoded.collect::<Result<Vec<_>, _>>() else {
            tracing::warn!(peer = %peer, space = %id, "peer.bad_credential");
            return self
                .swarm
                .drop_peer(turn.cx.now, peer, &mut *turn.cx.entropy, &mut turn.swarm);
        };
        let (Some(space), Some(identity)) = (self.spaces.get_mut(&id), &self.identity) else {
            return;
        };
        let agreement = identity.agreement().clone();
        let added = transaction(turn.cx, Durability::Synced, |cx| {
            space.take_credentials(credentials, &agreement, cx)
        });
        match added {
            Ok((true, decided_anew)) => {
                self.entries_applied(turn, id, decided_anew);
                self.credentials_changed(turn, id);
            }
            Ok((false, _)) => {}
            Err(error) => self.storage_failed(turn, id, &error),
        }
        self.prove(turn, peer, id);
    }

    /// The control graph of a space grew: everything that hangs on it follows.
    pub(crate) fn credentials_changed(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        self.join_topics(turn, id);
        self.retry_waiting(turn, id);
        self.leave_ended_feed(turn, id);
        self.with_texts_held(turn, id, |node, turn| node.settle_forks(turn, id));
        self.grant_missing(turn, id);
        self.prove_again(turn, id);
        for peer in self.open_peers(&id) {
            self.send_heads_if_needed(turn, peer, id);
        }
        self.plan_announce(turn, id);
        self.status_dirty(turn.cx.now);
    }

    /// Grants the keys held to members who lack them: whoever came in while somebody else made a key.
    fn grant_missing(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        let (Some(space), Some(identity)) = (self.spaces.get_mut(&id), &self.identity) else {
            return;
        };
        if !space.lacks_grants() {
            return;
        }
        let granted = transaction(turn.cx, Durability::Synced, |cx| {
            space.grant_missing(identity, cx)
        });
        if let Err(error) = granted {
            self.storage_failed(turn, id, &error.into());
        }
    }

    /// Tries entries again that wait for credentials, a key or a newer build.
    pub(crate) fn retry_waiting(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        if !space.data.has_waiting() {
            return;
        }
        match transaction(turn.cx, Durability::Synced, |cx| space.retry_waiting(cx)) {
            Ok(received) => self.entries_applied(turn, id, received),
            Err(error) => self.storage_failed(turn, id, &error),
        }
    }

    // ---- entries ----------------------------------------------------------------------------------------

    /// Peers that proved themselves for a space.
    pub(crate) fn open_peers(&self, id: &SpaceId) -> Vec<PeerId> {
        let open = self
            .conversations
            .iter()
            .filter(|(_, conversation)| conversation.is_served(id));
        open.map(|(peer, _)| *peer).collect()
    }

    fn have_received(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
        feeds: Vec<(FeedId, u64)>,
        control: Option<Hash>,
        state: Option<[u8; 16]>,
    ) {
        let Some(conversation) = self.conversations.get_mut(&peer) else {
            return;
        };
        let Some(peer_space) = conversation.spaces.get_mut(&id) else {
            return;
        };
        for (feed, seq) in feeds {
            if peer_space.remote.len() < FEEDS_MAX || peer_space.remote.contains_key(&feed) {
                peer_space.says(feed, seq);
            }
        }
        peer_space.remote_known = true;
        peer_space.remote_control = control.or(peer_space.remote_control);
        peer_space.remote_state = state;
        self.send_heads_if_needed(turn, peer, id);
        self.ask_missing(turn, peer, id);
        self.compare_states(turn.cx.now, id);
        self.suspect_fork(turn, peer, id);
        self.status_dirty(turn.cx.now);
    }

    /// Asks a peer for what it has and we lack, one window of each feed at a time.
    pub(crate) fn ask_missing(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, id: SpaceId) {
        let now = turn.cx.now;
        let wanted = self.wanted_feeds(&peer, &id, now);
        for (feed, after) in wanted {
            let Some(peer_space) = self.peer_space(&peer, &id) else {
                return;
            };
            peer_space.wants.insert(feed, now.plus_ms(WANT_MS));
            self.send_space(turn, peer, id, &SpaceMessage::Want { feed, after });
        }
        self.ask_chains(turn, peer, id);
    }

    fn want_received(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
        feed: FeedId,
        after: u64,
    ) {
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        let read = transaction(turn.cx, Durability::Acknowledged, |cx| {
            space
                .data
                .entries_from(&mut *cx.store, feed, after.saturating_add(1), WINDOW_BYTES)
        });
        match read {
            Ok(rows) => {
                let entries = rows.into_iter().map(|row| row.bytes).collect::<Vec<_>>();
                let answer = match entries.is_empty() {
                    true => SpaceMessage::Nothing { feed },
                    false => SpaceMessage::Entries { entries },
                };
                self.send_space(turn, peer, id, &answer);
            }
            Err(error) => self.storage_failed(turn, id, &error),
        }
    }

    fn entries_received(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
        entries: &[Vec<u8>],
    ) {
        let header = entries
            .first()
            .map(|entry| dxos_base::codec::take::<EntryHeader>(entry));
        let Some(Ok((EntryHeader { feed, seq, .. }, _))) = header else {
            tracing::warn!(peer = %peer, space = %id, "peer.bad_entry");
            return self
                .swarm
                .drop_peer(turn.cx.now, peer, &mut *turn.cx.entropy, &mut turn.swarm);
        };
        let last = seq.saturating_add(entries.len() as u64 - 1);
        if let Some(conversation) = self.conversations.get_mut(&peer)
            && let Some(peer_space) = conversation.spaces.get_mut(&id)
        {
            peer_space.wants.remove(&feed);
        }
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        let received = transaction(turn.cx, Durability::Synced, |cx| space.receive(entries, cx));
        let received = match received {
            Ok(received) => received,
            Err(error) => {
                // The peer has at least these: they are asked for when storage works again.
                if let Some(conversation) = self.conversations.get_mut(&peer)
                    && let Some(peer_space) = conversation.spaces.get_mut(&id)
                {
                    peer_space.has_through(feed, last);
                }
                return self.storage_failed(turn, id, &error);
            }
        };
        let mut blame = false;
        let mut unknown = false;
        let mut gap = false;
        let mut apart = None;
        for refusal in &received.refused {
            match refusal.reason {
                RefusalReason::Malformed | RefusalReason::BadSignature => {
                    tracing::warn!(peer = %peer, space = %id, seq = refusal.seq, "peer.bad_entry");
                    blame = true;
                }
                RefusalReason::UnknownFeed => unknown = true,
                RefusalReason::Gap { .. } => gap = true,
                RefusalReason::Apart { hash } => {
                    let seq = refusal.seq;
                    apart = refusal.feed.map(|feed| Tip { feed, seq, hash });
                }
                _ => {}
            }
        }
        // Of a forked feed these may not be what the peer lets stand: its own word counts.
        let forked = space.data.is_forked(&feed);
        let clean = received.refused.is_empty();
        if let Some(conversation) = self.conversations.get_mut(&peer)
            && let Some(peer_space) = conversation.spaces.get_mut(&id)
        {
            if (clean || gap) && !forked {
                // Not what is stored here: that may be more, and from elsewhere. After a gap what stands before these
                // was pushed and not stored here: it is asked for.
                peer_space.has_through(feed, last);
            }
            if unknown {
                peer_space.heads_sent_for = None;
            }
            peer_space.not_taken = received.stored == 0 && !clean && !gap;
            if peer_space.not_taken {
                // The answer would be the same again: not before some time.
                peer_space.wants.insert(feed, turn.cx.now.plus_ms(WANT_MS));
            }
            if received.stored > 0 {
                // There may be more of the chains asked for.
                peer_space.chain_wants.retain(|(of, _), _| *of != feed);
            }
        }
        if received.forked.is_empty() {
            self.entries_applied(turn, id, received);
        } else {
            self.with_texts_held(turn, id, |node, turn| {
                node.entries_applied(turn, id, received);
                node.mend_forks(turn, id);
            });
        }
        if blame {
            return self
                .swarm
                .drop_peer(turn.cx.now, peer, &mut *turn.cx.entropy, &mut turn.swarm);
        }
        if let Some(tip) = apart {
            self.ask_chain(turn, peer, id, tip);
        }
        if unknown {
            self.send_heads_if_needed(turn, peer, id);
        } else {
            self.ask_missing(turn, peer, id);
        }
        // One that left has given all there was to get.
        if self.peer_space(&peer, &id).is_some_and(|open| open.left) {
            self.prove_again(turn, id);
        }
    }

    /// Entries were stored (and perhaps applied): clients and other peers hear of it.
    pub(crate) fn entries_applied(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        received: Received,
    ) {
        if received.stored == 0 && received.touched.is_empty() && received.text_deltas.is_empty() {
            return;
        }
        self.texts_changed(turn, id, &received.text_deltas);
        self.touched(turn.cx.now, id, &received.touched);
        self.plan_announce(turn, id);
        self.status_dirty(turn.cx.now);
    }

    pub(crate) fn plan_announce(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        if let Some(space) = self.spaces.get_mut(&id) {
            space
                .announce_at
                .get_or_insert(turn.cx.now.plus_ms(ANNOUNCE_MS));
        }
    }

    pub(crate) fn announce_due(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.cx.now;
        let due =
            |space: &&mut crate::space::SpaceState| space.announce_at.is_some_and(|at| at <= now);
        let ids = self.spaces.values_mut().filter(due).map(|space| {
            space.announce_at = None;
            space.id
        });
        for id in ids.collect::<Vec<_>>() {
            for peer in self.open_peers(&id) {
                self.send_heads_if_needed(turn, peer, id);
                self.tell_have(turn, peer, id, News::Stored);
                self.ask_missing(turn, peer, id);
            }
        }
    }

    /// What peers sent could not be stored: at `at` they are asked for it again.
    pub(crate) fn ask_again(&mut self, at: Tick, id: SpaceId) {
        for conversation in self.conversations.values_mut() {
            if let Some(peer_space) = conversation.spaces.get_mut(&id) {
                peer_space.heads_sent_for = None;
                peer_space.wants.clear();
            }
        }
        if let Some(space) = self.spaces.get_mut(&id) {
            space.announce_at = Some(at);
        }
    }

    /// Tells a peer what changed in what we have since it was told last. A state alone waits for the next beat.
    pub(crate) fn tell_have(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
        news: News,
    ) {
        if !self.serves(&peer, &id) {
            return;
        }
        self.tell_tips(turn, peer, id);
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        let digest = space.graph.digest();
        let state = (news == News::All)
            .then(|| space.comparable_state())
            .flatten();
        let stored = space.stored();
        let Some(conversation) = self.conversations.get_mut(&peer) else {
            return;
        };
        let Some(peer_space) = conversation.spaces.get_mut(&id) else {
            return;
        };
        let new = |(feed, seq): &(FeedId, u64)| peer_space.told.get(feed) != Some(seq);
        let feeds = stored.into_iter().filter(new).collect::<Vec<_>>();
        let control = (peer_space.told_control != Some(digest)).then_some(digest);
        if feeds.is_empty()
            && control.is_none()
            && (state.is_none() || peer_space.told_state == state)
        {
            return;
        }
        peer_space.told.extend(feeds.iter().copied());
        (peer_space.told_control, peer_space.told_state) = (Some(digest), state);
        self.send_space(
            turn,
            peer,
            id,
            &SpaceMessage::Have {
                feeds,
                control,
                state,
            },
        );
    }

    /// Sends entries this device just sealed to everybody who proved a place in the space.
    pub(crate) fn push_entries(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        sealed: Vec<SealedEntry>,
    ) {
        let Some(feed) = sealed.first().map(|entry| entry.feed) else {
            return;
        };
        for peer in self.open_peers(&id) {
            let Some(conversation) = self.conversations.get_mut(&peer) else {
                continue;
            };
            let Some(peer_space) = conversation.spaces.get_mut(&id) else {
                continue;
            };
            let has = peer_space.remote.get(&feed).copied().unwrap_or(0);
            let told = peer_space.told.get(&feed).copied().unwrap_or(0);
            let first = sealed.first().map_or(0, |entry| entry.seq);
            // A peer that is still catching up asks for these; pushing would only leave a gap.
            if peer_space.remote_known && has.max(told) + 1 >= first {
                let entries = sealed
                    .iter()
                    .map(|entry| entry.bytes.clone())
                    .collect::<Vec<_>>();
                let last = sealed.last().map_or(0, |entry| entry.seq);
                peer_space.told.insert(feed, last);
                peer_space.told_state = None;
                for entries in windows(entries) {
                    self.send_space(turn, peer, id, &SpaceMessage::Entries { entries });
                }
            } else {
                self.tell_have(turn, peer, id, News::Stored);
            }
        }
        self.plan_announce(turn, id);
    }

    /// Compares states with peers that have the same entries and credentials. What was found stays while ours
    /// cannot be compared.
    pub(crate) fn compare_states(&mut self, now: Tick, id: SpaceId) {
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        let Some(ours) = space.comparable_state() else {
            return;
        };
        let control = space.graph.digest();
        let stored = space.stored();
        let differs = self.conversations.values().filter_map(|conversation| {
            let peer_space = conversation.spaces.get(&id)?;
            let same_control = peer_space.remote_control == Some(control);
            let same_entries = stored
                .iter()
                .all(|(feed, seq)| peer_space.remote.get(feed) == Some(seq))
                && peer_space.remote.values().filter(|seq| **seq > 0).count() == stored.len();
            let theirs = peer_space.remote_state?;
            // As many entries may be others, of a feed that forked: that shows within a round trip.
            let (mine, other, at) = peer_space.suspected?;
            let looked_at = (mine, other) == (ours, theirs) && at.plus_ms(WANT_MS) <= now;
            (same_control && same_entries && looked_at).then_some(theirs)
        });
        let diverged = differs.into_iter().any(|theirs| theirs != ours);
        if diverged {
            tracing::error!(space = %id, "space.diverged");
        }
        if let Some(space) = self.spaces.get_mut(&id) {
            space.verify_wanted |= diverged && !space.diverged;
            if std::mem::replace(&mut space.diverged, diverged) != diverged {
                self.status_dirty(now);
            }
        }
    }
}

/// Splits entries into messages of a bounded size.
fn windows(entries: Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
    let mut windows = vec![Vec::new()];
    let mut size = 0;
    for entry in entries {
        if size + entry.len() > WINDOW_BYTES && size > 0 {
            windows.push(Vec::new());
            size = 0;
        }
        size += entry.len();
        if let Some(window) = windows.last_mut() {
            window.push(entry);
        }
    }
    windows.retain(|window| !window.is_empty());
    windows
}
