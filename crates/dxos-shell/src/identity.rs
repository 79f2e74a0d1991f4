//! Who the person is, in full.

use dxos_ui::{Button, Dialog, copy_text, use_identity};
use leptos::prelude::*;

/// Name, identity and device, with the key to copy.
#[component]
pub fn IdentityDialog(
    /// The person wants it closed.
    #[prop(into)]
    on_close: UnsyncCallback<()>,
) -> impl IntoView {
    let identity = use_identity();
    let copied = RwSignal::new(false);
    view! {
        <Dialog title="Your identity" on_close=on_close>
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
