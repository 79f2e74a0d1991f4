//! How a swarm makes and drops links: directly first, over the relay when that does not work (see [`super`]).

use dxos_base::{Entropy, PeerId, Tick};

use super::*;

impl Swarm {
    // ---- connecting -------------------------------------------------------------------------------------

    pub(super) fn connect(
        &mut self,
        now: Tick,
        id: PeerId,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let busy = peer.active.is_some() || peer.direct.is_some() || peer.relay.is_some();
        if busy || !self.enabled || self.secret.is_none() || !initiates(&self.me, &id) {
            return;
        }
        if self.direct && peer.topics.values().any(|direct| *direct) {
            self.start_direct(now, id, entropy, out);
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.relay_at = Some(now.plus_ms(DIRECT_WAIT_MS));
            }
        } else {
            self.start_relay(now, id, entropy, out);
        }
    }

    pub(super) fn plan_retry(&mut self, now: Tick, id: PeerId, entropy: &mut dyn Entropy) {
        let begins = initiates(&self.me, &id);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.topics.is_empty() {
            return self.forget_if_idle(id);
        }
        if begins && peer.active.is_none() {
            let wait = peer
                .retry
                .get_or_insert_with(|| Backoff::new(300, 10_000))
                .next_ms(entropy);
            peer.retry_at = Some(now.plus_ms(wait));
        }
    }

    /// A relayed pair that can make direct links now, and could not when it met, tries one at once.
    pub(super) fn plan_direct(&mut self, now: Tick, id: PeerId) {
        let begins = self.direct && initiates(&self.me, &id);
        if let Some(peer) = self.peers.get_mut(&id)
            && begins
            && peer.active == Some(Path::Relayed)
            && peer.direct.is_none()
            && peer.topics.values().any(|direct| *direct)
        {
            peer.direct_retry_at.get_or_insert(now);
        }
    }

    pub(super) fn start_direct(
        &mut self,
        now: Tick,
        id: PeerId,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let Some(peer) = self.peers.get(&id).filter(|_| self.direct) else {
            return;
        };
        let Some(topic) = peer.topics.iter().find(|(_, direct)| **direct) else {
            return;
        };
        let topic = *topic.0;
        let attempt = u64::from_le_bytes(entropy.array());
        self.open_direct(now, id, topic, attempt, Role::Initiator, out);
    }

    /// A new direct link to a peer that has none, for the attempt that its initiator named.
    fn open_direct(
        &mut self,
        now: Tick,
        id: PeerId,
        topic: Topic,
        attempt: u64,
        role: Role,
        out: &mut SwarmOutput,
    ) -> LinkId {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.links.insert(link, id);
        self.peers.entry(id).or_default().direct = Some(Direct {
            link,
            topic,
            attempt,
            since: now,
            session: None,
            ready: false,
            established: None,
            held: Vec::new(),
        });
        let initiator = role == Role::Initiator;
        out.effects
            .push(SwarmEffect::Link(LinkCommand::Open { link, initiator }));
        link
    }

    pub(super) fn start_relay(
        &mut self,
        now: Tick,
        id: PeerId,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let Some(secret) = &self.secret else { return };
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Some(topic) = peer.topics.keys().next().copied() else {
            return;
        };
        let Some((secrets, _)) = self.topics.get(&topic) else {
            return;
        };
        let connection = u64::from_le_bytes(entropy.array());
        let session = Session::new(Role::Initiator, &secrets.psk, secret, entropy);
        peer.relay = Some(Relay {
            connection,
            topic,
            since: now,
            session,
            established: false,
        });
        let open = RelayFrame {
            connection,
            kind: RelayKind::Open,
        };
        out.effects.push(relay_effect(topic, id, &open));
        self.flush(&id, out);
    }

    /// A relayed link is gone: by close, loss of the peer, or an overrun queue.
    pub(super) fn relay_ended(
        &mut self,
        now: Tick,
        id: PeerId,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.relay.take().is_none() {
            return;
        }
        if peer.active == Some(Path::Relayed) {
            peer.active = None;
            out.events.push(SwarmEvent::Lost { peer: id });
        }
        if peer.direct.is_none() {
            self.plan_retry(now, id, entropy);
        }
        self.switch_to_direct(now, id, entropy, out);
    }

    pub(super) fn relay_frame(
        &mut self,
        now: Tick,
        topic: Topic,
        from: PeerId,
        data: &[u8],
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let (Ok(frame), Some(secret)) = (RelayFrame::decode(data), &self.secret) else {
            return;
        };
        let Some((secrets, _)) = self.topics.get(&topic) else {
            return;
        };
        let known = self.peers.get(&from).and_then(|peer| peer.relay.as_ref());
        let known = known.is_some_and(|relay| relay.connection == frame.connection);
        match frame.kind {
            RelayKind::Open if known || initiates(&self.me, &from) => {}
            RelayKind::Open => {
                if !self.peers.contains_key(&from) && self.peers.len() >= PEERS_MAX {
                    return;
                }
                let session = Session::new(Role::Responder, &secrets.psk, secret, entropy);
                self.relay_ended(now, from, entropy, out);
                let peer = self.peers.entry(from).or_default();
                peer.topics.entry(topic).or_insert(false);
                let connection = frame.connection;
                peer.relay = Some(Relay {
                    connection,
                    topic,
                    since: now,
                    session,
                    established: false,
                });
            }
            RelayKind::Message(message) if known => {
                self.receive(now, from, Path::Relayed, &message, entropy, out);
            }
            RelayKind::Message(_) => {
                let close = RelayFrame {
                    connection: frame.connection,
                    kind: RelayKind::Close,
                };
                out.effects.push(relay_effect(topic, from, &close));
                self.look_again(&from, Some(topic), out);
            }
            RelayKind::Close if known => self.relay_ended(now, from, entropy, out),
            RelayKind::Close => {}
        }
    }

    // ---- direct links -----------------------------------------------------------------------------------

    pub(super) fn peer_signal(
        &mut self,
        now: Tick,
        topic: Topic,
        from: PeerId,
        data: &[u8],
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let Some((_, seal)) = self.topics.get(&topic) else {
            return;
        };
        let Ok(signal) = seal.open(&topic, &from, &self.me, data) else {
            return;
        };
        let begins = initiates(&self.me, &from);
        let known = self.peers.get(&from).and_then(|peer| peer.direct.as_ref());
        let known = known
            .filter(|direct| direct.attempt == signal.attempt)
            .map(|direct| direct.link);
        match (signal.body, known) {
            (PeerSignalBody::Transport(data), Some(link)) => {
                out.effects
                    .push(SwarmEffect::Link(LinkCommand::Signal { link, data }));
            }
            (PeerSignalBody::Transport(_), None) if begins => {}
            (PeerSignalBody::Transport(data), None) => {
                let full = self.peers.len() >= PEERS_MAX && !self.peers.contains_key(&from);
                let dead = self
                    .peers
                    .get(&from)
                    .is_some_and(|p| p.dead_attempt == Some(signal.attempt));
                if full || dead {
                    return;
                }
                if !self.direct || self.secret.is_none() {
                    let body = PeerSignalBody::Abandon;
                    return self.send_signal(topic, from, signal.attempt, body, entropy, out);
                }
                self.drop_direct(now, from, false, entropy, out);
                let peer = self.peers.entry(from).or_default();
                peer.topics.entry(topic).or_insert(true);
                let attempt = signal.attempt;
                let link = self.open_direct(now, from, topic, attempt, Role::Responder, out);
                out.effects
                    .push(SwarmEffect::Link(LinkCommand::Signal { link, data }));
            }
            (PeerSignalBody::Abandon, Some(_)) => {
                self.drop_direct(now, from, false, entropy, out);
                if begins
                    && self
                        .peers
                        .get(&from)
                        .is_some_and(|peer| peer.relay.is_none())
                {
                    self.start_relay(now, from, entropy, out);
                }
            }
            (PeerSignalBody::Abandon, None) => {}
        }
    }

    pub(super) fn send_signal(
        &self,
        topic: Topic,
        to: PeerId,
        attempt: u64,
        body: PeerSignalBody,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let Some((_, seal)) = self.topics.get(&topic) else {
            return;
        };
        if self.signal_up() == Some(true) {
            let data = seal.seal(
                &topic,
                &self.me,
                &to,
                &PeerSignal { attempt, body },
                entropy,
            );
            out.effects.push(SwarmEffect::SignalSend(
                ClientSignal::Signal { topic, to, data }.encode(),
            ));
        }
    }

    /// Something happened on a direct link.
    pub fn link_event(
        &mut self,
        now: Tick,
        event: LinkEvent,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let link = match &event {
            LinkEvent::Signal { link, .. }
            | LinkEvent::Opened { link }
            | LinkEvent::Message { link, .. }
            | LinkEvent::Closed { link, .. } => *link,
        };
        let Some(id) = self.links.get(&link).copied() else {
            return;
        };
        let current = self.peers.get(&id).and_then(|peer| peer.direct.as_ref());
        let Some(direct) = current.filter(|direct| direct.link == link) else {
            return;
        };
        let (topic, attempt) = (direct.topic, direct.attempt);
        match event {
            LinkEvent::Signal { data, .. } => {
                self.send_signal(
                    topic,
                    id,
                    attempt,
                    PeerSignalBody::Transport(data),
                    entropy,
                    out,
                );
            }
            LinkEvent::Opened { .. } => self.link_opened(now, id, topic, entropy, out),
            LinkEvent::Message { message, .. } => {
                self.receive(now, id, Path::Direct, &message, entropy, out);
            }
            LinkEvent::Closed { .. } => {
                self.links.remove(&link);
                self.drop_direct(now, id, true, entropy, out);
            }
        }
    }

    pub(super) fn link_opened(
        &mut self,
        now: Tick,
        id: PeerId,
        topic: Topic,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let role = if initiates(&self.me, &id) {
            Role::Initiator
        } else {
            Role::Responder
        };
        let (Some(secret), Some((secrets, _))) = (&self.secret, self.topics.get(&topic)) else {
            return self.drop_direct(now, id, true, entropy, out);
        };
        let session = Session::new(role, &secrets.psk, secret, entropy);
        if let Some(direct) = self
            .peers
            .get_mut(&id)
            .and_then(|peer| peer.direct.as_mut())
            && !direct.ready
        {
            (direct.ready, direct.session) = (true, Some(session));
        }
        self.flush(&id, out);
    }

    /// Drops the direct link of a peer; with `retry`, the next try (or the relay) is planned.
    pub(super) fn drop_direct(
        &mut self,
        now: Tick,
        id: PeerId,
        retry: bool,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let begins = initiates(&self.me, &id);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Some(direct) = peer.direct.take() else {
            return;
        };
        peer.dead_attempt = Some(direct.attempt);
        if self.links.remove(&direct.link).is_some() {
            out.effects
                .push(SwarmEffect::Link(LinkCommand::Close { link: direct.link }));
        }
        if peer.active == Some(Path::Direct) {
            peer.active = None;
            out.events.push(SwarmEvent::Lost { peer: id });
        }
        if !retry {
            return;
        }
        self.look_again(&id, Some(direct.topic), out);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.active == Some(Path::Relayed) && begins {
            let wait = peer
                .direct_retry
                .get_or_insert_with(Backoff::direct)
                .next_ms(entropy);
            peer.direct_retry_at = Some(now.plus_ms(wait));
        } else if peer.relay.is_none() && peer.relay_at.is_none() {
            self.plan_retry(now, id, entropy);
        }
    }

    pub(super) fn drop_peer_links(&mut self, id: PeerId, out: &mut SwarmOutput) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if let Some(relay) = peer.relay.take()
            && matches!(self.signal, Signal::Up { .. })
        {
            let close = RelayFrame {
                connection: relay.connection,
                kind: RelayKind::Close,
            };
            out.effects.push(relay_effect(relay.topic, id, &close));
        }
        if let Some(direct) = peer.direct.take() {
            peer.dead_attempt = Some(direct.attempt);
            self.links.remove(&direct.link);
            out.effects
                .push(SwarmEffect::Link(LinkCommand::Close { link: direct.link }));
        }
        if peer.active.take().is_some() {
            out.events.push(SwarmEvent::Lost { peer: id });
        }
        peer.pinned = false;
        (peer.relay_at, peer.direct_retry_at) = (None, None);
    }
}

pub(super) fn relay_effect(topic: Topic, to: PeerId, frame: &RelayFrame) -> SwarmEffect {
    SwarmEffect::SignalSend(
        ClientSignal::Relay {
            topic,
            to,
            data: frame.encode(),
        }
        .encode(),
    )
}
