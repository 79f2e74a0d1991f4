//! The first run: one sentence, one name, one button.

use dxos_surface::{DIALOG_JOIN, use_app};
use dxos_ui::{Button, ButtonKind, Field, Icon};
use leptos::prelude::*;

use crate::CreateIdentity;

const NAME_CHARACTERS_MAX: u32 = 60;

/// The screen.
pub fn hello() -> impl IntoView {
    let app = use_app();
    let name = RwSignal::new(String::new());
    let error = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let invited = Memo::new(move |_| {
        app.layout().with(|layout| {
            layout
                .dialog
                .as_ref()
                .is_some_and(|d| d.name == DIALOG_JOIN)
        })
    });
    let start = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let chosen = name.get_untracked().trim().to_owned();
        if chosen.is_empty() {
            error.set("Type a name first; any name will do.".into());
            return;
        }
        if busy.get_untracked() {
            return;
        }
        error.set(String::new());
        busy.set(true);
        let app = app.get();
        leptos::task::spawn_local(async move {
            let made = app.dispatch(CreateIdentity { name: chosen }).await;
            let words = match made {
                Ok(_) => return,
                Err(dxos_app::IntentError::Failed { message, hint }) => format!("{message} {hint}"),
                Err(other) => other.to_string(),
            };
            // The screen may be gone: another tab may have made the identity.
            let _ = error.try_set(words);
            let _ = busy.try_set(false);
        });
    };
    let title = move || match invited.get() {
        true => "You are invited. What should they call you?",
        false => "Write, plan and think together. On your own devices.",
    };
    view! {
        <main class="hello">
            <form on:submit=start>
                <Icon name="cube" class="logo"/>
                <h1>{title}</h1>
                <p>
                    "Your work stays with you and the people you share it with. No account: your identity is a key made here, now."
                </p>
                <Field
                    label="Your name"
                    value=name
                    error=error
                    autofocus=true
                    autocomplete="name"
                    length_max=NAME_CHARACTERS_MAX
                />
                <Button kind=ButtonKind::Primary large=true submit=true disabled=busy>
                    {move || if busy.get() { "Making your key…" } else { "Start" }}
                </Button>
                <small class="fine">
                    "The key never leaves this browser. People you write with see your name."
                </small>
            </form>
        </main>
    }
}
