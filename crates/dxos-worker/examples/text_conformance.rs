//! What a dedicated worker calls to run the text suite on the real text module; empty on other platforms.
//!
//! The engine is the product's: [`RemoteText`](dxos_worker::text::RemoteText) over `worker-text.js`, which loads
//! `dxos-text` as a WASM module of its own. Build and bind it with `cargo xtask conformance`, and call
//! `text_conformance(outside)` in a worker: the names of the checks, or an exception with the first that failed.

#[cfg(target_arch = "wasm32")]
mod worker {
    use dxos_echo::text::{TextEngine, conformance};
    use dxos_worker::JsTextModule;
    use dxos_worker::text::{RemoteText, TextModule};
    use wasm_bindgen::prelude::*;

    /// Runs the suite, each case in a fresh instance of the module. `outside` has `textModule`, as the worker's has.
    #[wasm_bindgen]
    pub fn text_conformance(outside: JsValue) -> Result<Vec<String>, String> {
        let module = || JsTextModule::new(outside.clone().unchecked_into());
        module().ready()?;
        let names = conformance::run(&mut || {
            let mut module = module();
            // Loaded before, so this takes what is there.
            if module.ready().is_ok() {
                module.reset();
            }
            Box::new(RemoteText::new(module)) as Box<dyn TextEngine>
        })?;
        Ok(names.into_iter().map(str::to_owned).collect())
    }
}
