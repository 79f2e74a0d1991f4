//! Whatever one connection does wrong ends at most that connection, with a reason.

use dxos_edge::EdgeConfig;
use dxos_mesh::{ClientSignal, ServerSignal, SignalRefusal, signal::SIGNAL_VERSION};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::client::{Server, hello, peer, relay};

async fn refused(server: &Server, message: Message, reason: SignalRefusal) {
    let mut bad = server.client(9).await;
    bad.say_message(message).await;
    let expected = ServerSignal::Refused {
        reason,
        topic: None,
    };
    assert_eq!(bad.hear().await, Some(expected));
    assert_eq!(bad.hear().await, None, "and closed");
}

#[tokio::test]
async fn wrong_frames_end_their_connection_and_no_other() {
    let server = Server::start(EdgeConfig::default()).await;
    let mut ada = server.member(1).await;
    let mut bo = server.member(2).await;
    assert!(matches!(
        ada.hear().await,
        Some(ServerSignal::Joined { .. })
    ));

    let whole = relay(1, vec![1, 2, 3]).encode();
    for cut in 1..whole.len() {
        let message = Message::Binary(whole[..cut].to_vec().into());
        refused(&server, message, SignalRefusal::Malformed).await;
    }
    let noise = Message::Binary(vec![0xff; 500].into());
    refused(&server, noise, SignalRefusal::Malformed).await;
    refused(&server, Message::text("{}"), SignalRefusal::Malformed).await;
    let again = Message::Binary(hello(9).encode().into());
    refused(&server, again, SignalRefusal::Malformed).await;
    let huge = Message::Binary(vec![0; 65 * 1024].into());
    refused(&server, huge, SignalRefusal::Malformed).await;

    ada.say(&relay(2, vec![5])).await;
    assert!(matches!(bo.hear().await, Some(ServerSignal::Relay { .. })));
    let stats = server.edge.stats();
    assert_eq!(stats.connections, 2);
    assert_eq!(stats.refused_frames, whole.len() as u64 + 3);
}

#[tokio::test]
async fn hello_comes_first_and_speaks_our_version() {
    let server = Server::start(EdgeConfig::default()).await;
    let newer = ClientSignal::Hello {
        version: SIGNAL_VERSION + 1,
        peer: peer(1),
    };
    for (first, reason) in [
        (ClientSignal::Ping(1), SignalRefusal::Malformed),
        (newer, SignalRefusal::Version),
    ] {
        let mut client = server.connect().await;
        client.say(&first).await;
        let expected = ServerSignal::Refused {
            reason,
            topic: None,
        };
        assert_eq!(client.hear().await, Some(expected));
    }
}

#[tokio::test]
async fn taken_peer_id_is_refused_while_its_holder_lives() {
    let server = Server::start(EdgeConfig::default()).await;
    let mut holder = server.client(1).await;
    // A client that is polled answers pings: that is what living means here.
    let living = tokio::spawn(async move { holder.hear().await });
    let mut second = server.connect().await;
    second.say(&hello(1)).await;
    let expected = ServerSignal::Refused {
        reason: SignalRefusal::PeerTaken,
        topic: None,
    };
    assert_eq!(second.hear().await, Some(expected));
    living.abort();
}

#[tokio::test]
async fn peer_id_of_a_dead_connection_can_be_taken_again() {
    let server = Server::start(EdgeConfig::default()).await;
    // Never polled again, so it answers no ping: as if its network had gone away.
    let _dead = server.client(1).await;
    let mut again = server.client(1).await;
    again.say(&ClientSignal::Ping(1)).await;
    assert_eq!(again.hear().await, Some(ServerSignal::Pong(1)));
    assert_eq!(server.edge.stats().connections, 1);
}

#[tokio::test]
async fn who_does_not_read_costs_bounded_memory_and_the_sender_is_told() {
    let server = Server::start(EdgeConfig::default()).await;
    let mut ada = server.member(1).await;
    let _deaf = server.member(2).await;
    assert!(matches!(
        ada.hear().await,
        Some(ServerSignal::Joined { .. })
    ));
    // More than the queue and the socket buffers of both ends hold.
    for _ in 0..4_000 {
        ada.say(&relay(2, vec![0; 16 * 1024])).await;
        if server.edge.stats().undelivered_frames > 0 {
            break;
        }
    }
    assert!(matches!(
        ada.hear().await,
        Some(ServerSignal::Undelivered { .. })
    ));
}

#[tokio::test]
async fn flood_of_control_frames_is_stopped() {
    let server = Server::start(EdgeConfig::default()).await;
    let mut client = server.client(1).await;
    for n in 0..10_000 {
        if !client.try_say(&ClientSignal::Ping(n)).await {
            break;
        }
    }
    let too_fast = ServerSignal::Refused {
        reason: SignalRefusal::TooFast,
        topic: None,
    };
    let mut heard = Vec::new();
    while let Some(frame) = client.hear().await {
        heard.push(frame);
    }
    // A reset may overtake the refusal; the server's own count is what must hold.
    assert!(heard.last() == Some(&too_fast) || server.edge.stats().refused_frames == 1);
}

#[tokio::test]
async fn page_of_another_origin_is_refused_before_the_upgrade() {
    let server = Server::start(EdgeConfig::default()).await;
    let mut request = server.url().into_client_request().unwrap();
    request
        .headers_mut()
        .insert("origin", "https://evil.example".parse().unwrap());
    assert!(connect_async(request).await.is_err());
}
