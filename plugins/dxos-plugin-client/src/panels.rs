//! The shell's panels in Composer's surfaces.

use dxos_app::CloseDialog;
use dxos_shell::{Hello, IdentityDialog, StatusLine, use_app_info};
use dxos_surface::{DIALOG_JOIN, parse_path, use_app};
use leptos::prelude::*;

use crate::SetOffline;

/// The first run.
pub fn hello() -> impl IntoView {
    let app = use_app();
    let invited = Signal::derive(move || {
        app.layout().with(|layout| {
            layout
                .dialog
                .as_ref()
                .is_some_and(|dialog| dialog.name == DIALOG_JOIN)
        })
    });
    view! { <Hello line=use_app_info().line invited=invited/> }
}

/// The identity in full.
pub fn identity() -> impl IntoView {
    let app = use_app();
    view! { <IdentityDialog on_close=move |()| app.send(CloseDialog {})/> }
}

/// How the present space stands.
pub fn status() -> impl IntoView {
    let app = use_app();
    let space = Signal::derive(move || {
        let workspace = app.layout().with(|layout| layout.workspace.clone())?;
        parse_path(&workspace).map(|(space, _)| space)
    });
    view! { <StatusLine space=space on_offline=move |offline| app.send(SetOffline { offline })/> }
}
