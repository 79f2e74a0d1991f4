//! Conversations: what this node and one connected peer say to each other over their session.
//!
//! Invariants
//! * a peer is told of a space, and believed about it, only on a stream where it proved which device it is
//!   (DESIGN 6: chain proof over handshake hash, space and role);
//! * who left or was removed is heard only for entries that count and are not here yet, and is told nothing.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{AgreementKey, DeviceKey, FeedId, Hash, PeerId, Signature, SpaceId, Tick, hash};
use dxos_echo::Tip;
use dxos_mesh::swarm::Path;
use dxos_mesh::{StreamId, Topic};

use crate::blobs::wire::BLOB_STREAM;
use crate::greeting::Standpoint;
use crate::node::{Node, Turn};
use crate::progress::Movement;
use crate::wire::{GOSSIP, Greeting, INVITE, REPLICATE, SpaceMessage};

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Replication; of which space is known after `Open`.
    Replicate(Option<SpaceId>),
    /// Presence.
    Gossip,
    /// An invitation.
    Invite,
    /// Blobs; whose turn it is to ask stands in `blobs`.
    Blob,
}

/// One space on one session.
#[derive(Debug)]
pub(crate) struct PeerSpace {
    pub(crate) stream: StreamId,
    /// The device the peer proved to be, once it did.
    pub(crate) device: Option<DeviceKey>,
    /// Its identity is no member any more and has entries from before that are not here.
    pub(crate) left: bool,
    /// An `Open` that waits for the chain that admits its device.
    unproved: Option<(DeviceKey, Signature)>,
    asked_chain: bool,
    /// The peer needs the chain that admits this device, and may not learn what is in it: it has left.
    owes_chain: bool,
    /// What we greeted with, until it is answered.
    pub(crate) greeted: Option<Standpoint>,
    /// A greeting that came before the peer's proof could be checked.
    pub(crate) early_greeting: Option<Greeting>,
    /// Greatest seq by feed the peer is known to have.
    pub(crate) remote: BTreeMap<FeedId, u64>,
    /// The peer told its timeframe, or its digest equalled ours.
    pub(crate) remote_known: bool,
    pub(crate) remote_control: Option<Hash>,
    /// The peer's state digest with exactly these entries and credentials.
    pub(crate) remote_state: Option<[u8; 16]>,
    /// What the peer was told we have.
    pub(crate) told: BTreeMap<FeedId, u64>,
    pub(crate) told_control: Option<Hash>,
    pub(crate) told_state: Option<[u8; 16]>,
    /// Feeds asked for and not answered yet.
    pub(crate) wants: BTreeMap<FeedId, Tick>,
    /// Ends of the chains of forked feeds the peer holds, by feed.
    pub(crate) remote_tips: BTreeMap<FeedId, BTreeSet<Tip>>,
    /// Ends of chains of forked feeds the peer was told of.
    pub(crate) told_tips: BTreeSet<Tip>,
    /// Chains asked for and not answered yet, by their last entry.
    pub(crate) chain_wants: BTreeMap<(FeedId, Hash), Tick>,
    /// States (ours, the peer's) for which all tips were sent, and when.
    pub(crate) suspected: Option<([u8; 16], [u8; 16], Tick)>,
    /// Control digest for which our heads were sent last.
    pub(crate) heads_sent_for: Option<(Hash, Hash)>,
    /// Of what it sent last nothing could be stored.
    pub(crate) not_taken: bool,
    /// Since when nothing moved.
    pub(crate) movement: Movement,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) remote: AgreementKey,
    pub(crate) handshake_hash: [u8; 32],
    pub(crate) path: Path,
    pub(crate) topic: Topic,
    pub(crate) initiator: bool,
    pub(crate) streams: BTreeMap<StreamId, Purpose>,
    pub(crate) spaces: BTreeMap<SpaceId, PeerSpace>,
    pub(crate) gossip: Option<StreamId>,
    /// The version of replication the peer speaks, if it is not ours.
    pub(crate) other_version: Option<u32>,
}

impl PeerSpace {
    /// The peer has at least this much of a feed. The state it told was of less.
    pub(crate) fn has_through(&mut self, feed: FeedId, seq: u64) {
        let known = self.remote.entry(feed).or_default();
        if seq > *known {
            *known = seq;
            self.remote_state = None;
        }
    }

    /// The peer says how much of a feed it has: after a fork that may be less than before.
    pub(crate) fn says(&mut self, feed: FeedId, seq: u64) {
        if self.remote.insert(feed, seq) != Some(seq) {
            self.remote_state = None;
        }
    }

    fn new(stream: StreamId) -> Self {
        PeerSpace {
            stream,
            device: None,
            left: false,
            unproved: None,
            asked_chain: false,
            owes_chain: false,
            greeted: None,
            early_greeting: None,
            remote: BTreeMap::new(),
            remote_known: false,
            remote_control: None,
            remote_state: None,
            told: BTreeMap::new(),
            told_control: None,
            told_state: None,
            wants: BTreeMap::new(),
            remote_tips: BTreeMap::new(),
            told_tips: BTreeSet::new(),
            chain_wants: BTreeMap::new(),
            suspected: None,
            heads_sent_for: None,
            not_taken: false,
            movement: Movement::default(),
        }
    }
}

impl Conversation {
    pub(crate) fn new(
        remote: AgreementKey,
        handshake_hash: [u8; 32],
        path: Path,
        topic: Topic,
        initiator: bool,
    ) -> Self {
        Conversation {
            remote,
            handshake_hash,
            path,
            topic,
            initiator,
            streams: BTreeMap::new(),
            spaces: BTreeMap::new(),
            gossip: None,
            other_version: None,
        }
    }

    /// Whether the peer has proved itself for a space.
    pub(crate) fn is_open(&self, space: &SpaceId) -> bool {
        self.spaces
            .get(space)
            .is_some_and(|space| space.device.is_some())
    }

    /// Whether the peer has proved itself for a space and may learn what is in it.
    pub(crate) fn is_served(&self, space: &SpaceId) -> bool {
        let served = |space: &PeerSpace| space.device.is_some() && !space.left;
        self.spaces.get(space).is_some_and(served)
    }

    /// What a side signs to open a space: bound to this session and to its side of it.
    fn proof(&self, space: &SpaceId, by_initiator: bool) -> Hash {
        hash(
            "chain",
            &[
                &self.handshake_hash,
                space.as_bytes(),
                &[u8::from(by_initiator)],
            ],
        )
    }
}

impl Node {
    /// A space on the session with a peer.
    pub(crate) fn peer_space(&mut self, peer: &PeerId, id: &SpaceId) -> Option<&mut PeerSpace> {
        self.conversations.get_mut(peer)?.spaces.get_mut(id)
    }

    /// Whether a peer has proved itself for a space and may learn what is in it.
    pub(crate) fn serves(&self, peer: &PeerId, id: &SpaceId) -> bool {
        let conversation = self.conversations.get(peer);
        conversation.is_some_and(|conversation| conversation.is_served(id))
    }

    pub(crate) fn peer_in_topic(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, topic: Topic) {
        for space in self.spaces_of_topic(&topic) {
            self.open_space(turn, peer, space);
        }
        self.guest_meets(turn, peer, topic);
    }

    pub(crate) fn peer_established(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        mut conversation: Conversation,
    ) {
        let topic = conversation.topic;
        if conversation.initiator
            && let Some(stream) = self.swarm.open(&peer, GOSSIP, &mut turn.swarm)
        {
            conversation.gossip = Some(stream);
            conversation.streams.insert(stream, Purpose::Gossip);
        }
        tracing::debug!(peer = %peer, path = ?conversation.path, "peer.established");
        self.conversations.insert(peer, conversation);
        self.beat_at = self
            .beat_at
            .min(turn.cx.now.plus_ms(crate::presence::BEAT_MS));
        let mut spaces = self
            .spaces_of_topic(&topic)
            .into_iter()
            .collect::<BTreeSet<_>>();
        for id in self.spaces.keys() {
            let shared = |topic: &Topic| self.swarm.peers_in(topic).contains(&peer);
            if self.topics_of_space(id).iter().any(shared) {
                spaces.insert(*id);
            }
        }
        for space in spaces {
            self.open_space(turn, peer, space);
        }
        self.guest_meets(turn, peer, topic);
        self.status_dirty(turn.cx.now);
    }

    /// The topics of a space.
    fn topics_of_space(&self, id: &SpaceId) -> Vec<Topic> {
        let Some(space) = self.spaces.get(id) else {
            return Vec::new();
        };
        space.topics().collect()
    }

    pub(crate) fn peer_lost(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId) {
        let Some(conversation) = self.conversations.remove(&peer) else {
            return;
        };
        tracing::debug!(peer = %peer, "peer.lost");
        for (space, peer_space) in &conversation.spaces {
            if let Some(device) = peer_space.device {
                self.presence_lost(turn, *space, device);
            }
        }
        for (stream, purpose) in &conversation.streams {
            if *purpose == Purpose::Invite {
                self.invite_stream_closed(turn, peer, *stream);
            }
        }
        for space in conversation.spaces.keys() {
            self.compare_states(turn.cx.now, *space);
        }
        self.blob_peer_lost(turn.cx.now, peer);
        self.show_versions(turn);
        self.status_dirty(turn.cx.now);
    }

    pub(crate) fn stream_opened(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        stream: StreamId,
        protocol: &str,
    ) {
        let Some(conversation) = self.conversations.get_mut(&peer) else {
            return;
        };
        let purpose = match protocol {
            REPLICATE => Purpose::Replicate(None),
            GOSSIP => {
                conversation.gossip = Some(stream);
                Purpose::Gossip
            }
            INVITE => Purpose::Invite,
            BLOB_STREAM => Purpose::Blob,
            _ => return self.swarm.close(&peer, stream, &mut turn.swarm),
        };
        conversation.streams.insert(stream, purpose);
        match purpose {
            Purpose::Gossip => self.send_presence_to(turn, peer),
            Purpose::Blob => self.blob_stream_opened(peer, stream),
            _ => {}
        }
    }

    pub(crate) fn stream_message(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        stream: StreamId,
        bytes: &[u8],
    ) {
        let Some(conversation) = self.conversations.get(&peer) else {
            return;
        };
        match conversation.streams.get(&stream).copied() {
            Some(Purpose::Replicate(space)) => self.space_message(turn, peer, stream, space, bytes),
            Some(Purpose::Gossip) => self.gossip_message(turn, peer, bytes),
            Some(Purpose::Invite) => self.invite_message(turn, peer, stream, bytes),
            Some(Purpose::Blob) => self.blob_message(turn, peer, stream, bytes),
            None => {}
        }
    }

    pub(crate) fn stream_closed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        stream: StreamId,
    ) {
        let Some(conversation) = self.conversations.get_mut(&peer) else {
            return;
        };
        match conversation.streams.remove(&stream) {
            Some(Purpose::Replicate(Some(space))) => {
                conversation.spaces.remove(&space);
                self.compare_states(turn.cx.now, space);
                self.status_dirty(turn.cx.now);
            }
            Some(Purpose::Invite) => self.invite_stream_closed(turn, peer, stream),
            Some(Purpose::Gossip) => conversation.gossip = None,
            Some(Purpose::Blob) => self.blob_stream_closed(turn.cx.now, peer, stream),
            Some(Purpose::Replicate(None)) | None => {}
        }
    }

    // ---- opening a space on a session -------------------------------------------------------------------

    /// Begins replication of a space with a peer, if this side is the one that begins.
    pub(crate) fn open_space(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, space: SpaceId) {
        let Some(conversation) = self.conversations.get_mut(&peer) else {
            return;
        };
        let known = conversation.spaces.contains_key(&space) || !self.spaces.contains_key(&space);
        if known || !conversation.initiator {
            return;
        }
        let Some(stream) = self.swarm.open(&peer, REPLICATE, &mut turn.swarm) else {
            return;
        };
        conversation
            .streams
            .insert(stream, Purpose::Replicate(Some(space)));
        conversation.spaces.insert(space, PeerSpace::new(stream));
        self.send_open(turn, peer, space);
    }

    fn send_open(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, space: SpaceId) {
        if let Some(open) = self.open_message(&peer, space) {
            self.send_space(turn, peer, space, &open);
        }
    }

    /// What opens a space on the session with a peer, with this device's proof.
    pub(crate) fn open_message(&self, peer: &PeerId, space: SpaceId) -> Option<SpaceMessage> {
        let (identity, conversation) = (self.identity.as_ref()?, self.conversations.get(peer)?);
        let proof = conversation.proof(&space, conversation.initiator);
        Some(SpaceMessage::Open {
            version: self.replicate_version,
            space,
            device: identity.device(),
            signature: identity.signing_key().sign(&proof),
        })
    }

    /// Sends a message on a space's stream.
    pub(crate) fn send_space(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        space: SpaceId,
        message: &SpaceMessage,
    ) {
        let Some(conversation) = self.conversations.get(&peer) else {
            return;
        };
        let Some(peer_space) = conversation.spaces.get(&space) else {
            return;
        };
        let stream = peer_space.stream;
        let sent = self
            .swarm
            .send(&peer, stream, dxos_base::encode(message), &mut turn.swarm);
        if let Err(error) = sent {
            // The peer does not read: start over, from digests, when it does.
            tracing::warn!(peer = %peer, space = %space, %error, "peer.stream_full");
            self.swarm
                .drop_peer(turn.cx.now, peer, &mut *turn.cx.entropy, &mut turn.swarm);
        }
    }

    /// A peer says which space a stream is for, and which device it is.
    pub(crate) fn open_received(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        stream: StreamId,
        space: SpaceId,
        claim: (DeviceKey, Signature),
    ) {
        let Some(conversation) = self.conversations.get_mut(&peer) else {
            return;
        };
        if !self.spaces.contains_key(&space) {
            let reason = "the space is not on this device".to_owned();
            return self.refuse(turn, peer, stream, reason);
        }
        let answer = conversation
            .spaces
            .get(&space)
            .is_none_or(|known| known.stream != stream);
        if answer {
            conversation
                .streams
                .insert(stream, Purpose::Replicate(Some(space)));
            conversation.spaces.insert(space, PeerSpace::new(stream));
            self.send_open(turn, peer, space);
        }
        if let Some(conversation) = self.conversations.get_mut(&peer)
            && let Some(peer_space) = conversation.spaces.get_mut(&space)
        {
            peer_space.unproved = Some(claim);
        }
        self.prove(turn, peer, space);
    }

    /// A peer does not know this device: it is told the chain that admits it. Who has left or was removed is told
    /// nothing of what came after; they know those who were there before.
    pub(crate) fn chain_needed(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, id: SpaceId) {
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        let Some(conversation) = self.conversations.get_mut(&peer) else {
            return;
        };
        let Some(peer_space) = conversation.spaces.get_mut(&id) else {
            return;
        };
        let claimed = peer_space.unproved.map(|(device, _)| device);
        let device = peer_space.device.or(claimed);
        let state = space.graph.state();
        let is_out = device.is_some_and(|device| {
            state.devices.contains_key(&device) && state.role_of(&device).is_none()
        });
        if is_out {
            peer_space.owes_chain = true;
        } else {
            self.send_credentials(turn, peer, id, &[]);
        }
    }

    /// Checks the claim of a peer against the newest control state; asks for its chain if the device is unknown.
    pub(crate) fn prove(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, id: SpaceId) {
        let Some(conversation) = self.conversations.get_mut(&peer) else {
            return;
        };
        let by_initiator = !conversation.initiator;
        let proof = conversation.proof(&id, by_initiator);
        let remote = conversation.remote;
        let (Some(space), Some(peer_space)) =
            (self.spaces.get(&id), conversation.spaces.get_mut(&id))
        else {
            return;
        };
        let Some((device, signature)) = peer_space.unproved else {
            return;
        };
        let state = space.graph.state();
        let known = state.devices.get(&device);
        let known = known.filter(|known| known.active && known.agreement == remote);
        let member = known.is_some_and(|known| state.role(&known.identity).is_some());
        let left = !member && known.is_some() && space.lacks_of(&device);
        let signed = dxos_base::verify_signature(&device.0, &proof, &signature).is_ok();
        if !signed {
            tracing::warn!(peer = %peer, space = %id, "peer.proof_refused");
            return self
                .swarm
                .drop_peer(turn.cx.now, peer, &mut *turn.cx.entropy, &mut turn.swarm);
        }
        if !member && !left {
            if !peer_space.asked_chain {
                peer_space.asked_chain = true;
                self.send_space(turn, peer, id, &SpaceMessage::NeedChain);
            }
            return;
        }
        peer_space.unproved = None;
        (peer_space.device, peer_space.left) = (Some(device), left);
        let owed = member && std::mem::take(&mut peer_space.owes_chain);
        if owed {
            self.send_credentials(turn, peer, id, &[]);
        }
        self.status_dirty(turn.cx.now);
        self.begin_replication(turn, peer, id);
        self.blob_peer_ready(turn, peer, id);
        self.send_presence_to(turn, peer);
    }

    /// Credentials of a space changed: claims are checked again, and who lost the right is cut off.
    pub(crate) fn prove_again(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        let peers = self.conversations.keys().copied().collect::<Vec<_>>();
        for peer in peers {
            self.prove(turn, peer, id);
            let Some(space) = self.spaces.get(&id) else {
                continue;
            };
            let Some(conversation) = self.conversations.get_mut(&peer) else {
                continue;
            };
            let Some(peer_space) = conversation.spaces.get_mut(&id) else {
                continue;
            };
            let Some(device) = peer_space.device else {
                continue;
            };
            peer_space.left = space.graph.state().role_of(&device).is_none();
            if peer_space.left && !space.lacks_of(&device) {
                let stream = peer_space.stream;
                conversation.spaces.remove(&id);
                conversation.streams.remove(&stream);
                self.swarm.close(&peer, stream, &mut turn.swarm);
            }
        }
    }
}
