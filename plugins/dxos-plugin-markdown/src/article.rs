//! A document in a plank: its title, edited in place, and its text.

use std::collections::BTreeSet;

use dxos_base::{ObjectId, ObjectView, Query, SpaceId, Value};
use dxos_client::{Failure, FailureKind, TextAddress};
use dxos_surface::{KIND_DOCUMENT, failure, parse_path, use_app};
use dxos_ui::{EmptyState, TagField, TextEditor, ago, now_ms, use_presence, use_space, use_views};
use leptos::prelude::*;

use crate::{CONTENT, RenameDocument, TITLE, TagDocument, TypeTitle, UntagDocument};

/// Rest after which a typed title is written.
const TITLE_PAUSE_MS: u64 = 350;
/// A document this young, without a title, was made by the person just now.
const FRESH_MS: u64 = 4_000;
const TITLE_CHARACTERS_MAX: u32 = 200;

/// The document of a path.
pub(crate) fn article(path: String) -> impl IntoView {
    match parse_path(&path) {
        Some((space, Some(object))) => document(space, object, path).into_any(),
        _ => view! {
            <EmptyState icon="warning-circle" title="No document has this address" text="Choose one from the sidebar."/>
        }
        .into_any(),
    }
}

fn document(space: SpaceId, object: ObjectId, path: String) -> impl IntoView {
    let app = use_app();
    let found = use_views(space, documents());
    let row = Memo::new(move |_| {
        found.with(|rows| {
            rows.as_ref()?
                .iter()
                .find(|row| row.object == object)
                .cloned()
        })
    });
    let view = use_space(Signal::derive(move || Some(space)));
    let read_only = Memo::new(move |_| view.with(|v| v.as_ref().is_some_and(|v| !v.may_write())));
    let words = RwSignal::new(None::<u32>);
    let tags = Memo::new(move |_| row.with(|row| row.iter().flat_map(tags_of).collect::<Vec<_>>()));
    // Of the documents in this space: what was written elsewhere is offered here.
    let known = Memo::new(move |_| {
        let all = found.with(|rows| rows.iter().flatten().flat_map(tags_of).collect());
        let all: BTreeSet<String> = all;
        all.into_iter().collect::<Vec<_>>()
    });

    // Where the person is, for the others: the plank with attention tells.
    let own = path.clone();
    let attention = Memo::new(move |_| app.layout().with(|l| l.attention.as_deref() == Some(&own)));
    let here = Signal::derive(move || attention.get().then_some(object));
    let _people = use_presence(space, here);

    let edited = move || {
        row.with(|row| {
            row.as_ref()
                .map(|row| format!("Edited {}", ago(row.updated_ms, now_ms())))
        })
    };
    let counted = move || match words.get() {
        None => String::new(),
        Some(1) => "1 word".into(),
        Some(count) => format!("{} words", grouped(count)),
    };
    let address = TextAddress {
        space,
        object,
        property: CONTENT.into(),
    };
    view! {
        <div class="page">
            <div class="doc">
                {title(space, object, row, read_only)}
                <div class="meta">
                    <span>{edited}</span>
                    <span>{counted}</span>
                    <Show when=move || read_only.get()><span class="badge">"Read only"</span></Show>
                </div>
                <TagField
                    id=format!("tags-{object}")
                    tags=tags
                    known=known
                    read_only=read_only
                    on_add=move |tag| { app.send(TagDocument { space, object, tag }); }
                    on_remove=move |tag| { app.send(UntagDocument { space, object, tag }); }
                />
                <TextEditor
                    address=address
                    label="Document text"
                    read_only=read_only
                    on_words=move |count: u32| words.set(Some(count))
                    on_refused=move |refused: Failure| {
                        // Storage that fails keeps what was typed and tries again; the node's warning says so.
                        if !matches!(refused.kind, FailureKind::Storage | FailureKind::StorageFull) {
                            app.get().show_error(&failure(refused));
                        }
                    }
                />
            </div>
        </div>
    }
}

/// The same query as the tree's, so the client answers it from what it has.
fn documents() -> Query {
    Query::of_type(KIND_DOCUMENT).order_by("@created")
}

fn title_of(row: &ObjectView) -> String {
    row.values
        .get(TITLE)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn tags_of(row: &ObjectView) -> impl Iterator<Item = String> {
    row.meta.tags.iter().cloned()
}

/// The title: what is typed shows at once and is written after a rest, on Enter and on leaving.
fn title(
    space: SpaceId,
    object: ObjectId,
    row: Memo<Option<ObjectView>>,
    read_only: Memo<bool>,
) -> impl IntoView {
    let app = use_app();
    let node = NodeRef::<leptos::html::Textarea>::new();
    let draft = RwSignal::new(None::<String>);
    let stored = Memo::new(move |_| row.with(|row| row.as_ref().map(title_of).unwrap_or_default()));
    let shown = move || draft.get().unwrap_or_else(|| stored.get());
    // What it was called before the first pause in the typing.
    let before = StoredValue::new(None::<String>);
    let pause = move || {
        let typed = draft.try_get_untracked().flatten();
        let Some(title) = typed.map(|title| title.trim().to_owned()) else {
            return;
        };
        let now = stored.get_untracked();
        if title != now {
            before.update_value(|before| {
                before.get_or_insert(now);
            });
            app.send(TypeTitle {
                space,
                object,
                title,
            });
        }
    };
    let write = move || {
        let typed = draft.try_get_untracked().flatten();
        let before = before.try_update_value(Option::take).flatten();
        let Some(title) = typed.map(|title| title.trim().to_owned()) else {
            return;
        };
        let now = before.as_ref().unwrap_or(&stored.get_untracked()).clone();
        if title != now {
            app.send(RenameDocument {
                space,
                object,
                title,
                before,
            });
        }
    };
    let timer = StoredValue::new(None::<TimeoutHandle>);
    let stop = move || {
        if let Some(Some(handle)) = timer.try_update_value(Option::take) {
            handle.clear();
        }
    };
    let typed = StoredValue::new(false);
    let input = move |event: leptos::ev::Event| {
        typed.set_value(true);
        // One line: a pasted line break is a space.
        draft.set(Some(event_target_value(&event).replace(['\r', '\n'], " ")));
        stop();
        let rest = std::time::Duration::from_millis(TITLE_PAUSE_MS);
        timer.set_value(set_timeout_with_handle(pause, rest).ok());
    };
    let leave = move |_| {
        stop();
        write();
        draft.set(None);
    };
    let key = move |event: leptos::ev::KeyboardEvent| match event.key().as_str() {
        "Enter" | "ArrowDown" if !event.is_composing() => {
            event.prevent_default();
            focus_text(&node);
        }
        _ => {}
    };
    on_cleanup(move || {
        stop();
        write();
    });
    // A document made just now is named first.
    Effect::new(move |done: Option<bool>| {
        let (Some(input), Some(row)) = (node.get(), row.get()) else {
            return false;
        };
        let fresh = now_ms().saturating_sub(row.created_ms) < FRESH_MS && title_of(&row).is_empty();
        // Who has typed already is past that.
        if done != Some(true) && fresh && !typed.get_value() {
            // A failed focus leaves the person where they were.
            let _ = input.focus();
        }
        true
    });
    view! {
        <textarea
            node_ref=node
            class="title"
            rows="1"
            aria-label="Document title"
            placeholder=move || if row.with(Option::is_some) { "Untitled" } else { "" }
            maxlength=TITLE_CHARACTERS_MAX
            prop:value=shown
            readonly=move || read_only.get()
            on:input=input
            on:blur=leave
            on:keydown=key
        />
    }
}

/// Moves from the title into the text of the same document.
fn focus_text(title: &NodeRef<leptos::html::Textarea>) {
    let Some(input) = title.get_untracked() else {
        return;
    };
    // Leaving writes the title; the editor is the next thing that can be typed into.
    dxos_ui::focus_next_editor(&input);
}

fn grouped(count: u32) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_grouped() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1240, "1,240"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(super::grouped(n), text);
        }
    }
}
