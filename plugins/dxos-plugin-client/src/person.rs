//! The person at the foot of the sidebar.

use dxos_app::ROOT;
use dxos_client::NetworkView;
use dxos_surface::{menu_item, use_app};
use dxos_ui::{Avatar, Menu, Person, use_identity, use_status};
use leptos::prelude::*;

/// Name, how this device stands, and the menu of everything that concerns the whole app.
pub fn person() -> impl IntoView {
    let app = use_app();
    let identity = use_identity();
    let status = use_status();
    let network = Memo::new(move |_| status.with(|s| s.as_ref().map(|s| s.network)));
    let online = move || network.get().is_some_and(|n| n == NetworkView::Online);
    let words = move || match network.get() {
        Some(NetworkView::Online) => "Online",
        Some(NetworkView::Off) => "Working offline",
        Some(NetworkView::NoSignal) => "No connection",
        Some(NetworkView::Connecting) | None => "Connecting…",
    };
    let actions = app.actions(Signal::derive(|| ROOT.to_owned()));
    let items = Signal::derive(move || {
        actions
            .get()
            .into_iter()
            .filter(|action| !action.primary)
            .map(menu_item)
            .collect::<Vec<_>>()
    });
    view! {
        <footer class="me">
            {move || identity.get().map(|me| {
                let person = Person { name: me.name.clone(), hue: me.hue, online: online() };
                view! { <Avatar person/><div><b>{me.name}</b><small>{words}</small></div> }
            })}
            <Menu label="Settings and more" id="menu-app" items=items on_choose=move |id: String| app.run(ROOT, &id)/>
        </footer>
    }
}
