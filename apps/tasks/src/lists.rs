//! The lists of a space, and the one that is open.

use dxos_client::{ObjectId, TypedQuery};
use dxos_shell::{SpaceBar, use_shell};
use dxos_ui::{EmptyState, Icon, Row, SpaceRef, use_count, use_fragment, use_presence, use_query};
use leptos::ev::SubmitEvent;
use leptos::prelude::*;

use crate::list::{List, section};
use crate::types::{Task, TaskList};

/// Fragment of the tasks that are on no list.
const LOOSE: &str = "other";

/// The app in a space.
pub fn app(space: SpaceRef) -> impl IntoView {
    let lists = use_query(space, TypedQuery::<TaskList>::all);
    let loose = use_count(space, Task::loose);
    let has_loose = Memo::new(move |_| loose.get().is_some_and(|count| count > 0));
    let fragment = use_fragment();
    let open = Memo::new(move |_| {
        let all = lists.get();
        let wanted = fragment.with(|fragment| fragment.parse::<ObjectId>().ok());
        let found = all.iter().find(|list| Some(list.id()) == wanted);
        match (found, fragment.get() == LOOSE && has_loose.get()) {
            (Some(list), _) => Some(List::Named(*list)),
            (None, true) => Some(List::Loose),
            (None, false) => all.first().map(|list| List::Named(*list)),
        }
    });
    let here = Signal::derive(move || open.get().and_then(List::id));
    let others = use_presence(space.id(), here);
    view! {
        <SpaceBar/>
        <div class="tasks">
            <nav class="lists" aria-label="Lists">
                <For each=move || lists.get() key=Row::id let:list>{tab(space, list, open)}</For>
                <Show when=move || has_loose.get()>
                    <a href=format!("#{LOOSE}") aria-current=move || current(open.get() == Some(List::Loose))>
                        <Icon name="list"/><b>"Other tasks"</b>
                    </a>
                </Show>
                {new_list(space)}
            </nav>
            <main class="list">
                {move || match open.get() {
                    Some(list) => section(space, list, others).into_any(),
                    None if lists.is_ready() => view! {
                        <EmptyState icon="list" title="No list yet" text="Name one to begin: “Groceries”, “Move house”."/>
                    }.into_any(),
                    None => ().into_any(),
                }}
            </main>
        </div>
    }
}

fn current(is: bool) -> Option<&'static str> {
    is.then_some("page")
}

fn tab(space: SpaceRef, list: Row<TaskList>, open: Memo<Option<List>>) -> impl IntoView {
    let id = list.id();
    let name = list.part(|list| list.name.clone());
    let left = use_count(space, move || Task::of_list(id).and(Task::DONE.eq(false)));
    let left = move || left.get().filter(|left| *left > 0);
    view! {
        <a href=format!("#{id}") dir="auto" aria-current=move || current(open.get() == Some(List::Named(list)))>
            <Icon name="list"/>
            <b>{name}</b>
            <span class="left">{left}</span>
        </a>
    }
}

fn new_list(space: SpaceRef) -> impl IntoView {
    let name = RwSignal::new(String::new());
    let shell = use_shell();
    let add = move |event: SubmitEvent| {
        event.prevent_default();
        let typed = name.with_untracked(|name| name.trim().to_owned());
        if typed.is_empty() {
            return;
        }
        name.set(String::new());
        space.run(move |space| async move {
            let made = space
                .add(TaskList {
                    name: typed,
                    tasks: Vec::new(),
                })
                .await?;
            // The person may be elsewhere by now: the list is in the bar in any case.
            if shell.space().try_get_untracked().flatten() == Some(space.id()) {
                dxos_ui::go_to_fragment(&made.id().to_string());
            }
            Ok(())
        });
    };
    view! {
        <form class="new-list" on:submit=add>
            <Icon name="plus"/>
            <input placeholder="New list" aria-label="New list" autocomplete="off" maxlength="200" bind:value=name/>
        </form>
    }
}
