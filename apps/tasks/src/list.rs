//! One list: its name, its tasks in order, a field for the next one.

use dxos_client::ObjectId;
use dxos_shell::use_shell;
use dxos_ui::{
    AvatarList, EmptyState, Menu, MenuItem, Person, Row, SpaceRef, use_query, use_reorder,
};
use leptos::ev::SubmitEvent;
use leptos::prelude::*;

use crate::task::task;
use crate::types::{DELETIONS, Task, TaskList, in_order, moved};

/// Tasks of a list that are shown, at most.
const TASKS_MAX: u32 = 1_000;

/// What can be open.
#[derive(Clone, Copy, PartialEq)]
pub enum List {
    Named(Row<TaskList>),
    /// Tasks that are on no list, such as those made in other apps.
    Loose,
}

impl List {
    pub fn id(self) -> Option<ObjectId> {
        match self {
            List::Named(list) => Some(list.id()),
            List::Loose => None,
        }
    }

    /// The order it keeps.
    fn order(self) -> Vec<dxos_client::Ref<Task>> {
        match self {
            List::Named(list) => list.get().tasks,
            List::Loose => Vec::new(),
        }
    }
}

/// The open list.
pub fn section(space: SpaceRef, list: List, others: Memo<Vec<Person>>) -> impl IntoView {
    let tasks = use_query(space, move || {
        let all = match list.id() {
            Some(id) => Task::of_list(id),
            None => Task::loose(),
        };
        all.limit(TASKS_MAX)
    });
    let shown = Memo::new(move |_| in_order(&list.order(), tasks.get(), Row::id));
    let move_to = move |task: ObjectId, to: usize| {
        let List::Named(list) = list else { return };
        let ids: Vec<ObjectId> = shown.get_untracked().iter().map(Row::id).collect();
        list.update(move |list| list.tasks = moved(&ids, task, to));
    };
    let reorder = use_reorder(
        move || shown.with(|rows| rows.iter().map(Row::id).collect()),
        move_to,
    );
    let reorder = matches!(list, List::Named(_)).then_some(reorder);
    view! {
        <header>
            {name(space, list)}
            <AvatarList people=others/>
        </header>
        <Show when=move || tasks.is_ready() && tasks.is_empty()>
            <EmptyState icon="check-circle" title="Nothing to do" text="Type the first task below."/>
        </Show>
        <ul class="rows" aria-label="Tasks" data-reorder=reorder.map(|_| "")>
            <For each=move || shown.get() key=Row::id let:row>{task(space, row, reorder)}</For>
        </ul>
        {new_task(space, list)}
        <p class="said" role="status" aria-live="polite">{move || reorder.map(|reorder| reorder.said().get())}</p>
    }
}

fn name(space: SpaceRef, list: List) -> impl IntoView {
    let List::Named(list) = list else {
        return view! { <h1>"Other tasks"</h1> }.into_any();
    };
    let shell = use_shell();
    let name = list.part(|list| list.name.clone());
    let rename = move |typed: String| {
        let typed = typed.trim().to_owned();
        if !typed.is_empty() && typed != name.get_untracked() {
            list.set(TaskList::NAME, typed);
        }
    };
    let delete = move |_: String| {
        let id = list.id();
        let words = format!("“{}” was deleted with its tasks", name.get_untracked());
        space.step(DELETIONS, "deletion", move |space| async move {
            space.delete(id).await
        });
        shell.tell_undoable(words, move || space.undo(DELETIONS));
    };
    let items = vec![MenuItem {
        id: "delete".into(),
        label: "Delete list".into(),
        icon: "trash",
        keys: String::new(),
        danger: true,
    }];
    view! {
        <input
            class="name"
            dir="auto"
            aria-label="List name"
            autocomplete="off"
            maxlength="200"
            prop:value=name
            on:change=move |event| rename(event_target_value(&event))
        />
        <Menu label="List" id="menu-list" items=Signal::stored(items) on_choose=delete/>
    }
    .into_any()
}

fn new_task(space: SpaceRef, list: List) -> impl IntoView {
    let title = RwSignal::new(String::new());
    let add = move |event: SubmitEvent| {
        event.prevent_default();
        let Some(task) = title.with_untracked(|title| Task::typed(title)) else {
            return;
        };
        title.set(String::new());
        match list.id() {
            Some(list) => space.add_child(list, task),
            None => space.add(task),
        }
    };
    view! {
        <form class="new-task" on:submit=add>
            <input placeholder="New task" aria-label="New task" autocomplete="off" bind:value=title/>
            <button class="btn pri" type="submit">"Add"</button>
        </form>
    }
}
