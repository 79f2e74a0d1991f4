//! Messages two nodes exchange: on streams of a session, and sealed through the signal server.
//!
//! Everything here comes from a peer: sizes are bounded by the stream's limit and every field is checked where it
//! is used.

use serde::{Deserialize, Serialize};

use dxos_base::{DeviceKey, FeedId, Hash, ObjectId, Signature, SpaceId};

/// Stream protocol: credentials and entries of one space (DESIGN 4.5).
pub(crate) const REPLICATE: &str = "replicate";
/// Stream protocol: presence.
pub(crate) const GOSSIP: &str = "gossip";
/// Stream protocol: interactive invitations.
pub(crate) const INVITE: &str = "invite";

/// Version of the replication protocol. `Open` and `Refused` are the same in every version.
pub(crate) const REPLICATE_VERSION: u32 = 2;

/// On a `replicate` stream. The first message each way is `Open`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SpaceMessage {
    /// Which space, and proof that this session's peer is the device it says (DESIGN 6).
    Open {
        /// Protocol version.
        version: u32,
        /// The space.
        space: SpaceId,
        /// The sender's device.
        device: DeviceKey,
        /// Over (handshake hash, space, session role).
        signature: Signature,
    },
    /// The device is not known here; send the chain that admits it.
    NeedChain,
    /// Credentials: a chain, or an answer to `Heads`.
    Credentials {
        /// Signed bytes, parents first.
        credentials: Vec<Vec<u8>>,
    },
    /// The space is not opened for this peer; the stream closes.
    Refused {
        /// In words, for logs.
        reason: String,
    },
    /// Where the sender stands, in digests (DESIGN 4.5 step 1).
    Hello(Greeting),
    /// Heads of the sender's control graph; the other side answers with what they do not cover.
    Heads {
        /// The heads.
        heads: Vec<Hash>,
    },
    /// What the sender has stored: all feeds at first, later those that grew.
    Have {
        /// Greatest stored seq by feed.
        feeds: Vec<(FeedId, u64)>,
        /// Digest of the control graph, if it changed since it was told.
        control: Option<Hash>,
        /// State digest, with a beat, when nothing is pending or waiting.
        state: Option<[u8; 16]>,
    },
    /// Asks for entries of a feed after a seq.
    Want {
        /// The feed.
        feed: FeedId,
        /// Last seq the asker has.
        after: u64,
    },
    /// Entries of one feed, consecutive: pushed, or the answer to `Want`.
    Entries {
        /// Signed bytes, at least one.
        entries: Vec<Vec<u8>>,
    },
    /// The answer to a `Want` that nothing can be given for.
    Nothing {
        /// The feed.
        feed: FeedId,
    },
    /// Ends of the chains the sender holds: of feeds that forked, all of a feed's each time they change; of all feeds
    /// where two peers have as much and differ. A chain the other side lacks proves a fork to it.
    Tips {
        /// Feed, seq and hash of the last entry.
        tips: Vec<(FeedId, u64, Hash)>,
    },
    /// Asks for the chain that ends with an entry; the answer is `Entries`.
    WantChain {
        /// The feed.
        feed: FeedId,
        /// Where the chain ends.
        seq: u64,
        /// Hash of its last entry.
        hash: Hash,
        /// What the asker holds of the feed: ends of chains, and points of the standing one.
        points: Vec<(u64, Hash)>,
    },
    /// The answer to `Hello`.
    Answer(Answer),
}

/// Where the sender stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// The sender's wall clock, milliseconds.
    pub(crate) wall_ms: u64,
    /// Digest of the control graph.
    pub(crate) control: Hash,
    /// Digest of the timeframe.
    pub(crate) data: Hash,
    /// State digest, when nothing is pending or waiting.
    pub(crate) state: Option<[u8; 16]>,
}

/// How the sender's standpoint differs from a greeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The sender's wall clock, milliseconds.
    pub(crate) wall_ms: u64,
    /// Digest of the control graph, if it is another one.
    pub(crate) control: Option<Hash>,
    /// The sender's entries.
    pub(crate) entries: StoredEntries,
    /// State digest, when nothing is pending or waiting.
    pub(crate) state: Option<[u8; 16]>,
}

/// What the sender of an answer has stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredEntries {
    /// The same entries as the one who greeted.
    Same,
    /// Others: greatest stored seq by feed.
    Feeds(Vec<(FeedId, u64)>),
    /// Others, and the one who greeted is no member any more.
    Untold,
}

impl SpaceMessage {
    /// Its kind, as it is counted.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            SpaceMessage::Open { .. } => "replicate open",
            SpaceMessage::NeedChain => "replicate need chain",
            SpaceMessage::Credentials { .. } => "replicate credentials",
            SpaceMessage::Refused { .. } => "replicate refused",
            SpaceMessage::Hello(_) => "replicate hello",
            SpaceMessage::Heads { .. } => "replicate heads",
            SpaceMessage::Have { .. } => "replicate have",
            SpaceMessage::Want { .. } => "replicate want",
            SpaceMessage::Entries { .. } => "replicate entries",
            SpaceMessage::Nothing { .. } => "replicate nothing",
            SpaceMessage::Tips { .. } => "replicate tips",
            SpaceMessage::WantChain { .. } => "replicate want chain",
            SpaceMessage::Answer(_) => "replicate answer",
        }
    }
}

/// On a `gossip` stream, which speaks of the sending device only: it is bound to the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GossipMessage {
    /// A sign of life.
    Alive,
    /// Where the sender's person is.
    Presence {
        /// The space; only believed when the peer has opened it.
        space: SpaceId,
        /// An encoded [`dxos_mesh::PresenceMessage`] whose body is a [`GossipPlace`].
        message: Vec<u8>,
    },
}

impl GossipMessage {
    /// Its kind, as it is counted.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            GossipMessage::Alive => "gossip alive",
            GossipMessage::Presence { .. } => "gossip presence",
        }
    }
}

/// Where a person is in a space.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct GossipPlace {
    /// The object on screen.
    pub(crate) object: Option<ObjectId>,
    /// Caret in a text of it.
    pub(crate) caret: Option<GossipCaret>,
}

/// A caret as engine anchors, which stay in place while others type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GossipCaret {
    /// The text property's name.
    pub(crate) property: String,
    /// Fixed end.
    pub(crate) anchor: Vec<u8>,
    /// Moving end.
    pub(crate) head: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// Every message in the form it has on the wire; the same file is read by `docs/formats.md`'s readers.
    fn samples() -> Vec<SpaceMessage> {
        let hash = |n: u8| Hash([n; 32]);
        let feed = FeedId([4; 16]);
        vec![
            SpaceMessage::Open {
                version: REPLICATE_VERSION,
                space: SpaceId([1; 20]),
                device: DeviceKey([2; 32]),
                signature: Signature([3; 64]),
            },
            SpaceMessage::NeedChain,
            SpaceMessage::Credentials {
                credentials: vec![vec![1, 2], vec![3]],
            },
            SpaceMessage::Refused {
                reason: "no".into(),
            },
            SpaceMessage::Hello(Greeting {
                wall_ms: 1_764_000_000_000,
                control: hash(5),
                data: hash(6),
                state: Some([7; 16]),
            }),
            SpaceMessage::Heads {
                heads: vec![hash(8)],
            },
            SpaceMessage::Have {
                feeds: vec![(feed, 300)],
                control: None,
                state: Some([7; 16]),
            },
            SpaceMessage::Want { feed, after: 299 },
            SpaceMessage::Entries {
                entries: vec![vec![9; 3]],
            },
            SpaceMessage::Nothing { feed },
            SpaceMessage::Tips {
                tips: vec![(feed, 300, hash(10))],
            },
            SpaceMessage::WantChain {
                feed,
                seq: 300,
                hash: hash(10),
                points: vec![(299, hash(11))],
            },
            answer(StoredEntries::Same, None),
            answer(StoredEntries::Feeds(vec![(feed, 300)]), Some(hash(5))),
            answer(StoredEntries::Untold, Some(hash(5))),
        ]
    }

    fn answer(entries: StoredEntries, control: Option<Hash>) -> SpaceMessage {
        SpaceMessage::Answer(Answer {
            wall_ms: 1_764_000_000_000,
            control,
            entries,
            state: Some([7; 16]),
        })
    }

    #[test]
    fn messages_have_the_bytes_that_are_written_down() {
        let mut lines = String::new();
        for message in samples() {
            let hex = dxos_base::encode(&message);
            let hex: String = hex.iter().map(|byte| format!("{byte:02x}")).collect();
            let _ = writeln!(lines, "{}: {hex}", message.kind());
        }
        expect_test::expect_file!["../../../vectors/replicate-2.txt"].assert_eq(&lines);
    }

    #[test]
    fn cut_messages_are_refused_and_whole_ones_come_back() {
        for message in samples() {
            let bytes = dxos_base::encode(&message);
            assert_eq!(
                dxos_base::decode::<SpaceMessage>(&bytes, 4_096).as_ref(),
                Ok(&message)
            );
            for end in 0..bytes.len() {
                assert!(dxos_base::decode::<SpaceMessage>(&bytes[..end], 4_096).is_err());
            }
        }
    }

    #[test]
    fn open_and_refused_are_read_by_peers_of_every_version() {
        let open = &dxos_base::encode(&samples()[0])[..];
        assert_eq!(open.len(), 2 + 20 + 32 + 64);
        assert_eq!((open[0], u32::from(open[1])), (0, REPLICATE_VERSION));
        assert_eq!(dxos_base::encode(&samples()[3]), [3, 2, b'n', b'o']);
    }
}
