//! Fuzz bodies for what MESH reads from servers and peers; how they run: [`dxos_base::fuzz`].

use dxos_base::fuzz::one_form;
use dxos_base::{AgreementSecret, Entropy, limits};

use crate::mux::{Mux, Side};
use crate::presence::PresenceMessage;
use crate::relay::RelayFrame;
use crate::seal::PeerSignal;
use crate::session::{Role, Session, SessionEvent};
use crate::signal::{ClientSignal, ServerSignal};

/// Any bytes as a frame to or from the signal server, and as what peers seal into one.
pub fn signal(bytes: &[u8]) {
    if let Ok(frame) = ClientSignal::decode(bytes) {
        assert_eq!(frame.encode(), bytes);
    }
    if let Ok(frame) = ServerSignal::decode(bytes) {
        assert_eq!(frame.encode(), bytes);
    }
    one_form::<PeerSignal>(bytes);
}

/// Any bytes as a relayed frame.
pub fn relay(bytes: &[u8]) {
    if let Ok(frame) = RelayFrame::decode(bytes) {
        assert_eq!(frame.encode(), bytes);
    }
}

/// Any bytes as a presence message.
pub fn presence(bytes: &[u8]) {
    if let Ok(message) = PresenceMessage::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
}

/// Any bytes as packets of a session, each after its length in one byte: taken or refused, and what arrives keeps to
/// its limits.
pub fn mux(bytes: &[u8]) {
    let (mut mux, mut events) = (Mux::new(Side::Even), Vec::new());
    let own = mux.open("replicate").expect("it is the first");
    mux.send(own, vec![7; 300]).expect("it is open");
    while !mux.fill(limits::LINK_MESSAGE_BYTES_MAX).is_empty() {}
    let mut rest = bytes;
    while let Some((&length, after)) = rest.split_first() {
        let (packet, after) = after.split_at((length as usize).min(after.len()));
        rest = after;
        if mux.receive(packet, &mut events).is_err() {
            break;
        }
        assert!(mux.fill(limits::LINK_MESSAGE_BYTES_MAX).len() <= limits::LINK_MESSAGE_BYTES_MAX);
    }
    let received: usize = events.iter().map(received_bytes).sum();
    assert!(received <= bytes.len(), "nothing comes from nowhere");
}

fn received_bytes(event: &SessionEvent) -> usize {
    match event {
        SessionEvent::Message { bytes, .. } => bytes.len(),
        SessionEvent::Opened { protocol, .. } => protocol.len(),
        _ => 0,
    }
}

/// Any bytes as the first messages of a session, on either side: nobody is let in by them.
pub fn handshake(bytes: &[u8]) {
    for role in [Role::Initiator, Role::Responder] {
        let secret = AgreementSecret([3; 32]);
        let mut session = Session::new(role, &[4; 32], &secret, &mut Fixed);
        for message in bytes.chunks(200) {
            if session.receive(message).is_err() {
                break;
            }
        }
        assert!(!session.is_established());
    }
}

/// Bytes that stand for random ones where chance would only hide what was found.
struct Fixed;

impl Entropy for Fixed {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(5);
    }
}

#[cfg(test)]
mod tests {
    use dxos_base::fuzz::seeded;
    use dxos_base::{PeerId, encode};

    use super::*;
    use crate::relay::RelayKind;
    use crate::seal::PeerSignalBody;
    use crate::signal::{Topic, TopicPeer};
    use crate::testing::Seeded;

    const RUNS: usize = 10_000;

    #[test]
    fn mutated_signals_are_read_or_refused() {
        let (topic, peer) = (Topic([1; 32]), PeerId([2; 16]));
        let told = PeerSignal {
            attempt: 300,
            body: PeerSignalBody::Transport(vec![1, 2, 3]),
        };
        let samples = [
            ClientSignal::Hello { version: 1, peer }.encode(),
            ClientSignal::Signal {
                topic,
                to: peer,
                data: vec![7; 40],
            }
            .encode(),
            ServerSignal::Peers {
                topic,
                peers: vec![
                    TopicPeer {
                        peer,
                        direct_capable: true,
                    },
                    TopicPeer {
                        peer: PeerId([3; 16]),
                        direct_capable: false,
                    },
                ],
            }
            .encode(),
            encode(&told),
        ];
        seeded(&samples, RUNS, signal);
    }

    #[test]
    fn mutated_relayed_frames_are_read_or_refused() {
        let frame = RelayFrame {
            connection: 9,
            kind: RelayKind::Message(vec![1, 2, 3]),
        };
        seeded(&[frame.encode()], RUNS, relay);
    }

    #[test]
    fn mutated_presence_is_read_or_refused() {
        let message = |body| PresenceMessage {
            run: u64::MAX,
            number: 300,
            body,
        };
        let samples = [message(None), message(Some(vec![5; 40]))].map(|message| message.encode());
        seeded(&samples, RUNS, presence);
    }

    #[test]
    fn mutated_packets_are_taken_or_refused() {
        let mut peer = Mux::new(Side::Odd);
        let mut samples = vec![vec![0]];
        for name in ["replicate", "gossip"] {
            let stream = peer.open(name).expect("there are few");
            peer.send(stream, vec![8; 90]).expect("it is open");
            peer.send(stream, vec![9; 20]).expect("it is open");
            peer.close(stream);
            let packet = peer.fill(200);
            samples.push([&[packet.len() as u8][..], &packet].concat());
        }
        seeded(&samples, RUNS, mux);
    }

    #[test]
    fn mutated_handshakes_let_nobody_in() {
        let secret = AgreementSecret([6; 32]);
        let mut other = Session::new(Role::Initiator, &[1; 32], &secret, &mut Seeded::new(1));
        let samples = other.take_outgoing();
        seeded(&samples, 200, handshake);
    }
}
