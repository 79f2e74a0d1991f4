//! The native WebSocket against a loopback server, and against servers that misbehave.

use std::time::Duration;

use dxos_base::limits;
use dxos_net::{SOCKET_QUEUED_BYTES_MAX, SignalSocket, SocketEvent, conformance};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn native_sockets_conform() {
    let url = crate::server::start().await;
    let suite = conformance::signal_server(&url, 1);
    timeout(LIMIT, suite)
        .await
        .expect("the suite ends")
        .unwrap();
}

/// A listener, its address, and a socket that connects to it.
async fn connecting() -> (
    TcpListener,
    SignalSocket,
    mpsc::UnboundedReceiver<SocketEvent>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (sender, events) = mpsc::unbounded_channel();
    let socket = SignalSocket::open(&url, move |event| sender.send(event).unwrap_or(()));
    (listener, socket, events)
}

async fn accept(listener: &TcpListener) -> tokio_tungstenite::WebSocketStream<TcpStream> {
    accept_async(listener.accept().await.unwrap().0)
        .await
        .unwrap()
}

/// Events up to the last; the stream of events ends with it.
async fn all(events: mpsc::UnboundedReceiver<SocketEvent>) -> Vec<SocketEvent> {
    all_within(events, LIMIT).await
}

async fn all_within(
    mut events: mpsc::UnboundedReceiver<SocketEvent>,
    limit: Duration,
) -> Vec<SocketEvent> {
    let mut all = Vec::new();
    while let Some(event) = timeout(limit, events.recv())
        .await
        .expect("the socket ends")
    {
        all.push(event);
    }
    all
}

fn only_closed(events: &[SocketEvent]) -> bool {
    matches!(events, [SocketEvent::Closed { .. }])
}

fn opened_then_closed(events: &[SocketEvent]) -> bool {
    matches!(events, [SocketEvent::Opened, SocketEvent::Closed { .. }])
}

#[tokio::test]
async fn a_server_that_is_no_websocket_closes_the_socket() {
    let (listener, _socket, events) = connecting().await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = [0; 64];
    let _ = stream.read(&mut request).await.unwrap();
    stream
        .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    assert!(only_closed(&all(events).await));
}

#[tokio::test]
async fn a_bad_address_closes_the_socket() {
    for url in ["", "http://127.0.0.1/", "ws://", "not an address"] {
        let (sender, events) = mpsc::unbounded_channel();
        let _socket = SignalSocket::open(url, move |event| sender.send(event).unwrap_or(()));
        assert!(only_closed(&all(events).await), "{url}");
    }
}

#[tokio::test]
async fn text_and_frames_over_the_limit_close_the_socket() {
    for message in [
        Message::text("hello"),
        Message::binary(vec![0; limits::SIGNAL_FRAME_BYTES_MAX + 1]),
    ] {
        let (listener, _socket, events) = connecting().await;
        let mut server = accept(&listener).await;
        server.send(message).await.unwrap();
        assert!(opened_then_closed(&all(events).await));
    }
}

#[tokio::test]
async fn a_cut_connection_closes_the_socket() {
    let (listener, _socket, events) = connecting().await;
    drop(accept(&listener).await);
    assert!(opened_then_closed(&all(events).await));
}

#[tokio::test]
async fn who_does_not_read_is_cut_off() {
    let (listener, socket, events) = connecting().await;
    let _server = accept(&listener).await;
    let frame = vec![0; limits::SIGNAL_FRAME_BYTES_MAX];
    for _ in 0..=SOCKET_QUEUED_BYTES_MAX / frame.len() {
        socket.send(frame.clone());
    }
    // The kernel's buffers may hold some of it: fill what they took.
    for _ in 0..1024 {
        socket.send(frame.clone());
        tokio::task::yield_now().await;
    }
    assert!(opened_then_closed(&all(events).await));
}

#[tokio::test]
async fn what_is_queued_leaves_before_a_dropped_socket_closes() {
    let (listener, socket, mut events) = connecting().await;
    let mut server = accept(&listener).await;
    assert_eq!(events.recv().await, Some(SocketEvent::Opened));
    for n in 0..100u8 {
        socket.send(vec![n; 1000]);
    }
    drop(socket);
    for n in 0..100u8 {
        let message = timeout(LIMIT, server.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(message, Message::binary(vec![n; 1000]));
    }
    let end = timeout(LIMIT, server.next()).await.unwrap();
    assert!(matches!(end, Some(Ok(Message::Close(_))) | None), "{end:?}");
    drop(server);
    assert_eq!(all(events).await, []);
}

#[tokio::test]
async fn a_socket_dropped_while_connecting_tells_nothing() {
    let (listener, socket, events) = connecting().await;
    let (stream, _) = listener.accept().await.unwrap();
    drop(socket);
    assert_eq!(all(events).await, []);
    drop(stream);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up() {
    let (listener, _socket, events) = connecting().await;
    let (_stream, _) = listener.accept().await.unwrap();
    assert!(only_closed(&all(events).await));
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let (listener, _socket, mut events) = connecting().await;
    let server = accept(&listener).await;
    assert_eq!(events.recv().await, Some(SocketEvent::Opened));
    // From here on time jumps to the next timer; the server holds the connection and answers no ping.
    tokio::time::pause();
    assert!(only_closed(
        &all_within(events, Duration::from_secs(3600)).await
    ));
    drop(server);
}
