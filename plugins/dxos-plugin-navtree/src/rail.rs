//! The rail: one button for each workspace.

use dxos_app::{Node, ROOT, SwitchWorkspace};
use dxos_surface::{key_label, use_app};
use dxos_ui::{Icon, Menu, MenuItem};
use leptos::prelude::*;

/// All workspaces, and what can be done to have more.
pub fn rail() -> impl IntoView {
    let app = use_app();
    let root = Signal::derive(|| ROOT.to_owned());
    let spaces = app.children(root);
    let actions = app.actions(root);
    let items = Signal::derive(move || {
        let spaces = actions.get().into_iter().filter(|action| action.id.starts_with("space/"));
        let item = |action: dxos_app::ActionView| MenuItem {
            keys: key_label(action.keys),
            id: action.id,
            label: action.label,
            icon: action.icon,
            danger: action.danger,
        };
        spaces.map(item).collect::<Vec<_>>()
    });
    view! {
        <nav class="rail" aria-label="Spaces">
            <For each=move || spaces.get() key=|node| (node.id.clone(), node.label.clone()) let:node>
                {workspace(node)}
            </For>
            <Menu
                label="New or join space"
                icon="plus"
                id="menu-spaces"
                items=items
                on_choose=move |id: String| app.run(ROOT, &id)
            />
        </nav>
    }
}

fn workspace(node: Node) -> impl IntoView {
    let app = use_app();
    let id = node.id.clone();
    let current = Memo::new(move |_| app.layout().with(|l| l.workspace.as_ref() == Some(&id)));
    let letter: String = node.label.chars().take(1).flat_map(char::to_uppercase).collect();
    let subject = node.id;
    view! {
        <button
            class="ws"
            type="button"
            aria-label=node.label.clone()
            title=node.label
            aria-current=move || current.get().then_some("true")
            on:click=move |_| app.send(SwitchWorkspace { subject: subject.clone() })
        >
            {if letter.is_empty() { view! { <Icon name="cube"/> }.into_any() } else { letter.into_any() }}
        </button>
    }
}
