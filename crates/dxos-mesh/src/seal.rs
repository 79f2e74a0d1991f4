//! Seals what peers tell each other through the signal server before they have a link.
//!
//! Invariants
//! * the server reads nothing, and cannot change a topic, sender or receiver without the seal breaking;
//! * bytes of one attempt to connect never reach another: [`PeerSignal::attempt`] tells them apart.

use dxos_base::crypto::Cipher;
use dxos_base::{CryptoError, DecodeError, Entropy, PeerId, hash};
use serde::{Deserialize, Serialize};

use crate::signal::{SIGNAL_DATA_BYTES_MAX, Topic};

/// What a peer tells another about one attempt to make a direct link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerSignal {
    /// Names the attempt; chosen at random by the initiator, repeated by the other side.
    pub attempt: u64,
    /// What is told.
    pub body: PeerSignalBody,
}

/// See [`PeerSignal`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerSignalBody {
    /// Bytes of [`LinkEvent::Signal`](crate::LinkEvent::Signal), for the other transport.
    Transport(Vec<u8>),
    /// This attempt is given up.
    Abandon,
}

/// Why a sealed signal was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Not sealed under this key for this topic, sender and receiver.
    #[error(transparent)]
    Seal(#[from] CryptoError),
    /// Sealed, but no signal of ours.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Seals and opens signals of one topic.
#[derive(Debug, Clone)]
pub struct SignalSeal(Cipher);

impl SignalSeal {
    /// `key` is the `dxos/1 signal` secret derived with the topic's (DESIGN 4.8).
    pub fn new(key: &[u8; 32]) -> Self {
        SignalSeal(Cipher::new(key))
    }

    /// Seals a signal for one receiver; the result goes into [`ClientSignal::Signal`](crate::ClientSignal::Signal).
    pub fn seal(
        &self,
        topic: &Topic,
        from: &PeerId,
        to: &PeerId,
        signal: &PeerSignal,
        entropy: &mut dyn Entropy,
    ) -> Vec<u8> {
        self.0.seal(
            &context(topic, from, to),
            &dxos_base::encode(signal),
            entropy,
        )
    }

    /// Opens what `from` sealed for `to`.
    pub fn open(
        &self,
        topic: &Topic,
        from: &PeerId,
        to: &PeerId,
        sealed: &[u8],
    ) -> Result<PeerSignal, SealError> {
        let plain = self.0.open(&context(topic, from, to), sealed)?;
        Ok(dxos_base::decode(&plain, SIGNAL_DATA_BYTES_MAX)?)
    }
}

fn context(topic: &Topic, from: &PeerId, to: &PeerId) -> [u8; 32] {
    hash("signal context", &[&topic.0, &from.0, &to.0]).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Seeded;

    #[test]
    fn a_signal_opens_only_for_its_topic_sender_and_receiver() {
        let seal = SignalSeal::new(&[7; 32]);
        let (topic, a, b) = (Topic([1; 32]), PeerId([2; 16]), PeerId([3; 16]));
        let signal = PeerSignal {
            attempt: 9,
            body: PeerSignalBody::Transport(b"{\"type\":\"offer\"}".to_vec()),
        };
        let sealed = seal.seal(&topic, &a, &b, &signal, &mut Seeded::new(1));
        assert_eq!(seal.open(&topic, &a, &b, &sealed), Ok(signal));
        assert!(seal.open(&topic, &b, &a, &sealed).is_err());
        assert!(seal.open(&Topic([9; 32]), &a, &b, &sealed).is_err());
        assert!(
            SignalSeal::new(&[8; 32])
                .open(&topic, &a, &b, &sealed)
                .is_err()
        );
        for cut in 0..sealed.len() {
            assert!(seal.open(&topic, &a, &b, &sealed[..cut]).is_err());
        }
        let odd = seal
            .0
            .seal(&context(&topic, &a, &b), b"\xff", &mut Seeded::new(2));
        assert!(matches!(
            seal.open(&topic, &a, &b, &odd),
            Err(SealError::Decode(_))
        ));
    }
}
