//! The window's end: one worker of its own, the broker, one port to whichever worker leads.
//!
//! Invariants
//! * this tab's lock is held before it connects, so the worker hears of its end however it comes;
//! * at most one port is connected; a newer leader replaces it, and the client resends over it;
//! * the own worker's lock is awaited: however it ends, another one is started in its place;
//! * WebRTC is lent to the own worker only, so links and their node end together.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use dxos_mesh::link::{LinkCommand, LinkId};
use dxos_net::{LinkStats, RtcBridge};
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{
    MessageChannel, MessageEvent, MessagePort, SharedWorker, Worker, WorkerOptions, WorkerType,
};

use super::failure::StartFailure;
use super::{Config, Phase};
use crate::client::{Client, Connection};

/// Crashes of the own worker within [`CRASH_MS`] before it is given up.
const CRASHES_MAX: usize = 4;
const CRASH_MS: f64 = 30_000.0;

/// Up to this a frame is copied to the node: handing its buffer over costs a browser more than that.
const COPIED_BYTES_MAX: usize = 1024;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["navigator", "locks"], js_name = request, catch)]
    fn lock_request(
        name: &str,
        callback: &Closure<dyn FnMut(JsValue) -> Promise>,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["navigator", "locks"], js_name = request, catch)]
    fn lock_request_once(name: &str, callback: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["navigator", "storage"], js_name = persist, catch)]
    fn persist() -> Result<Promise, JsValue>;
}

thread_local! {
    /// This window's host, for diagnosis.
    static HOST: RefCell<Option<Rc<Host>>> = const { RefCell::new(None) };
}

/// See the module's words. Lives as long as the page.
pub(super) struct Host {
    client: Client,
    config: Config,
    tab: String,
    broker: Option<MessagePort>,
    own: RefCell<Option<OwnWorker>>,
    /// Workers started so far: the number of the present one.
    workers: Cell<u64>,
    /// The own worker leads.
    own_leads: Cell<bool>,
    port: RefCell<Option<Port>>,
    phase: RefCell<Phase>,
    was_live: Cell<bool>,
    crashes: RefCell<Vec<f64>>,
    rtc: RefCell<Option<Rc<RtcBridge>>>,
    links: Rc<RefCell<Vec<LinkId>>>,
}

type OnMessage = Closure<dyn FnMut(MessageEvent)>;

struct OwnWorker {
    worker: Worker,
    _on_message: OnMessage,
    _on_error: Closure<dyn FnMut(JsValue)>,
}

/// A port with what listens to it.
struct Port {
    port: MessagePort,
    _on_message: OnMessage,
    _on_close: Closure<dyn FnMut(JsValue)>,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.port.set_onmessage(None);
        self.port.close();
    }
}

impl Host {
    pub(super) fn start(client: Client, config: Config) {
        if let Some(lacks) = lacks() {
            // Told from the event loop, so the caller has its client first.
            spawn_local(async move { (config.on_phase)(&Phase::Failed(lacks)) });
            return;
        }
        let id = dxos_base::PeerId(crate::platform::random_client_id().0);
        let host = Rc::new(Host {
            client,
            tab: format!("dxos-tab/{id}"),
            broker: open_broker(&config),
            config,
            own: RefCell::default(),
            workers: Cell::new(0),
            own_leads: Cell::new(false),
            port: RefCell::default(),
            phase: RefCell::new(Phase::Starting),
            was_live: Cell::new(false),
            crashes: RefCell::default(),
            rtc: RefCell::default(),
            links: Rc::default(),
        });
        HOST.with_borrow_mut(|slot| *slot = Some(host.clone()));
        host.persist_once_there_is_something();
        host.follow_connection();
        host.start_again_when_asked();
        spawn_local(async move {
            (host.config.on_phase)(&Phase::Starting);
            // Its script loads meanwhile; it does nothing until it is told to start.
            let loading = host.load_worker();
            if let Err(error) = host.hold_tab_lock().await {
                return host.fail(StartFailure::named("NoWorker", &words(&error)));
            }
            host.listen_to_broker();
            if let Some(worker) = loading {
                host.start_worker(worker);
            }
        });
    }

    /// Holds the lock of this tab's name for as long as the page lives.
    async fn hold_tab_lock(&self) -> Result<(), JsValue> {
        let (held, got) = crate::promise::promise();
        let mut held = Some(held);
        let callback = Closure::new(move |_lock: JsValue| {
            if let Some(held) = held.take() {
                held.send(());
            }
            // Never ends.
            Promise::new(&mut |_, _| {})
        });
        // Its promise never ends.
        let _ = lock_request(&self.tab, &callback)?;
        callback.forget();
        got.await;
        Ok(())
    }

    fn follow_connection(self: &Rc<Self>) {
        let host = self.clone();
        let listener = self.client.on_connection(move |connection| {
            if connection == Connection::Live {
                host.was_live.set(true);
                host.phase(Phase::Live);
            }
        });
        listener.forget();
    }

    /// A person asks for another try after the worker was given up: the event `dxos:start-again` of the window.
    fn start_again_when_asked(self: &Rc<Self>) {
        let host = self.clone();
        let on_ask: Closure<dyn FnMut()> = Closure::new(move || {
            if host.own.borrow().is_none() {
                host.crashes.borrow_mut().clear();
                host.phase(Phase::TakingOver);
                host.spawn_worker();
            }
        });
        if let Some(window) = web_sys::window() {
            // Without it there is still the reload.
            let _ = window.add_event_listener_with_callback(
                "dxos:start-again",
                on_ask.as_ref().unchecked_ref(),
            );
        }
        on_ask.forget();
    }

    /// Asks the browser not to clear the data on its own, once there is any.
    fn persist_once_there_is_something(&self) {
        let asked = Cell::new(false);
        let listener = self.client.on_status(move |status| {
            if status.identity.is_some() && !asked.replace(true) {
                // A browser that says no keeps the data as long as it likes to.
                let _ = persist();
            }
        });
        listener.forget();
    }

    fn phase(&self, phase: Phase) {
        if *self.phase.borrow() == phase {
            return;
        }
        *self.phase.borrow_mut() = phase.clone();
        (self.config.on_phase)(&phase);
    }

    fn fail(&self, failure: StartFailure) {
        // What another tab's node serves goes on without the own worker.
        if self.port.borrow().is_none() {
            self.phase(Phase::Failed(failure));
        }
    }

    // ---- the own worker ----

    fn spawn_worker(self: &Rc<Self>) {
        if let Some(worker) = self.load_worker() {
            self.start_worker(worker);
        }
    }

    /// A worker that loads what it needs. `None`: there can be none, which the phase tells.
    fn load_worker(self: &Rc<Self>) -> Option<OwnWorker> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name("dxos");
        let worker = match Worker::new_with_options(&self.config.worker_url, &options) {
            Ok(worker) => worker,
            Err(error) => {
                self.fail(StartFailure::named("NoWorker", &words(&error)));
                return None;
            }
        };
        let host = self.clone();
        let on_message = Closure::new(move |event: MessageEvent| host.worker_said(&event.data()));
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let host = self.clone();
        let on_error = Closure::new(move |event: JsValue| {
            let detail = text(&event, "message");
            host.fail(StartFailure::named("NoWorker", &detail));
        });
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Some(OwnWorker {
            worker,
            _on_message: on_message,
            _on_error: on_error,
        })
    }

    /// Has a worker take its place: it runs the node, or waits for its turn.
    fn start_worker(self: &Rc<Self>, own: OwnWorker) {
        self.workers.set(self.workers.get() + 1);
        let config = object(&[
            ("profile", self.config.profile.as_str().into()),
            ("signalUrl", self.signal_url().into()),
            ("tab", self.tab.as_str().into()),
            ("life", self.life_of(self.workers.get()).into()),
        ]);
        let mut message = vec![("type", "start".into()), ("config", config)];
        let transfer = Array::new();
        if let Some(broker) = &self.broker
            && let Ok(channel) = MessageChannel::new()
        {
            message.push(("broker", channel.port1().into()));
            transfer.push(&channel.port1());
            let port = channel.port2();
            let adopt = object(&[("type", "worker".into()), ("port", port.clone().into())]);
            post_to_port(broker, &adopt, &Array::of1(&port));
        }
        let started = own
            .worker
            .post_message_with_transfer(&object(&message), &transfer);
        if let Err(error) = started {
            return self.fail(StartFailure::named("NoWorker", &words(&error)));
        }
        *self.own.borrow_mut() = Some(own);
    }

    /// Name of the lock that the own worker of this number holds while it lives.
    fn life_of(&self, number: u64) -> String {
        format!("{}/worker/{number}", self.tab)
    }

    /// Waits for the end of the present own worker, which holds its lock now.
    fn watch_worker(self: &Rc<Self>) {
        let number = self.workers.get();
        let host = self.clone();
        let callback = Closure::once_into_js(move |_lock: JsValue| {
            // One that was ended here has a successor already.
            if host.workers.get() == number && host.own.borrow().is_some() {
                host.worker_crashed("the worker ended");
            }
            Promise::resolve(&JsValue::UNDEFINED)
        });
        if let Err(error) = lock_request_once(&self.life_of(number), &callback) {
            tracing::error!(error = words(&error), "client.watch_worker");
        }
    }

    fn signal_url(&self) -> String {
        if let Some(url) = &self.config.signal_url {
            return url.clone();
        }
        let location = web_sys::window().map(|window| window.location());
        let part =
            |part: Option<Result<String, JsValue>>| part.and_then(Result::ok).unwrap_or_default();
        let protocol = part(location.as_ref().map(web_sys::Location::protocol));
        let host = part(location.as_ref().map(web_sys::Location::host));
        let scheme = if protocol == "https:" { "wss" } else { "ws" };
        format!("{scheme}://{host}/signal")
    }

    fn worker_said(self: &Rc<Self>, message: &JsValue) {
        match text(message, "type").as_str() {
            "alive" => self.watch_worker(),
            "waiting" if self.broker.is_none() => self.phase(Phase::InOtherTab),
            "starting" => {
                let phase = if self.was_live.get() {
                    Phase::TakingOver
                } else {
                    Phase::Starting
                };
                if self.port.borrow().is_none() || self.was_live.get() {
                    self.phase(phase);
                }
            }
            "live" => {
                self.own_leads.set(true);
                self.lend_links();
                self.connect();
            }
            "failed" => {
                self.fail(StartFailure::named(
                    &text(message, "kind"),
                    &text(message, "message"),
                ));
            }
            "crashed" => self.worker_crashed(&text(message, "message")),
            _ => {}
        }
    }

    /// The own worker died. Another tab's may take over; a new own one stands in line.
    fn worker_crashed(self: &Rc<Self>, detail: &str) {
        tracing::error!(detail, "client.worker_crashed");
        // One that only waited takes nothing with it: this tab is served by another's.
        if self.own_leads.replace(false) {
            *self.rtc.borrow_mut() = None;
            self.links.borrow_mut().clear();
            self.lost();
            self.phase(Phase::TakingOver);
        }
        let now = js_sys::Date::now();
        let crashes = {
            let mut crashes = self.crashes.borrow_mut();
            crashes.retain(|at| now - at < CRASH_MS);
            crashes.push(now);
            crashes.len()
        };
        // Dropped later: this runs within a listener of the old worker.
        let old = self.own.borrow_mut().take();
        spawn_local(async move {
            if let Some(old) = old {
                old.worker.terminate();
            }
        });
        if crashes < CRASHES_MAX {
            self.spawn_worker();
        } else {
            self.fail(StartFailure::named("Other", detail));
        }
    }

    // ---- the port to the leader ----

    fn listen_to_broker(self: &Rc<Self>) {
        let Some(broker) = &self.broker else { return };
        let host = self.clone();
        let on_message: OnMessage = Closure::new(move |event: MessageEvent| {
            let message = event.data();
            if text(&message, "type") != "leader" {
                return;
            }
            // The own worker says so itself, and first gets this window's links.
            if text(&message, "tab") != host.tab {
                host.own_leads.set(false);
                host.connect();
            }
        });
        broker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        on_message.forget();
        post_to_port(broker, &object(&[("type", "tab".into())]), &Array::new());
        let port = broker.clone();
        let on_hide: Closure<dyn FnMut()> = Closure::new(move || {
            post_to_port(&port, &object(&[("type", "bye".into())]), &Array::new())
        });
        if let Some(window) = web_sys::window() {
            // Only tidiness: a broker that is not told keeps a dead port.
            let _ = window
                .add_event_listener_with_callback("pagehide", on_hide.as_ref().unchecked_ref());
        }
        on_hide.forget();
    }

    fn connect(self: &Rc<Self>) {
        let channel = match MessageChannel::new() {
            Ok(channel) => channel,
            Err(error) => return self.fail(StartFailure::named("NoWorker", &words(&error))),
        };
        let (mine, theirs) = (channel.port1(), channel.port2());
        self.lost();
        let client = self.client.clone();
        let on_message: OnMessage = Closure::new(move |event: MessageEvent| {
            if let Ok(frame) = event.data().dyn_into::<Uint8Array>()
                && let Err(error) = client.receive(&frame.to_vec())
            {
                tracing::error!(%error, "client.frame");
            }
        });
        mine.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let host = self.clone();
        let this = mine.clone();
        let on_close: Closure<dyn FnMut(JsValue)> = Closure::new(move |_: JsValue| {
            let present = host
                .port
                .borrow()
                .as_ref()
                .is_some_and(|port| port.port == this);
            if present {
                // Not dropped within its own listener.
                let host = host.clone();
                let this = this.clone();
                spawn_local(async move {
                    let still = host
                        .port
                        .borrow()
                        .as_ref()
                        .is_some_and(|port| port.port == this);
                    if still {
                        host.lost();
                        host.phase(Phase::TakingOver);
                    }
                });
            }
        });
        // Where browsers tell it; the next leader's word is enough elsewhere.
        let _ = mine.add_event_listener_with_callback("close", on_close.as_ref().unchecked_ref());
        let message = object(&[
            ("type", "connect".into()),
            ("tab", self.tab.as_str().into()),
            ("port", theirs.clone().into()),
        ]);
        let transfer = Array::of1(&theirs);
        match (&self.broker, &*self.own.borrow(), self.own_leads.get()) {
            (_, Some(own), true) => {
                if let Err(error) = own.worker.post_message_with_transfer(&message, &transfer) {
                    tracing::error!(error = words(&error), "client.connect");
                }
            }
            (Some(broker), ..) => post_to_port(broker, &message, &transfer),
            _ => return,
        }
        let send = mine.clone();
        *self.port.borrow_mut() = Some(Port {
            port: mine,
            _on_message: on_message,
            _on_close: on_close,
        });
        self.client.connect(Rc::new(move |frame| {
            let bytes = Uint8Array::from(frame.as_slice());
            match frame.len() > COPIED_BYTES_MAX {
                true => post_to_port(&send, &bytes, &Array::of1(&bytes.buffer())),
                false => copy_to_port(&send, &bytes),
            }
        }));
    }

    fn lost(&self) {
        let port = self.port.borrow_mut().take();
        if port.is_some() {
            self.client.disconnected();
        }
    }

    // ---- links ----

    /// Gives the own worker this window's WebRTC over a port of its own.
    fn lend_links(self: &Rc<Self>) {
        if !RtcBridge::is_available() {
            return;
        }
        let Ok(channel) = MessageChannel::new() else {
            return;
        };
        let (mine, theirs) = (channel.port1(), channel.port2());
        let events = mine.clone();
        let links = self.links.clone();
        let bridge = Rc::new(RtcBridge::new(
            self.config.ice_servers.clone(),
            move |event| {
                if let dxos_mesh::link::LinkEvent::Closed { link, .. } = &event {
                    links.borrow_mut().retain(|open| open != link);
                }
                let bytes = Uint8Array::from(dxos_base::encode(&event).as_slice());
                let transfer = Array::of1(&bytes.buffer());
                post_to_port(&events, &bytes, &transfer);
            },
        ));
        let commands = bridge.clone();
        let links = self.links.clone();
        let on_message: OnMessage = Closure::new(move |event: MessageEvent| {
            let Ok(bytes) = event.data().dyn_into::<Uint8Array>() else {
                return;
            };
            let limit = 2 * dxos_base::limits::SIGNAL_FRAME_BYTES_MAX;
            match dxos_base::decode::<LinkCommand>(&bytes.to_vec(), limit) {
                Ok(command) => {
                    if let LinkCommand::Open { link, .. } = &command {
                        links.borrow_mut().push(*link);
                    }
                    commands.handle(command);
                }
                Err(error) => tracing::error!(%error, "client.link_command"),
            }
        });
        mine.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        // As long as the worker: it ends with the page.
        on_message.forget();
        *self.rtc.borrow_mut() = Some(bridge);
        if let Some(own) = &*self.own.borrow() {
            let message = object(&[("type", "link".into()), ("port", theirs.clone().into())]);
            if let Err(error) = own
                .worker
                .post_message_with_transfer(&message, &Array::of1(&theirs))
            {
                tracing::error!(error = words(&error), "client.lend_links");
            }
        }
    }
}

pub(super) async fn links() -> Vec<LinkStats> {
    let Some(host) = HOST.with_borrow(Clone::clone) else {
        return Vec::new();
    };
    let Some(bridge) = host.rtc.borrow().clone() else {
        return Vec::new();
    };
    let links = host.links.borrow().clone();
    let mut stats = Vec::new();
    for link in links {
        stats.extend(bridge.stats(link).await);
    }
    stats
}

fn lacks() -> Option<StartFailure> {
    let window = web_sys::window()?;
    if !window.is_secure_context() {
        return Some(StartFailure::named("InsecureContext", ""));
    }
    let has = |of: &JsValue, name: &str| {
        Reflect::get(of, &name.into()).is_ok_and(|value| !value.is_undefined() && !value.is_null())
    };
    if !has(&window, "Worker") || !has(&window.navigator(), "locks") {
        return Some(StartFailure::named("NoWorker", ""));
    }
    if !has(&window.navigator(), "storage") {
        return Some(StartFailure::named("NoOpfs", ""));
    }
    None
}

/// The broker's port, where the browser has shared workers.
fn open_broker(config: &Config) -> Option<MessagePort> {
    let window = web_sys::window()?;
    if !Reflect::has(&window, &"SharedWorker".into()).unwrap_or(false) {
        return None;
    }
    let name = format!("dxos/{}", config.profile);
    SharedWorker::new_with_str(&config.broker_url, &name)
        .ok()
        .map(|broker| broker.port())
}

fn post_to_port(port: &MessagePort, message: &JsValue, transfer: &Array) {
    if let Err(error) = port.post_message_with_transferable(message, transfer) {
        tracing::error!(error = words(&error), "client.post");
    }
}

fn copy_to_port(port: &MessagePort, message: &JsValue) {
    if let Err(error) = port.post_message(message) {
        tracing::error!(error = words(&error), "client.post");
    }
}

fn object(entries: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (key, value) in entries {
        // Setting a property of a fresh plain object cannot fail.
        let _ = Reflect::set(&object, &(*key).into(), value);
    }
    object.into()
}

fn text(of: &JsValue, key: &str) -> String {
    Reflect::get(of, &key.into())
        .ok()
        .and_then(|value| value.as_string())
        .unwrap_or_default()
}

fn words(thrown: &JsValue) -> String {
    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => thrown.as_string().unwrap_or_else(|| format!("{thrown:?}")),
    }
}
