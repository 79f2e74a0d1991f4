//! The collaborative text editor: CodeMirror bound to a text of the node.
//!
//! Invariants
//! * what the person types is in the editor first and handed to the session at once; what others do comes as changes;
//! * no borrow is held over a call into the editor: it calls back while it works.

use std::cell::RefCell;
use std::rc::Rc;

use dxos_base::TextDelta;
use dxos_client::{CaretView, Failure, TextAddress, TextSession, TextSink};
use leptos::prelude::*;

use crate::button::Button;
use crate::hooks::use_client;
use crate::platform::{Editor, EditorEvents, Focus};
use crate::states::{EmptyState, Loading};

#[derive(Default)]
struct Live {
    editor: RefCell<Option<Rc<Editor>>>,
    session: RefCell<Option<Rc<TextSession>>>,
}

impl Live {
    fn editor(&self) -> Option<Rc<Editor>> {
        self.editor.borrow().clone()
    }
    fn session(&self) -> Option<Rc<TextSession>> {
        self.session.borrow().clone()
    }
}

#[derive(Clone, PartialEq)]
enum Stage {
    Opening,
    Open,
    Failed(Failure),
}

/// An editor of one text.
#[component]
pub fn TextEditor(
    /// Which text.
    address: TextAddress,
    /// Label for screen readers.
    #[prop(into)]
    label: String,
    /// The person may not write.
    #[prop(into)]
    read_only: Signal<bool>,
    /// Gets the focus when it opens.
    #[prop(optional)]
    autofocus: bool,
    /// Told how many words the text has, now and then.
    #[prop(into)]
    on_words: UnsyncCallback<u32>,
    /// Told when changes were not saved.
    #[prop(into)]
    on_refused: UnsyncCallback<Failure>,
) -> impl IntoView {
    let client = use_client();
    let host = NodeRef::<leptos::html::Div>::new();
    let stage = RwSignal::new(Stage::Opening);
    let live = StoredValue::new_local(Rc::new(Live::default()));
    let attempt = RwSignal::new(0_u32);

    Effect::new(move |_| {
        attempt.track();
        let Some(parent) = host.get() else { return };
        let (address, label, live) = (address.clone(), label.clone(), live.get_value());
        let client = client.get();
        leptos::task::spawn_local(async move {
            let sink = sink(&live, on_refused);
            let opened = client.open_text(address, sink).await;
            let session = match opened {
                Ok(session) => Rc::new(session),
                Err(failure) => {
                    // The component may be gone meanwhile: then nobody looks.
                    let _ = stage.try_set(Stage::Failed(failure));
                    return;
                }
            };
            if stage.try_get_untracked().is_none() {
                return;
            }
            let events = events(&live, on_words);
            live.session.replace(Some(session.clone()));
            let editor = Rc::new(Editor::mount(&parent, &session.content(), &label, events));
            live.editor.replace(Some(editor.clone()));
            editor.set_peers(&session.carets());
            editor.set_read_only(read_only.get_untracked());
            // Someone asked for the focus before the editor stood.
            let wanted = parent.has_attribute(FOCUS_WANTED);
            // Removing a set attribute cannot fail.
            let _ = parent.remove_attribute(FOCUS_WANTED);
            let _ = stage.try_set(Stage::Open);
            if autofocus || wanted {
                // The host is hidden until it is open, and what is hidden takes no focus.
                request_animation_frame(move || editor.focus());
            }
        });
    });
    Effect::new(move |_| {
        let locked = read_only.get();
        if let Some(editor) = live.get_value().editor() {
            editor.set_read_only(locked);
        }
    });
    on_cleanup(move || {
        let Some(live) = live.try_get_value() else {
            return;
        };
        let (editor, session) = (live.editor.take(), live.session.take());
        drop((editor, session));
    });

    let state = move || match stage.get() {
        Stage::Opening => view! { <Loading text="Opening the text"/> }.into_any(),
        Stage::Open => ().into_any(),
        Stage::Failed(failure) => view! {
            <EmptyState icon="warning-circle" title=failure.message text=failure.hint>
                <Button on_press=move |()| {
                    stage.set(Stage::Opening);
                    attempt.update(|n| *n += 1);
                }>"Try again"</Button>
            </EmptyState>
        }
        .into_any(),
    };
    view! {
        <div class="editor" node_ref=host data-open=move || (stage.get() == Stage::Open).to_string()></div>
        {state}
    }
}

/// On the host of an editor that opens: it is to take the focus.
const FOCUS_WANTED: &str = "data-focus-wanted";

/// Gives the focus to the editor that follows `from` in the same document.
pub fn focus_next_editor(from: &web_sys::HtmlElement) {
    use wasm_bindgen::JsCast;
    let Some(near) = from.closest(".doc").ok().flatten() else {
        return;
    };
    let find = |selector: &str| near.query_selector(selector).ok().flatten();
    let content = find(".cm-content").and_then(|node| node.dyn_into::<web_sys::HtmlElement>().ok());
    if let Some(content) = content {
        // A failed focus leaves the person where they were.
        let _ = content.focus();
    } else if let Some(host) = find(".editor") {
        // It opens still: it takes the focus when it stands, and nothing typed meanwhile lands in `from`.
        let _ = host.set_attribute(FOCUS_WANTED, "");
        let _ = from.blur();
    }
}

fn sink(live: &Rc<Live>, on_refused: UnsyncCallback<Failure>) -> TextSink {
    let (deltas, carets) = (live.clone(), live.clone());
    TextSink::new(
        move |delta: &TextDelta| {
            // Before the editor stands, the change is part of the session's content.
            if let Some(editor) = deltas.editor() {
                editor.apply_remote(delta);
            }
        },
        move |told: &[CaretView]| {
            // Before it stands they are asked for when it does.
            if let Some(editor) = carets.editor() {
                editor.set_peers(told);
            }
        },
        move |failure: &Failure| {
            // The refusal may come after the component is gone; the client's own listeners hear it too.
            let _ = on_refused.try_run(failure.clone());
        },
    )
}

fn events(live: &Rc<Live>, on_words: UnsyncCallback<u32>) -> EditorEvents {
    let (change, select) = (live.clone(), live.clone());
    EditorEvents {
        change: Rc::new(move |delta| {
            if let Some(session) = change.session() {
                // A change that does not fit the text is shown as it was before it.
                if session.edit(delta).is_err()
                    && let Some(editor) = change.editor()
                {
                    editor.set_text(&session.content());
                }
            }
        }),
        select: Rc::new(move |anchor, head, focus| {
            if let (Focus::Here, Some(session)) = (focus, select.session()) {
                session.select(anchor, head);
            }
        }),
        words: Rc::new(move |count| {
            // The count may come after the component is gone.
            let _ = on_words.try_run(count);
        }),
    }
}
