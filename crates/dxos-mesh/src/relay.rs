//! A link made of messages relayed by the signal server: open, messages, close.
//!
//! Not sealed: the session inside is. A forged or repeated frame can only end the link it names.
//!
//! Invariants
//! * [`RelayFrame::connection`] tells one link between two peers from an earlier one, so late messages of a dead
//!   session never reach its successor; the initiator chooses it at random.

use dxos_base::{DecodeError, limits};

/// One relayed frame: goes into the `data` of `Relay` signals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayFrame {
    /// Names the link between these two peers.
    pub connection: u64,
    /// What happens on it.
    pub kind: RelayKind,
}

/// See [`RelayFrame`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayKind {
    /// The initiator begins; an older link between the two is dead.
    Open,
    /// A message of the session, at most [`LINK_MESSAGE_BYTES_MAX`](limits::LINK_MESSAGE_BYTES_MAX) bytes.
    Message(Vec<u8>),
    /// The link ends, or is not known to the sender.
    Close,
}

const HEAD: usize = 9;

impl RelayFrame {
    /// The frame's bytes: kind, connection (8 bytes, big-endian), message.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, message): (u8, &[u8]) = match &self.kind {
            RelayKind::Open => (0, &[]),
            RelayKind::Message(message) => (1, message),
            RelayKind::Close => (2, &[]),
        };
        let mut out = Vec::with_capacity(HEAD + message.len());
        out.push(kind);
        out.extend_from_slice(&self.connection.to_be_bytes());
        out.extend_from_slice(message);
        out
    }

    /// Reads a frame.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (head, message) = bytes
            .split_first_chunk::<HEAD>()
            .ok_or(DecodeError::Malformed)?;
        let [kind, connection @ ..] = head;
        if message.len() > limits::LINK_MESSAGE_BYTES_MAX {
            let max = limits::LINK_MESSAGE_BYTES_MAX;
            return Err(DecodeError::TooLong {
                len: message.len(),
                max,
            });
        }
        let kind = match (kind, message.is_empty()) {
            (0, true) => RelayKind::Open,
            (1, _) => RelayKind::Message(message.to_vec()),
            (2, true) => RelayKind::Close,
            _ => return Err(DecodeError::Malformed),
        };
        Ok(RelayFrame {
            connection: u64::from_be_bytes(*connection),
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip_and_odd_ones_are_refused() {
        let connection = 0x0102_0304_0506_0708;
        for kind in [
            RelayKind::Open,
            RelayKind::Message(vec![9; 40]),
            RelayKind::Close,
        ] {
            let frame = RelayFrame { connection, kind };
            let bytes = frame.encode();
            assert_eq!(RelayFrame::decode(&bytes), Ok(frame));
            for cut in 0..HEAD {
                assert_eq!(
                    RelayFrame::decode(&bytes[..cut]),
                    Err(DecodeError::Malformed)
                );
            }
        }
        assert_eq!(
            RelayFrame::decode(&[3; 9]),
            Err(DecodeError::Malformed),
            "unknown kind"
        );
        assert_eq!(
            RelayFrame::decode(&[0; 10]),
            Err(DecodeError::Malformed),
            "open with a tail"
        );
        let long = [&[1u8; 9][..], &vec![0; limits::LINK_MESSAGE_BYTES_MAX + 1]].concat();
        assert!(matches!(
            RelayFrame::decode(&long),
            Err(DecodeError::TooLong { .. })
        ));
    }
}
