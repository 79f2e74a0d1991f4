//! The panels over an app, as it asks for them.

use dxos_base::SpaceId;
use leptos::prelude::*;

use crate::frame::{Panel, ShellRef};
use crate::identity::IdentityDialog;
use crate::join::JoinDialog;
use crate::share::ShareDialog;

/// Draws the panel that is open.
pub(crate) fn draw(shell: ShellRef) -> AnyView {
    let close = move |()| shell.close();
    let joined = move |(space, name): (SpaceId, String)| {
        shell.go(space);
        shell.close();
        shell.tell(format!("You joined “{name}”"));
    };
    let open = move || {
        Some(match shell.panel()? {
            Panel::Share => {
                view! { <ShareDialog space=shell.space().get_untracked() on_close=close/> }
                    .into_any()
            }
            Panel::Join(code) => {
                view! { <JoinDialog code=code on_close=close on_joined=joined/> }.into_any()
            }
            Panel::Identity => view! { <IdentityDialog on_close=close/> }.into_any(),
        })
    };
    open.into_any()
}
