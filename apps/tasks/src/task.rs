//! One task: check, title, due date, who does it, and where it stands.

use dxos_shell::use_shell;
use dxos_ui::{
    Avatar, Icon, IconButton, Menu, MenuItem, Person, Reorder, Row, SpaceRef, today, use_members,
};
use leptos::prelude::*;

use crate::dates::due;
use crate::types::{DELETIONS, Task};

/// A line of a list; with `reorder` it can be moved.
pub fn task(space: SpaceRef, task: Row<Task>, reorder: Option<Reorder>) -> impl IntoView {
    let id = task.id();
    let shell = use_shell();
    let title = task.part(|task| task.title.clone());
    let done = task.part(|task| task.done);
    let rename = move |typed: String| {
        let typed = typed.trim().to_owned();
        if !typed.is_empty() && typed != title.get_untracked() {
            task.set(Task::TITLE, typed);
        }
    };
    let delete = move |()| {
        let words = format!("“{}” was deleted", title.get_untracked());
        space.step(DELETIONS, "deletion", move |space| async move {
            space.delete(id).await
        });
        shell.tell_undoable(words, move || space.undo(DELETIONS));
    };
    view! {
        <li
            class="task"
            class:done=done
            class:dragged=move || reorder.is_some_and(|reorder| reorder.is_dragged(id))
            style:translate=move || reorder.and_then(|reorder| reorder.offset(id)).unwrap_or_default()
            data-id=id.to_string()
        >
            {reorder.map(|reorder| reorder.handle(id, title.into()))}
            <input
                type="checkbox"
                aria-label=move || format!("Done: {}", title.get())
                prop:checked=done
                on:change=move |event| task.set(Task::DONE, event_target_checked(&event))
            />
            <input
                class="title"
                dir="auto"
                aria-label="Task"
                autocomplete="off"
                prop:value=title
                on:change=move |event| rename(event_target_value(&event))
            />
            {due_date(task)}
            {assignee(space, task)}
            <IconButton label=Signal::derive(move || format!("Delete: {}", title.get())) icon="trash" class="delete" on_press=delete/>
        </li>
    }
}

fn due_date(task: Row<Task>) -> impl IntoView {
    let date = task.part(|task| task.due.clone());
    let today = today();
    let shown = Memo::new(move |_| date.get().map(|date| due(&date, &today)));
    let set = move |value: String| {
        let value = (!value.is_empty()).then_some(value);
        task.set(Task::DUE, value);
    };
    view! {
        <label class="due" class:over=move || shown.with(|due| due.as_ref().is_some_and(|due| due.is_over))>
            <Icon name="clock"/>
            <span>{move || shown.with(|due| due.as_ref().map(|due| due.words.clone()))}</span>
            <input
                type="date"
                aria-label="Due"
                prop:value=move || date.get().unwrap_or_default()
                on:change=move |event| set(event_target_value(&event))
            />
        </label>
    }
}

/// Who does it, and a choice of the members.
fn assignee(space: SpaceRef, task: Row<Task>) -> impl IntoView {
    let members = use_members(space.id());
    let chosen = task.part(|task| task.assignee.clone());
    let person = Memo::new(move |_| {
        let chosen = chosen.get()?;
        let person = members.with(|all| {
            let member = all
                .iter()
                .find(|member| member.identity.to_string() == chosen);
            member.map(Person::of)
        });
        // One who has left, or whose admission has not come yet.
        Some(person.unwrap_or(Person {
            name: "Someone".into(),
            hue: 0,
            online: false,
        }))
    });
    let item = |id: String, label: String, icon| MenuItem {
        id,
        label,
        icon,
        keys: String::new(),
        danger: false,
    };
    let items = Signal::derive(move || {
        let mut items: Vec<MenuItem> = members.with(|all| {
            let each = all.iter();
            each.map(|member| {
                item(
                    member.identity.to_string(),
                    member.name.clone(),
                    "user-plus",
                )
            })
            .collect()
        });
        if chosen.with(Option::is_some) {
            items.push(item(String::new(), "Nobody".into(), "x"));
        }
        items
    });
    let choose = move |id: String| {
        let id = (!id.is_empty()).then_some(id);
        task.set(Task::ASSIGNEE, id);
    };
    let label = Signal::derive(move || {
        person.with(|person| match person {
            Some(person) => format!("Assigned to {}", person.name),
            None => "Assign".into(),
        })
    });
    view! {
        {move || person.get().map(|person| view! { <Avatar person/> })}
        <Menu label=label icon="user-plus" id=format!("menu-{}", task.id()) items=items on_choose=choose/>
    }
}
