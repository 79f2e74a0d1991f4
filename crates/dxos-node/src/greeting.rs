//! How two peers that proved themselves for a space find out where they stand (DESIGN 4.5, step 1).
//!
//! The side that did not open the stream greets with digests; the other compares them with its own and answers: the
//! same, or all it has stored. So two equal peers are done after one round trip of a fixed size, and where one lacks
//! little it has it after two.
//!
//! Invariants
//! * both sides go by the same comparison, not by what they have by then;
//! * entries are sent unasked only to a peer that told what it has and holds the same credentials, and only one window.

use dxos_base::{FeedId, Hash, PeerId, SpaceId, limits};
use dxos_echo::store::Durability;
use dxos_mesh::StreamId;

use crate::node::{Node, Turn};
use crate::replicate::{FEEDS_MAX, News, WINDOW_BYTES};
use crate::space::transaction;
use crate::wire::{Answer, Greeting, SpaceMessage, StoredEntries};

/// Where this device stands in a space.
#[derive(Debug, Clone)]
pub(crate) struct Standpoint {
    control: Hash,
    data: Hash,
    state: Option<[u8; 16]>,
    stored: Vec<(FeedId, u64)>,
}

/// What a comparison of two standpoints came to.
struct Comparison {
    ours: Standpoint,
    /// Digest of the peer's control graph.
    control: Hash,
    /// The peer's state, if it told one.
    state: Option<[u8; 16]>,
    same_entries: bool,
}

impl Node {
    /// The peer proved itself: the side that did not open the stream greets.
    pub(crate) fn begin_replication(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, id: SpaceId) {
        let opened_here = self
            .conversations
            .get(&peer)
            .is_some_and(|conversation| conversation.initiator);
        let Some(peer_space) = self.peer_space(&peer, &id) else {
            return;
        };
        if opened_here {
            if let Some(early) = peer_space.early_greeting.take() {
                self.greeting_received(turn, peer, id, early);
            }
            return;
        }
        let Some(ours) = self.standpoint(turn, peer, id) else {
            return;
        };
        let greeting = Greeting {
            wall_ms: turn.cx.now.0,
            control: ours.control,
            data: ours.data,
            state: ours.state,
        };
        if let Some(peer_space) = self.peer_space(&peer, &id) {
            peer_space.greeted = Some(ours);
        }
        self.send_space(turn, peer, id, &SpaceMessage::Hello(greeting));
    }

    /// Where this device stands, everything sealed.
    fn standpoint(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
    ) -> Option<Standpoint> {
        self.seal(turn, id);
        let space = self.spaces.get(&id)?;
        let serves = self.serves(&peer, &id);
        Some(Standpoint {
            control: space.graph.digest(),
            data: space.data.data_digest(),
            state: serves.then(|| space.comparable_state()).flatten(),
            stored: space.stored(),
        })
    }

    /// A greeting is compared and answered.
    pub(crate) fn greeting_received(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
        theirs: Greeting,
    ) {
        self.compare_clocks(turn, theirs.wall_ms);
        let Some(ours) = self.standpoint(turn, peer, id) else {
            return;
        };
        let same_entries = ours.data == theirs.data;
        let entries = match same_entries {
            true => StoredEntries::Same,
            false if self.serves(&peer, &id) => StoredEntries::Feeds(ours.stored.clone()),
            false => StoredEntries::Untold,
        };
        let told = matches!(entries, StoredEntries::Feeds(_));
        let answer = Answer {
            wall_ms: turn.cx.now.0,
            control: (ours.control != theirs.control).then_some(ours.control),
            entries,
            state: ours.state,
        };
        self.send_space(turn, peer, id, &SpaceMessage::Answer(answer));
        let (control, stored) = (ours.control, ours.stored.clone());
        self.compared(
            turn,
            peer,
            id,
            Comparison {
                ours,
                control: theirs.control,
                state: theirs.state,
                same_entries,
            },
        );
        if let Some(peer_space) = self.peer_space(&peer, &id).filter(|_| told) {
            peer_space.told.extend(stored);
            peer_space.told_control = Some(control);
        }
        self.greeted_both(turn, peer, id);
    }

    /// The answer to our greeting.
    pub(crate) fn answer_received(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
        answer: Answer,
    ) {
        self.compare_clocks(turn, answer.wall_ms);
        let Some(peer_space) = self.peer_space(&peer, &id) else {
            return;
        };
        // An answer to nothing says nothing.
        let Some(ours) = peer_space.greeted.take() else {
            return;
        };
        let same_entries = answer.entries == StoredEntries::Same;
        let same_control = answer.control.is_none();
        let comparison = Comparison {
            control: answer.control.unwrap_or(ours.control),
            state: answer.state,
            same_entries,
            ours,
        };
        self.compared(turn, peer, id, comparison);
        if let (StoredEntries::Feeds(feeds), Some(peer_space)) =
            (answer.entries, self.peer_space(&peer, &id))
        {
            for (feed, seq) in feeds.into_iter().take(FEEDS_MAX) {
                peer_space.says(feed, seq);
            }
            peer_space.remote_known = true;
            if same_control {
                self.send_lacking(turn, peer, id);
            }
        }
        self.greeted_both(turn, peer, id);
    }

    /// Notes what a comparison came to. The peer listens from here on: what it was told before it may have dropped for
    /// want of our proof.
    fn compared(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        id: SpaceId,
        comparison: Comparison,
    ) {
        let Some(stored) = self.spaces.get(&id).map(|space| space.stored()) else {
            return;
        };
        let Some(peer_space) = self.peer_space(&peer, &id) else {
            return;
        };
        let Comparison {
            ours,
            control,
            state,
            same_entries,
        } = comparison;
        peer_space.remote_control = Some(control);
        peer_space.told.clear();
        (peer_space.told_control, peer_space.heads_sent_for) = (None, None);
        peer_space.told_state = None;
        peer_space.told_tips.clear();
        peer_space.chain_wants.clear();
        if same_entries {
            for (feed, seq) in &ours.stored {
                peer_space.has_through(*feed, *seq);
            }
            peer_space.remote_known = true;
            peer_space.remote_state = state;
            peer_space.told_control = Some(ours.control);
            // A state told is of the entries told then.
            peer_space.told_state = ours.state.filter(|_| stored == ours.stored);
            peer_space.told.extend(ours.stored);
        }
        self.send_heads_if_needed(turn, peer, id);
        if !same_entries && self.serves(&peer, &id) {
            // As much of a feed on both sides may not be the same.
            self.tell_ends(turn, peer, id);
        }
    }

    /// Goes on as peers do that know where they stand.
    fn greeted_both(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, id: SpaceId) {
        self.tell_have(turn, peer, id, News::Stored);
        self.ask_missing(turn, peer, id);
        self.compare_states(turn.cx.now, id);
        self.suspect_fork(turn, peer, id);
        self.status_dirty(turn.cx.now);
    }

    /// Sends the first of what the peer lacks, one window in all; it asks for the rest when it is told of it.
    fn send_lacking(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, id: SpaceId) {
        if !self.serves(&peer, &id) {
            return;
        }
        let (Some(space), Some(conversation)) =
            (self.spaces.get(&id), self.conversations.get(&peer))
        else {
            return;
        };
        let Some(peer_space) = conversation.spaces.get(&id) else {
            return;
        };
        let lacking = space.stored().into_iter().filter_map(|(feed, seq)| {
            let has = peer_space.remote.get(&feed).copied().unwrap_or(0);
            // Of a forked feed a seq does not say which entry it is.
            (has < seq && !space.data.is_forked(&feed)).then_some((feed, has))
        });
        let mut room = WINDOW_BYTES;
        for (feed, has) in lacking.collect::<Vec<_>>() {
            let Some(space) = self.spaces.get_mut(&id).filter(|_| room > 0) else {
                return;
            };
            let read = transaction(turn.cx, Durability::Acknowledged, |cx| {
                space
                    .data
                    .entries_from(&mut *cx.store, feed, has.saturating_add(1), room)
            });
            let rows = match read {
                Ok(rows) => rows,
                Err(error) => return self.storage_failed(turn, id, &error),
            };
            let Some(last) = rows.last().map(|row| row.seq) else {
                continue;
            };
            let entries: Vec<_> = rows.into_iter().map(|row| row.bytes).collect();
            room = room.saturating_sub(entries.iter().map(Vec::len).sum());
            if let Some(peer_space) = self.peer_space(&peer, &id) {
                peer_space.told.insert(feed, last);
            }
            self.send_space(turn, peer, id, &SpaceMessage::Entries { entries });
        }
    }

    /// Shows when the clocks of two members are too far apart.
    fn compare_clocks(&mut self, turn: &mut Turn<'_, '_>, wall_ms: u64) {
        let apart_ms = wall_ms.abs_diff(turn.cx.now.0);
        if apart_ms > dxos_base::clock::DRIFT_MS_MAX {
            let minutes = apart_ms / 60_000;
            let text = format!(
                "The clocks of this device and another member's differ by {minutes} minutes. Set them right: times \
                 shown may be wrong until then."
            );
            self.warnings.insert("clock", text);
            self.status_dirty(turn.cx.now);
        } else if self.warnings.remove("clock").is_some() {
            self.status_dirty(turn.cx.now);
        }
    }

    // ---- another version --------------------------------------------------------------------------------

    /// A peer opens a space in another version of replication. Both sides tell theirs, so both can show it.
    pub(crate) fn refuse_version(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        stream: StreamId,
        space: SpaceId,
        version: u32,
    ) {
        let ours = self.replicate_version;
        tracing::warn!(peer = %peer, version, ours, "peer.other_version");
        let Some(conversation) = self.conversations.get_mut(&peer) else {
            return;
        };
        conversation.other_version = Some(version);
        let opened_here = conversation
            .spaces
            .get(&space)
            .is_some_and(|known| known.stream == stream);
        if opened_here {
            conversation.spaces.remove(&space);
        } else if self.spaces.contains_key(&space)
            && let Some(open) = self.open_message(&peer, space)
        {
            // A stream that takes no more is closed all the same.
            let open = dxos_base::encode(&open);
            let _ = self.swarm.send(&peer, stream, open, &mut turn.swarm);
        }
        let reason = format!("this device speaks version {ours} of replication, not {version}");
        self.refuse(turn, peer, stream, reason);
        self.show_versions(turn);
    }

    /// Answers an `Open` with a reason and closes its stream.
    pub(crate) fn refuse(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        stream: StreamId,
        reason: String,
    ) {
        let refused = dxos_base::encode(&SpaceMessage::Refused { reason });
        // A stream that takes no more is closed all the same.
        let _ = self.swarm.send(&peer, stream, refused, &mut turn.swarm);
        if let Some(conversation) = self.conversations.get_mut(&peer) {
            conversation.streams.remove(&stream);
        }
        self.swarm.close(&peer, stream, &mut turn.swarm);
    }

    /// Shows as long as it is so that another device needs an update, or this one.
    pub(crate) fn show_versions(&mut self, turn: &mut Turn<'_, '_>) {
        let others = self.conversations.values().filter_map(|c| c.other_version);
        let changed = match others.max() {
            Some(version) => {
                let which = match version > self.replicate_version {
                    true => "This device has an older version of this program than another one",
                    false => "Another device has an older version of this program than this one",
                };
                let text = format!("{which} and cannot exchange changes with it. Update it.");
                self.warnings.insert("version", text).is_none()
            }
            None => self.warnings.remove("version").is_some(),
        };
        if changed {
            self.status_dirty(turn.cx.now);
        }
    }

    /// Plays a build that speaks another version of replication, for tests of mixed versions; right after
    /// [`Node::open`].
    pub fn set_replicate_version(&mut self, version: u32) {
        self.replicate_version = version;
    }
}

const _: () = assert!(WINDOW_BYTES <= limits::STREAM_MESSAGE_BYTES_MAX);
