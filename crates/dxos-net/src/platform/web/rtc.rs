//! WebRTC data channels of a browser's window, driven by [`LinkCommand`]s.
//!
//! One peer connection and one ordered, reliable, pre-agreed data channel a link. Candidates trickle: each goes out
//! as it is found; those that arrive before the description they belong to are held.
//!
//! Invariants
//! * each link tells [`LinkEvent::Closed`] exactly once, and nothing after it;
//! * what waits to be sent is bounded: the browser holds at most about [`BUFFERED_HIGH`] bytes of a link, the link
//!   itself [`QUEUED_BYTES_MAX`];
//! * no cell is borrowed while the owner is called, so it may command from within an event.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use dxos_base::limits;
use dxos_mesh::signal::SIGNAL_DATA_BYTES_MAX;
use dxos_mesh::{LinkCommand, LinkEvent, LinkId};
use js_sys::{Array, ArrayBuffer, JSON, Object, Reflect, Uint8Array};
use litemap::LiteMap;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    MessageEvent, RtcConfiguration, RtcDataChannel, RtcDataChannelInit, RtcDataChannelState,
    RtcDataChannelType, RtcIceServer, RtcPeerConnection, RtcPeerConnectionIceEvent,
    RtcPeerConnectionState, RtcSdpType, RtcSessionDescriptionInit,
};

use super::timer::Timer;
use super::{get, message_of};

/// A link that does not open in this time closes.
const OPEN_MS_MAX: i32 = 30_000;
/// A link that lost its path may find another for this long; presence is gone within 20 s (DESIGN 6).
const DISCONNECTED_MS_MAX: i32 = 8_000;
/// The browser gets no more while it holds this much (measured: keeps the channel busy).
const BUFFERED_HIGH: u32 = 1024 * 1024;
const BUFFERED_LOW: u32 = 256 * 1024;
/// More than all windows of a session: who exceeds it is broken.
const QUEUED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Signals waiting to be worked on, and candidates held.
const SIGNALS_MAX: usize = 256;

/// A STUN or TURN server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:` and `turn:` addresses of the same server.
    pub urls: Vec<String>,
    /// For TURN.
    pub username: Option<String>,
    /// For TURN.
    pub credential: Option<String>,
}

/// The path a link takes, for status and diagnosis.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LinkStats {
    /// `host`, `srflx`, `prflx` or `relay`.
    pub local_candidate: String,
    /// The same of the other side.
    pub remote_candidate: String,
    /// `udp` or `tcp`.
    pub protocol: String,
    /// Round trip as ICE sees it.
    pub rtt_ms: Option<f64>,
    /// Since the link opened.
    pub bytes_sent: u64,
    /// Since the link opened.
    pub bytes_received: u64,
}

/// All direct links of a window.
#[derive(Clone)]
pub struct RtcBridge(Rc<Bridge>);

struct Bridge {
    ice_servers: Vec<IceServer>,
    on_event: Box<dyn Fn(LinkEvent)>,
    links: RefCell<LiteMap<LinkId, Rc<Link>>>,
}

impl std::fmt::Debug for RtcBridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RtcBridge")
            .field("links", &self.link_count())
            .finish_non_exhaustive()
    }
}

impl RtcBridge {
    /// Whether this scope has WebRTC.
    pub fn is_available() -> bool {
        get(&js_sys::global(), "RTCPeerConnection").is_function()
    }

    /// A bridge without links. No ICE servers: links within one network only.
    pub fn new(ice_servers: Vec<IceServer>, on_event: impl Fn(LinkEvent) + 'static) -> RtcBridge {
        let links = RefCell::new(LiteMap::new());
        RtcBridge(Rc::new(Bridge {
            ice_servers,
            on_event: Box::new(on_event),
            links,
        }))
    }

    /// Does what the node asks. Commands for links that are not there do nothing.
    pub fn handle(&self, command: LinkCommand) {
        match command {
            LinkCommand::Open { link, initiator } => self.open(link, initiator),
            LinkCommand::Signal { link, data } => self.with(link, |link| link.signal(&data)),
            LinkCommand::Send { link, message } => self.with(link, |link| link.send(message)),
            LinkCommand::Close { link } => self.with(link, |link| link.end("closed here")),
        }
    }

    /// Links that have not ended.
    pub fn link_count(&self) -> usize {
        self.0.links.borrow().len()
    }

    /// Closes all links, with their events.
    pub fn close_all(&self) {
        let links: Vec<Rc<Link>> = self.0.links.borrow().values().cloned().collect();
        for link in links {
            link.end("all links are closed");
        }
    }

    /// The path a link takes; `None` if it has none.
    pub async fn stats(&self, link: LinkId) -> Option<LinkStats> {
        let connection = self.0.links.borrow().get(&link)?.connection.clone();
        let report = JsFuture::from(connection.get_stats()).await.ok()?;
        read_stats(report.unchecked_ref())
    }

    fn with(&self, id: LinkId, act: impl FnOnce(&Rc<Link>)) {
        let link = self.0.links.borrow().get(&id).cloned();
        if let Some(link) = link {
            act(&link);
        }
    }

    fn open(&self, id: LinkId, initiator: bool) {
        if self.0.links.borrow().contains_key(&id) {
            return;
        }
        match Link::new(&self.0, id, initiator) {
            Ok(link) => {
                self.0.links.borrow_mut().insert(id, Rc::clone(&link));
                if initiator {
                    spawn_local(async move {
                        if let Err(error) = link.offer().await {
                            link.end(&format!("cannot offer: {}", message_of(&error)));
                        }
                    });
                }
            }
            Err(error) => {
                let reason = format!("cannot make a connection: {}", message_of(&error));
                (self.0.on_event)(LinkEvent::Closed { link: id, reason });
            }
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // The owner is gone: nobody is told.
        for link in self.links.get_mut().values() {
            link.release();
        }
    }
}

/// A remote transport's message.
enum Signal {
    Description { kind: RtcSdpType, sdp: String },
    Candidate(JsValue),
}

impl Signal {
    /// `{"type":"offer"|"answer","sdp":…}` or `{"candidate":{…}}`.
    fn parse(data: &[u8]) -> Option<Signal> {
        if data.len() > SIGNAL_DATA_BYTES_MAX {
            return None;
        }
        let value = JSON::parse(std::str::from_utf8(data).ok()?).ok()?;
        if !value.is_object() {
            return None;
        }
        let candidate = get(&value, "candidate");
        if candidate.is_object() {
            return Some(Signal::Candidate(candidate));
        }
        let kind = match get(&value, "type").as_string()?.as_str() {
            "offer" => RtcSdpType::Offer,
            "answer" => RtcSdpType::Answer,
            _ => return None,
        };
        Some(Signal::Description {
            kind,
            sdp: get(&value, "sdp").as_string()?,
        })
    }
}

struct Link {
    id: LinkId,
    initiator: bool,
    bridge: Weak<Bridge>,
    connection: RtcPeerConnection,
    channel: RtcDataChannel,
    state: RefCell<LinkState>,
}

#[derive(Default)]
struct LinkState {
    ended: bool,
    opened: bool,
    /// A task works on `signals`.
    negotiating: bool,
    signals: VecDeque<Signal>,
    /// The remote description is set: candidates can be added.
    described: bool,
    held: Vec<JsValue>,
    queue: VecDeque<Vec<u8>>,
    queued_bytes: usize,
    timer: Option<Timer>,
    handlers: Vec<Closure<dyn FnMut(JsValue)>>,
}

impl Link {
    fn new(bridge: &Rc<Bridge>, id: LinkId, initiator: bool) -> Result<Rc<Link>, JsValue> {
        let connection =
            RtcPeerConnection::new_with_configuration(&configuration(&bridge.ice_servers))?;
        let init = RtcDataChannelInit::new();
        init.set_ordered(true);
        init.set_negotiated(true);
        init.set_id(0);
        let channel = connection.create_data_channel_with_data_channel_dict("dxos", &init);
        channel.set_binary_type(RtcDataChannelType::Arraybuffer);
        channel.set_buffered_amount_low_threshold(BUFFERED_LOW);
        let bridge = Rc::downgrade(bridge);
        let state = RefCell::new(LinkState::default());
        let link = Rc::new(Link {
            id,
            initiator,
            bridge,
            connection,
            channel,
            state,
        });
        link.listen();
        link.end_after(OPEN_MS_MAX, "no connection in time");
        Ok(link)
    }

    fn listen(self: &Rc<Self>) {
        let handler = |act: fn(&Rc<Link>, JsValue)| {
            let weak = Rc::downgrade(self);
            let closure = Closure::<dyn FnMut(JsValue)>::new(move |event| {
                if let Some(link) = weak.upgrade() {
                    act(&link, event);
                }
            });
            let function: js_sys::Function =
                closure.as_ref().unchecked_ref::<js_sys::Function>().clone();
            self.state.borrow_mut().handlers.push(closure);
            function
        };
        let (connection, channel) = (&self.connection, &self.channel);
        connection.set_onicecandidate(Some(&handler(|link, event| {
            link.found_candidate(event.unchecked_ref());
        })));
        connection.set_onconnectionstatechange(Some(&handler(|link, _| link.connection_changed())));
        channel.set_onopen(Some(&handler(|link, _| link.channel_opened())));
        channel.set_onclose(Some(&handler(|link, _| link.end("closed by the peer"))));
        channel.set_onmessage(Some(&handler(|link, event| {
            link.received(&event.unchecked_ref::<MessageEvent>().data());
        })));
        channel.set_onbufferedamountlow(Some(&handler(|link, _| link.pump())));
    }

    fn tell(&self, event: LinkEvent) {
        if let Some(bridge) = self.bridge.upgrade() {
            (bridge.on_event)(event);
        }
    }

    fn tell_signal(&self, signal: &JsValue) {
        let text = JSON::stringify(signal)
            .ok()
            .and_then(|text| text.as_string());
        if let Some(text) = text.filter(|_| !self.state.borrow().ended) {
            self.tell(LinkEvent::Signal {
                link: self.id,
                data: text.into_bytes(),
            });
        }
    }

    fn end_after(self: &Rc<Self>, ms: i32, reason: &'static str) {
        let weak = Rc::downgrade(self);
        let end = move || {
            if let Some(link) = weak.upgrade() {
                link.end(reason);
            }
        };
        self.state.borrow_mut().timer = Some(Timer::after_ms(ms, end));
    }

    fn end(&self, reason: &str) {
        if !self.release() {
            return;
        }
        if let Some(bridge) = self.bridge.upgrade() {
            bridge.links.borrow_mut().remove(&self.id);
        }
        tracing::debug!(link = self.id.0, reason, "net/link closed");
        self.tell(LinkEvent::Closed {
            link: self.id,
            reason: reason.to_owned(),
        });
    }

    /// Lets go of the browser's objects; false if that was done before.
    fn release(&self) -> bool {
        let _dropped_after_the_borrow;
        {
            let mut state = self.state.borrow_mut();
            if state.ended {
                return false;
            }
            // A handler that runs now is kept by the glue until it returns.
            _dropped_after_the_borrow = std::mem::take(&mut *state);
            state.ended = true;
        }
        self.connection.set_onicecandidate(None);
        self.connection.set_onconnectionstatechange(None);
        self.channel.set_onopen(None);
        self.channel.set_onclose(None);
        self.channel.set_onmessage(None);
        self.channel.set_onbufferedamountlow(None);
        self.channel.close();
        self.connection.close();
        true
    }

    // -- Making the connection --

    async fn offer(&self) -> Result<(), JsValue> {
        let offer = JsFuture::from(self.connection.create_offer()).await?;
        self.describe_local(offer).await
    }

    async fn describe_local(&self, description: JsValue) -> Result<(), JsValue> {
        let set = self
            .connection
            .set_local_description(description.unchecked_ref());
        JsFuture::from(set).await?;
        self.tell_signal(&description);
        Ok(())
    }

    fn found_candidate(&self, event: &RtcPeerConnectionIceEvent) {
        // The last event of a gathering carries none.
        if let Some(candidate) = event.candidate() {
            let signal = Object::new();
            // Setting a property of a fresh object cannot fail.
            let _ = Reflect::set(&signal, &"candidate".into(), &candidate.to_json());
            self.tell_signal(&signal);
        }
    }

    fn signal(self: &Rc<Self>, data: &[u8]) {
        let Some(signal) = Signal::parse(data) else {
            return self.end("a malformed signal");
        };
        let (too_many, start) = {
            let mut state = self.state.borrow_mut();
            state.signals.push_back(signal);
            let start = !std::mem::replace(&mut state.negotiating, true);
            (state.signals.len() > SIGNALS_MAX, start)
        };
        if too_many {
            self.end("too many signals");
        } else if start {
            let link = Rc::clone(self);
            spawn_local(async move {
                if let Err(reason) = link.negotiate().await {
                    link.end(&reason);
                }
            });
        }
    }

    /// Works on signals, one after the other, until there are none.
    async fn negotiate(&self) -> Result<(), String> {
        loop {
            let signal = {
                let mut state = self.state.borrow_mut();
                let signal = state.signals.pop_front();
                state.negotiating = signal.is_some();
                signal
            };
            match signal {
                None => return Ok(()),
                Some(Signal::Description { kind, sdp }) => self.describe_remote(kind, &sdp).await?,
                Some(Signal::Candidate(candidate)) => self.candidate(candidate).await?,
            }
        }
    }

    async fn describe_remote(&self, kind: RtcSdpType, sdp: &str) -> Result<(), String> {
        let expected = if self.initiator {
            RtcSdpType::Answer
        } else {
            RtcSdpType::Offer
        };
        if kind != expected || self.state.borrow().described {
            return Err("an unexpected description".into());
        }
        let refused = |error: JsValue| format!("description refused: {}", message_of(&error));
        let description = RtcSessionDescriptionInit::new(kind);
        description.set_sdp(sdp);
        let set = self.connection.set_remote_description(&description);
        JsFuture::from(set).await.map_err(refused)?;
        let held = {
            let mut state = self.state.borrow_mut();
            state.described = true;
            std::mem::take(&mut state.held)
        };
        for candidate in held {
            self.candidate(candidate).await?;
        }
        if !self.initiator {
            let answer = JsFuture::from(self.connection.create_answer())
                .await
                .map_err(refused)?;
            self.describe_local(answer).await.map_err(refused)?;
        }
        Ok(())
    }

    async fn candidate(&self, candidate: JsValue) -> Result<(), String> {
        {
            let mut state = self.state.borrow_mut();
            if !state.described {
                state.held.push(candidate);
                let fits = state.held.len() <= SIGNALS_MAX;
                return if fits {
                    Ok(())
                } else {
                    Err("too many candidates".into())
                };
            }
        }
        let candidate = candidate.unchecked_ref();
        let add = self
            .connection
            .add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(candidate));
        if let Err(error) = JsFuture::from(add).await {
            // One path less: browsers differ in what they understand.
            tracing::debug!(error = message_of(&error), "net/candidate refused");
        }
        Ok(())
    }

    fn connection_changed(self: &Rc<Self>) {
        match self.connection.connection_state() {
            RtcPeerConnectionState::Failed => self.end("no path to the peer"),
            RtcPeerConnectionState::Closed => self.end("closed by the browser"),
            RtcPeerConnectionState::Disconnected if self.state.borrow().opened => {
                self.end_after(DISCONNECTED_MS_MAX, "the path to the peer was lost");
            }
            RtcPeerConnectionState::Connected => {
                let mut state = self.state.borrow_mut();
                if state.opened {
                    state.timer = None;
                }
            }
            _ => {}
        }
    }

    // -- Carrying messages --

    fn channel_opened(&self) {
        {
            let mut state = self.state.borrow_mut();
            state.opened = true;
            state.timer = None;
        }
        self.tell(LinkEvent::Opened { link: self.id });
        self.pump();
    }

    fn received(&self, data: &JsValue) {
        let message = data.dyn_ref::<ArrayBuffer>();
        let fits = |m: &&ArrayBuffer| m.byte_length() as usize <= limits::LINK_MESSAGE_BYTES_MAX;
        let Some(message) = message.filter(fits) else {
            return self.end("the peer sent text or a message over the limit");
        };
        let message = Uint8Array::new(message).to_vec();
        self.tell(LinkEvent::Message {
            link: self.id,
            message,
        });
    }

    fn send(&self, message: Vec<u8>) {
        let fits = {
            let mut state = self.state.borrow_mut();
            state.queued_bytes += message.len();
            let fits = message.len() <= limits::LINK_MESSAGE_BYTES_MAX;
            state.queue.push_back(message);
            fits && state.queued_bytes <= QUEUED_BYTES_MAX
        };
        if fits {
            self.pump()
        } else {
            self.end("more is sent than the link takes")
        }
    }

    /// Hands the browser as much as it should hold.
    fn pump(&self) {
        while self.channel.ready_state() == RtcDataChannelState::Open
            && self.channel.buffered_amount() < BUFFERED_HIGH
        {
            let message = {
                let mut state = self.state.borrow_mut();
                let message = state.queue.pop_front();
                state.queued_bytes -= message.as_ref().map_or(0, Vec::len);
                message
            };
            let Some(message) = message else { return };
            if let Err(error) = self.channel.send_with_u8_array(&message) {
                return self.end(&format!("cannot send: {}", message_of(&error)));
            }
        }
    }
}

fn configuration(servers: &[IceServer]) -> RtcConfiguration {
    let list = Array::new();
    for server in servers {
        let entry = RtcIceServer::new();
        entry.set_urls(
            &server
                .urls
                .iter()
                .map(|url| JsValue::from_str(url))
                .collect::<Array>(),
        );
        if let Some(username) = &server.username {
            entry.set_username(username);
        }
        if let Some(credential) = &server.credential {
            entry.set_credential(credential);
        }
        list.push(&entry);
    }
    let configuration = RtcConfiguration::new();
    configuration.set_ice_servers(&list);
    configuration
}

/// Picks the selected pair out of a report.
fn read_stats(report: &js_sys::Map) -> Option<LinkStats> {
    let mut selected = JsValue::UNDEFINED;
    report.for_each(&mut |entry, _| {
        if get(&entry, "type") == "transport" {
            selected = get(&entry, "selectedCandidatePairId");
        }
    });
    let pair = report.get(&selected);
    if !pair.is_object() {
        return None;
    }
    let local = report.get(&get(&pair, "localCandidateId"));
    let remote = report.get(&get(&pair, "remoteCandidateId"));
    let text = |value: &JsValue, name| get(value, name).as_string().unwrap_or_default();
    let number = |name| get(&pair, name).as_f64();
    Some(LinkStats {
        local_candidate: text(&local, "candidateType"),
        remote_candidate: text(&remote, "candidateType"),
        protocol: text(&local, "protocol"),
        rtt_ms: number("currentRoundTripTime").map(|seconds| seconds * 1000.0),
        bytes_sent: number("bytesSent").unwrap_or(0.0) as u64,
        bytes_received: number("bytesReceived").unwrap_or(0.0) as u64,
    })
}
