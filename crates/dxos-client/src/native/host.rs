//! The node's thread: node, store and text engine live on it and nowhere else; everything else sends it messages.
//!
//! Invariants
//! * all that happens goes through one queue, in order of arrival;
//! * a client that does not read is cut off, the others go on;
//! * events of a signal socket that was closed or replaced never reach the node.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Duration;

use dxos_base::Tick;
use dxos_net::{SignalSocket, SocketEvent};
use dxos_node::{ChannelId, Context, Effect, Event, Node, NodeConfig};
use dxos_store::SqliteStore;
use dxos_text::LoroEngine;
use tokio::sync::{mpsc, oneshot};

use super::platform::{self, Queues};
use super::profile::Keys;
use super::{CHANNEL_FRAMES_MAX, Config, OpenError};
use crate::platform::{SystemEntropy, now_ms};

enum Message {
    Channel(Queues),
    Frame(ChannelId, Vec<u8>),
    Closed(ChannelId),
    Socket(u64, SocketEvent),
    Stop(oneshot::Sender<()>),
}

/// The running thread.
#[derive(Debug)]
pub(super) struct HostThread {
    messages: mpsc::UnboundedSender<Message>,
}

/// A thread with a first channel.
pub(super) struct Opened {
    pub(super) host: HostThread,
    pub(super) to_node: mpsc::Sender<Vec<u8>>,
    pub(super) from_node: mpsc::Receiver<Vec<u8>>,
}

impl HostThread {
    /// Opens store and node on a new thread, which keeps `lock` until it ends.
    pub(super) async fn start(config: Config, keys: Keys, lock: File) -> Result<Opened, OpenError> {
        let (messages, queue) = mpsc::unbounded_channel();
        let (ready, opened) = oneshot::channel();
        let (to_node, from_client) = mpsc::channel(CHANNEL_FRAMES_MAX);
        let (to_client, from_node) = mpsc::channel(CHANNEL_FRAMES_MAX);
        let own = messages.clone();
        let spawned = std::thread::Builder::new()
            .name("dxos-node".into())
            .spawn(move || {
                let runtime = match tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                {
                    Ok(runtime) => runtime,
                    Err(error) => {
                        let path = config.profile.clone();
                        // Nobody waits any more if this fails.
                        let _ = ready.send(Err(OpenError::File { path, error }));
                        return;
                    }
                };
                let stopped = runtime.block_on(async move {
                    match Host::open(&config, keys, own) {
                        Ok(mut host) => {
                            host.accept((to_client, from_client));
                            // The opener may have given up waiting; the node then ends with its queue.
                            let _ = ready.send(Ok(()));
                            host.run(queue).await
                        }
                        Err(error) => {
                            let _ = ready.send(Err(error));
                            None
                        }
                    }
                });
                // Sockets and files first, then the lock, then the word that all is free.
                drop(runtime);
                drop(lock);
                if let Some(stopped) = stopped {
                    let _ = stopped.send(());
                }
            });
        if let Err(error) = spawned {
            return Err(OpenError::File {
                path: "dxos-node".into(),
                error,
            });
        }
        opened.await.map_err(|_| OpenError::Stopped)??;
        Ok(Opened {
            host: HostThread { messages },
            to_node,
            from_node,
        })
    }

    pub(super) async fn stop(self) {
        let (done, stopped) = oneshot::channel();
        if self.messages.send(Message::Stop(done)).is_ok() {
            // An error means it has ended already.
            let _ = stopped.await;
        }
    }
}

struct Host {
    node: Node,
    store: SqliteStore,
    text: LoroEngine,
    messages: mpsc::UnboundedSender<Message>,
    channels: BTreeMap<ChannelId, mpsc::Sender<Vec<u8>>>,
    channel_last: u64,
    signal_url: String,
    socket: Option<SignalSocket>,
    socket_last: u64,
}

impl Host {
    fn open(
        config: &Config,
        keys: Keys,
        messages: mpsc::UnboundedSender<Message>,
    ) -> Result<Host, OpenError> {
        let mut store = SqliteStore::open_file(&config.profile.join("profile.db"))?;
        let mut text = LoroEngine::new();
        let mut context = Context {
            now: Tick(now_ms()),
            store: &mut store,
            text: &mut text,
            entropy: &mut SystemEntropy,
        };
        let node_config = NodeConfig {
            profile_key: keys.key,
            instance_marker: keys.marker,
        };
        let mut node = Node::open(node_config, &mut context)?;
        let mut effects = Vec::new();
        node.start(&mut context, &mut effects);
        let (accepted, mut others) = mpsc::unbounded_channel();
        let socket_path = platform::socket_path(&config.profile);
        if let Err(error) = platform::listen(&socket_path, accepted) {
            // The profile works; only a second process cannot join in.
            tracing::warn!(%error, "native.listen");
        }
        let queue = messages.clone();
        tokio::spawn(async move {
            while let Some(queues) = others.recv().await {
                if queue.send(Message::Channel(queues)).is_err() {
                    return;
                }
            }
        });
        let mut host = Host {
            node,
            store,
            text,
            messages,
            channels: BTreeMap::new(),
            channel_last: 0,
            signal_url: config.signal_url.clone(),
            socket: None,
            socket_last: 0,
        };
        host.carry_out(effects);
        Ok(host)
    }

    /// Until asked to stop; gives whom to tell.
    async fn run(
        mut self,
        mut queue: mpsc::UnboundedReceiver<Message>,
    ) -> Option<oneshot::Sender<()>> {
        loop {
            let wake_at = self.node.wake_at();
            let wait = wake_at.map(|at| Duration::from_millis(at.0.saturating_sub(now_ms())));
            let wake = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                message = queue.recv() => match message {
                    Some(Message::Stop(done)) => return Some(done),
                    Some(message) => self.message(message),
                    None => return None,
                },
                () = wake => self.handle(Event::Wake),
            }
            // Due in the middle of a flood of messages too.
            if self.node.wake_at().is_some_and(|at| at.0 <= now_ms()) {
                self.handle(Event::Wake);
            }
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Channel(queues) => self.accept(queues),
            Message::Frame(channel, frame) => {
                if self.channels.contains_key(&channel) {
                    self.handle(Event::ChannelFrame(channel, frame));
                }
            }
            Message::Closed(channel) => self.close(channel),
            Message::Socket(number, event) => {
                if number != self.socket_last || self.socket.is_none() {
                    return;
                }
                match event {
                    SocketEvent::Opened => self.handle(Event::SignalOpened),
                    SocketEvent::Frame(frame) => self.handle(Event::SignalFrame(frame)),
                    SocketEvent::Closed { reason } => {
                        tracing::debug!(reason, "native.signal_closed");
                        self.handle(Event::SignalClosed);
                    }
                }
            }
            Message::Stop(_) => {}
        }
    }

    fn accept(&mut self, (send, mut receive): Queues) {
        self.channel_last += 1;
        let channel = ChannelId(self.channel_last);
        self.channels.insert(channel, send);
        let messages = self.messages.clone();
        tokio::spawn(async move {
            while let Some(frame) = receive.recv().await {
                if messages.send(Message::Frame(channel, frame)).is_err() {
                    return;
                }
            }
            // The thread may be gone.
            let _ = messages.send(Message::Closed(channel));
        });
        self.handle(Event::ChannelOpened(channel));
    }

    fn close(&mut self, channel: ChannelId) {
        if self.channels.remove(&channel).is_some() {
            self.handle(Event::ChannelClosed(channel));
        }
    }

    fn handle(&mut self, event: Event) {
        let mut effects = Vec::new();
        let mut context = Context {
            now: Tick(now_ms()),
            store: &mut self.store,
            text: &mut self.text,
            entropy: &mut SystemEntropy,
        };
        self.node.handle(&mut context, event, &mut effects);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::ToChannel(channel, frame) => {
                    let full = self
                        .channels
                        .get(&channel)
                        .is_some_and(|send| send.try_send(frame).is_err());
                    if full {
                        // Told to the node in its turn, not from within its effects.
                        let _ = self.messages.send(Message::Closed(channel));
                    }
                }
                Effect::CloseChannel(channel) => {
                    self.channels.remove(&channel);
                }
                Effect::SignalConnect => {
                    self.socket_last += 1;
                    let (number, messages) = (self.socket_last, self.messages.clone());
                    self.socket = Some(SignalSocket::open(&self.signal_url, move |event| {
                        let _ = messages.send(Message::Socket(number, event));
                    }));
                }
                Effect::SignalClose => self.socket = None,
                Effect::SignalSend(frame) => {
                    if let Some(socket) = &self.socket {
                        socket.send(frame);
                    }
                }
                // Never asked for: this host tells no direct links.
                Effect::Link(command) => tracing::error!(?command, "native.link"),
            }
        }
    }
}
