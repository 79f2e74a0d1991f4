//! The swarm: which peers a node is connected to, over which link, and how it comes back after a failure.
//!
//! Peers find each other in topics of the signal server. Of two peers the one with the lower id begins: directly if
//! both can, over the relay when that did not work within [`DIRECT_WAIT_MS`] or one of them cannot; a relayed pair
//! tries directly again later. One secure session is *active* for each peer; the node hears of it as
//! [`SwarmEvent::Established`] and of its end as [`SwarmEvent::Lost`]. A switch of links is a loss followed by an
//! establishment: what runs over sessions resumes from its own state.
//!
//! Invariants
//! * nothing leaves while the swarm is disabled;
//! * a peer without an active session and in a topic of ours has a try under way or a time for the next one,
//!   if we are the side that begins;
//! * a peer that the server says has left is not given up on that word alone: when its link ends, or it speaks, the
//!   server is asked who is there.
//!
//! Not here: who may open which space (the node), sockets and WebRTC (`dxos-net`).

mod links;
mod sessions;

use std::collections::BTreeMap;

use dxos_base::{AgreementKey, AgreementSecret, Entropy, PeerId, Tick};

use crate::backoff::Backoff;
use crate::link::{LinkCommand, LinkEvent, LinkId};
use crate::relay::{RelayFrame, RelayKind};
use crate::seal::{PeerSignal, PeerSignalBody, SignalSeal};
use crate::session::{Role, Session, SessionEvent, StreamError, StreamId};
use crate::signal::{ClientSignal, SIGNAL_VERSION, ServerSignal, Topic, TopicPeer, initiates};

/// A direct link may take this long before the pair speaks over the relay.
pub const DIRECT_WAIT_MS: u64 = 4_000;
/// A direct try is given up after this.
const DIRECT_TRY_MS: u64 = 20_000;
/// A session that is silent this long is dead; both sides speak every few seconds.
pub const SILENCE_MS_MAX: u64 = 12_000;
/// The signal server is asked for a sign of life after this silence, and given up at twice and a half of it.
const SIGNAL_PING_MS: u64 = 5_000;
/// Messages held of a direct session that is not active yet: more than the windows of its first streams.
const HELD_MESSAGES_MAX: usize = 64;
/// Peers remembered at once.
const PEERS_MAX: usize = 1_024;

/// How two peers are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// Through the signal server, sealed end to end.
    Relayed,
    /// A link of their own.
    Direct,
}

/// Secrets of a topic, derived with its name from one secret (DESIGN 4.8).
#[derive(Debug, Clone)]
pub struct TopicSecrets {
    /// Pre-shared key of sessions between peers that met here.
    pub psk: [u8; 32],
    /// Seals offers and candidates.
    pub signal: [u8; 32],
}

/// What the node hears of its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwarmEvent {
    /// The signal server was reached or lost.
    Signal {
        /// Reached.
        up: bool,
    },
    /// A peer is in one of our topics.
    InTopic {
        /// Who.
        peer: PeerId,
        /// Where.
        topic: Topic,
    },
    /// A secure session with a peer is active.
    Established {
        /// Who.
        peer: PeerId,
        /// Its static key: which device it is.
        remote: AgreementKey,
        /// Binds proofs to this session.
        handshake_hash: [u8; 32],
        /// Over what.
        path: Path,
        /// Where the peers met: whose secret both know.
        topic: Topic,
        /// This side began.
        initiator: bool,
    },
    /// The peer opened a stream.
    Opened {
        /// Who.
        peer: PeerId,
        /// The stream.
        stream: StreamId,
        /// What is spoken on it.
        protocol: String,
    },
    /// A message on a stream.
    Message {
        /// Who.
        peer: PeerId,
        /// The stream.
        stream: StreamId,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A stream ended.
    StreamClosed {
        /// Who.
        peer: PeerId,
        /// The stream.
        stream: StreamId,
    },
    /// The active session ended, and all its streams with it.
    Lost {
        /// Who.
        peer: PeerId,
    },
}

/// What the host must do for the swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwarmEffect {
    /// Connect to the signal server.
    SignalConnect,
    /// Close that connection.
    SignalClose,
    /// Send a frame to the signal server.
    SignalSend(Vec<u8>),
    /// For the transport of direct links.
    Link(LinkCommand),
}

/// What a call brought about, in order.
#[derive(Debug, Default)]
pub struct SwarmOutput {
    /// For the node.
    pub events: Vec<SwarmEvent>,
    /// For the host.
    pub effects: Vec<SwarmEffect>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Closed { retry_at: Option<Tick> },
    Opening { since: Tick },
    Up { heard: Tick, pinged: bool },
}

struct Direct {
    link: LinkId,
    topic: Topic,
    attempt: u64,
    since: Tick,
    session: Option<Session>,
    ready: bool,
    established: Option<(AgreementKey, [u8; 32])>,
    /// What came after the handshake while the peer is kept on the relay: the other side may have switched already.
    held: Vec<Vec<u8>>,
}

struct Relay {
    connection: u64,
    topic: Topic,
    since: Tick,
    session: Session,
    established: bool,
}

#[derive(Default)]
struct Peer {
    topics: BTreeMap<Topic, bool>,
    direct: Option<Direct>,
    relay: Option<Relay>,
    active: Option<Path>,
    pinned: bool,
    heard: Tick,
    dead_attempt: Option<u64>,
    retry: Option<Backoff>,
    retry_at: Option<Tick>,
    direct_retry: Option<Backoff>,
    direct_retry_at: Option<Tick>,
    relay_at: Option<Tick>,
}

/// See the module.
pub struct Swarm {
    me: PeerId,
    secret: Option<AgreementSecret>,
    enabled: bool,
    direct: bool,
    signal: Signal,
    signal_backoff: Backoff,
    topics: BTreeMap<Topic, (TopicSecrets, SignalSeal)>,
    peers: BTreeMap<PeerId, Peer>,
    links: BTreeMap<LinkId, PeerId>,
    next_link: u64,
}

impl Swarm {
    /// A swarm of this run's peer id, disabled.
    pub fn new(me: PeerId) -> Self {
        Swarm {
            me,
            secret: None,
            enabled: false,
            direct: false,
            signal: Signal::Closed { retry_at: None },
            signal_backoff: Backoff::new(500, 5_000),
            topics: BTreeMap::new(),
            peers: BTreeMap::new(),
            links: BTreeMap::new(),
            next_link: 1,
        }
    }

    /// This run's peer id.
    pub fn me(&self) -> PeerId {
        self.me
    }

    /// Sets the device's static key; no session is made before.
    pub fn set_secret(&mut self, secret: AgreementSecret) {
        self.secret = Some(secret);
    }

    /// Whether the swarm may speak.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether the signal server is reached (`Some(true)`), being reached (`Some(false)`) or not (`None`).
    pub fn signal_up(&self) -> Option<bool> {
        match self.signal {
            Signal::Up { .. } => Some(true),
            Signal::Opening { .. } => Some(false),
            Signal::Closed { .. } => None,
        }
    }

    /// The path of a peer's active session.
    pub fn path(&self, peer: &PeerId) -> Option<Path> {
        self.peers.get(peer)?.active
    }

    /// Peers seen in a topic.
    pub fn peers_in(&self, topic: &Topic) -> Vec<PeerId> {
        let here = |(id, peer): (&PeerId, &Peer)| peer.topics.contains_key(topic).then_some(*id);
        self.peers.iter().filter_map(here).collect()
    }

    /// Lets the swarm speak, or cuts everything.
    pub fn set_enabled(&mut self, now: Tick, enabled: bool, out: &mut SwarmOutput) {
        if self.enabled == enabled {
            return;
        }
        self.enabled = enabled;
        if enabled {
            self.signal_backoff.reset();
            self.open_signal(now, out);
            return;
        }
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            self.drop_peer_links(id, out);
        }
        self.peers.clear();
        if !matches!(self.signal, Signal::Closed { .. }) {
            out.effects.push(SwarmEffect::SignalClose);
            out.events.push(SwarmEvent::Signal { up: false });
        }
        self.signal = Signal::Closed { retry_at: None };
    }

    /// Whether direct links can be made now; said to all topics.
    pub fn set_direct(
        &mut self,
        now: Tick,
        direct: bool,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        if self.direct == direct {
            return;
        }
        self.direct = direct;
        if self.signal_up() == Some(true) {
            for topic in self.topics.keys().copied().collect::<Vec<_>>() {
                let join = ClientSignal::Join {
                    topic,
                    direct_capable: direct,
                };
                out.effects.push(SwarmEffect::SignalSend(join.encode()));
            }
        }
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            if direct {
                self.plan_direct(now, id);
            } else {
                self.drop_direct(now, id, true, entropy, out);
            }
        }
    }

    /// Is found in a topic from now on.
    pub fn join(&mut self, topic: Topic, secrets: TopicSecrets, out: &mut SwarmOutput) {
        let seal = SignalSeal::new(&secrets.signal);
        if self.topics.insert(topic, (secrets, seal)).is_none() && self.signal_up() == Some(true) {
            let join = ClientSignal::Join {
                topic,
                direct_capable: self.direct,
            };
            out.effects.push(SwarmEffect::SignalSend(join.encode()));
        }
    }

    /// Is found in a topic no more. Direct sessions made there live on; relayed ones cannot and are made anew where
    /// the peers still meet.
    pub fn leave(
        &mut self,
        now: Tick,
        topic: &Topic,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let relayed = |(id, peer): (&PeerId, &Peer)| {
            peer.relay
                .as_ref()
                .is_some_and(|relay| relay.topic == *topic)
                .then_some(*id)
        };
        for id in self.peers.iter().filter_map(relayed).collect::<Vec<_>>() {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.topics.remove(topic);
            }
            self.drop_peer_links(id, out);
            self.plan_retry(now, id, entropy);
        }
        if self.topics.remove(topic).is_some() && self.signal_up() == Some(true) {
            out.effects.push(SwarmEffect::SignalSend(
                ClientSignal::Leave { topic: *topic }.encode(),
            ));
        }
        for peer in self.peers.values_mut() {
            peer.topics.remove(topic);
        }
    }

    /// Keeps a peer on its current path (a handshake bound to the session is under way), or lets it change again.
    pub fn pin(
        &mut self,
        now: Tick,
        peer: &PeerId,
        pinned: bool,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let Some(entry) = self.peers.get_mut(peer) else {
            return;
        };
        entry.pinned = pinned;
        if !pinned {
            self.switch_to_direct(now, *peer, entropy, out);
        }
    }

    /// Opens a stream on a peer's active session.
    pub fn open(
        &mut self,
        peer: &PeerId,
        protocol: &str,
        out: &mut SwarmOutput,
    ) -> Option<StreamId> {
        let stream = self.active_session(peer)?.open(protocol).ok()?;
        self.flush(peer, out);
        Some(stream)
    }

    /// Sends a message on a stream. Messages on a stream that is gone are dropped: its end was told.
    pub fn send(
        &mut self,
        peer: &PeerId,
        stream: StreamId,
        bytes: Vec<u8>,
        out: &mut SwarmOutput,
    ) -> Result<(), StreamError> {
        let result = match self.active_session(peer) {
            Some(session) => session.send(stream, bytes),
            None => Ok(()),
        };
        self.flush(peer, out);
        result
    }

    /// Bytes that wait to be sent on a stream: a bulk transfer pauses above a bound, and goes on when they are fewer.
    pub fn queued_bytes(&mut self, peer: &PeerId, stream: StreamId) -> usize {
        let session = self.active_session(peer);
        session.map_or(0, |session| session.queued_bytes(stream))
    }

    /// Closes a stream.
    pub fn close(&mut self, peer: &PeerId, stream: StreamId, out: &mut SwarmOutput) {
        if let Some(session) = self.active_session(peer) {
            session.close(stream);
        }
        self.flush(peer, out);
    }

    /// Ends the session with a peer that misbehaved, and does not begin another for a while.
    pub fn drop_peer(
        &mut self,
        now: Tick,
        peer: PeerId,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let direct = self.peers.get(&peer).and_then(|peer| peer.direct.as_ref());
        let met_in = direct.map(|direct| direct.topic);
        self.drop_peer_links(peer, out);
        self.look_again(&peer, met_in, out);
        self.plan_retry(now, peer, entropy);
    }

    /// The next time [`Swarm::wake`] must be called.
    pub fn wake_at(&self) -> Option<Tick> {
        let signal = match self.signal {
            Signal::Closed { retry_at } => retry_at,
            Signal::Opening { since } => Some(since.plus_ms(3 * SIGNAL_PING_MS)),
            Signal::Up {
                heard,
                pinged: false,
            } => Some(heard.plus_ms(SIGNAL_PING_MS)),
            Signal::Up {
                heard,
                pinged: true,
            } => Some(heard.plus_ms(SIGNAL_PING_MS * 5 / 2)),
        };
        let peers = self.peers.values().filter_map(|peer| {
            let silence = peer.active.map(|_| peer.heard.plus_ms(SILENCE_MS_MAX));
            let direct = peer.direct.as_ref().filter(|d| d.established.is_none());
            let direct = direct.map(|d| d.since.plus_ms(DIRECT_TRY_MS));
            let relay = peer.relay.as_ref().filter(|r| !r.established);
            let relay = relay.map(|r| r.since.plus_ms(SILENCE_MS_MAX));
            [
                silence,
                direct,
                relay,
                peer.retry_at,
                peer.direct_retry_at,
                peer.relay_at,
            ]
            .into_iter()
            .flatten()
            .min()
        });
        signal.into_iter().chain(peers).min()
    }

    /// Does what has come due.
    pub fn wake(&mut self, now: Tick, entropy: &mut dyn Entropy, out: &mut SwarmOutput) {
        if !self.enabled {
            return;
        }
        match self.signal {
            Signal::Closed { retry_at: Some(at) } if at <= now => self.open_signal(now, out),
            Signal::Opening { since } if since.plus_ms(3 * SIGNAL_PING_MS) <= now => {
                out.effects.push(SwarmEffect::SignalClose);
                self.signal_closed(now, entropy, out);
            }
            Signal::Up {
                heard,
                pinged: false,
            } if heard.plus_ms(SIGNAL_PING_MS) <= now => {
                self.signal = Signal::Up {
                    heard,
                    pinged: true,
                };
                out.effects
                    .push(SwarmEffect::SignalSend(ClientSignal::Ping(now.0).encode()));
            }
            Signal::Up {
                heard,
                pinged: true,
            } if heard.plus_ms(SIGNAL_PING_MS * 5 / 2) <= now => {
                out.effects.push(SwarmEffect::SignalClose);
                self.signal_closed(now, entropy, out);
            }
            _ => {}
        }
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            self.wake_peer(now, id, entropy, out);
        }
    }

    fn wake_peer(
        &mut self,
        now: Tick,
        id: PeerId,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let due = |at: Option<Tick>| at.is_some_and(|at| at <= now);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.active.is_some() && peer.heard.plus_ms(SILENCE_MS_MAX) <= now {
            return self.drop_peer(now, id, entropy, out);
        }
        if let Some(direct) = &peer.direct
            && direct.established.is_none()
            && direct.since.plus_ms(DIRECT_TRY_MS) <= now
        {
            self.drop_direct(now, id, true, entropy, out);
        }
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if let Some(relay) = &peer.relay
            && !relay.established
            && relay.since.plus_ms(SILENCE_MS_MAX) <= now
        {
            peer.relay = None;
            self.plan_retry(now, id, entropy);
        }
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if due(peer.relay_at) {
            peer.relay_at = None;
            if peer.active.is_none() && peer.relay.is_none() {
                self.start_relay(now, id, entropy, out);
            }
        }
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if due(peer.direct_retry_at) {
            peer.direct_retry_at = None;
            if peer.active == Some(Path::Relayed) && peer.direct.is_none() {
                self.start_direct(now, id, entropy, out);
            }
        }
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if due(peer.retry_at) {
            peer.retry_at = None;
            self.connect(now, id, entropy, out);
        }
    }

    // ---- the signal server ------------------------------------------------------------------------------

    fn open_signal(&mut self, now: Tick, out: &mut SwarmOutput) {
        self.signal = Signal::Opening { since: now };
        out.effects.push(SwarmEffect::SignalConnect);
    }

    /// The connection to the signal server stands.
    pub fn signal_opened(&mut self, now: Tick, out: &mut SwarmOutput) {
        if !self.enabled {
            return out.effects.push(SwarmEffect::SignalClose);
        }
        self.signal = Signal::Opening { since: now };
        let hello = ClientSignal::Hello {
            version: SIGNAL_VERSION,
            peer: self.me,
        };
        out.effects.push(SwarmEffect::SignalSend(hello.encode()));
    }

    /// The connection to the signal server ended or could not be made.
    pub fn signal_closed(&mut self, now: Tick, entropy: &mut dyn Entropy, out: &mut SwarmOutput) {
        if self.signal_up() == Some(true) {
            out.events.push(SwarmEvent::Signal { up: false });
        }
        let retry_at = self
            .enabled
            .then(|| now.plus_ms(self.signal_backoff.next_ms(entropy)));
        self.signal = Signal::Closed { retry_at };
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            let Some(peer) = self.peers.get_mut(&id) else {
                continue;
            };
            peer.topics.clear();
            peer.retry_at = None;
            peer.relay_at = None;
            peer.direct_retry_at = None;
            peer.relay = None;
            if peer.active == Some(Path::Relayed) {
                peer.active = None;
                out.events.push(SwarmEvent::Lost { peer: id });
            }
            self.forget_if_idle(id);
        }
    }

    /// A frame of the signal server. Malformed ones end the connection.
    pub fn signal_frame(
        &mut self,
        now: Tick,
        bytes: &[u8],
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        if !self.enabled || matches!(self.signal, Signal::Closed { .. }) {
            return;
        }
        let Ok(frame) = ServerSignal::decode(bytes) else {
            out.effects.push(SwarmEffect::SignalClose);
            return self.signal_closed(now, entropy, out);
        };
        if let Signal::Up { heard, pinged } = &mut self.signal {
            (*heard, *pinged) = (now, false);
        }
        match frame {
            ServerSignal::Welcome { .. } => {
                self.signal = Signal::Up {
                    heard: now,
                    pinged: false,
                };
                self.signal_backoff.reset();
                out.events.push(SwarmEvent::Signal { up: true });
                for topic in self.topics.keys() {
                    let join = ClientSignal::Join {
                        topic: *topic,
                        direct_capable: self.direct,
                    };
                    out.effects.push(SwarmEffect::SignalSend(join.encode()));
                }
            }
            ServerSignal::Peers { topic, peers } => {
                peers
                    .into_iter()
                    .for_each(|peer| self.seen(now, topic, peer, entropy, out));
            }
            ServerSignal::Joined { topic, peer } => self.seen(now, topic, peer, entropy, out),
            ServerSignal::Left { topic, peer: id } => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.topics.remove(&topic);
                    if peer.topics.is_empty() {
                        self.relay_ended(now, id, entropy, out);
                    }
                    self.forget_if_idle(id);
                }
            }
            ServerSignal::Signal { topic, from, data } => {
                self.peer_signal(now, topic, from, &data, entropy, out);
            }
            ServerSignal::Relay { topic, from, data } => {
                self.relay_frame(now, topic, from, &data, entropy, out);
            }
            ServerSignal::Undelivered { to, .. } => self.relay_ended(now, to, entropy, out),
            ServerSignal::Refused { .. } | ServerSignal::Pong(_) => {}
        }
    }

    fn seen(
        &mut self,
        now: Tick,
        topic: Topic,
        seen: TopicPeer,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        if seen.peer == self.me || !self.topics.contains_key(&topic) {
            return;
        }
        if !self.peers.contains_key(&seen.peer) && self.peers.len() >= PEERS_MAX {
            return;
        }
        let peer = self.peers.entry(seen.peer).or_default();
        peer.topics.insert(topic, seen.direct_capable);
        peer.retry = None;
        out.events.push(SwarmEvent::InTopic {
            peer: seen.peer,
            topic,
        });
        self.connect(now, seen.peer, entropy, out);
        self.plan_direct(now, seen.peer);
    }

    /// Asks the server who is in a topic, unless a peer is known to be in any: word that it left can be wrong.
    fn look_again(&self, id: &PeerId, topic: Option<Topic>, out: &mut SwarmOutput) {
        let known = |peer: &Peer| !peer.topics.is_empty();
        let Some(topic) = topic.filter(|topic| self.topics.contains_key(topic)) else {
            return;
        };
        if self.signal_up() == Some(true) && !self.peers.get(id).is_some_and(known) {
            let join = ClientSignal::Join {
                topic,
                direct_capable: self.direct,
            };
            out.effects.push(SwarmEffect::SignalSend(join.encode()));
        }
    }

    fn forget_if_idle(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get(&id)
            && peer.topics.is_empty()
            && peer.active.is_none()
            && peer.direct.is_none()
            && peer.relay.is_none()
        {
            self.peers.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests;
