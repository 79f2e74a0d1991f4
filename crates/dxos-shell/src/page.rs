//! The page of an app: starts the client and draws the frame. Runs once, when the module is loaded.

use dxos_client::{Client, web};
use dxos_ui::{Phase, SpaceRef, provide_client};
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use crate::frame::{Frame, FrameProps};
use crate::info::{AppInfo, provide_app_info};

/// Starts an app in the page's `#app`: `view` is drawn once there are an identity and a space. Spaces are chosen as
/// [`choose_space`](crate::choose_space) says.
pub fn run<V: IntoView + 'static>(
    info: AppInfo,
    space_name: &'static str,
    view: impl Fn(SpaceRef) -> V + Send + Sync + 'static,
) {
    mount(move || {
        provide_app_info(info);
        start_client();
        Frame(FrameProps {
            space_name,
            children: Box::new(move |space| view(space).into_any()),
        })
    });
}

/// Draws into the page's `#app`, for as long as the page lives.
pub fn mount<V: IntoView + 'static>(page: impl FnOnce() -> V + 'static) {
    console_error_panic_hook::set_once();
    let place = document().get_element_by_id("app");
    let place = place.and_then(|node| node.dyn_into::<web_sys::HtmlElement>().ok());
    let place = place.unwrap_or_else(|| document().body().expect("a page has a body"));
    mount_to(place, page).forget();
}

/// Starts this window's client and makes it known to all components below.
pub fn start_client() -> Client {
    let now = RwSignal::new(Phase::Starting);
    let client = web::start(web::Config::new(move |told| now.set(phase(told))));
    provide_client(client.clone(), now);
    client
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
