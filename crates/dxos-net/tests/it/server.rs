//! A signal server of a few lines on a loopback port: enough for the suite, no limits, no fairness.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use dxos_base::PeerId;
use dxos_mesh::signal::SIGNAL_VERSION;
use dxos_mesh::{ClientSignal, ServerSignal, SignalRefusal, Topic, TopicPeer};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

type Outbox = mpsc::UnboundedSender<ServerSignal>;

#[derive(Default)]
struct State {
    peers: BTreeMap<PeerId, Outbox>,
    topics: BTreeMap<Topic, BTreeMap<PeerId, bool>>,
}

impl State {
    fn tell(&self, peer: &PeerId, signal: ServerSignal) -> bool {
        self.peers
            .get(peer)
            .is_some_and(|outbox| outbox.send(signal).is_ok())
    }

    fn take(&mut self, from: PeerId, signal: ClientSignal) {
        match signal {
            ClientSignal::Ping(n) => {
                self.tell(&from, ServerSignal::Pong(n));
            }
            ClientSignal::Join {
                topic,
                direct_capable,
            } => {
                let members = self.topics.entry(topic).or_default();
                let about = |(peer, direct_capable): (&PeerId, &bool)| TopicPeer {
                    peer: *peer,
                    direct_capable: *direct_capable,
                };
                let peers: Vec<TopicPeer> = members.iter().map(about).collect();
                members.insert(from, direct_capable);
                let joined = TopicPeer {
                    peer: from,
                    direct_capable,
                };
                for TopicPeer { peer, .. } in &peers {
                    self.tell(
                        peer,
                        ServerSignal::Joined {
                            topic,
                            peer: joined,
                        },
                    );
                }
                self.tell(&from, ServerSignal::Peers { topic, peers });
            }
            ClientSignal::Signal { topic, to, data } => {
                self.pass(from, topic, to, ServerSignal::Signal { topic, from, data });
            }
            ClientSignal::Relay { topic, to, data } => {
                self.pass(from, topic, to, ServerSignal::Relay { topic, from, data });
            }
            ClientSignal::Hello { .. } | ClientSignal::Leave { .. } => {}
        }
    }

    fn pass(&self, from: PeerId, topic: Topic, to: PeerId, signal: ServerSignal) {
        let there = self
            .topics
            .get(&topic)
            .is_some_and(|members| members.contains_key(&to));
        if !there || !self.tell(&to, signal) {
            self.tell(&from, ServerSignal::Undelivered { topic, to });
        }
    }

    fn gone(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        for (topic, members) in &mut self.topics {
            if members.remove(&peer).is_some() {
                for other in members.keys() {
                    if let Some(outbox) = self.peers.get(other) {
                        let _ = outbox.send(ServerSignal::Left {
                            topic: *topic,
                            peer,
                        });
                    }
                }
            }
        }
    }
}

/// Starts the server within the test's runtime; its address.
pub async fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/signal", listener.local_addr().unwrap());
    let state = Arc::new(Mutex::new(State::default()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&state)));
        }
    });
    url
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let Ok(socket) = accept_async(stream).await else {
        return;
    };
    let (mut sink, mut stream) = socket.split();
    let (outbox, mut inbox) = mpsc::unbounded_channel::<ServerSignal>();
    let write = async move {
        while let Some(signal) = inbox.recv().await {
            let last = matches!(signal, ServerSignal::Refused { .. });
            if sink.send(Message::binary(signal.encode())).await.is_err() || last {
                break;
            }
        }
        let _ = sink.close().await;
    };
    let mut name = None;
    let read = async {
        while let Some(Ok(message)) = stream.next().await {
            let Message::Binary(frame) = message else {
                continue;
            };
            match (ClientSignal::decode(&frame), name) {
                (Ok(ClientSignal::Hello { peer, .. }), None) => {
                    name = Some(peer);
                    state.lock().unwrap().peers.insert(peer, outbox.clone());
                    let _ = outbox.send(ServerSignal::Welcome {
                        version: SIGNAL_VERSION,
                    });
                }
                (Ok(signal), Some(peer)) => state.lock().unwrap().take(peer, signal),
                _ => {
                    let reason = SignalRefusal::Malformed;
                    let _ = outbox.send(ServerSignal::Refused {
                        reason,
                        topic: None,
                    });
                    std::future::pending::<()>().await;
                }
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
    if let Some(peer) = name {
        state.lock().unwrap().gone(peer);
    }
}
