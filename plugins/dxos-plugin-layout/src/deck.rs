//! The deck: planks side by side; on a phone the one with attention, under a top bar.

use dxos_app::{ActionView, Attend, ClosePlank, Node, SurfaceData, role};
use dxos_surface::{Slot, menu_item, parse_path, use_app};
use dxos_ui::{
    AvatarList, Button, ButtonKind, EmptyState, Icon, IconButton, Loading, Menu, Person,
    use_people_at,
};
use leptos::prelude::*;

use crate::shell::drawer_button;

/// All planks, or what to do when there is none.
pub fn deck() -> impl IntoView {
    let app = use_app();
    let planks = Memo::new(move |_| app.layout().with(|layout| layout.deck.clone()));
    view! {
        <main class="deck" data-planks=move || planks.with(Vec::len).to_string()>
            <For each=move || planks.get() key=|id| id.clone() let:id>{plank(id)}</For>
            <Show when=move || planks.with(Vec::is_empty)>{empty()}</Show>
        </main>
    }
}

fn empty() -> impl IntoView {
    let app = use_app();
    let workspace = Signal::derive(move || {
        app.layout()
            .with(|l| l.workspace.clone())
            .unwrap_or_default()
    });
    let node = app.node(workspace);
    let actions = app.actions(workspace);
    let has = app.children(workspace);
    let title = Signal::derive(move || {
        node.with(|node| {
            node.as_ref()
                .map(|node| node.label.clone())
                .unwrap_or_default()
        })
    });
    let text = Signal::derive(move || match has.with(Vec::is_empty) {
        true => "Nothing is in this space yet. Start with a document.".to_owned(),
        false => "Choose something from the sidebar, or start a document.".to_owned(),
    });
    let buttons = move || {
        let shown = actions.get().into_iter().filter(|action| action.primary);
        shown
            .enumerate()
            .map(|(at, action)| {
                let kind = if action.keys.is_empty() { ButtonKind::Usual } else { ButtonKind::Primary };
                let _ = at;
                let id = action.id;
                view! {
                    <Button kind=kind icon=action.icon on_press=move |()| app.run(&workspace.get_untracked(), &id)>
                        {action.label}
                    </Button>
                }
            })
            .collect_view()
    };
    view! {
        <section class="plank blank">
            <EmptyState icon="cube" title=title text=text>{buttons}</EmptyState>
        </section>
    }
}

#[derive(Clone, Copy)]
struct Plank {
    id: StoredValue<String>,
    node: Memo<Option<Node>>,
    actions: Memo<Vec<ActionView>>,
}

fn of(id: String) -> Plank {
    let app = use_app();
    let id = StoredValue::new(id);
    let signal = Signal::derive(move || id.get_value());
    Plank {
        id,
        node: app.node(signal),
        actions: app.actions(signal),
    }
}

fn plank(id: String) -> impl IntoView {
    let app = use_app();
    let plank = of(id);
    let attention = Memo::new(move |_| {
        app.layout()
            .with(|layout| layout.attention.as_deref() == Some(plank.id.get_value().as_str()))
    });
    let attend = move || {
        if !attention.get_untracked() {
            app.send(Attend {
                subject: plank.id.get_value(),
            });
        }
    };
    let kind = Memo::new(move |_| {
        plank
            .node
            .with(|node| node.as_ref().map(|node| node.kind.clone()))
    });
    let label = move || {
        plank
            .node
            .with(|node| node.as_ref().map(|n| n.label.clone()).unwrap_or_default())
    };
    let icon = Signal::derive(move || {
        plank
            .node
            .with(|node| node.as_ref().map_or("file-text", |n| n.icon))
    });
    let article = move || match kind.get() {
        Some(kind) => {
            let data = SurfaceData::node(&plank.id.get_value(), &kind);
            view! { <Slot role=role::ARTICLE data=Signal::derive(move || data.clone()) fallback=nothing_draws/> }.into_any()
        }
        None => missing().into_any(),
    };
    view! {
        <article
            class="plank"
            class:attn=move || attention.get()
            aria-label=label
            on:focusin=move |_| attend()
            on:mousedown=move |_| attend()
        >
            <header>
                <Icon name=icon/>
                <h2>{label}</h2>
                <AvatarList people=people(plank.id.get_value())/>
                {primary(plank)}
                {menu(plank, "plank")}
                <IconButton
                    label="Close"
                    icon="x"
                    on_press=move |()| app.send(ClosePlank { subject: plank.id.get_value() })
                />
            </header>
            {article}
        </article>
    }
}

fn nothing_draws() -> impl IntoView {
    view! {
        <EmptyState
            icon="puzzle-piece"
            title="Nothing here can show this"
            text="The plugin that does may be switched off. See Plugins in the menu."
        />
    }
}

/// A node that is not there: not yet, after a reload or while it replicates, or not any more.
fn missing() -> impl IntoView {
    let late = RwSignal::new(false);
    let timer = set_timeout_with_handle(
        move || {
            let _ = late.try_set(true);
        },
        std::time::Duration::from_secs(2),
    );
    on_cleanup(move || {
        if let Ok(timer) = timer {
            timer.clear();
        }
    });
    move || {
        match late.get() {
        false => view! { <div class="page"><Loading text="Opening"/></div> }.into_any(),
        true => view! {
            <EmptyState
                icon="file-text"
                title="This is not here"
                text="It was deleted, has not arrived on this device yet, or its plugin is switched off."
            />
        }
        .into_any(),
    }
    }
}

fn primary(plank: Plank) -> impl IntoView {
    let app = use_app();
    let shown = move || {
        plank
            .actions
            .get()
            .into_iter()
            .filter(|action| action.primary)
            .collect::<Vec<_>>()
    };
    view! {
        <For each=shown key=|action| action.id.clone() let:action>
            {
                let id = action.id.clone();
                view! {
                    <Button kind=ButtonKind::Quiet icon=action.icon on_press=move |()| app.run(&plank.id.get_value(), &id)>
                        {action.label.clone()}
                    </Button>
                }
            }
        </For>
    }
}

fn menu(plank: Plank, place: &str) -> impl IntoView {
    let app = use_app();
    let items = Signal::derive(move || {
        let rest = plank
            .actions
            .get()
            .into_iter()
            .filter(|action| !action.primary);
        rest.map(menu_item).collect::<Vec<_>>()
    });
    let last = plank
        .id
        .with_value(|id| id.rsplit('/').next().unwrap_or_default().to_owned());
    view! {
        <Menu
            label="More"
            id=format!("menu-{place}-{last}")
            items=items
            on_choose=move |action: String| app.run(&plank.id.get_value(), &action)
        />
    }
}

/// Other members who have the object on their screen.
fn people(path: String) -> Memo<Vec<Person>> {
    let subject = parse_path(&path);
    use_people_at(
        Signal::derive(move || subject.map(|(space, _)| space)),
        Signal::derive(move || subject.and_then(|(_, object)| object)),
    )
}

/// Above the deck on a phone: navigation, title, people, actions of what has attention.
pub fn top_bar() -> impl IntoView {
    let app = use_app();
    let at = Memo::new(move |_| {
        app.layout().with(|layout| {
            layout
                .attention
                .clone()
                .or_else(|| layout.workspace.clone())
        })
    });
    let bar = move || {
        let plank = of(at.get().unwrap_or_default());
        let label = move || {
            plank
                .node
                .with(|node| node.as_ref().map(|n| n.label.clone()).unwrap_or_default())
        };
        let share = move || {
            plank
                .actions
                .get()
                .into_iter()
                .filter(|a| a.primary)
                .collect::<Vec<_>>()
        };
        view! {
            <b>{label}</b>
            <AvatarList people=people(plank.id.get_value())/>
            <For each=share key=|action| action.id.clone() let:action>
                {
                    let id = action.id.clone();
                    view! {
                        <IconButton
                            label=action.label.clone()
                            icon=action.icon
                            on_press=move |()| app.run(&plank.id.get_value(), &id)
                        />
                    }
                }
            </For>
            {menu(plank, "top")}
        }
    };
    view! { <div class="top">{drawer_button()}{bar}</div> }
}
