//! What the page as a whole has to say: warnings, a node that stopped, a new version.

use dxos_base::SpaceId;
use dxos_ui::{
    Button, ButtonKind, Icon, Phase, device_to_settle, use_client, use_phase, use_status,
};
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
    let forked = Memo::new(move |_| {
        status.with(|status| {
            let status = status.as_ref()?;
            let spaces = status.spaces.iter();
            let found = spaces.filter_map(|space| {
                let device = device_to_settle(status, space)?;
                Some((space.space, space.name.clone(), device))
            });
            Some(found.collect::<Vec<_>>())
        })
    });
    view! {
        <div class="notes" role="alert">
            {move || warnings.get().unwrap_or_default().into_iter().map(note).collect_view()}
            {move || forked.get().unwrap_or_default().into_iter().map(forked_note).collect_view()}
            {stopped}
        </div>
    }
}

/// Copies of a device wrote, and it has not said yet which of them counts.
fn forked_note((space, name, device): (SpaceId, String, String)) -> impl IntoView {
    let client = use_client();
    let failed = RwSignal::new(None);
    let settle = move |()| {
        let client = client.get();
        leptos::task::spawn_local(async move {
            let settled = match client.spaces().get(space) {
                Ok(space) => space.settle_forks().await.map(drop),
                Err(error) => Err(error),
            };
            // The note goes with the fork.
            drop(failed.try_set(settled.err().map(|error| error.to_string())));
        });
    };
    view! {
        <p class="note" data-problem="forked">
            <Icon name="warning-circle"/>
            <span>
                {format!("{device} was copied, and both copies wrote in “{name}”. Some of what they wrote apart does not show until that device is back. If it is gone for good, settle it here: the longer part shows.")}
                {move || failed.get().map(|words| view! { " "<b>{words}</b> })}
            </span>
            <Button kind=ButtonKind::Primary on_press=settle>"Settle"</Button>
        </p>
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
