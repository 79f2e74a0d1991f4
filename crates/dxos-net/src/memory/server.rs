//! A signal server in memory, as `dxos_mesh::signal` describes it.
//!
//! Invariant: what it does in answer to a frame is in the list it gives back, in order.
//!
//! Not here: delays, order and faults of the lines to it (who drives it), the WebSocket server (`dxos-edge`).

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{PeerId, limits};
use dxos_mesh::signal::{
    ClientSignal, SIGNAL_VERSION, ServerSignal, SignalRefusal, Topic, TopicPeer,
};

/// A connection to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection(pub u64);

/// What the server does in answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Sends a frame.
    Send(Connection, ServerSignal),
    /// Ends a connection after what was sent.
    Close(Connection),
}

#[derive(Debug, Default)]
struct Client {
    peer: Option<PeerId>,
    topics: BTreeSet<Topic>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct SignalServer {
    clients: BTreeMap<Connection, Client>,
    peers: BTreeMap<PeerId, Connection>,
    topics: BTreeMap<Topic, BTreeMap<PeerId, bool>>,
}

impl SignalServer {
    /// A client has connected.
    pub fn open(&mut self, connection: Connection) {
        self.clients.insert(connection, Client::default());
    }

    /// Whether the server holds this connection.
    pub fn holds(&self, connection: Connection) -> bool {
        self.clients.contains_key(&connection)
    }

    /// Topics and the peers in them, as an onlooker at the server sees them.
    pub fn topics(&self) -> impl Iterator<Item = (Topic, Vec<PeerId>)> {
        self.topics
            .iter()
            .map(|(topic, peers)| (*topic, peers.keys().copied().collect()))
    }

    /// A connection ended.
    pub fn close(&mut self, connection: Connection) -> Vec<Answer> {
        let mut out = Vec::new();
        let Some(client) = self.clients.remove(&connection) else {
            return out;
        };
        let Some(peer) = client.peer else { return out };
        for topic in client.topics {
            self.leave(topic, peer, &mut out);
        }
        self.peers.remove(&peer);
        out
    }

    /// A frame came.
    pub fn receive(&mut self, connection: Connection, bytes: &[u8]) -> Vec<Answer> {
        if !self.clients.contains_key(&connection) {
            return Vec::new();
        }
        match ClientSignal::decode(bytes) {
            Ok(frame) => self.handle(connection, frame),
            Err(_) => self.refuse(connection, SignalRefusal::Malformed),
        }
    }

    fn refuse(&mut self, connection: Connection, reason: SignalRefusal) -> Vec<Answer> {
        let mut out = vec![Answer::Send(
            connection,
            ServerSignal::Refused {
                reason,
                topic: None,
            },
        )];
        out.extend(self.close(connection));
        out.push(Answer::Close(connection));
        out
    }

    fn handle(&mut self, connection: Connection, frame: ClientSignal) -> Vec<Answer> {
        let known = self.clients.get(&connection).and_then(|client| client.peer);
        let peer = match (&frame, known) {
            (ClientSignal::Hello { version, peer }, None) => {
                return self.hello(connection, *version, *peer);
            }
            (ClientSignal::Hello { .. }, Some(_)) | (_, None) => {
                return self.refuse(connection, SignalRefusal::Malformed);
            }
            (_, Some(peer)) => peer,
        };
        let mut out = Vec::new();
        match frame {
            ClientSignal::Hello { .. } => {}
            ClientSignal::Join {
                topic,
                direct_capable,
            } => {
                self.join(
                    connection,
                    topic,
                    TopicPeer {
                        peer,
                        direct_capable,
                    },
                    &mut out,
                );
            }
            ClientSignal::Leave { topic } => {
                if let Some(client) = self.clients.get_mut(&connection)
                    && client.topics.remove(&topic)
                {
                    self.leave(topic, peer, &mut out);
                }
            }
            ClientSignal::Signal { topic, to, data } => {
                let frame = ServerSignal::Signal {
                    topic,
                    from: peer,
                    data,
                };
                out.push(self.forward(connection, topic, peer, to, frame));
            }
            ClientSignal::Relay { topic, to, data } => {
                let frame = ServerSignal::Relay {
                    topic,
                    from: peer,
                    data,
                };
                out.push(self.forward(connection, topic, peer, to, frame));
            }
            ClientSignal::Ping(number) => {
                out.push(Answer::Send(connection, ServerSignal::Pong(number)));
            }
        }
        out
    }

    fn hello(&mut self, connection: Connection, version: u32, peer: PeerId) -> Vec<Answer> {
        if version != SIGNAL_VERSION {
            return self.refuse(connection, SignalRefusal::Version);
        }
        if self.peers.contains_key(&peer) {
            return self.refuse(connection, SignalRefusal::PeerTaken);
        }
        self.peers.insert(peer, connection);
        if let Some(client) = self.clients.get_mut(&connection) {
            client.peer = Some(peer);
        }
        vec![Answer::Send(connection, ServerSignal::Welcome { version })]
    }

    fn join(
        &mut self,
        connection: Connection,
        topic: Topic,
        who: TopicPeer,
        out: &mut Vec<Answer>,
    ) {
        let Some(client) = self.clients.get_mut(&connection) else {
            return;
        };
        if client.topics.len() >= limits::SIGNAL_TOPICS_MAX && !client.topics.contains(&topic) {
            let reason = SignalRefusal::Topics;
            out.push(Answer::Send(
                connection,
                ServerSignal::Refused {
                    reason,
                    topic: Some(topic),
                },
            ));
            return;
        }
        client.topics.insert(topic);
        let peers = self.topics.entry(topic).or_default();
        peers.insert(who.peer, who.direct_capable);
        let others: Vec<TopicPeer> = peers
            .iter()
            .filter(|(peer, _)| **peer != who.peer)
            .map(|(peer, direct_capable)| TopicPeer {
                peer: *peer,
                direct_capable: *direct_capable,
            })
            .collect();
        for other in &others {
            if let Some(to) = self.peers.get(&other.peer) {
                out.push(Answer::Send(*to, ServerSignal::Joined { topic, peer: who }));
            }
        }
        out.push(Answer::Send(
            connection,
            ServerSignal::Peers {
                topic,
                peers: others,
            },
        ));
    }

    fn leave(&mut self, topic: Topic, peer: PeerId, out: &mut Vec<Answer>) {
        let Some(peers) = self.topics.get_mut(&topic) else {
            return;
        };
        peers.remove(&peer);
        for other in peers.keys() {
            if let Some(to) = self.peers.get(other) {
                out.push(Answer::Send(*to, ServerSignal::Left { topic, peer }));
            }
        }
        if peers.is_empty() {
            self.topics.remove(&topic);
        }
    }

    fn forward(
        &self,
        connection: Connection,
        topic: Topic,
        from: PeerId,
        to: PeerId,
        frame: ServerSignal,
    ) -> Answer {
        let together = self
            .topics
            .get(&topic)
            .is_some_and(|peers| peers.contains_key(&from) && peers.contains_key(&to));
        match self.peers.get(&to) {
            Some(other) if together => Answer::Send(*other, frame),
            _ => Answer::Send(connection, ServerSignal::Undelivered { topic, to }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: Topic = Topic([7; 32]);

    fn peer(n: u8) -> PeerId {
        PeerId([n; 16])
    }

    fn connected(server: &mut SignalServer, n: u8) -> Connection {
        let connection = Connection(u64::from(n));
        server.open(connection);
        server.receive(
            connection,
            &ClientSignal::Hello {
                version: SIGNAL_VERSION,
                peer: peer(n),
            }
            .encode(),
        );
        connection
    }

    fn send(server: &mut SignalServer, from: Connection, frame: ClientSignal) -> Vec<Answer> {
        server.receive(from, &frame.encode())
    }

    #[test]
    fn peers_of_a_topic_find_each_other_and_hear_of_leaving() {
        let mut server = SignalServer::default();
        let (a, b) = (connected(&mut server, 1), connected(&mut server, 2));
        let join = ClientSignal::Join {
            topic: TOPIC,
            direct_capable: true,
        };
        assert_eq!(
            send(&mut server, a, join.clone()),
            [Answer::Send(
                a,
                ServerSignal::Peers {
                    topic: TOPIC,
                    peers: vec![]
                }
            )]
        );
        let who = |n| TopicPeer {
            peer: peer(n),
            direct_capable: true,
        };
        assert_eq!(
            send(&mut server, b, join),
            [
                Answer::Send(
                    a,
                    ServerSignal::Joined {
                        topic: TOPIC,
                        peer: who(2)
                    }
                ),
                Answer::Send(
                    b,
                    ServerSignal::Peers {
                        topic: TOPIC,
                        peers: vec![who(1)]
                    }
                ),
            ]
        );
        let relay = ClientSignal::Relay {
            topic: TOPIC,
            to: peer(2),
            data: vec![1],
        };
        let carried = ServerSignal::Relay {
            topic: TOPIC,
            from: peer(1),
            data: vec![1],
        };
        assert_eq!(
            send(&mut server, a, relay.clone()),
            [Answer::Send(b, carried)]
        );
        let left = ServerSignal::Left {
            topic: TOPIC,
            peer: peer(2),
        };
        assert_eq!(server.close(b), [Answer::Send(a, left)]);
        let undelivered = ServerSignal::Undelivered {
            topic: TOPIC,
            to: peer(2),
        };
        assert_eq!(send(&mut server, a, relay), [Answer::Send(a, undelivered)]);
    }

    #[test]
    fn malformed_and_early_frames_end_the_connection() {
        for bytes in [vec![255, 1], ClientSignal::Ping(1).encode()] {
            let mut server = SignalServer::default();
            server.open(Connection(1));
            let answers = server.receive(Connection(1), &bytes);
            assert_eq!(answers.last(), Some(&Answer::Close(Connection(1))));
            assert!(!server.holds(Connection(1)));
        }
    }
}
