//! The page: starts the client, then the app, then draws it. Runs once, when the module is loaded.

use std::rc::Rc;

use dxos_app::{App, Spawn, SurfaceData, role};
use dxos_client::web;
use dxos_surface::{Slot, provide_app};
use dxos_ui::{Phase, provide_client};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::wasm_bindgen;

/// Starts the app in `#app`.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
    let place = document().get_element_by_id("app");
    let place = place.and_then(|node| node.dyn_into::<web_sys::HtmlElement>().ok());
    let place = place.unwrap_or_else(|| document().body().expect("a page has a body"));
    mount_to(place, composer).forget();
}

fn phase(told: &web::Phase) -> Phase {
    match told {
        web::Phase::Starting => Phase::Starting,
        web::Phase::Live => Phase::Live,
        web::Phase::TakingOver => Phase::TakingOver,
        web::Phase::InOtherTab => Phase::InOtherTab,
        web::Phase::Failed(failure) => Phase::Failed {
            message: failure.message.clone(),
            hint: failure.hint.clone(),
        },
    }
}

fn composer() -> impl IntoView {
    let now = RwSignal::new(Phase::Starting);
    let client = web::start(web::Config::new(move |told| now.set(phase(told))));
    provide_client(client.clone(), now);
    let spawn: Spawn = Rc::new(wasm_bindgen_futures::spawn_local);
    let app = App::new(crate::plugins(client), spawn);
    app.start();
    provide_app(app);
    view! { <Slot role=role::ROOT data=Signal::derive(SurfaceData::default)/> }
}
