//! The page's address follows the layout (`/#/<space>/<object>`), and the layout follows the address on back and forward.

use dxos_app::{App, Layout, Open, ROOT, SwitchWorkspace};
use dxos_surface::{AppRef, parse_path, space_path};
use dxos_ui::{Visit, location, on_location, set_location};
use leptos::prelude::*;

fn path_shown() -> Option<String> {
    let (_, fragment) = location();
    let path = format!("{ROOT}{}", fragment.strip_suffix('/').unwrap_or(&fragment));
    parse_path(&path).map(|_| path)
}

/// Goes where the address says; false if it names nothing that can be gone to.
pub fn go(app: &App) -> bool {
    let Some(path) = path_shown() else {
        return false;
    };
    let Some((space, object)) = parse_path(&path) else {
        return false;
    };
    let known = app.graph().node(app, &space_path(space)).is_some();
    if !known {
        return false;
    }
    app.send(SwitchWorkspace {
        subject: space_path(space),
    });
    if object.is_some() && app.layout().attention.as_deref() != Some(&path) {
        app.send(Open {
            subject: path,
            beside: false,
        });
    }
    true
}

fn address(layout: &Layout) -> Option<String> {
    let at = layout.attention.as_ref().or(layout.workspace.as_ref())?;
    Some(format!("/#{}", at.strip_prefix(ROOT)?))
}

/// Follows both ways as long as the page lives.
pub fn follow(app: AppRef) {
    let layout = app.layout();
    Effect::new(move |before: Option<Option<String>>| {
        let now = layout.with(address);
        let shown = path_shown().and_then(|path| Some(format!("/#{}", path.strip_prefix(ROOT)?)));
        if let Some(now) = now.as_ref().filter(|now| shown.as_ref() != Some(now)) {
            let first = before.flatten().is_none();
            set_location(now, if first { Visit::Same } else { Visit::New });
        }
        now
    });
    on_location(move || {
        go(&app.get());
    });
}
