//! The rail: one button for each workspace.

use dxos_app::{Node, ROOT, SwitchWorkspace};
use dxos_surface::use_app;
use dxos_ui::{Icon, IconButton};
use leptos::prelude::*;

/// All workspaces, and what can be done to have more.
pub fn rail() -> impl IntoView {
    let app = use_app();
    let root = Signal::derive(|| ROOT.to_owned());
    let spaces = app.children(root);
    let actions = app.actions(root);
    let more = move || {
        actions
            .get()
            .into_iter()
            .filter(|action| action.primary)
            .collect::<Vec<_>>()
    };
    view! {
        <nav class="rail" aria-label="Spaces">
            <For each=move || spaces.get() key=|node| (node.id.clone(), node.label.clone()) let:node>
                {workspace(node)}
            </For>
            <For each=more key=|action| action.id.clone() let:action>
                {
                    let id = action.id.clone();
                    view! {
                        <IconButton
                            label=action.label.clone()
                            icon=action.icon
                            on_press=move |()| app.run(ROOT, &id)
                        />
                    }
                }
            </For>
        </nav>
    }
}

fn workspace(node: Node) -> impl IntoView {
    let app = use_app();
    let id = node.id.clone();
    let current = Memo::new(move |_| app.layout().with(|l| l.workspace.as_ref() == Some(&id)));
    let letter: String = node
        .label
        .chars()
        .take(1)
        .flat_map(char::to_uppercase)
        .collect();
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
