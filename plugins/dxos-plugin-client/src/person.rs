//! The person at the foot of the sidebar, and who they are in full.

use dxos_app::{CloseDialog, ROOT};
use dxos_client::NetworkView;
use dxos_surface::{menu_item, use_app};
use dxos_ui::{Avatar, Button, Dialog, Menu, Person, copy_text, use_identity, use_status};
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

/// The identity in full.
pub fn identity_dialog() -> impl IntoView {
    let app = use_app();
    let identity = use_identity();
    let close = move |()| app.send(CloseDialog {});
    let copied = RwSignal::new(false);
    view! {
        <Dialog title="Your identity" on_close=close>
            <div class="body">
                <p>"A key pair made on this device. What you write is signed with it; no server knows it."</p>
                {move || identity.get().map(|me| {
                    let key = me.identity.to_string();
                    let copy = key.clone();
                    let copy = move |()| {
                        let key = copy.clone();
                        leptos::task::spawn_local(async move {
                            // The dialog may be closed meanwhile.
                            let _ = copied.try_set(copy_text(key).await.is_ok());
                        });
                    };
                    view! {
                        <dl class="facts">
                            <dt>"Name"</dt><dd>{me.name}</dd>
                            <dt>"Identity"</dt><dd><code>{key}</code></dd>
                            <dt>"This device"</dt><dd><code>{me.device.to_string()}</code></dd>
                        </dl>
                        <div class="buttons">
                            <Button icon="copy" on_press=copy>
                                {move || if copied.get() { "Copied" } else { "Copy identity" }}
                            </Button>
                        </div>
                    }
                })}
            </div>
        </Dialog>
    }
}
