//! What the worker's scripts give: the ways out, and the text module.

use wasm_bindgen::prelude::*;

use dxos_base::{Entropy, TextId, Tick};

use crate::text::{TextModule, Trapping};

#[wasm_bindgen]
extern "C" {
    /// The object `worker-boot.js` hands to [`WorkerHost::open`](crate::WorkerHost::open).
    pub type Outside;

    /// A frame to a tab.
    #[wasm_bindgen(method, js_name = toChannel)]
    pub fn to_channel(this: &Outside, channel: f64, frame: Vec<u8>);

    /// Ends a tab's channel.
    #[wasm_bindgen(method, js_name = closeChannel)]
    pub fn close_channel(this: &Outside, channel: f64);

    /// A command to the window's WebRTC.
    #[wasm_bindgen(method)]
    pub fn link(this: &Outside, command: Vec<u8>);

    /// Call `wake` at this time (milliseconds since the epoch; negative: never).
    #[wasm_bindgen(method, js_name = wakeAt)]
    pub fn wake_at(this: &Outside, at_ms: f64);

    /// The text module's exports, loaded in this very call if they can be. Throws why not.
    #[wasm_bindgen(method, js_name = textModule, catch)]
    pub fn text_module(this: &Outside) -> Result<TextExports, JsValue>;
}

#[wasm_bindgen]
extern "C" {
    /// Exports of the module `dxos-text`.
    #[derive(Clone)]
    pub type TextExports;

    #[wasm_bindgen(method, catch)]
    fn text_open(
        this: &TextExports,
        text: &[u8],
        peer: u64,
        snapshot: &[u8],
        updates: &[u8],
    ) -> Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text_close(this: &TextExports, text: &[u8]) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text_apply(this: &TextExports, text: &[u8], delta: &[u8]) -> Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text_export(this: &TextExports, text: &[u8]) -> Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text_import(this: &TextExports, text: &[u8], update: &[u8]) -> Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text_content(this: &TextExports, text: &[u8]) -> Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text_version(this: &TextExports, text: &[u8]) -> Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text_diff(
        this: &TextExports,
        text: &[u8],
        from: &[u8],
        to: &[u8],
    ) -> Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text_snapshot(this: &TextExports, text: &[u8]) -> Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text_anchor(this: &TextExports, text: &[u8], position: u32) -> Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text_position(this: &TextExports, text: &[u8], anchor: &[u8]) -> Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text_inspect(this: &TextExports, update: &[u8]) -> Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text_print(
        this: &TextExports,
        bytes: &[u8],
        peer: u64,
        from: u32,
        to: u32,
    ) -> Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text_reset(this: &TextExports) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn text_doing(this: &TextExports) -> Result<u32, JsValue>;
}

/// The text module behind [`Outside::text_module`].
pub struct JsTextModule {
    outside: Outside,
    exports: Option<TextExports>,
}

impl JsTextModule {
    /// Over what the worker's scripts give; loaded at the first call.
    pub fn new(outside: Outside) -> Self {
        JsTextModule {
            outside,
            exports: None,
        }
    }

    fn call<T>(&self, call: impl FnOnce(&TextExports) -> Result<T, JsValue>) -> Result<T, String> {
        let exports = self
            .exports
            .as_ref()
            .ok_or_else(|| "it is not loaded".to_owned())?;
        call(exports).map_err(|thrown| words(&thrown))
    }
}

impl TextModule for JsTextModule {
    fn ready(&mut self) -> Result<(), String> {
        if self.exports.is_none() {
            self.exports = Some(
                self.outside
                    .text_module()
                    .map_err(|thrown| words(&thrown))?,
            );
        }
        Ok(())
    }

    fn reset(&mut self) {
        // The glue swaps the instance at the next call, which must take no bytes: they would land in the old memory.
        if self
            .call(|exports| exports.text_reset().and_then(|()| exports.text_doing()))
            .is_err()
        {
            // The glue itself is broken: take it anew at the next call.
            self.exports = None;
        }
    }

    fn open(&mut self, text: TextId, peer: u64, snapshot: &[u8], updates: &[u8]) -> Trapping {
        self.call(|exports| exports.text_open(&text.0, peer, snapshot, updates))
    }

    fn close(&mut self, text: TextId) -> Result<(), String> {
        self.call(|exports| exports.text_close(&text.0))
    }

    fn apply(&mut self, text: TextId, delta: &[u8]) -> Trapping {
        self.call(|exports| exports.text_apply(&text.0, delta))
    }

    fn export(&mut self, text: TextId) -> Trapping {
        self.call(|exports| exports.text_export(&text.0))
    }

    fn import(&mut self, text: TextId, update: &[u8]) -> Trapping {
        self.call(|exports| exports.text_import(&text.0, update))
    }

    fn content(&mut self, text: TextId) -> Trapping {
        self.call(|exports| exports.text_content(&text.0))
    }

    fn version(&mut self, text: TextId) -> Trapping {
        self.call(|exports| exports.text_version(&text.0))
    }

    fn diff(&mut self, text: TextId, from: &[u8], to: &[u8]) -> Trapping {
        self.call(|exports| exports.text_diff(&text.0, from, to))
    }

    fn snapshot(&mut self, text: TextId) -> Trapping {
        self.call(|exports| exports.text_snapshot(&text.0))
    }

    fn anchor(&mut self, text: TextId, position: u32) -> Trapping {
        self.call(|exports| exports.text_anchor(&text.0, position))
    }

    fn position(&mut self, text: TextId, anchor: &[u8]) -> Trapping {
        self.call(|exports| exports.text_position(&text.0, anchor))
    }

    fn inspect(&mut self, update: &[u8]) -> Trapping {
        self.call(|exports| exports.text_inspect(update))
    }

    fn print(&mut self, bytes: &[u8], peer: u64, from: u32, to: u32) -> Trapping {
        self.call(|exports| exports.text_print(bytes, peer, from, to))
    }
}

/// What was thrown, in words.
fn words(thrown: &JsValue) -> String {
    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => thrown.as_string().unwrap_or_else(|| format!("{thrown:?}")),
    }
}

/// The browser's randomness.
pub(crate) struct BrowserEntropy;

impl Entropy for BrowserEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("browsers always give randomness");
    }
}

/// The browser's clock.
pub(crate) fn now() -> Tick {
    Tick(js_sys::Date::now() as u64)
}
