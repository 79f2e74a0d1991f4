//! Key bindings: drawn from the actions of the root, the workspace and the plank that has attention.

use dxos_app::{ActionView, Chord, Platform, ROOT};
use dxos_ui::MenuItem;
use leptos::prelude::*;

use crate::app_ref::AppRef;

/// Whose keyboard conventions hold here.
pub fn platform() -> Platform {
    if dxos_ui::is_apple() {
        Platform::Apple
    } else {
        Platform::Other
    }
}

/// A binding for people; empty if there is none.
pub fn key_label(keys: &str) -> String {
    let platform = platform();
    Chord::parse_all(keys, platform)
        .next()
        .map(|chord| chord.label(platform))
        .unwrap_or_default()
}

/// An action as an entry of a menu.
pub fn menu_item(action: ActionView) -> MenuItem {
    MenuItem {
        keys: key_label(action.keys),
        id: action.id,
        label: action.label,
        icon: action.icon,
        danger: action.danger,
    }
}

/// Runs actions by their keys as long as the page lives.
pub fn listen_hotkeys(app: AppRef) {
    let platform = platform();
    let handle = window_event_listener(leptos::ev::keydown, move |event| {
        if event.default_prevented() || event.is_composing() {
            return;
        }
        let pressed = Chord {
            // On Apple systems Alt changes the letter typed: the key's place counts then.
            key: if event.alt_key() {
                letter(&event.code())
            } else {
                event.key().to_lowercase()
            },
            ctrl: event.ctrl_key(),
            meta: event.meta_key(),
            alt: event.alt_key(),
            shift: event.shift_key(),
        };
        if !(pressed.ctrl || pressed.meta || pressed.alt) {
            return;
        }
        if pressed.is_of_typing(platform) && dxos_ui::is_typed_into(&event) {
            return;
        }
        let layout = app.layout().get_untracked();
        if layout.dialog.is_some() {
            return;
        }
        let nodes = [layout.attention, layout.workspace, Some(ROOT.to_owned())];
        for node in nodes.into_iter().flatten() {
            let found = app.get().action_views(&node).into_iter().find(|action| {
                Chord::parse_all(action.keys, platform).any(|chord| chord == pressed)
            });
            if let Some(action) = found {
                event.prevent_default();
                app.run(&node, &action.id);
                return;
            }
        }
    });
    // The page's views are never taken down.
    std::mem::forget(handle);
}

fn letter(code: &str) -> String {
    code.strip_prefix("Key")
        .or(code.strip_prefix("Digit"))
        .unwrap_or(code)
        .to_lowercase()
}
