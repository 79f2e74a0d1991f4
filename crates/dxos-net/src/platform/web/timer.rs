//! `setTimeout` that ends with its owner; works in windows and workers.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(handler: &js_sys::Function, ms: i32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);
}

/// Runs once after a while, unless dropped before.
#[derive(Debug)]
pub(super) struct Timer {
    id: JsValue,
    _run: Closure<dyn FnMut()>,
}

impl Timer {
    pub(super) fn after_ms(ms: i32, run: impl FnOnce() + 'static) -> Timer {
        let run = Closure::once(run);
        let id = set_timeout(run.as_ref().unchecked_ref(), ms);
        Timer { id, _run: run }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(&self.id);
    }
}
