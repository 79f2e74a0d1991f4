//! The frame: opening, first run, then rail, sidebar, deck and status bar.

use dxos_app::{
    CloseCompanion, CloseSidebar, Layout, OpenSidebar, ROOT, Sidebar, SurfaceData, SwitchWorkspace,
    role,
};
use dxos_shell::{Notices, Opening, UpdateButton};
use dxos_surface::{Slot, SlotList, listen_hotkeys, use_app};
use dxos_ui::{IconButton, use_focus_back, use_status};
use leptos::prelude::*;

use crate::{address, deck, overlays};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    FirstRun,
    Shell,
}

/// The whole window.
pub fn root() -> impl IntoView {
    let app = use_app();
    let status = use_status();
    let stage = Memo::new(move |_| {
        status.with(|status| match status {
            None => Stage::Opening,
            Some(status) if status.identity.is_none() || status.spaces.is_empty() => {
                Stage::FirstRun
            }
            Some(_) => Stage::Shell,
        })
    });
    listen_hotkeys(app);
    let nothing = Signal::derive(SurfaceData::default);
    view! {
        {move || match stage.get() {
            Stage::Opening => view! { <Opening/> }.into_any(),
            Stage::FirstRun => view! { <Slot role=role::GATE data=nothing/> }.into_any(),
            Stage::Shell => shell().into_any(),
        }}
        {overlays::dialogs(Signal::derive(move || stage.get() == Stage::Shell))}
        {overlays::toasts()}
    }
}

fn shell() -> impl IntoView {
    let app = use_app();
    let layout = app.layout();
    settle();
    let sidebar = move || {
        layout.with(|layout| match layout.sidebar {
            Sidebar::Auto => "auto",
            Sidebar::Open => "open",
            Sidebar::Closed => "closed",
        })
    };
    let nothing = Signal::derive(SurfaceData::default);
    let escape = move |event: leptos::ev::KeyboardEvent| {
        let open = layout.with_untracked(|layout| layout.sidebar == Sidebar::Open);
        if event.key() == "Escape" && open {
            app.send(CloseSidebar {});
        }
    };
    view! {
        <div class="shell" data-sidebar=sidebar on:keydown=escape>
            {deck::top_bar()}
            <div class="veil" on:click=move |_| app.send(CloseSidebar {})></div>
            <div class="nav">
                <Slot role=role::RAIL data=nothing/>
                <Slot role=role::SIDEBAR data=nothing/>
            </div>
            {deck::deck()}
            {companion()}
            <Notices/>
            <footer class="stat" aria-label="Status">
                <SlotList role=role::STATUS data=nothing/>
                <UpdateButton/>
            </footer>
        </div>
    }
}

/// What stands beside the deck; a sheet over it where there is no room.
fn companion() -> impl IntoView {
    let app = use_app();
    let open = Memo::new(move |_| app.layout().with(Layout::companion));
    let name = Memo::new(move |_| open.with(|open| open.as_ref().map(|(name, _)| name.clone())));
    let data = Signal::derive(move || {
        let (name, subject) = open.get().unwrap_or_default();
        SurfaceData::named(&name, &subject)
    });
    let close = move |event: leptos::ev::KeyboardEvent| {
        if event.key() == "Escape" && !event.default_prevented() {
            event.prevent_default();
            app.send(CloseCompanion {});
        }
    };
    let node = NodeRef::<leptos::html::Aside>::new();
    Effect::new(move |_| {
        if let Some(aside) = node.get() {
            // It was asked for: what comes next is done in it.
            let _ = aside.focus();
        }
    });
    move || {
        name.get().map(|_| {
            use_focus_back();
            view! {
                <aside node_ref=node class="companion" tabindex="-1" aria-label="Companion" on:keydown=close>
                    <Slot role=role::COMPANION data=data/>
                </aside>
            }
        })
    }
}

/// Opens where the address says, else the first workspace; and again whenever the present one is gone.
fn settle() {
    let app = use_app();
    let spaces = app.children(Signal::derive(|| ROOT.to_owned()));
    address::go(&app.get());
    Effect::new(move |_| {
        let known = spaces.get();
        let here = app.layout().with(|layout| layout.workspace.clone());
        if !here.is_some_and(|here| known.iter().any(|node| node.id == here))
            && let Some(first) = known.first()
        {
            app.send(SwitchWorkspace {
                subject: first.id.clone(),
            });
        }
    });
    address::follow(app);
}

/// The button that shows the drawer on a phone.
pub fn drawer_button() -> impl IntoView {
    let app = use_app();
    view! { <IconButton label="Navigation" icon="list" on_press=move |()| app.send(OpenSidebar {})/> }
}
