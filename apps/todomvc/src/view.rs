//! The list as the specification has it.

use dxos_client::ObjectId;
use dxos_shell::SpaceBar;
use dxos_ui::{Row, SpaceRef, use_count, use_fragment, use_query, use_window};
use leptos::ev::{KeyboardEvent, SubmitEvent};
use leptos::prelude::*;

use crate::{Filter, Todo};

/// Todos drawn at first; more as the person scrolls.
const ROWS: u32 = 60;

/// The app in a space.
pub fn app(space: SpaceRef) -> impl IntoView {
    let fragment = use_fragment();
    let filter = Memo::new(move |_| fragment.with(|fragment| Filter::at(fragment)));
    let shown = use_window(ROWS);
    let todos = use_query(space, move || filter.get().query().limit(shown.get()));
    let open = use_count(space, || Filter::Active.query());
    let done = use_count(space, || Filter::Completed.query());
    let open = Memo::new(move |_| open.get().unwrap_or(0));
    let done = Memo::new(move |_| done.get().unwrap_or(0));
    let empty = Memo::new(move |_| open.get() + done.get() == 0);
    let editing = RwSignal::new(None);
    view! {
        <SpaceBar/>
        <section class="todoapp">
            <header class="header">
                <h1>"todos"</h1>
                {new_todo(space)}
            </header>
            <main class="main" hidden=empty>
                <input
                    id="toggle-all"
                    class="toggle-all"
                    type="checkbox"
                    prop:checked=move || open.get() == 0
                    on:change=move |event| {
                        let all = event_target_checked(&event);
                        space.set_all(Todo::DONE.eq(!all), Todo::DONE, all);
                    }
                />
                <label for="toggle-all">"Mark all as complete"</label>
                <ul class="todo-list">
                    <For each=move || todos.get() key=Row::id let:todo>{item(todo, editing)}</For>
                </ul>
            </main>
            <footer class="footer" hidden=empty>
                <span class="todo-count">
                    <strong>{open}</strong>
                    {move || if open.get() == 1 { " item left" } else { " items left" }}
                </span>
                <ul class="filters">
                    {Filter::ROUTES.map(|(route, at, name)| view! {
                        <li><a href=at class:selected=move || filter.get() == route>{name}</a></li>
                    })}
                </ul>
                <Show when=move || { done.get() > 0 }>
                    <button class="clear-completed" on:click=move |_| space.delete_all(Filter::Completed.query())>
                        "Clear completed"
                    </button>
                </Show>
            </footer>
        </section>
        <footer class="info">
            <p>"Double-click to edit a todo"</p>
            <p>"Part of " <a href="https://todomvc.com">"TodoMVC"</a></p>
        </footer>
    }
}

fn new_todo(space: SpaceRef) -> impl IntoView {
    let text = RwSignal::new(String::new());
    let add = move |event: SubmitEvent| {
        event.prevent_default();
        if let Some(todo) = text.with_untracked(|text| Todo::typed(text)) {
            space.add(todo);
            text.set(String::new());
        }
    };
    let field = NodeRef::<leptos::html::Input>::new();
    Effect::new(move |_| field.get().map(|field| field.focus()));
    view! {
        <form on:submit=add>
            <input
                class="new-todo"
                placeholder="What needs to be done?"
                aria-label="New todo"
                autocomplete="off"
                node_ref=field
                bind:value=text
            />
        </form>
    }
}

fn item(todo: Row<Todo>, editing: RwSignal<Option<ObjectId>>) -> impl IntoView {
    let title = todo.part(|todo| todo.title.clone());
    let done = todo.part(|todo| todo.done);
    let is_edited = Memo::new(move |_| editing.get() == Some(todo.id()));
    view! {
        <li class:completed=done class:editing=is_edited>
            <div class="view">
                <input
                    class="toggle"
                    type="checkbox"
                    aria-label=move || format!("Done: {}", title.get())
                    prop:checked=done
                    on:change=move |event| todo.set(Todo::DONE, event_target_checked(&event))
                />
                <label dir="auto" on:dblclick=move |_| editing.set(Some(todo.id()))>{title}</label>
                <button class="destroy" aria-label=move || format!("Delete: {}", title.get()) on:click=move |_| todo.delete()/>
            </div>
            {move || is_edited.get().then(|| edit(todo, editing))}
        </li>
    }
}

fn edit(todo: Row<Todo>, editing: RwSignal<Option<ObjectId>>) -> impl IntoView {
    let before = todo.get_untracked().title;
    let text = RwSignal::new(before.clone());
    let field = NodeRef::<leptos::html::Input>::new();
    Effect::new(move |_| field.get().map(|field| field.focus()));
    // Leaving the field keeps what was typed; Escape has ended the edit before.
    let keep = move || {
        if editing.get_untracked() != Some(todo.id()) {
            return;
        }
        editing.set(None);
        match text.with_untracked(|text| Todo::typed(text)) {
            None => todo.delete(),
            Some(new) if new.title != before => todo.set(Todo::TITLE, new.title),
            Some(_) => {}
        }
    };
    let on_enter = keep.clone();
    let key = move |event: KeyboardEvent| match event.key().as_str() {
        "Enter" => on_enter(),
        "Escape" => editing.set(None),
        _ => {}
    };
    view! {
        <input class="edit" aria-label="Edit todo" dir="auto" node_ref=field bind:value=text on:keydown=key on:blur=move |_| keep()/>
    }
}
