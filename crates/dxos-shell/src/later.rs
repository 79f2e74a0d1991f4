//! Views whose code is not part of an app's first load: what opens by a press, and the first run. The web build makes files
//! of their own of them, which are fetched when they are first drawn, and kept with the app for use without a network.

use dxos_ui::use_client;
use leptos::prelude::*;
use leptos::wasm_split::{SplitLoaderError, wasm_split};

use crate::frame::ShellRef;
use crate::{hello, panels};

/// Draws something of the frame.
pub(crate) type Draw = fn(ShellRef) -> AnyView;

/// The code of the panels.
#[wasm_split(panels, wasm_split_path = leptos::wasm_split, fallible)]
pub(crate) fn panels() -> Result<Draw, SplitLoaderError> {
    Ok(panels::draw)
}

/// The code of the first run.
#[wasm_split(hello, wasm_split_path = leptos::wasm_split, fallible)]
pub(crate) fn hello() -> Result<Draw, SplitLoaderError> {
    Ok(hello::draw)
}

/// Draws with code that comes first; nothing until it is here. If it does not come the person is told, and `missed` is
/// called.
pub(crate) fn later(
    code: impl Future<Output = Result<Draw, SplitLoaderError>> + 'static,
    shell: ShellRef,
    missed: fn(ShellRef),
) -> impl IntoView {
    let client = use_client();
    let draw = RwSignal::new(None);
    leptos::task::spawn_local(async move {
        match code.await {
            // What asked for it may be gone.
            Ok(code) => drop(draw.try_set(Some(code))),
            Err(_) => {
                missed(shell);
                client.trouble(
                    "A part of the app did not load.".into(),
                    "Try again once the server can be reached.".into(),
                );
            }
        }
    });
    move || draw.get().map(|draw| draw(shell))
}
