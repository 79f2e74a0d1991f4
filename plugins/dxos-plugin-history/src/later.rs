//! The panel is not part of the first load: its code comes when it is first opened, and is kept with the app.

use dxos_ui::Loading;
use leptos::prelude::*;
use leptos::wasm_split::{SplitLoaderError, wasm_split};

type Draw = fn(String) -> AnyView;

#[wasm_split(history, wasm_split_path = leptos::wasm_split, fallible)]
fn code() -> Result<Draw, SplitLoaderError> {
    Ok(crate::panel::draw)
}

/// The history of the object at a path.
pub fn panel(path: String) -> AnyView {
    let draw = RwSignal::new(None::<Option<Draw>>);
    leptos::task::spawn_local(async move {
        // What asked for it may be gone.
        let _ = draw.try_set(Some(code().await.ok()));
    });
    let shown = move || {
        match draw.get() {
        None => view! { <Loading text="Opening the history"/> }.into_any(),
        Some(None) => view! {
            <p class="hint">"This part of the app did not load. Try again once the server can be reached."</p>
        }
        .into_any(),
        Some(Some(draw)) => draw(path.clone()),
    }
    };
    shown.into_any()
}
