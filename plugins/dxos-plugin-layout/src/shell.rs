//! The frame: opening, first run, then rail, sidebar, deck and status bar.

use dxos_app::{CloseSidebar, OpenSidebar, ROOT, Sidebar, SurfaceData, SwitchWorkspace, role};
use dxos_shell::{Notices, Opening, UpdateButton};
use dxos_surface::{Slot, SlotList, listen_hotkeys, use_app};
use dxos_ui::{IconButton, use_status};
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
            <Notices/>
            <footer class="stat" aria-label="Status">
                <SlotList role=role::STATUS data=nothing/>
                <UpdateButton/>
            </footer>
        </div>
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
