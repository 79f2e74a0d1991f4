//! The dialog that makes a space.

use dxos_app::{CloseDialog, IntentError};
use dxos_surface::use_app;
use dxos_ui::{Button, ButtonKind, Dialog, Field};
use leptos::prelude::*;

use crate::CreateSpace;

/// Asks for a name.
pub fn dialog() -> impl IntoView {
    let app = use_app();
    let name = RwSignal::new(String::new());
    let error = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let close = move |()| app.send(CloseDialog {});
    let create = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let chosen = name.get_untracked().trim().to_owned();
        if chosen.is_empty() {
            error.set("Type a name first, such as “River study”.".into());
            return;
        }
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        let app = app.get();
        leptos::task::spawn_local(async move {
            match app.dispatch(CreateSpace { name: chosen }).await {
                Ok(_) => app.send(CloseDialog {}),
                Err(IntentError::Failed { message, hint }) => {
                    let _ = error.try_set(format!("{message} {hint}"));
                }
                Err(other) => {
                    let _ = error.try_set(other.to_string());
                }
            }
            // The dialog may be closed meanwhile.
            let _ = busy.try_set(false);
        });
    };
    view! {
        <Dialog title="New space" on_close=close>
            <form class="body" on:submit=create>
                <p>"A space holds documents and the people you share them with. Only its members can read it."</p>
                <Field label="Name" value=name error=error autofocus=true autocomplete="off"/>
                <div class="buttons end">
                    <Button kind=ButtonKind::Quiet on_press=close>"Cancel"</Button>
                    <Button kind=ButtonKind::Primary submit=true disabled=busy>"Create space"</Button>
                </div>
            </form>
        </Dialog>
    }
}
