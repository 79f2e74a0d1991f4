//! The node: one state machine over one profile. Everything that happens comes in as an [`Event`]; everything the
//! host must do goes out as an [`Effect`].
//!
//! Invariants
//! * nothing is sent to a peer before the commit it stands on is synced; nothing is acknowledged to a client before
//!   it survives a kill;
//! * after every event all queues are drained: what must be done is in `out`, what must be done later has a time in
//!   [`Node::wake_at`].
//!
//! The parts: `clients` (calls and subscriptions), `live` (rows of subscriptions), `texts` and `editing` (open texts),
//! `space` (HALO + ECHO of one space), `life` (which spaces are open), `peers` and `replicate` (sessions), `presence`,
//! `blobs`, `invitations`, `verify`, `status`.

use std::collections::BTreeMap;

use dxos_base::crypto::Cipher;
use dxos_base::{DecodeError, PeerId, SpaceId, TextDelta, TextId, Tick};
use dxos_echo::EchoError;
use dxos_echo::entry::ENTRY_VERSION;
use dxos_echo::store::{Durability, StoreError};
use dxos_halo::Identity;
use dxos_mesh::swarm::{Swarm, SwarmEffect, SwarmEvent, SwarmOutput, TopicSecrets};
use dxos_mesh::{PresenceTable, Topic};
use dxos_services::{StatusView, TextAddress};

use crate::blobs::BlobTransfers;
use crate::clients::Channel;
use crate::event::{ChannelId, Context, Effect, Event, NodeConfig};
use crate::invitations::Invitations;
use crate::life::RestingSpaces;
use crate::live::Live;
use crate::peers::Conversation;
use crate::presence::OwnPresence;
use crate::space::{SpaceState, transaction};
use crate::texts::OpenText;
use crate::undo::UndoSteps;
use crate::wire::REPLICATE_VERSION;

/// Why a profile could not be opened. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stored data does not read.
    #[error(transparent)]
    Echo(#[from] EchoError),
    /// The profile's secrets do not open with the key the host gave.
    #[error("the profile's keys cannot be opened on this device")]
    KeyLost,
    /// A stored record is damaged.
    #[error("a stored record is damaged: {0}")]
    Damaged(#[from] DecodeError),
}

/// Storage key of the switch for all networking: set while it is off, so that a new run stays offline.
pub(crate) const OFFLINE: &str = "node/offline";
pub(crate) const SECRET_IDENTITY: &str = "secret/identity";

/// One turn of the machine: what may be touched and where effects go.
pub(crate) struct Turn<'a, 'b> {
    pub(crate) cx: &'a mut Context<'b>,
    pub(crate) out: &'a mut Vec<Effect>,
    pub(crate) swarm: SwarmOutput,
}

/// Who began a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    ByClient,
    Otherwise,
}

/// See the module.
pub struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) identity: Option<Identity>,
    /// Open spaces.
    pub(crate) spaces: BTreeMap<SpaceId, SpaceState>,
    /// The profile's other spaces.
    pub(crate) resting: RestingSpaces,
    pub(crate) swarm: Swarm,
    pub(crate) offline: bool,
    pub(crate) channels: BTreeMap<ChannelId, Channel>,
    pub(crate) texts: BTreeMap<TextAddress, OpenText>,
    /// How open texts changed, while that is not told yet.
    pub(crate) held_texts: Option<Vec<(TextId, TextDelta)>>,
    pub(crate) undo: UndoSteps,
    pub(crate) conversations: BTreeMap<PeerId, Conversation>,
    pub(crate) presence: BTreeMap<SpaceId, PresenceTable>,
    pub(crate) own_presence: OwnPresence,
    pub(crate) invitations: Invitations,
    pub(crate) blobs: BlobTransfers,
    pub(crate) live: Live,
    pub(crate) subscriptions_made: u64,
    pub(crate) status: Option<StatusView>,
    pub(crate) status_at: Option<Tick>,
    pub(crate) status_sent: Tick,
    pub(crate) queries_at: Option<Tick>,
    pub(crate) queries_sent: Tick,
    pub(crate) beat_at: Tick,
    pub(crate) warnings: BTreeMap<&'static str, String>,
    /// Newest version of entries written and understood.
    pub(crate) entry_version: u8,
    /// Messages of peers in this run, by kind.
    pub(crate) messages: BTreeMap<&'static str, Heard>,
    /// Version of replication spoken.
    pub(crate) replicate_version: u32,
}

/// Messages of one kind that peers sent inside streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heard {
    /// How many.
    pub count: u64,
    /// Their bytes, without what the session adds.
    pub bytes: u64,
}

/// Shortest time between two status (or query) batches.
pub(crate) const BATCH_MS: u64 = 16;
/// Pending changes are sealed at the latest this long after the sealing before them, with peers connected.
const SEAL_LIVE_MS: u64 = 16;
/// The same with nobody connected.
const SEAL_ALONE_MS: u64 = 250;
/// Written when storage is tried again after a failure: the time of the try.
const STORAGE_PROBE: &str = "storage-probe";
/// After a failed commit storage is tried again after this.
pub(crate) const STORAGE_RETRY_MS: u64 = 2_000;

impl Node {
    /// Opens the profile in `cx.store`; an empty store is a new profile.
    pub fn open(config: NodeConfig, cx: &mut Context<'_>) -> Result<Node, NodeError> {
        let me = PeerId(cx.entropy.array());
        let mut node = Node {
            config,
            identity: None,
            spaces: BTreeMap::new(),
            resting: BTreeMap::new(),
            swarm: Swarm::new(me),
            offline: false,
            channels: BTreeMap::new(),
            texts: BTreeMap::new(),
            held_texts: None,
            undo: UndoSteps::default(),
            conversations: BTreeMap::new(),
            presence: BTreeMap::new(),
            own_presence: OwnPresence::new(u64::from_le_bytes(cx.entropy.array())),
            invitations: Invitations::default(),
            blobs: BlobTransfers::default(),
            live: Live::default(),
            subscriptions_made: 0,
            status: None,
            status_at: Some(cx.now),
            status_sent: Tick(0),
            queries_at: None,
            queries_sent: Tick(0),
            beat_at: cx.now,
            warnings: BTreeMap::new(),
            entry_version: ENTRY_VERSION,
            messages: BTreeMap::new(),
            replicate_version: REPLICATE_VERSION,
        };
        transaction(cx, Durability::Acknowledged, |cx| node.load(cx))?;
        Ok(node)
    }

    fn load(&mut self, cx: &mut Context<'_>) -> Result<(), NodeError> {
        self.offline = cx.store.get(OFFLINE)?.is_some();
        self.load_blob_bounds(cx)?;
        let Some(sealed) = cx.store.get(SECRET_IDENTITY)? else {
            return Ok(());
        };
        let secret = self.unseal(SECRET_IDENTITY, &sealed)?;
        let identity = Identity::from_secret_bytes(&secret).map_err(|_| NodeError::KeyLost)?;
        self.swarm.set_secret(identity.device_agreement().clone());
        self.identity = Some(identity);
        let invited = self.load_invitations(cx)?;
        self.load_spaces(&invited, cx)?;
        self.name_invitations();
        Ok(())
    }

    /// Plays a build that writes and understands entries up to `version`, for tests of mixed versions; right after
    /// [`Node::open`].
    pub fn set_entry_version(&mut self, version: u8) {
        self.entry_version = version;
        for space in self.spaces.values_mut() {
            space.data.set_entry_version(version);
        }
    }

    /// Starts networking; call once after [`Node::open`].
    pub fn start(&mut self, cx: &mut Context<'_>, out: &mut Vec<Effect>) {
        let mut turn = Turn {
            cx,
            out,
            swarm: SwarmOutput::default(),
        };
        for id in self.spaces.keys().copied().collect::<Vec<_>>() {
            self.take_up(&mut turn, id);
        }
        self.join_invitation_topics(&mut turn);
        if self.identity.is_some() && !self.offline {
            self.swarm.set_enabled(turn.cx.now, true, &mut turn.swarm);
        }
        self.settle(&mut turn, Asked::Otherwise);
    }

    /// Advances the node by one event. Never fails: what goes wrong is told to whom it concerns.
    pub fn handle(&mut self, cx: &mut Context<'_>, event: Event, out: &mut Vec<Effect>) {
        let mut turn = Turn {
            cx,
            out,
            swarm: SwarmOutput::default(),
        };
        let now = turn.cx.now;
        let asked = match &event {
            Event::ChannelFrame(..) => Asked::ByClient,
            _ => Asked::Otherwise,
        };
        match event {
            Event::Wake => self.wake(&mut turn),
            Event::ChannelOpened(channel) => {
                self.channels.insert(channel, Channel::default());
            }
            Event::ChannelFrame(channel, bytes) => self.client_frame(&mut turn, channel, &bytes),
            Event::ChannelClosed(channel) => self.channel_closed(&mut turn, channel),
            Event::SignalOpened => self.swarm.signal_opened(now, &mut turn.swarm),
            Event::SignalFrame(bytes) => {
                self.swarm
                    .signal_frame(now, &bytes, &mut *turn.cx.entropy, &mut turn.swarm);
            }
            Event::SignalClosed => {
                self.swarm
                    .signal_closed(now, &mut *turn.cx.entropy, &mut turn.swarm);
            }
            Event::Link(event) => {
                self.swarm
                    .link_event(now, event, &mut *turn.cx.entropy, &mut turn.swarm);
            }
            Event::DirectAvailable(direct) => {
                self.swarm
                    .set_direct(now, direct, &mut *turn.cx.entropy, &mut turn.swarm);
            }
        }
        self.settle(&mut turn, asked);
    }

    /// When [`Event::Wake`] is due, if ever.
    pub fn wake_at(&self) -> Option<Tick> {
        let spaces = self
            .spaces
            .values()
            .flat_map(|space| [space.seal_at, space.announce_at]);
        let beat = (!self.conversations.is_empty()).then_some(self.beat_at);
        let presence = self.presence.values().map(PresenceTable::next_expiry);
        let timers = [
            self.swarm.wake_at(),
            self.status_at,
            self.queries_at,
            beat,
            self.invitations.wake_at(),
            self.own_presence.wake_at(),
            self.opening_at(),
            self.blobs.wake_at(),
        ];
        spaces.chain(presence).chain(timers).flatten().min()
    }

    fn wake(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.cx.now;
        self.swarm.wake(now, &mut *turn.cx.entropy, &mut turn.swarm);
        self.wake_invitations(turn);
        self.open_due(turn);
        self.expire_presence(turn);
        if self.beat_at <= now {
            self.beat(turn);
        }
    }

    /// Carries out what this turn brought about until nothing is left.
    fn settle(&mut self, turn: &mut Turn<'_, '_>, asked: Asked) {
        self.drain_swarm(turn);
        self.verify_due(turn);
        self.seal_due(turn, asked);
        self.announce_due(turn);
        self.tell_presence(turn);
        self.drain_swarm(turn);
        self.blobs_due(turn);
        self.drain_swarm(turn);
        self.flush_clients(turn);
    }

    fn drain_swarm(&mut self, turn: &mut Turn<'_, '_>) {
        loop {
            let output = std::mem::take(&mut turn.swarm);
            if output.events.is_empty() && output.effects.is_empty() {
                return;
            }
            turn.out
                .extend(output.effects.into_iter().map(|effect| match effect {
                    SwarmEffect::SignalConnect => Effect::SignalConnect,
                    SwarmEffect::SignalClose => Effect::SignalClose,
                    SwarmEffect::SignalSend(frame) => Effect::SignalSend(frame),
                    SwarmEffect::Link(command) => Effect::Link(command),
                }));
            for event in output.events {
                self.swarm_event(turn, event);
            }
        }
    }

    fn swarm_event(&mut self, turn: &mut Turn<'_, '_>, event: SwarmEvent) {
        match event {
            SwarmEvent::Signal { .. } => self.status_dirty(turn.cx.now),
            SwarmEvent::InTopic { peer, topic } => self.peer_in_topic(turn, peer, topic),
            SwarmEvent::Established {
                peer,
                remote,
                handshake_hash,
                path,
                topic,
                initiator,
            } => {
                let conversation =
                    Conversation::new(remote, handshake_hash, path, topic, initiator);
                self.peer_established(turn, peer, conversation);
            }
            SwarmEvent::Opened {
                peer,
                stream,
                protocol,
            } => {
                self.stream_opened(turn, peer, stream, &protocol);
            }
            SwarmEvent::Message {
                peer,
                stream,
                bytes,
            } => {
                self.stream_message(turn, peer, stream, &bytes);
            }
            SwarmEvent::StreamClosed { peer, stream } => self.stream_closed(turn, peer, stream),
            SwarmEvent::Lost { peer } => self.peer_lost(turn, peer),
        }
    }

    // ---- sealing ----------------------------------------------------------------------------------------

    /// Plans the sealing of what was just written.
    pub(crate) fn plan_seal(&mut self, now: Tick, id: SpaceId) {
        let connected = self.is_connected(&id);
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        let wait = if connected {
            SEAL_LIVE_MS
        } else {
            SEAL_ALONE_MS
        };
        let at = space.sealed_at.plus_ms(wait).max(now);
        space.seal_at = Some(space.seal_at.map_or(at, |planned| planned.min(at)));
    }

    /// A peer has the space open.
    fn is_connected(&self, id: &SpaceId) -> bool {
        self.conversations.values().any(|peer| peer.is_open(id))
    }

    /// Seals what is due. Where a client waits for an answer and no peer for an entry, the answer goes out first, and
    /// sealing, which waits for the disk, has the next turn: it is due at once.
    fn seal_due(&mut self, turn: &mut Turn<'_, '_>, asked: Asked) {
        let now = turn.cx.now;
        let due = |space: &&SpaceState| {
            let waits = asked == Asked::ByClient && !self.is_connected(&space.id);
            space.seal_at.is_some_and(|at| at <= now) && !waits
        };
        for id in self
            .spaces
            .values()
            .filter(due)
            .map(|space| space.id)
            .collect::<Vec<_>>()
        {
            self.seal(turn, id);
        }
    }

    /// Seals what is pending in a space and sends it to connected peers.
    pub(crate) fn seal(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        let Some(space) = self.spaces.get_mut(&id).filter(|_| self.identity.is_some()) else {
            return;
        };
        space.seal_at = None;
        if space.data.needs_rebuild() {
            // The profile was copied or put back: what is pending goes on in a new feed.
            match transaction(turn.cx, Durability::Synced, |cx| space.rebuild(cx)) {
                Ok(received) => self.entries_applied(turn, id, received),
                Err(error) => return self.storage_failed(turn, id, &error),
            }
        }
        let (Some(space), Some(identity)) = (self.spaces.get_mut(&id), &self.identity) else {
            return;
        };
        // After a failure a sealing, an empty one too, shows whether storage works again.
        let probes = space.failed;
        if !space.data.pending() && !probes {
            return self.recover_texts(turn, id);
        }
        let sealed = transaction(turn.cx, Durability::Synced, |cx| {
            if probes {
                // A transaction that writes nothing would do on a full disk too.
                let now = cx.now.0.to_le_bytes();
                cx.store.set(STORAGE_PROBE, Some(&now))?;
            }
            space.seal_entries(identity, cx)
        });
        self.status_dirty(turn.cx.now);
        match sealed {
            Ok((entries, new_credentials)) => {
                self.note_sealed(turn.cx.now, id);
                self.recover_texts(turn, id);
                self.settle_texts(turn, id);
                if new_credentials {
                    self.credentials_changed(turn, id);
                }
                self.push_entries(turn, id, entries);
            }
            Err(error) => {
                self.storage_failed(turn, id, &error);
                if let Some(space) = self.spaces.get_mut(&id) {
                    space.sealed_at = turn.cx.now;
                    space.seal_at = Some(turn.cx.now.plus_ms(STORAGE_RETRY_MS));
                }
            }
        }
        self.queries_dirty(turn.cx.now);
    }

    /// A sealing is committed and synced: its entries may leave.
    pub(crate) fn note_sealed(&mut self, now: Tick, id: SpaceId) {
        self.warnings.remove("storage");
        if let Some(space) = self.spaces.get_mut(&id) {
            space.sealed_at = now;
            space.failed = false;
            // Something typed before a restart waits for the text engine.
            let waits = space.data.pending();
            space.seal_at = waits.then(|| now.plus_ms(STORAGE_RETRY_MS));
        }
    }

    /// A commit of a space failed: its memory is read again from disk and people are told.
    pub(crate) fn storage_failed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        error: &EchoError,
    ) {
        if let EchoError::Store(error) = error {
            self.warnings
                .insert("storage", crate::failure::storage_warning(error));
        }
        tracing::warn!(space = %id, %error, "space.commit_failed");
        self.reload(turn, id);
        if let Some(space) = self.spaces.get_mut(&id) {
            space.failed = matches!(error, EchoError::Store(_));
            space
                .seal_at
                .get_or_insert(turn.cx.now.plus_ms(STORAGE_RETRY_MS));
        }
        self.ask_again(turn.cx.now.plus_ms(STORAGE_RETRY_MS), id);
        self.status_dirty(turn.cx.now);
    }

    /// Reads a space's memory again from disk and opens the texts on screen again.
    pub(crate) fn reload(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        self.read_again(turn, id);
        self.reopen_texts(turn, id);
    }

    /// Reads a space's memory again from disk; none of its texts is open afterwards.
    pub(crate) fn read_again(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        let Some(identity) = &self.identity else {
            return;
        };
        let agreement = identity.agreement().clone();
        let reload = transaction(turn.cx, Durability::Acknowledged, |cx| {
            space.reload(&agreement, cx)
        });
        if let Err(error) = reload {
            tracing::error!(space = %id, %error, "space.reload_failed");
        }
    }

    /// Messages of peers that came inside streams since the node was opened, by kind. Also in `Stats`.
    pub fn messages(&self) -> &BTreeMap<&'static str, Heard> {
        &self.messages
    }

    // ---- small helpers ----------------------------------------------------------------------------------

    /// A peer's message of this kind came.
    pub(crate) fn count_message(&mut self, kind: &'static str, bytes: &[u8]) {
        let heard = self.messages.entry(kind).or_default();
        heard.count += 1;
        heard.bytes += bytes.len() as u64;
    }

    /// Seals a secret of this profile for the store; bound to its name.
    pub(crate) fn seal_secret(&self, name: &str, secret: &[u8], cx: &mut Context<'_>) -> Vec<u8> {
        Cipher::new(&self.config.profile_key).seal(name.as_bytes(), secret, &mut *cx.entropy)
    }

    /// Opens a secret of this profile.
    pub(crate) fn unseal(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, NodeError> {
        let cipher = Cipher::new(&self.config.profile_key);
        cipher
            .open(name.as_bytes(), sealed)
            .map_err(|_| NodeError::KeyLost)
    }

    /// Is found where the members of a space meet.
    pub(crate) fn join_topics(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        for (_, key) in space.keyring.all() {
            let topic = Topic(key.network_secret(&id, "dxos/1 topic"));
            let secrets = TopicSecrets {
                psk: key.network_secret(&id, "dxos/1 psk"),
                signal: key.network_secret(&id, "dxos/1 signal"),
            };
            self.swarm.join(topic, secrets, &mut turn.swarm);
        }
    }

    /// The spaces whose members meet in a topic.
    pub(crate) fn spaces_of_topic(&self, topic: &Topic) -> Vec<SpaceId> {
        let meets = |space: &&SpaceState| space.topics().any(|own| own == *topic);
        self.spaces
            .values()
            .filter(meets)
            .map(|space| space.id)
            .collect()
    }
}
