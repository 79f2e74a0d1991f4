//! The page: starts the client, then the app, then draws it. Runs once, when the module is loaded.

use std::rc::Rc;

use dxos_app::{App, Spawn, SurfaceData, role};
use dxos_shell::{AppInfo, mount, provide_app_info, start_client};
use dxos_surface::{Slot, provide_app};
use leptos::prelude::*;
use wasm_bindgen::prelude::wasm_bindgen;

/// Starts the app in `#app`.
#[wasm_bindgen(start)]
pub fn start() {
    mount(composer);
}

fn composer() -> impl IntoView {
    provide_app_info(AppInfo {
        name: "Composer",
        base: "",
        line: "Write, plan and think together. On your own devices.",
    });
    let client = start_client();
    let spawn: Spawn = Rc::new(leptos::task::spawn_local);
    let app = App::new(crate::plugins(client), spawn);
    app.start();
    provide_app(app);
    view! { <Slot role=role::ROOT data=Signal::derive(SurfaceData::default)/> }
}
