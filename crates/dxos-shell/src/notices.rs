//! What the page as a whole has to say: warnings, a node that stopped, a new version.

use dxos_ui::{Button, ButtonKind, Icon, Phase, use_phase, use_status};
use leptos::prelude::*;

use crate::info::use_app_info;

/// What is wrong as long as it is: what the node warns of, and a node that is gone for good. Above the status bar, so
/// it covers nothing.
#[component]
pub fn Notices() -> impl IntoView {
    let app = use_app_info().name;
    let status = use_status();
    let phase = use_phase();
    let warnings = Memo::new(move |_| {
        status.with(|status| status.as_ref().map(|status| status.warnings.clone()))
    });
    let note = |text: String| view! { <p class="note"><Icon name="warning-circle"/><span>{text}</span></p> };
    let stopped = move || match phase.get() {
        Phase::Failed { .. } => Some(view! {
            <p class="note" data-problem="stopped">
                <Icon name="warning-circle"/>
                <span>
                    {format!("The part of {app} that saves your work stopped. What you type is kept on this page only: start it again before you close the page.")}
                </span>
                <Button kind=ButtonKind::Primary on_press=|()| tell("dxos:start-again")>"Start again"</Button>
            </p>
        }),
        _ => None,
    };
    view! {
        <div class="notes" role="alert">
            {move || warnings.get().unwrap_or_default().into_iter().map(note).collect_view()}
            {stopped}
        </div>
    }
}

/// The page's boot script announces a new version; a person takes it when it suits.
#[component]
pub fn UpdateButton() -> impl IntoView {
    let ready = RwSignal::new(false);
    let event = leptos::ev::Custom::<web_sys::Event>::new("dxos:update-ready");
    let handle = window_event_listener(event, move |_| ready.set(true));
    on_cleanup(move || handle.remove());
    Effect::new(move |_| tell("dxos:update-asked"));
    view! {
        <Show when=move || ready.get()>
            <button class="update" type="button" on:click=move |_| tell("dxos:update-now")>
                <Icon name="arrow-counter-clockwise"/>
                "New version: reload"
            </button>
        </Show>
    }
}

fn tell(name: &str) {
    if let Ok(event) = web_sys::Event::new(name) {
        // Nobody listening is fine: development pages have no service worker.
        let _ = window().dispatch_event(&event);
    }
}
