//! What the server is for: peers meet, signal, and relay; its counters and its tap tell the truth.

use std::sync::Arc;

use dxos_edge::{EdgeConfig, Tap};
use dxos_mesh::{ClientSignal, ServerSignal, TopicPeer};

use crate::client::{Server, TOPIC, join, peer, relay};

#[tokio::test]
async fn peers_meet_signal_and_part() {
    let server = Server::start(EdgeConfig::default()).await;
    let mut ada = server.member(1).await;
    let mut bo = server.client(2).await;
    bo.say(&join()).await;
    let here = TopicPeer {
        peer: peer(1),
        direct_capable: true,
    };
    let peers = ServerSignal::Peers {
        topic: TOPIC,
        peers: vec![here],
    };
    assert_eq!(bo.hear().await, Some(peers));
    let came = TopicPeer {
        peer: peer(2),
        direct_capable: true,
    };
    let joined = ServerSignal::Joined {
        topic: TOPIC,
        peer: came,
    };
    assert_eq!(ada.hear().await, Some(joined));

    ada.say(&ClientSignal::Signal {
        topic: TOPIC,
        to: peer(2),
        data: b"sealed offer".to_vec(),
    })
    .await;
    let offer = ServerSignal::Signal {
        topic: TOPIC,
        from: peer(1),
        data: b"sealed offer".to_vec(),
    };
    assert_eq!(bo.hear().await, Some(offer));
    let stats = server.edge.stats();
    assert_eq!((stats.connections, stats.topics), (2, 1));
    assert_eq!((stats.signalled_bytes, stats.relayed_bytes), (12, 0));

    drop(ada);
    let left = ServerSignal::Left {
        topic: TOPIC,
        peer: peer(1),
    };
    assert_eq!(bo.hear().await, Some(left));
    bo.say(&ClientSignal::Ping(7)).await;
    assert_eq!(bo.hear().await, Some(ServerSignal::Pong(7)));
}

#[tokio::test]
async fn relayed_bytes_are_counted_and_arrive_in_order() {
    let server = Server::start(EdgeConfig::default()).await;
    let mut ada = server.member(1).await;
    let mut bo = server.member(2).await;
    assert!(matches!(
        ada.hear().await,
        Some(ServerSignal::Joined { .. })
    ));
    for n in 0..100u8 {
        ada.say(&relay(2, vec![n; 1000])).await;
    }
    for n in 0..100u8 {
        let relayed = ServerSignal::Relay {
            topic: TOPIC,
            from: peer(1),
            data: vec![n; 1000],
        };
        assert_eq!(bo.hear().await, Some(relayed));
    }
    let stats = server.edge.stats();
    assert_eq!((stats.relayed_frames, stats.relayed_bytes), (100, 100_000));
    assert_eq!(stats.undelivered_frames, 0);

    ada.say(&relay(9, vec![1])).await;
    let undelivered = ServerSignal::Undelivered {
        topic: TOPIC,
        to: peer(9),
    };
    assert_eq!(ada.hear().await, Some(undelivered));
}

#[tokio::test]
async fn tap_holds_every_frame_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tap");
    let tap = Arc::new(Tap::create(&path).unwrap());
    let server = Server::start(EdgeConfig {
        tap: Some(tap),
        ..EdgeConfig::default()
    })
    .await;
    let mut ada = server.member(1).await;
    let mut bo = server.member(2).await;
    ada.say(&relay(2, b"canary".to_vec())).await;
    assert!(matches!(bo.hear().await, Some(ServerSignal::Relay { .. })));

    let bytes = std::fs::read(&path).unwrap();
    let mut records = Vec::new();
    let mut rest = bytes.as_slice();
    while let [direction, head @ ..] = rest {
        let len = u32::from_be_bytes(head[8..12].try_into().unwrap()) as usize;
        records.push((*direction as char, head[12..12 + len].to_vec()));
        rest = &head[12 + len..];
    }
    let with_canary: Vec<char> = records
        .iter()
        .filter(|(_, frame)| frame.windows(6).any(|part| part == b"canary"))
        .map(|(direction, _)| *direction)
        .collect();
    assert_eq!(with_canary, ['<', '>'], "received once, sent once");
    assert!(
        records.len() >= 10,
        "hello, welcome, join, peers twice; joined; relay twice"
    );
}
