//! A list in a plank: its tasks in order, to be checked.

use std::collections::BTreeMap;

use dxos_base::{ObjectId, SpaceId};
use dxos_client::TypedQuery;
use dxos_client::query::Filter;
use dxos_surface::{UNDO_SCOPE, ask_steps, note_step, parse_path, quoted, use_app};
use dxos_ui::{EmptyState, Row, SpaceRef, use_client, use_object, use_query, use_space};
use leptos::prelude::*;

use crate::{Task, TaskList};

/// The list of a path.
pub(crate) fn article(path: String) -> impl IntoView {
    match parse_path(&path) {
        Some((space, Some(object))) => list(space, object).into_any(),
        _ => view! {
            <EmptyState icon="warning-circle" title="No list has this address" text="Choose one from the sidebar."/>
        }
        .into_any(),
    }
}

fn list(id: SpaceId, object: ObjectId) -> impl IntoView {
    let space = SpaceRef::new(use_client(), id);
    let list = use_object::<TaskList>(space, object);
    let tasks = use_query(space, move || {
        TypedQuery::<Task>::all().filter(Filter::ChildOf {
            parent: object,
            transitive: false,
        })
    });
    let view = use_space(Signal::derive(move || Some(id)));
    let read_only = Memo::new(move |_| view.with(|v| v.as_ref().is_some_and(|v| !v.may_write())));
    let name = move || list.with(|list| list.as_ref().map(|list| list.name.clone()));
    let shown = Memo::new(move |_| {
        let order: BTreeMap<ObjectId, usize> = list.with(|list| {
            let tasks = list.iter().flat_map(|list| &list.tasks);
            tasks
                .enumerate()
                .map(|(at, task)| (task.object(), at))
                .collect()
        });
        let mut rows = tasks.get();
        rows.sort_by_key(|row| {
            (
                order.get(&row.id()).copied().unwrap_or(usize::MAX),
                row.id(),
            )
        });
        rows
    });
    view! {
        <div class="page">
            <div class="doc">
                <h1 class="title" dir="auto">{name}</h1>
                <ul class="checks">
                    <For each=move || shown.get() key=Row::id let:task>{line(space, task, read_only)}</For>
                </ul>
                <small class="quiet">"Lists are made and put in order in " <a href="/tasks/">"Tasks"</a> "."</small>
            </div>
        </div>
    }
}

fn line(space: SpaceRef, task: Row<Task>, read_only: Memo<bool>) -> impl IntoView {
    let app = use_app();
    let title = task.part(|task| task.title.clone());
    let done = task.part(|task| task.done);
    let id = task.id();
    let check = move |done: bool| {
        let name = title.with_untracked(|title| quoted(title));
        let label = match done {
            true => format!("check of {name}"),
            false => format!("uncheck of {name}"),
        };
        let app = app.get();
        note_step(&app, space.id(), label.clone());
        space.step(UNDO_SCOPE, label, move |space| async move {
            let done = space.object::<Task>(id).set(Task::DONE, done).await;
            ask_steps(&app, space.client(), space.id()).await;
            done
        });
    };
    view! {
        <li class:done=done>
            <label>
                <input
                    type="checkbox"
                    disabled=read_only
                    prop:checked=done
                    on:change=move |event| check(event_target_checked(&event))
                />
                <span dir="auto">{title}</span>
            </label>
        </li>
    }
}
