//! The screen before there is data.

use dxos_ui::{Button, ButtonKind, EmptyState, Loading, Phase, use_phase};
use leptos::prelude::*;

use crate::info::use_app_info;

/// Before the node has answered: what is going on, or why it cannot.
#[component]
pub fn Opening() -> impl IntoView {
    let app = use_app_info().name;
    let phase = use_phase();
    move || {
        match phase.get() {
        Phase::Starting | Phase::Live => {
            view! { <main class="opening"><Loading text="Opening your data"/></main> }.into_any()
        }
        Phase::TakingOver => {
            view! { <main class="opening"><Loading text="Taking over from another tab"/></main> }.into_any()
        }
        Phase::InOtherTab => view! {
            <main class="opening" data-problem="other-tab">
                <EmptyState
                    icon="copy"
                    title=format!("{app} is open in another tab")
                    text="This browser cannot share it between tabs. Go on there, or close that tab: this one then starts by itself."
                />
            </main>
        }
        .into_any(),
        Phase::Failed { message, hint } => view! {
            <main class="opening" data-problem="start">
                <EmptyState icon="warning-circle" title=message text=hint>
                    <Button kind=ButtonKind::Primary on_press=|()| reload()>"Reload"</Button>
                </EmptyState>
            </main>
        }
        .into_any(),
    }
    }
}

fn reload() {
    // A browser that refuses leaves the page as it is; the button is still there.
    let _ = window().location().reload();
}
