//! Every frame round trips, keeps its golden bytes, and is refused when cut, stretched or over a limit.

use super::*;

const TOPIC: Topic = Topic([0xa1; 32]);
const ADA: PeerId = PeerId([0x01; 16]);

fn client_frames() -> Vec<ClientSignal> {
    vec![
        ClientSignal::Hello {
            version: SIGNAL_VERSION,
            peer: ADA,
        },
        ClientSignal::Join {
            topic: TOPIC,
            direct_capable: true,
        },
        ClientSignal::Leave { topic: TOPIC },
        ClientSignal::Signal {
            topic: TOPIC,
            to: ADA,
            data: vec![1, 2, 3],
        },
        ClientSignal::Relay {
            topic: TOPIC,
            to: ADA,
            data: vec![],
        },
        ClientSignal::Ping(300),
    ]
}

fn server_frames() -> Vec<ServerSignal> {
    let peer = TopicPeer {
        peer: ADA,
        direct_capable: false,
    };
    vec![
        ServerSignal::Welcome {
            version: SIGNAL_VERSION,
        },
        ServerSignal::Peers {
            topic: TOPIC,
            peers: vec![peer; 3],
        },
        ServerSignal::Joined { topic: TOPIC, peer },
        ServerSignal::Left {
            topic: TOPIC,
            peer: ADA,
        },
        ServerSignal::Signal {
            topic: TOPIC,
            from: ADA,
            data: vec![9; 200],
        },
        ServerSignal::Relay {
            topic: TOPIC,
            from: ADA,
            data: vec![7],
        },
        ServerSignal::Undelivered {
            topic: TOPIC,
            to: ADA,
        },
        ServerSignal::Refused {
            reason: SignalRefusal::TopicFull,
            topic: Some(TOPIC),
        },
        ServerSignal::Pong(u64::MAX),
    ]
}

#[test]
fn frames_round_trip_and_cut_or_stretched_ones_are_refused() {
    for frame in client_frames() {
        let mut bytes = frame.encode();
        assert_eq!(ClientSignal::decode(&bytes), Ok(frame));
        for cut in 0..bytes.len() {
            assert!(ClientSignal::decode(&bytes[..cut]).is_err());
        }
        bytes.push(0);
        assert!(ClientSignal::decode(&bytes).is_err());
    }
    for frame in server_frames() {
        let mut bytes = frame.encode();
        assert_eq!(ServerSignal::decode(&bytes), Ok(frame));
        for cut in 0..bytes.len() {
            assert!(ServerSignal::decode(&bytes[..cut]).is_err());
        }
        bytes.push(0);
        assert!(ServerSignal::decode(&bytes).is_err());
    }
}

#[test]
fn bytes_on_the_wire_stay_as_they_are() {
    let tags: Vec<u8> = client_frames()
        .iter()
        .map(|frame| frame.encode()[0])
        .collect();
    assert_eq!(tags, [0, 1, 2, 3, 4, 5]);
    let tags: Vec<u8> = server_frames()
        .iter()
        .map(|frame| frame.encode()[0])
        .collect();
    assert_eq!(tags, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let signal = ClientSignal::Signal {
        topic: TOPIC,
        to: ADA,
        data: vec![1, 2, 3],
    };
    let golden = [&[3][..], &[0xa1; 32], &[0x01; 16], &[3, 1, 2, 3]].concat();
    assert_eq!(signal.encode(), golden);
    let hello = ClientSignal::Hello {
        version: 1,
        peer: ADA,
    };
    assert_eq!(hello.encode(), [&[0, 1][..], &[0x01; 16]].concat());
    assert_eq!(ServerSignal::Welcome { version: 1 }.encode(), [0, 1]);
}

#[test]
fn what_is_over_a_limit_is_refused() {
    let signal = |len| {
        ClientSignal::Signal {
            topic: TOPIC,
            to: ADA,
            data: vec![0; len],
        }
        .encode()
    };
    assert!(ClientSignal::decode(&signal(SIGNAL_DATA_BYTES_MAX)).is_ok());
    assert!(ClientSignal::decode(&signal(SIGNAL_DATA_BYTES_MAX + 1)).is_err());
    let relay = |len| {
        ClientSignal::Relay {
            topic: TOPIC,
            to: ADA,
            data: vec![0; len],
        }
        .encode()
    };
    assert!(ClientSignal::decode(&relay(RELAY_DATA_BYTES_MAX)).is_ok());
    assert!(ClientSignal::decode(&relay(RELAY_DATA_BYTES_MAX + 1)).is_err());
    assert!(ClientSignal::decode(&relay(limits::SIGNAL_FRAME_BYTES_MAX)).is_err());
    let peers = |len| {
        let peer = TopicPeer {
            peer: ADA,
            direct_capable: true,
        };
        ServerSignal::Peers {
            topic: TOPIC,
            peers: vec![peer; len],
        }
        .encode()
    };
    assert!(ServerSignal::decode(&peers(limits::SIGNAL_TOPIC_PEERS_MAX)).is_ok());
    assert!(ServerSignal::decode(&peers(limits::SIGNAL_TOPIC_PEERS_MAX + 1)).is_err());
}

#[test]
fn the_lower_peer_begins() {
    assert!(initiates(&PeerId([1; 16]), &PeerId([2; 16])));
    assert!(!initiates(&PeerId([2; 16]), &PeerId([1; 16])));
    assert!(!initiates(&PeerId([1; 16]), &PeerId([1; 16])));
}
