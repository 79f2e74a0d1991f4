//! The sidebar: the workspace's name and primary actions, search, its tree, the person.
//!
//! The tree is one tab stop: arrows move in it, Enter opens; what else can be done stands behind each row's button.

use dxos_app::{ActionView, CloseSidebar, Node, Open, OpenDialog, SurfaceData, role};
use dxos_client::MemberView;
use dxos_surface::{DIALOG_PALETTE, Slot, key_label, menu_item, parse_path, use_app};
use dxos_ui::{AvatarList, Icon, IconButton, Menu, Person, use_identity, use_space};
use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// The whole sidebar.
pub fn sidebar() -> impl IntoView {
    let app = use_app();
    let workspace = Signal::derive(move || {
        app.layout()
            .with(|l| l.workspace.clone())
            .unwrap_or_default()
    });
    let node = app.node(workspace);
    let actions = app.actions(workspace);
    let primary = move || {
        actions
            .get()
            .into_iter()
            .filter(|action| action.primary)
            .collect::<Vec<_>>()
    };
    let rest = Signal::derive(move || {
        let rest = actions.get().into_iter().filter(|action| !action.primary);
        rest.map(menu_item).collect::<Vec<_>>()
    });
    let run = move |id: &str| app.run(&workspace.get_untracked(), id);
    let label =
        move || node.with(|node| node.as_ref().map(|n| n.label.clone()).unwrap_or_default());
    view! {
        <aside class="side" aria-label="Navigation">
            <header>
                <h1>{label}</h1>
                <For each=primary key=|action| (action.id.clone(), action.label.clone()) let:action>
                    {primary_button(action, run)}
                </For>
                <Show when=move || !rest.get().is_empty()>
                    <Menu label="More" id="menu-space" items=rest on_choose=move |id: String| run(&id)/>
                </Show>
            </header>
            <button
                class="find"
                type="button"
                on:click=move |_| app.send(OpenDialog { name: DIALOG_PALETTE.into(), subject: String::new() })
            >
                <Icon name="magnifying-glass"/>
                <span>"Search or jump"</span>
                <kbd>{key_label("mod+k")}</kbd>
            </button>
            {tree(workspace)}
            <Slot role=role::PERSON data=Signal::derive(SurfaceData::default)/>
        </aside>
    }
}

fn primary_button(action: ActionView, run: impl Fn(&str) + Copy + 'static) -> impl IntoView {
    let keys = key_label(action.keys);
    let label = if keys.is_empty() {
        action.label
    } else {
        format!("{} ({keys})", action.label)
    };
    let id = action.id;
    view! { <IconButton label=label icon=action.icon on_press=move |()| run(&id)/> }
}

fn tree(workspace: Signal<String>) -> impl IntoView {
    let app = use_app();
    let children = app.children(workspace);
    let actions = app.actions(workspace);
    let create = move || {
        actions
            .get()
            .into_iter()
            .find(|action| action.primary && !action.keys.is_empty())
    };
    let list = NodeRef::<leptos::html::Div>::new();
    let steer = move |event: leptos::ev::KeyboardEvent| {
        let step = match event.key().as_str() {
            "ArrowDown" => Step::Next,
            "ArrowUp" => Step::Previous,
            "Home" => Step::First,
            "End" => Step::Last,
            _ => return,
        };
        if let Some(list) = list.get() {
            event.prevent_default();
            move_focus(&list, step);
        }
    };
    let empty = move || {
        children.with(Vec::is_empty).then(|| {
            view! {
                <div class="hint">
                    <p>"Nothing here yet."</p>
                    {move || create().map(|action| {
                        let (id, label) = (action.id, action.label);
                        view! {
                            <button class="btn" type="button" on:click=move |_| app.run(&workspace.get_untracked(), &id)>
                                <Icon name=action.icon/>{label}
                            </button>
                        }
                    })}
                </div>
            }
        })
    };
    view! {
        <div class="tree" node_ref=list on:keydown=steer>
            <ul role=move || children.with(|all| !all.is_empty()).then_some("tree") aria-label="Contents"><For
                each=move || children.get().into_iter().enumerate()
                key=|(at, node)| (*at == 0, node.id.clone(), node.label.clone())
                let:entry
            >
                {row(entry.1, entry.0 == 0)}
            </For></ul>
            {empty}
        </div>
    }
}

fn row(node: Node, first: bool) -> impl IntoView {
    let app = use_app();
    let id = StoredValue::new(node.id.clone());
    let attended = Memo::new(move |_| {
        app.layout()
            .with(|layout| layout.attention.as_deref() == Some(id.get_value().as_str()))
    });
    let any = Memo::new(move |_| app.layout().with(|layout| layout.attention.is_some()));
    let stop = move || {
        if attended.get() || (first && !any.get()) {
            "0"
        } else {
            "-1"
        }
    };
    let open = move |beside: bool| {
        app.send(Open {
            subject: id.get_value(),
            beside,
        });
        app.send(CloseSidebar {});
    };
    let actions = app.actions(Signal::derive(move || id.get_value()));
    let items =
        Signal::derive(move || actions.get().into_iter().map(menu_item).collect::<Vec<_>>());
    let (label, title, icon) = (node.label.clone(), node.label.clone(), node.icon);
    let people = here(node.id.clone());
    let menu = format!("menu-{}", node.id.rsplit('/').next().unwrap_or_default());
    let key = move |event: leptos::ev::KeyboardEvent| {
        // Keys of the menu inside are the menu's.
        if event.target() == event.current_target() && matches!(event.key().as_str(), "Enter" | " ")
        {
            event.prevent_default();
            open(event.ctrl_key() || event.meta_key());
        }
    };
    view! {
        <li
            class="line"
            class:current=move || attended.get()
            role="treeitem"
            aria-selected=move || attended.get().to_string()
            tabindex=stop
            on:keydown=key
        >
            <div class="row" title=title on:click=move |event| open(event.ctrl_key() || event.meta_key())>
                <Icon name=icon/>
                <b>{label}</b>
                <AvatarList people=people/>
            </div>
            <Menu label="More" id=menu tabindex=Signal::derive(stop) items=items on_choose=move |action: String| app.run(&id.get_value(), &action)/>
        </li>
    }
}

/// Other members who have the object on their screen.
fn here(path: String) -> Signal<Vec<Person>> {
    let subject = parse_path(&path);
    let space = use_space(Signal::derive(move || subject.map(|(space, _)| space)));
    let me = use_identity();
    Signal::derive(move || {
        let own = me.with(|me| me.as_ref().map(|me| me.identity));
        let at = |member: &MemberView| {
            member.online && member.object.is_some() && member.object == subject.and_then(|s| s.1)
        };
        space.with(|space| {
            let members = space.iter().flat_map(|space| &space.members);
            members
                .filter(|member| at(member) && Some(member.identity) != own)
                .map(|member| Person {
                    name: member.name.clone(),
                    hue: member.hue,
                    online: true,
                })
                .collect()
        })
    })
}

enum Step {
    Next,
    Previous,
    First,
    Last,
}

fn move_focus(list: &web_sys::HtmlElement, step: Step) {
    let Ok(rows) = list.query_selector_all("[role=treeitem]") else {
        return;
    };
    let count = rows.length();
    if count == 0 {
        return;
    }
    let focused = list
        .owner_document()
        .and_then(|document| document.active_element());
    let at = (0..count)
        .find(|at| {
            rows.get(*at)
                .and_then(|n| n.dyn_into::<web_sys::Element>().ok())
                == focused
        })
        .unwrap_or(0);
    let next = match step {
        Step::Next => (at + 1).min(count - 1),
        Step::Previous => at.saturating_sub(1),
        Step::First => 0,
        Step::Last => count - 1,
    };
    if let Some(row) = rows
        .get(next)
        .and_then(|n| n.dyn_into::<web_sys::HtmlElement>().ok())
    {
        // A failed focus leaves the person where they were.
        let _ = row.focus();
    }
}
