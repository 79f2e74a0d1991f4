//! What clients and the signal server say to each other: one WebSocket binary message is one encoded frame.
//!
//! The server learns peer ids, topics, sizes and times. What peers tell each other through it is sealed
//! ([`crate::seal`]) or a secure session's bytes ([`crate::session`]).
//!
//! Invariants
//! * a frame is at most [`SIGNAL_FRAME_BYTES_MAX`](limits::SIGNAL_FRAME_BYTES_MAX) bytes and canonical;
//! * the first frame of a client is [`ClientSignal::Hello`], of a server [`ServerSignal::Welcome`] or `Refused`;
//! * frames from one peer to another arrive in the order they were sent, or the later ones not at all.

use std::fmt;

use dxos_base::{DecodeError, PeerId, limits};
use serde::{Deserialize, Serialize};

/// Version of this protocol.
pub const SIGNAL_VERSION: u32 = 1;
/// Sealed bytes of one [`ClientSignal::Signal`]: an offer with many candidates is about 5 KiB.
pub const SIGNAL_DATA_BYTES_MAX: usize = 16 * 1024;
/// Bytes of one [`ClientSignal::Relay`]: a link message and the head of [`crate::relay::RelayFrame`].
pub const RELAY_DATA_BYTES_MAX: usize = limits::LINK_MESSAGE_BYTES_MAX + 64;

/// A meeting point on the signal server, derived from a secret its peers share (DESIGN 4.8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Topic(pub [u8; 32]);

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Topic({:02x}{:02x}{:02x}{:02x})",
            self.0[0], self.0[1], self.0[2], self.0[3]
        )
    }
}

/// A peer in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPeer {
    /// Who.
    pub peer: PeerId,
    /// Can make direct (WebRTC) links now.
    pub direct_capable: bool,
}

/// From a client to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientSignal {
    /// First frame. Answered by [`ServerSignal::Welcome`] or [`ServerSignal::Refused`].
    Hello {
        /// [`SIGNAL_VERSION`].
        version: u32,
        /// Chosen at random for this run of the node.
        peer: PeerId,
    },
    /// Be found in a topic. Answered by [`ServerSignal::Peers`]; the others hear [`ServerSignal::Joined`].
    /// Said again, it replaces what was said about direct links.
    Join {
        /// Where.
        topic: Topic,
        /// Direct (WebRTC) links can be made now.
        direct_capable: bool,
    },
    /// Be found there no more.
    Leave {
        /// Where.
        topic: Topic,
    },
    /// Sealed bytes for a peer in the same topic: offers, answers, candidates.
    Signal {
        /// Where both are.
        topic: Topic,
        /// For whom.
        to: PeerId,
        /// At most [`SIGNAL_DATA_BYTES_MAX`].
        data: Vec<u8>,
    },
    /// A relayed message for a peer in the same topic: an encoded [`RelayFrame`](crate::relay::RelayFrame).
    Relay {
        /// Where both are.
        topic: Topic,
        /// For whom.
        to: PeerId,
        /// At most [`RELAY_DATA_BYTES_MAX`].
        data: Vec<u8>,
    },
    /// Asks for [`ServerSignal::Pong`] with the same number: tells a live connection from a dead one after sleep.
    Ping(u64),
}

/// From the server to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerSignal {
    /// Answer to `Hello`.
    Welcome {
        /// The version spoken from now on.
        version: u32,
    },
    /// Answer to `Join`: the others in the topic, at most
    /// [`SIGNAL_TOPIC_PEERS_MAX`](limits::SIGNAL_TOPIC_PEERS_MAX).
    Peers {
        /// Where.
        topic: Topic,
        /// Who else is there.
        peers: Vec<TopicPeer>,
    },
    /// A peer came, or what it can do changed.
    Joined {
        /// Where.
        topic: Topic,
        /// Who.
        peer: TopicPeer,
    },
    /// A peer left or its connection ended.
    Left {
        /// Where.
        topic: Topic,
        /// Who.
        peer: PeerId,
    },
    /// Sealed bytes from a peer.
    Signal {
        /// Where both are.
        topic: Topic,
        /// From whom; the server vouches for the id, the seal for the sender.
        from: PeerId,
        /// At most [`SIGNAL_DATA_BYTES_MAX`].
        data: Vec<u8>,
    },
    /// A relayed message from a peer.
    Relay {
        /// Where both are.
        topic: Topic,
        /// From whom.
        from: PeerId,
        /// At most [`RELAY_DATA_BYTES_MAX`].
        data: Vec<u8>,
    },
    /// A `Signal` or `Relay` found no such peer in the topic, or its queue is full: what is relayed to it is lost.
    Undelivered {
        /// Where.
        topic: Topic,
        /// For whom.
        to: PeerId,
    },
    /// What was asked is not done. All reasons but [`SignalRefusal::Topics`] and [`SignalRefusal::TopicFull`]
    /// end the connection.
    Refused {
        /// Why.
        reason: SignalRefusal,
        /// The topic asked for, if one was.
        topic: Option<Topic>,
    },
    /// Answer to `Ping`.
    Pong(u64),
}

/// Why a server does not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SignalRefusal {
    /// The server does not speak this version.
    Version,
    /// A frame is malformed, over a limit or out of order.
    Malformed,
    /// Another connection has this peer id.
    PeerTaken,
    /// Too many frames in too short a time.
    TooFast,
    /// The connection is in [`SIGNAL_TOPICS_MAX`](limits::SIGNAL_TOPICS_MAX) topics.
    Topics,
    /// The topic holds [`SIGNAL_TOPIC_PEERS_MAX`](limits::SIGNAL_TOPIC_PEERS_MAX) peers.
    TopicFull,
    /// The server is full or going down.
    Unavailable,
}

fn check_len(len: usize, max: usize) -> Result<(), DecodeError> {
    if len > max {
        Err(DecodeError::TooLong { len, max })
    } else {
        Ok(())
    }
}

impl ClientSignal {
    /// The frame's bytes.
    pub fn encode(&self) -> Vec<u8> {
        dxos_base::encode(self)
    }

    /// Reads a frame; lengths within are checked too.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let frame = dxos_base::decode(bytes, limits::SIGNAL_FRAME_BYTES_MAX)?;
        match &frame {
            ClientSignal::Signal { data, .. } => check_len(data.len(), SIGNAL_DATA_BYTES_MAX)?,
            ClientSignal::Relay { data, .. } => check_len(data.len(), RELAY_DATA_BYTES_MAX)?,
            _ => {}
        }
        Ok(frame)
    }
}

impl ServerSignal {
    /// The frame's bytes.
    pub fn encode(&self) -> Vec<u8> {
        dxos_base::encode(self)
    }

    /// Reads a frame; lengths within are checked too.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let frame = dxos_base::decode(bytes, limits::SIGNAL_FRAME_BYTES_MAX)?;
        match &frame {
            ServerSignal::Signal { data, .. } => check_len(data.len(), SIGNAL_DATA_BYTES_MAX)?,
            ServerSignal::Relay { data, .. } => check_len(data.len(), RELAY_DATA_BYTES_MAX)?,
            ServerSignal::Peers { peers, .. } => {
                check_len(peers.len(), limits::SIGNAL_TOPIC_PEERS_MAX)?;
            }
            _ => {}
        }
        Ok(frame)
    }
}

/// Whether the peer `local` begins sessions and offers with `remote`: the lower id does.
pub fn initiates(local: &PeerId, remote: &PeerId) -> bool {
    local < remote
}

#[cfg(test)]
mod tests;
