//! What stands over the deck: the open dialog, messages, plugins on and off.

use dxos_app::{CloseDialog, HideToast, SurfaceData, Toast, Tone, role};
use dxos_surface::{Slot, use_app};
use dxos_ui::{Dialog, EmptyState, Icon, IconButton};
use leptos::prelude::*;

/// How long a message stays; one with something to undo twice as long, a bad one until it is closed.
const TOAST_MS: u64 = 6_000;

/// The open dialog, once the shell stands.
pub fn dialogs(ready: Signal<bool>) -> impl IntoView {
    let app = use_app();
    let open = Memo::new(move |_| {
        let dialog = app.layout().with(|layout| layout.dialog.clone());
        dialog.filter(|_| ready.get())
    });
    move || {
        open.get().map(|dialog| {
            let data = SurfaceData::named(&dialog.name, &dialog.subject);
            view! { <Slot role=role::DIALOG data=Signal::derive(move || data.clone()) fallback=unknown_dialog/> }
        })
    }
}

fn unknown_dialog() -> impl IntoView {
    let app = use_app();
    view! {
        <Dialog title="Not available" on_close=move |()| app.send(CloseDialog {})>
            <EmptyState
                icon="puzzle-piece"
                title="Nothing here can show this"
                text="The plugin that does may be switched off."
            />
        </Dialog>
    }
}

/// Messages, read aloud as they come.
pub fn toasts() -> impl IntoView {
    let app = use_app();
    let all = Memo::new(move |_| app.layout().with(|layout| layout.toasts.clone()));
    view! {
        <div class="toasts" role="status" aria-live="polite">
            <For each=move || all.get() key=|toast| toast.id let:toast>{one(toast)}</For>
        </div>
    }
}

fn one(toast: Toast) -> impl IntoView {
    let app = use_app();
    let id = toast.id;
    let hide = move || app.send(HideToast { id });
    if toast.tone != Tone::Bad {
        let stay = TOAST_MS * if toast.undo.is_some() { 2 } else { 1 };
        let timer = set_timeout_with_handle(hide, std::time::Duration::from_millis(stay));
        on_cleanup(move || {
            if let Ok(timer) = timer {
                timer.clear();
            }
        });
    }
    let icon = match toast.tone {
        Tone::Info => "info",
        Tone::Good => "check-circle",
        Tone::Bad => "warning-circle",
    };
    let undo = toast.undo.map(|undo| {
        let take_back = move |_| {
            app.get().undo(undo);
            hide();
        };
        view! { <button class="btn quiet" type="button" on:click=take_back>"Undo"</button> }
    });
    view! {
        <div class="toast" class:good=toast.tone == Tone::Good class:bad=toast.tone == Tone::Bad>
            <Icon name=icon/>
            <p>
                <b>{toast.title}</b>
                {(!toast.hint.is_empty()).then(|| view! { <small>{toast.hint}</small> })}
            </p>
            {undo}
            <IconButton label="Dismiss" icon="x" on_press=move |()| hide()/>
        </div>
    }
}

/// Plugins and whether they are on.
pub fn plugins_dialog() -> impl IntoView {
    let app = use_app();
    let all = Memo::new(move |_| {
        app.track_contributions();
        let line = |plugin: dxos_app::PluginStatus| {
            let failed = plugin.failed.first().map(|(_, error)| error.to_string());
            (
                plugin.meta.id,
                plugin.meta.name,
                plugin.meta.description,
                plugin.meta.core,
                plugin.enabled,
                failed,
            )
        };
        app.get()
            .plugins()
            .into_iter()
            .map(line)
            .collect::<Vec<_>>()
    });
    let toggle = move |id: &'static str, on: bool| {
        let app = app.get();
        let done = if on { app.enable(id) } else { app.disable(id) };
        if let Err(error) = done {
            app.send(dxos_app::NewToast {
                tone: Tone::Bad,
                title: error.to_string(),
                hint: String::new(),
            });
        }
    };
    let rows = move || {
        all.get()
            .into_iter()
            .map(|(id, name, description, core, enabled, failed)| {
                view! {
                    <li>
                        <label>
                            <span>
                                <b>{name}</b>
                                <small>{failed.unwrap_or_else(|| description.to_owned())}</small>
                            </span>
                            <input
                                type="checkbox"
                                role="switch"
                                prop:checked=enabled
                                disabled=core
                                title=core.then_some("Part of the shell")
                                on:change=move |event| toggle(id, event_target_checked(&event))
                            />
                        </label>
                    </li>
                }
            })
            .collect_view()
    };
    view! {
        <Dialog title="Plugins" on_close=move |()| app.send(CloseDialog {})>
            <div class="body">
                <p>"What Composer is made of. Switching one off hides what it brings; your data stays."</p>
                <ul class="switches">{rows}</ul>
            </div>
        </Dialog>
    }
}
