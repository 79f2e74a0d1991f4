//! Sessions over a swarm's links: which one is active, what it says to the node (see [`super`]).

use dxos_base::{Entropy, PeerId, Tick};

use super::links::relay_effect;
use super::*;

impl Swarm {
    // ---- sessions ---------------------------------------------------------------------------------------

    pub(super) fn active_session(&mut self, peer: &PeerId) -> Option<&mut Session> {
        let peer = self.peers.get_mut(peer)?;
        match peer.active? {
            Path::Direct => peer.direct.as_mut()?.session.as_mut(),
            Path::Relayed => peer.relay.as_mut().map(|relay| &mut relay.session),
        }
    }

    /// Hands what sessions want to send to their links.
    pub(super) fn flush(&mut self, id: &PeerId, out: &mut SwarmOutput) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        if let Some(direct) = &mut peer.direct
            && let Some(session) = &mut direct.session
        {
            let link = direct.link;
            let send = |message| SwarmEffect::Link(LinkCommand::Send { link, message });
            out.effects
                .extend(session.take_outgoing().into_iter().map(send));
        }
        if let Some(relay) = &mut peer.relay {
            let (topic, connection) = (relay.topic, relay.connection);
            out.effects
                .extend(relay.session.take_outgoing().into_iter().map(|message| {
                    let kind = RelayKind::Message(message);
                    relay_effect(topic, *id, &RelayFrame { connection, kind })
                }));
        }
    }

    pub(super) fn receive(
        &mut self,
        now: Tick,
        id: PeerId,
        path: Path,
        message: &[u8],
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if path == Path::Direct
            && peer.active == Some(Path::Relayed)
            && let Some(direct) = &mut peer.direct
            && direct.established.is_some()
        {
            direct.held.push(message.to_vec());
            if direct.held.len() > HELD_MESSAGES_MAX {
                self.drop_direct(now, id, true, entropy, out);
            }
            return;
        }
        let session = match path {
            Path::Direct => peer
                .direct
                .as_mut()
                .and_then(|direct| direct.session.as_mut()),
            Path::Relayed => peer.relay.as_mut().map(|relay| &mut relay.session),
        };
        let Some(session) = session else { return };
        let events = match session.receive(message) {
            Ok(events) => events,
            Err(_) if path == Path::Direct => return self.drop_direct(now, id, true, entropy, out),
            Err(_) => return self.relay_ended(now, id, entropy, out),
        };
        if peer.active == Some(path) || peer.active.is_none() {
            peer.heard = now;
        }
        for event in events {
            self.session_event(now, id, path, event, entropy, out);
        }
        self.flush(&id, out);
    }

    pub(super) fn session_event(
        &mut self,
        now: Tick,
        id: PeerId,
        path: Path,
        event: SessionEvent,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let initiator = initiates(&self.me, &id);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let active = peer.active == Some(path);
        match event {
            SessionEvent::Established {
                remote,
                handshake_hash,
            } => {
                (peer.retry, peer.retry_at) = (None, None);
                match path {
                    Path::Direct => {
                        if let Some(direct) = &mut peer.direct {
                            direct.established = Some((remote, handshake_hash));
                        }
                        self.switch_to_direct(now, id, entropy, out);
                    }
                    Path::Relayed if peer.active.is_some() => peer.relay = None,
                    Path::Relayed => {
                        let Some(relay) = &mut peer.relay else { return };
                        relay.established = true;
                        let topic = relay.topic;
                        peer.active = Some(Path::Relayed);
                        peer.heard = now;
                        if initiator && peer.direct.is_none() && peer.topics.values().any(|d| *d) {
                            let backoff = peer.direct_retry.get_or_insert_with(Backoff::direct);
                            peer.direct_retry_at = Some(now.plus_ms(backoff.next_ms(entropy)));
                        }
                        out.events.push(SwarmEvent::Established {
                            peer: id,
                            remote,
                            handshake_hash,
                            path,
                            topic,
                            initiator,
                        });
                    }
                }
            }
            SessionEvent::Opened { stream, protocol } if active => {
                out.events.push(SwarmEvent::Opened {
                    peer: id,
                    stream,
                    protocol,
                });
            }
            SessionEvent::Message { stream, bytes } if active => {
                out.events.push(SwarmEvent::Message {
                    peer: id,
                    stream,
                    bytes,
                });
            }
            SessionEvent::Closed { stream } if active => {
                out.events
                    .push(SwarmEvent::StreamClosed { peer: id, stream });
            }
            _ => {}
        }
    }

    /// Makes an established direct session the active one, unless a handshake holds the peer where it is.
    pub(super) fn switch_to_direct(
        &mut self,
        now: Tick,
        id: PeerId,
        entropy: &mut dyn Entropy,
        out: &mut SwarmOutput,
    ) {
        let initiator = initiates(&self.me, &id);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Some(direct) = &mut peer.direct else {
            return;
        };
        let Some((remote, handshake_hash)) = direct.established else {
            return;
        };
        if peer.active == Some(Path::Direct) || (peer.pinned && peer.active.is_some()) {
            return;
        }
        let topic = direct.topic;
        let held = std::mem::take(&mut direct.held);
        if let Some(relay) = peer.relay.take() {
            let close = RelayFrame {
                connection: relay.connection,
                kind: RelayKind::Close,
            };
            out.effects.push(relay_effect(relay.topic, id, &close));
        }
        if peer.active.take().is_some() {
            out.events.push(SwarmEvent::Lost { peer: id });
        }
        peer.active = Some(Path::Direct);
        peer.heard = now;
        (peer.relay_at, peer.direct_retry_at, peer.direct_retry) = (None, None, None);
        out.events.push(SwarmEvent::Established {
            peer: id,
            remote,
            handshake_hash,
            path: Path::Direct,
            topic,
            initiator,
        });
        for message in held {
            self.receive(now, id, Path::Direct, &message, entropy, out);
        }
    }
}
