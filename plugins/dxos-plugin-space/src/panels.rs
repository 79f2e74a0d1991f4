//! The shell's panels in Composer's dialogs.

use dxos_app::{CloseDialog, CloseSidebar, NewToast, SwitchWorkspace, Tone};
use dxos_base::SpaceId;
use dxos_shell::{JoinDialog, ShareDialog};
use dxos_surface::{parse_path, space_path, use_app};
use leptos::prelude::*;

/// Shares a space; the subject is its path.
pub fn share(subject: String) -> impl IntoView {
    let app = use_app();
    let space = parse_path(&subject).map(|(space, _)| space);
    view! { <ShareDialog space=space on_close=move |()| app.send(CloseDialog {})/> }
}

/// Joins a space; the subject is a code, or empty.
pub fn join(subject: String) -> impl IntoView {
    let app = use_app();
    let joined = move |(space, name): (SpaceId, String)| {
        app.send(CloseDialog {});
        app.send(SwitchWorkspace {
            subject: space_path(space),
        });
        // On a phone the drawer covers what was joined.
        app.send(CloseSidebar {});
        app.send(NewToast {
            tone: Tone::Good,
            title: format!("You joined “{name}”"),
            hint: String::new(),
        });
    };
    view! { <JoinDialog code=subject on_close=move |()| app.send(CloseDialog {}) on_joined=joined/> }
}
