//! The WebSocket of browsers; in workers and windows.
//!
//! Invariants
//! * events come from the browser's event loop only, never from within `open` or `send`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use dxos_base::limits;
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

use super::message_of;
use super::timer::Timer;
use crate::socket::{SOCKET_QUEUED_BYTES_MAX, SocketEvent};

const CONNECT_MS_MAX: i32 = 10_000;

/// A socket to the signal server. Dropping it closes it, after what is queued, without an event.
pub struct SignalSocket(Rc<Inner>);

struct Inner {
    state: RefCell<State>,
    on_event: RefCell<Box<dyn FnMut(SocketEvent)>>,
}

#[derive(Default)]
struct State {
    socket: Option<WebSocket>,
    opened: bool,
    ended: bool,
    /// Sent before the socket opened.
    queue: VecDeque<Vec<u8>>,
    queued_bytes: usize,
    /// Ends a connection that does not open, or reports an end that was noticed in a call.
    timer: Option<Timer>,
    on_open: Option<Closure<dyn FnMut()>>,
    on_message: Option<Closure<dyn FnMut(MessageEvent)>>,
    on_close: Option<Closure<dyn FnMut(CloseEvent)>>,
}

impl std::fmt::Debug for SignalSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.0.state.borrow();
        f.debug_struct("SignalSocket")
            .field("opened", &state.opened)
            .finish_non_exhaustive()
    }
}

impl SignalSocket {
    /// Connects to `url` (`ws://` or `wss://`) and tells `on_event` what happens.
    pub fn open(url: &str, on_event: impl FnMut(SocketEvent) + 'static) -> SignalSocket {
        let on_event: Box<dyn FnMut(SocketEvent)> = Box::new(on_event);
        let inner = Rc::new(Inner {
            state: RefCell::new(State::default()),
            on_event: RefCell::new(on_event),
        });
        match WebSocket::new(url) {
            Ok(socket) => inner.listen(socket),
            Err(error) => inner.end_soon(format!("cannot connect: {}", message_of(&error))),
        }
        SignalSocket(inner)
    }

    /// Queues a frame; also before the socket has opened. More than [`SOCKET_QUEUED_BYTES_MAX`] waiting, or a frame
    /// over the limit, closes the socket. After its end this does nothing.
    pub fn send(&self, frame: Vec<u8>) {
        let mut state = self.0.state.borrow_mut();
        if state.ended {
            return;
        }
        let in_browser = state
            .socket
            .as_ref()
            .map_or(0, |socket| socket.buffered_amount() as usize);
        let waiting = state.queued_bytes + in_browser + frame.len();
        if waiting > SOCKET_QUEUED_BYTES_MAX || frame.len() > limits::SIGNAL_FRAME_BYTES_MAX {
            drop(state);
            return self.0.end_soon("more is sent than the socket takes".into());
        }
        if !state.opened {
            state.queued_bytes += frame.len();
            state.queue.push_back(frame);
        } else if let Some(socket) = &state.socket {
            // Fails only while connecting; when closing, the frame is lost and the end is told.
            let _ = socket.send_with_u8_array(&frame);
        }
    }
}

impl Drop for SignalSocket {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Inner {
    fn listen(self: &Rc<Self>, socket: WebSocket) {
        socket.set_binary_type(BinaryType::Arraybuffer);
        let weak = Rc::downgrade(self);
        let call = |act: fn(&Rc<Inner>)| {
            let weak = Weak::clone(&weak);
            move || {
                if let Some(inner) = weak.upgrade() {
                    act(&inner);
                }
            }
        };
        let on_open = Closure::new(call(Inner::opened));
        let late = call(|inner| inner.end(format!("no answer within {} s", CONNECT_MS_MAX / 1000)));
        let weak_message = Weak::clone(&weak);
        let on_message = Closure::new(move |event: MessageEvent| {
            if let Some(inner) = weak_message.upgrade() {
                inner.received(&event.data());
            }
        });
        let on_close = Closure::new(move |event: CloseEvent| {
            if let Some(inner) = weak.upgrade() {
                inner.end(format!(
                    "closed with code {} {}",
                    event.code(),
                    event.reason()
                ));
            }
        });
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        let mut state = self.state.borrow_mut();
        state.socket = Some(socket);
        state.on_open = Some(on_open);
        state.on_message = Some(on_message);
        state.on_close = Some(on_close);
        state.timer = Some(Timer::after_ms(CONNECT_MS_MAX, late));
    }

    fn opened(self: &Rc<Self>) {
        {
            let mut state = self.state.borrow_mut();
            state.opened = true;
            state.timer = None;
            state.queued_bytes = 0;
            let queue = std::mem::take(&mut state.queue);
            if let Some(socket) = &state.socket {
                for frame in queue {
                    // It is open; see `send`.
                    let _ = socket.send_with_u8_array(&frame);
                }
            }
        }
        self.tell(SocketEvent::Opened);
    }

    fn received(self: &Rc<Self>, data: &JsValue) {
        let Some(buffer) = data.dyn_ref::<ArrayBuffer>() else {
            return self.end("the server sent text".into());
        };
        if buffer.byte_length() as usize > limits::SIGNAL_FRAME_BYTES_MAX {
            return self.end("the server sent a frame over the limit".into());
        }
        self.tell(SocketEvent::Frame(Uint8Array::new(buffer).to_vec()));
    }

    fn tell(&self, event: SocketEvent) {
        (self.on_event.borrow_mut())(event);
    }

    /// Ends from within a call: the event comes from the event loop.
    fn end_soon(self: &Rc<Self>, reason: String) {
        let weak = Rc::downgrade(self);
        let end = move || {
            if let Some(inner) = weak.upgrade() {
                inner.end(reason);
            }
        };
        let mut state = self.state.borrow_mut();
        state.ended = true;
        state.timer = Some(Timer::after_ms(0, end));
    }

    fn end(self: &Rc<Self>, reason: String) {
        self.release();
        self.tell(SocketEvent::Closed { reason });
    }

    /// Lets go of the browser's socket; it hears nothing of it any more.
    fn release(&self) {
        let (socket, _closures);
        {
            let mut state = self.state.borrow_mut();
            socket = state.socket.take();
            // Dropped after the borrow ends; this may run within one of them, which the glue allows.
            _closures = std::mem::take(&mut *state);
            state.ended = true;
        }
        if let Some(socket) = socket {
            socket.set_onopen(None);
            socket.set_onmessage(None);
            socket.set_onclose(None);
            // Refused only with an odd code.
            let _ = socket.close();
        }
    }
}
