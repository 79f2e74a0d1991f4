//! Who is in which topic, and where their frames go. Plain data: no sockets, no clock.
//!
//! Invariants
//! * a peer is in a topic iff the topic lists it; an empty topic is not kept;
//! * only peers of a common topic reach each other;
//! * a queue holds at most [`QUEUE_BYTES_MAX`]; a peer that misses a membership frame is closed, since its
//!   picture of the topic would be wrong for good.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use dxos_base::{
    PeerId,
    limits::{SIGNAL_TOPIC_PEERS_MAX, SIGNAL_TOPICS_MAX},
};
use dxos_mesh::{ServerSignal, SignalRefusal, Topic, TopicPeer};
use tokio::sync::{Notify, mpsc};

/// Bytes waiting for one client. Sessions keep far less in flight (their flow control), so this fills only
/// when the client does not read.
pub(crate) const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a queued frame costs besides its bytes.
const FRAME_OVERHEAD_BYTES: usize = 64;
/// Connections of one server: a bound on memory, far above what one process serves well.
pub(crate) const CONNECTIONS_MAX: usize = 50_000;

/// The way to one client.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    frames: mpsc::UnboundedSender<Vec<u8>>,
    queued_bytes: Arc<AtomicUsize>,
    /// Wakes the connection to end itself.
    pub close: Arc<Notify>,
    /// Wakes the connection to prove that it lives.
    pub probe: Arc<Notify>,
}

/// The other end of an [`Outlet`].
pub(crate) struct Queue {
    frames: mpsc::UnboundedReceiver<Vec<u8>>,
    queued_bytes: Arc<AtomicUsize>,
}

/// The client's queue is full or gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// A connected pair of outlet and queue.
pub(crate) fn queue() -> (Outlet, Queue) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let queued_bytes = Arc::new(AtomicUsize::new(0));
    let outlet = Outlet {
        frames: sender,
        queued_bytes: Arc::clone(&queued_bytes),
        close: Arc::new(Notify::new()),
        probe: Arc::new(Notify::new()),
    };
    let queue = Queue {
        frames: receiver,
        queued_bytes,
    };
    (outlet, queue)
}

impl Outlet {
    /// Queues a frame.
    pub(crate) fn send(&self, frame: Vec<u8>) -> Result<(), Full> {
        let cost = frame.len() + FRAME_OVERHEAD_BYTES;
        let before = self.queued_bytes.fetch_add(cost, Ordering::AcqRel);
        if before + cost > QUEUE_BYTES_MAX || self.frames.send(frame).is_err() {
            self.queued_bytes.fetch_sub(cost, Ordering::AcqRel);
            return Err(Full);
        }
        Ok(())
    }
}

impl Queue {
    /// The next frame; `None` when all outlets are gone.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        let frame = self.frames.recv().await?;
        self.queued_bytes
            .fetch_sub(frame.len() + FRAME_OVERHEAD_BYTES, Ordering::AcqRel);
        Some(frame)
    }
}

struct Client {
    outlet: Outlet,
    topics: BTreeSet<Topic>,
}

/// All clients and topics of a server.
#[derive(Default)]
pub(crate) struct Hub {
    clients: HashMap<PeerId, Client>,
    topics: HashMap<Topic, BTreeMap<PeerId, bool>>,
}

impl Hub {
    pub(crate) fn connections(&self) -> usize {
        self.clients.len()
    }

    pub(crate) fn topics(&self) -> usize {
        self.topics.len()
    }

    /// The way to a client that has this id, if one has.
    pub(crate) fn outlet(&self, peer: &PeerId) -> Option<&Outlet> {
        self.clients.get(peer).map(|client| &client.outlet)
    }

    /// Takes a client in.
    pub(crate) fn connect(&mut self, peer: PeerId, outlet: Outlet) -> Result<(), SignalRefusal> {
        if self.clients.contains_key(&peer) {
            return Err(SignalRefusal::PeerTaken);
        }
        if self.clients.len() >= CONNECTIONS_MAX {
            return Err(SignalRefusal::Unavailable);
        }
        let topics = BTreeSet::new();
        self.clients.insert(peer, Client { outlet, topics });
        Ok(())
    }

    /// Lets a client go; the others of its topics hear of it.
    pub(crate) fn disconnect(&mut self, peer: &PeerId) {
        let Some(client) = self.clients.remove(peer) else {
            return;
        };
        for topic in client.topics {
            self.remove(peer, topic);
        }
    }

    /// Puts a client into a topic and says who is there.
    pub(crate) fn join(
        &mut self,
        peer: PeerId,
        topic: Topic,
        direct_capable: bool,
    ) -> Result<Vec<TopicPeer>, SignalRefusal> {
        let Some(client) = self.clients.get_mut(&peer) else {
            return Err(SignalRefusal::Malformed);
        };
        if !client.topics.contains(&topic) && client.topics.len() >= SIGNAL_TOPICS_MAX {
            return Err(SignalRefusal::Topics);
        }
        let members = self.topics.entry(topic).or_default();
        if !members.contains_key(&peer) && members.len() >= SIGNAL_TOPIC_PEERS_MAX {
            return Err(SignalRefusal::TopicFull);
        }
        client.topics.insert(topic);
        let before = members.insert(peer, direct_capable);
        let others: Vec<TopicPeer> = members
            .iter()
            .filter(|(other, _)| **other != peer)
            .map(|(other, direct)| TopicPeer {
                peer: *other,
                direct_capable: *direct,
            })
            .collect();
        if before != Some(direct_capable) {
            let joined = ServerSignal::Joined {
                topic,
                peer: TopicPeer {
                    peer,
                    direct_capable,
                },
            };
            self.tell(others.iter().map(|other| other.peer), &joined);
        }
        Ok(others)
    }

    /// Takes a client out of a topic. Nothing happens if it is not in there.
    pub(crate) fn leave(&mut self, peer: &PeerId, topic: Topic) {
        if let Some(client) = self.clients.get_mut(peer)
            && client.topics.remove(&topic)
        {
            self.remove(peer, topic);
        }
    }

    fn remove(&mut self, peer: &PeerId, topic: Topic) {
        let Some(members) = self.topics.get_mut(&topic) else {
            return;
        };
        members.remove(peer);
        let others: Vec<PeerId> = members.keys().copied().collect();
        if others.is_empty() {
            self.topics.remove(&topic);
        }
        self.tell(
            others.into_iter(),
            &ServerSignal::Left { topic, peer: *peer },
        );
    }

    fn tell(&self, peers: impl Iterator<Item = PeerId>, frame: &ServerSignal) {
        let bytes = frame.encode();
        for peer in peers {
            if let Some(client) = self.clients.get(&peer)
                && client.outlet.send(bytes.clone()).is_err()
            {
                client.outlet.close.notify_one();
            }
        }
    }

    /// Hands a frame to a peer of the same topic.
    pub(crate) fn forward(
        &self,
        from: &PeerId,
        topic: Topic,
        to: &PeerId,
        frame: &ServerSignal,
    ) -> Result<(), Full> {
        let members = self.topics.get(&topic).ok_or(Full)?;
        if !members.contains_key(from) || !members.contains_key(to) {
            return Err(Full);
        }
        let client = self.clients.get(to).ok_or(Full)?;
        client.outlet.send(frame.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PeerId = PeerId([1; 16]);
    const B: PeerId = PeerId([2; 16]);
    const T: Topic = Topic([7; 32]);

    fn drain(queue: &mut Queue) -> Vec<ServerSignal> {
        let mut frames = Vec::new();
        while let Ok(frame) = queue.frames.try_recv() {
            frames.push(ServerSignal::decode(&frame).unwrap());
        }
        frames
    }

    #[test]
    fn peers_of_a_topic_hear_of_each_other_once() {
        let mut hub = Hub::default();
        let (a, mut a_queue) = queue();
        let (b, mut b_queue) = queue();
        hub.connect(A, a).unwrap();
        hub.connect(B, b).unwrap();
        assert_eq!(hub.join(A, T, true).unwrap(), []);
        let seen = hub.join(B, T, false).unwrap();
        assert_eq!(
            seen,
            [TopicPeer {
                peer: A,
                direct_capable: true
            }]
        );
        hub.join(B, T, false).unwrap();
        hub.disconnect(&B);
        hub.disconnect(&B);
        let peer = TopicPeer {
            peer: B,
            direct_capable: false,
        };
        let joined = ServerSignal::Joined { topic: T, peer };
        let left = ServerSignal::Left { topic: T, peer: B };
        assert_eq!(drain(&mut a_queue), [joined, left]);
        assert_eq!(drain(&mut b_queue), []);
        hub.leave(&A, T);
        assert_eq!((hub.topics(), hub.connections()), (0, 1));
    }

    #[test]
    fn frames_pass_within_a_common_topic_only() {
        let mut hub = Hub::default();
        let (a, _a_queue) = queue();
        let (b, mut b_queue) = queue();
        hub.connect(A, a).unwrap();
        hub.connect(B, b).unwrap();
        let frame = ServerSignal::Relay {
            topic: T,
            from: A,
            data: vec![1],
        };
        hub.join(B, T, true).unwrap();
        assert_eq!(hub.forward(&A, T, &B, &frame), Err(Full), "A is not in T");
        hub.join(A, T, true).unwrap();
        drain(&mut b_queue);
        assert_eq!(hub.forward(&A, T, &B, &frame), Ok(()));
        assert_eq!(drain(&mut b_queue), [frame]);
    }

    #[test]
    fn limits_hold() {
        let mut hub = Hub::default();
        let (a, _a_queue) = queue();
        hub.connect(A, a.clone()).unwrap();
        assert_eq!(hub.connect(A, a.clone()), Err(SignalRefusal::PeerTaken));
        for n in 0..SIGNAL_TOPICS_MAX {
            let mut topic = [0; 32];
            topic[..8].copy_from_slice(&(n as u64).to_be_bytes());
            hub.join(A, Topic(topic), true).unwrap();
        }
        assert_eq!(hub.join(A, T, true), Err(SignalRefusal::Topics));
        assert_eq!(
            hub.topics(),
            SIGNAL_TOPICS_MAX,
            "a refused join leaves nothing"
        );

        for n in 0..SIGNAL_TOPIC_PEERS_MAX {
            let mut peer = [9; 16];
            peer[..8].copy_from_slice(&(n as u64).to_be_bytes());
            hub.connect(PeerId(peer), a.clone()).unwrap();
            hub.join(PeerId(peer), T, true).unwrap();
        }
        let (b, _b_queue) = queue();
        hub.connect(B, b).unwrap();
        assert_eq!(hub.join(B, T, true), Err(SignalRefusal::TopicFull));
    }

    #[test]
    fn queue_is_bounded_in_bytes_and_frees_what_is_read() {
        let (outlet, mut queue) = queue();
        let frame = vec![0; 1024 * 1024];
        for _ in 0..3 {
            outlet.send(frame.clone()).unwrap();
        }
        assert_eq!(outlet.send(frame.clone()), Err(Full));
        queue.frames.try_recv().unwrap();
        // `try_recv` bypasses the accounting of `next`; give back by hand what `next` would.
        queue
            .queued_bytes
            .fetch_sub(frame.len() + FRAME_OVERHEAD_BYTES, Ordering::AcqRel);
        outlet.send(frame).unwrap();
    }
}
