//! Browsers: WebSocket in every scope, WebRTC on the window.

mod rtc;
mod socket;
mod timer;

pub use rtc::{IceServer, LinkStats, RtcBridge};
pub use socket::SignalSocket;

use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// A property of a JS value; `undefined` if it has none.
fn get(value: &JsValue, name: &str) -> JsValue {
    Reflect::get(value, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// What an exception says.
fn message_of(error: &JsValue) -> String {
    get(error, "message")
        .as_string()
        .unwrap_or_else(|| format!("{error:?}"))
}
