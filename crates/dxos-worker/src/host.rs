//! One node with its store, text engine and socket, driven by the worker's scripts.
//!
//! Invariants
//! * after every call all effects are carried out and the timer is set;
//! * events of a socket that was closed or replaced never reach the node.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use wasm_bindgen::prelude::*;

use dxos_base::limits;
use dxos_echo::store::StoreError;
use dxos_mesh::link::LinkEvent;
use dxos_net::{SignalSocket, SocketEvent};
use dxos_node::{ChannelId, Context, Effect, Event, Node, NodeConfig, NodeError};
use dxos_services::{ClientFrame, Request};
use dxos_store::SqliteStore;

use crate::platform::{BrowserEntropy, JsTextModule, Outside, now};
use crate::text::RemoteText;

struct Inner {
    node: Node,
    store: SqliteStore,
    text: RemoteText<JsTextModule>,
    outside: Outside,
    signal_url: String,
    socket: Option<SignalSocket>,
    /// Number of the present socket.
    socket_last: u64,
    wake_at: Option<u64>,
    /// For sockets to come back by.
    me: Weak<RefCell<Inner>>,
}

/// The node of this origin and profile.
#[wasm_bindgen]
pub struct WorkerHost(Rc<RefCell<Inner>>);

#[wasm_bindgen]
impl WorkerHost {
    /// Opens the profile in the origin private file system. The caller holds the profile's Web Lock.
    ///
    /// # Errors
    /// An object `{kind, message}`; kinds as `StartFailureKind` of `dxos-client`.
    pub async fn open(
        outside: Outside,
        profile: String,
        profile_key: Vec<u8>,
        instance_marker: Vec<u8>,
        signal_url: String,
    ) -> Result<WorkerHost, JsValue> {
        console_error_panic_hook::set_once();
        let (Ok(profile_key), Ok(instance_marker)) = (
            profile_key.as_slice().try_into(),
            instance_marker.as_slice().try_into(),
        ) else {
            return Err(failure("KeyLost", "the profile's key has a wrong length"));
        };
        let mut store = SqliteStore::open_opfs(&profile)
            .await
            .map_err(|error| store_failure(&error))?;
        let module = JsTextModule::new(outside.clone().unchecked_into());
        let mut text = RemoteText::new(module);
        let mut context = Context {
            now: now(),
            store: &mut store,
            text: &mut text,
            entropy: &mut BrowserEntropy,
        };
        let config = NodeConfig {
            profile_key,
            instance_marker,
        };
        let mut node = Node::open(config, &mut context).map_err(|error| match &error {
            NodeError::Store(store) => store_failure(store),
            NodeError::KeyLost => failure("KeyLost", &error.to_string()),
            _ => failure("StorageCorrupt", &error.to_string()),
        })?;
        let mut effects = Vec::new();
        node.start(&mut context, &mut effects);
        let host = Rc::new_cyclic(|me| {
            RefCell::new(Inner {
                node,
                store,
                text,
                outside,
                signal_url,
                socket: None,
                socket_last: 0,
                wake_at: None,
                me: me.clone(),
            })
        });
        host.borrow_mut().carry_out(effects);
        Ok(WorkerHost(host))
    }

    /// A tab connected.
    pub fn channel_opened(&self, channel: f64) {
        self.handle(Event::ChannelOpened(ChannelId(channel as u64)));
    }

    /// A tab sent a frame.
    pub fn channel_frame(&self, channel: f64, frame: Vec<u8>) {
        self.handle(Event::ChannelFrame(ChannelId(channel as u64), frame));
    }

    /// A tab is gone.
    pub fn channel_closed(&self, channel: f64) {
        self.handle(Event::ChannelClosed(ChannelId(channel as u64)));
    }

    /// The window's WebRTC did something.
    pub fn link_event(&self, event: &[u8]) {
        let limit = 2 * limits::SIGNAL_FRAME_BYTES_MAX;
        match dxos_base::decode::<LinkEvent>(event, limit) {
            Ok(event) => self.handle(Event::Link(event)),
            Err(error) => tracing::error!(%error, "worker.link_event"),
        }
    }

    /// Whether a window with WebRTC is there.
    pub fn direct_available(&self, available: bool) {
        self.handle(Event::DirectAvailable(available));
    }

    /// The time asked for by `wakeAt` has come.
    pub fn wake(&self) {
        self.0.borrow_mut().wake_at = None;
        self.handle(Event::Wake);
    }

    /// Whether a frame needs the text module: it opens a text.
    pub fn wants_text(&self, frame: &[u8]) -> bool {
        // Calls only: a large write is not decoded twice.
        const CALL: u8 = 1;
        frame.first() == Some(&CALL)
            && matches!(
                dxos_services::decode_client(frame),
                Ok(ClientFrame::Call {
                    request: Request::OpenText { .. },
                    ..
                })
            )
    }

    fn handle(&self, event: Event) {
        self.0.borrow_mut().handle(event);
    }
}

impl Inner {
    fn handle(&mut self, event: Event) {
        let mut effects = Vec::new();
        let mut context = Context {
            now: now(),
            store: &mut self.store,
            text: &mut self.text,
            entropy: &mut BrowserEntropy,
        };
        self.node.handle(&mut context, event, &mut effects);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::ToChannel(channel, frame) => {
                    self.outside.to_channel(channel.0 as f64, frame)
                }
                Effect::CloseChannel(channel) => self.outside.close_channel(channel.0 as f64),
                Effect::SignalConnect => self.connect(),
                Effect::SignalClose => self.socket = None,
                Effect::SignalSend(frame) => {
                    if let Some(socket) = &self.socket {
                        socket.send(frame);
                    }
                }
                Effect::Link(command) => self.outside.link(dxos_base::encode(&command)),
            }
        }
        let wake_at = self.node.wake_at().map(|tick| tick.0);
        if wake_at != self.wake_at {
            self.wake_at = wake_at;
            self.outside.wake_at(wake_at.map_or(-1.0, |at| at as f64));
        }
    }

    fn connect(&mut self) {
        self.socket_last += 1;
        let (number, me) = (self.socket_last, self.me.clone());
        let socket = SignalSocket::open(&self.signal_url, move |event| {
            let Some(inner) = me.upgrade() else { return };
            let mut inner = inner.borrow_mut();
            if inner.socket_last != number || inner.socket.is_none() {
                return;
            }
            match event {
                SocketEvent::Opened => inner.handle(Event::SignalOpened),
                SocketEvent::Frame(frame) => inner.handle(Event::SignalFrame(frame)),
                SocketEvent::Closed { reason } => {
                    tracing::debug!(reason, "worker.signal_closed");
                    inner.handle(Event::SignalClosed);
                }
            }
        });
        self.socket = Some(socket);
    }
}

fn failure(kind: &str, message: &str) -> JsValue {
    let object = js_sys::Object::new();
    for (key, value) in [("kind", kind), ("message", message)] {
        // Setting a property of a fresh plain object cannot fail.
        let _ = js_sys::Reflect::set(&object, &key.into(), &value.into());
    }
    object.into()
}

fn store_failure(error: &StoreError) -> JsValue {
    let kind = match error {
        StoreError::Full => "StorageFull",
        StoreError::Busy => "StorageBusy",
        StoreError::Denied { .. } => "StorageDenied",
        StoreError::Corrupt { .. } => "StorageCorrupt",
        StoreError::Newer { .. } => "StorageNewer",
        _ => "Other",
    };
    failure(kind, &error.to_string())
}
