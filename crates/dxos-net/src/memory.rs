//! A network in memory, for tests: [`MemoryTransport`] has two ends that behave as WebRTC does, offers and answers
//! included; [`SignalServer`] and [`DirectLinks`] are the parts of a network of any number of nodes, without a clock:
//! who drives them says what takes how long.

mod links;
mod server;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dxos_base::limits;
use dxos_mesh::{LinkCommand, LinkEvent, LinkId};
use tokio::sync::mpsc;

pub use links::{DirectLinks, End, Signalled, Stage};
pub use server::{Answer, Connection, SignalServer};

/// One of two ends; see [`MemoryTransport::pair`].
#[derive(Debug)]
pub struct MemoryTransport {
    side: usize,
    hub: Arc<Mutex<Hub>>,
    events: mpsc::UnboundedReceiver<LinkEvent>,
}

#[derive(Debug)]
struct Hub {
    ends: [PairEnd; 2],
    next_offer: u64,
}

#[derive(Debug)]
struct PairEnd {
    links: BTreeMap<LinkId, Link>,
    events: mpsc::UnboundedSender<LinkEvent>,
}

#[derive(Debug, Default)]
struct Link {
    /// What this end offered, if it did.
    offer: Option<u64>,
    /// The other end's link; both know each other or neither does.
    peer: Option<LinkId>,
}

impl MemoryTransport {
    /// Two transports whose links can meet.
    pub fn pair() -> (MemoryTransport, MemoryTransport) {
        let (sender_a, events_a) = mpsc::unbounded_channel();
        let (sender_b, events_b) = mpsc::unbounded_channel();
        let end = |events| PairEnd {
            links: BTreeMap::new(),
            events,
        };
        let hub = Arc::new(Mutex::new(Hub {
            ends: [end(sender_a), end(sender_b)],
            next_offer: 1,
        }));
        let transport = |side, events| MemoryTransport {
            side,
            hub: Arc::clone(&hub),
            events,
        };
        (transport(0, events_a), transport(1, events_b))
    }

    /// Does what a node asks.
    pub fn handle(&mut self, command: LinkCommand) {
        let mut hub = self.hub();
        match command {
            LinkCommand::Open { link, initiator } => hub.open(self.side, link, initiator),
            LinkCommand::Signal { link, data } => hub.signal(self.side, link, &data),
            LinkCommand::Send { link, message } => hub.send(self.side, link, message),
            LinkCommand::Close { link } => hub.close(self.side, link, "closed here"),
        }
    }

    /// The next event; waits for one. `None` never comes while the transport lives.
    pub async fn next(&mut self) -> Option<LinkEvent> {
        self.events.recv().await
    }

    /// The next event, if there is one now.
    pub fn try_next(&mut self) -> Option<LinkEvent> {
        self.events.try_recv().ok()
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        // Each call leaves the hub whole: a panic elsewhere does not spoil it.
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    fn tell(&self, side: usize, event: LinkEvent) {
        // The other end may have been dropped.
        let _ = self.ends[side].events.send(event);
    }

    fn open(&mut self, side: usize, link: LinkId, initiator: bool) {
        let mut new = Link::default();
        if initiator {
            new.offer = Some(self.next_offer);
            let data = format!("offer {}", self.next_offer).into_bytes();
            self.tell(side, LinkEvent::Signal { link, data });
            self.next_offer += 1;
        }
        self.ends[side].links.insert(link, new);
    }

    /// The answering side pairs both links at once; its answer opens the initiator's.
    fn signal(&mut self, side: usize, link: LinkId, data: &[u8]) {
        let Some(own) = self.ends[side].links.get(&link) else {
            return;
        };
        let parsed = std::str::from_utf8(data)
            .ok()
            .and_then(|text| text.split_once(' '));
        match (parsed, own) {
            (
                Some(("offer", number)),
                Link {
                    offer: None,
                    peer: None,
                },
            ) => {
                let number: Option<u64> = number.parse().ok();
                let other = &mut self.ends[1 - side].links;
                let offered = other
                    .iter_mut()
                    .find(|(_, l)| l.offer.is_some() && l.offer == number);
                let Some((peer_id, peer)) = offered.filter(|(_, peer)| peer.peer.is_none()) else {
                    return self.close(side, link, "an offer nobody made");
                };
                let peer_id = *peer_id;
                peer.peer = Some(link);
                if let Some(own) = self.ends[side].links.get_mut(&link) {
                    own.peer = Some(peer_id);
                }
                self.tell(
                    side,
                    LinkEvent::Signal {
                        link,
                        data: b"answer ".to_vec(),
                    },
                );
            }
            (
                Some(("answer", "")),
                Link {
                    offer: Some(_),
                    peer: Some(peer),
                },
            ) => {
                let peer = *peer;
                self.tell(side, LinkEvent::Opened { link });
                self.tell(1 - side, LinkEvent::Opened { link: peer });
            }
            _ => self.close(side, link, "a malformed signal"),
        }
    }

    fn send(&mut self, side: usize, link: LinkId, message: Vec<u8>) {
        let Some(own) = self.ends[side].links.get(&link) else {
            return;
        };
        if message.len() > limits::LINK_MESSAGE_BYTES_MAX {
            return self.close(side, link, "a message over the limit");
        }
        if let Some(peer) = own.peer {
            self.tell(
                1 - side,
                LinkEvent::Message {
                    link: peer,
                    message,
                },
            );
        }
    }

    fn close(&mut self, side: usize, link: LinkId, reason: &str) {
        let Some(own) = self.ends[side].links.remove(&link) else {
            return;
        };
        self.tell(
            side,
            LinkEvent::Closed {
                link,
                reason: reason.to_owned(),
            },
        );
        if let Some(peer) = own.peer
            && self.ends[1 - side].links.remove(&peer).is_some()
        {
            let reason = "closed by the peer".to_owned();
            self.tell(1 - side, LinkEvent::Closed { link: peer, reason });
        }
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        let mut hub = self.hub();
        let links: Vec<LinkId> = hub.ends[self.side].links.keys().copied().collect();
        for link in links {
            hub.close(self.side, link, "the transport is gone");
        }
    }
}
