//! The first run: one sentence, one name, one button.

use dxos_ui::{Button, ButtonKind, Field, Icon, device_label, platform_label, use_client};
use leptos::prelude::*;

use crate::frame::ShellRef;
use crate::info::use_app_info;

/// Draws it in a frame.
pub(crate) fn draw(shell: ShellRef) -> AnyView {
    let invited = Signal::derive(move || shell.is_invited());
    view! { <Hello line=use_app_info().line invited=invited/> }.into_any()
}

const NAME_CHARACTERS_MAX: u32 = 60;

/// The first screen of a profile: makes the person's identity.
#[component]
pub fn Hello(
    /// What the app is for, in a sentence or two.
    line: &'static str,
    /// The person came by an invitation.
    #[prop(into)]
    invited: Signal<bool>,
) -> impl IntoView {
    let client = use_client();
    let name = RwSignal::new(String::new());
    let error = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
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
        let client = client.get();
        leptos::task::spawn_local(async move {
            let (device, platform) = (device_label(), platform_label());
            let made = client.create_identity(&chosen, &device, &platform).await;
            let Err(failure) = made else { return };
            // The screen may be gone: another tab may have made the identity.
            let _ = error.try_set(format!("{} {}", failure.message, failure.hint));
            let _ = busy.try_set(false);
        });
    };
    let title = move || match invited.get() {
        true => "You are invited. What should they call you?",
        false => line,
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
