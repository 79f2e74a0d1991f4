//! A server on a free port and clients that speak frames.

use std::{net::SocketAddr, time::Duration};

use dxos_base::PeerId;
use dxos_edge::{Edge, EdgeConfig};
use dxos_mesh::{ClientSignal, ServerSignal, Topic, signal::SIGNAL_VERSION};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// Nothing here takes this long unless it hangs.
const HANG: Duration = Duration::from_secs(30);

pub const TOPIC: Topic = Topic([0x70; 32]);

pub fn peer(n: u8) -> PeerId {
    PeerId([n; 16])
}

pub struct Server {
    pub edge: Edge,
    pub address: SocketAddr,
}

impl Server {
    pub async fn start(config: EdgeConfig) -> Server {
        let edge = Edge::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = edge.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Server { edge, address }
    }

    pub fn url(&self) -> String {
        format!("ws://{}/signal", self.address)
    }

    /// A connection that has said nothing yet.
    pub async fn connect(&self) -> Client {
        let (socket, _) = connect_async(self.url()).await.unwrap();
        Client { socket }
    }

    /// A connection that was welcomed.
    pub async fn client(&self, n: u8) -> Client {
        let mut client = self.connect().await;
        client.say(&hello(n)).await;
        let welcome = ServerSignal::Welcome {
            version: SIGNAL_VERSION,
        };
        assert_eq!(client.hear().await, Some(welcome));
        client
    }

    /// A connection in [`TOPIC`].
    pub async fn member(&self, n: u8) -> Client {
        let mut client = self.client(n).await;
        client.say(&join()).await;
        let answer = client.hear().await;
        assert!(
            matches!(answer, Some(ServerSignal::Peers { .. })),
            "{answer:?}"
        );
        client
    }
}

pub fn hello(n: u8) -> ClientSignal {
    ClientSignal::Hello {
        version: SIGNAL_VERSION,
        peer: peer(n),
    }
}

pub fn join() -> ClientSignal {
    ClientSignal::Join {
        topic: TOPIC,
        direct_capable: true,
    }
}

pub fn relay(to: u8, data: Vec<u8>) -> ClientSignal {
    ClientSignal::Relay {
        topic: TOPIC,
        to: peer(to),
        data,
    }
}

pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    pub async fn say(&mut self, frame: &ClientSignal) {
        self.say_message(Message::Binary(frame.encode().into()))
            .await;
    }

    pub async fn say_message(&mut self, message: Message) {
        tokio::time::timeout(HANG, self.socket.send(message))
            .await
            .expect("hangs")
            .unwrap();
    }

    /// Sends without caring whether the server still listens.
    pub async fn try_say(&mut self, frame: &ClientSignal) -> bool {
        let message = Message::Binary(frame.encode().into());
        tokio::time::timeout(HANG, self.socket.send(message))
            .await
            .expect("hangs")
            .is_ok()
    }

    /// The next frame; `None` when the server closed.
    pub async fn hear(&mut self) -> Option<ServerSignal> {
        loop {
            let message = tokio::time::timeout(HANG, self.socket.next()).await;
            match message.expect("hangs") {
                Some(Ok(Message::Binary(bytes))) => {
                    return Some(ServerSignal::decode(&bytes).unwrap());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(other)) => panic!("unexpected {other:?}"),
            }
        }
    }
}
