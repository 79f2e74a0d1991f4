//! Putting the rows of a list in another order: by dragging a handle, or by its arrow keys.
//!
//! The list is marked with `data-reorder`, its rows with `data-id`; nothing else is asked of it. Who uses it writes the new
//! order and draws the rows by it: a drag changes nothing until it ends.

use dxos_base::ObjectId;
use leptos::ev::{KeyboardEvent, PointerEvent};
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use crate::icon::Icon;

type Shown = Box<dyn Fn() -> Vec<ObjectId> + Send + Sync>;
type MoveTo = Box<dyn Fn(ObjectId, usize)>;

/// How far the row that is dragged is from its place.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Drag {
    id: ObjectId,
    from_y: f64,
    by: f64,
}

/// The order of a list, in a person's hands.
#[derive(Clone, Copy)]
pub struct Reorder {
    drag: RwSignal<Option<Drag>>,
    /// Moved by keys last: gets the focus back when its row stands elsewhere.
    held: RwSignal<Option<ObjectId>>,
    said: RwSignal<String>,
    shown: StoredValue<Shown>,
    move_to: StoredValue<MoveTo, LocalStorage>,
}

/// Lets a person order rows. `shown` gives their ids in order, tracked; `move_to` is told a row and its new place among
/// them.
pub fn use_reorder(
    shown: impl Fn() -> Vec<ObjectId> + Send + Sync + 'static,
    move_to: impl Fn(ObjectId, usize) + 'static,
) -> Reorder {
    Reorder {
        drag: RwSignal::new(None),
        held: RwSignal::new(None),
        said: RwSignal::new(String::new()),
        shown: StoredValue::new(Box::new(shown)),
        move_to: StoredValue::new_local(Box::new(move_to)),
    }
}

impl Reorder {
    /// What to read aloud after a move by keys.
    pub fn said(self) -> Signal<String> {
        self.said.into()
    }

    /// The style of a row: where it is while it is dragged.
    pub fn offset(self, id: ObjectId) -> Option<String> {
        let drag = self.drag.get().filter(|drag| drag.id == id)?;
        Some(format!("0 {}px", drag.by))
    }

    /// Whether a row is being dragged.
    pub fn is_dragged(self, id: ObjectId) -> bool {
        self.drag
            .with(|drag| drag.is_some_and(|drag| drag.id == id))
    }

    /// The handle of a row.
    pub fn handle(self, id: ObjectId, name: Signal<String>) -> impl IntoView {
        let node = NodeRef::<leptos::html::Button>::new();
        self.keep_focus(id, node);
        let down = move |event: PointerEvent| {
            if let Some(button) = node.get_untracked() {
                // Without it the row only follows while the pointer is above it.
                let _ = button.set_pointer_capture(event.pointer_id());
            }
            self.drag.set(Some(Drag {
                id,
                from_y: f64::from(event.client_y()),
                by: 0.0,
            }));
        };
        let follow = move |event: PointerEvent| {
            let Some(drag) = self.drag.get_untracked() else {
                return;
            };
            let by = f64::from(event.client_y()) - drag.from_y;
            self.drag.set(Some(Drag { by, ..drag }));
        };
        let drop_here = move |event: PointerEvent| {
            let dragged = self
                .drag
                .get_untracked()
                .is_some_and(|drag| drag.by.abs() > 4.0);
            let place = node
                .get_untracked()
                .and_then(|button| place_at(&button, id, f64::from(event.client_y())));
            self.drag.set(None);
            if let (true, Some(place)) = (dragged, place) {
                self.put(id, place);
            }
        };
        let key = move |event: KeyboardEvent| {
            let up = match event.key().as_str() {
                "ArrowUp" => true,
                "ArrowDown" => false,
                "Escape" => return self.drag.set(None),
                _ => return,
            };
            event.prevent_default();
            self.step(id, up, &name.get_untracked());
        };
        let left = move |event: leptos::ev::FocusEvent| {
            // A row that is put elsewhere loses the focus too, to nothing.
            if event.related_target().is_some() {
                self.held.set(None);
            }
        };
        view! {
            <button
                node_ref=node
                class="handle"
                type="button"
                aria-label=move || format!("Move: {}. Arrow keys move it", name.get())
                on:pointerdown=down
                on:pointermove=follow
                on:pointerup=drop_here
                on:pointercancel=move |_| self.drag.set(None)
                on:keydown=key
                on:blur=left
            >
                <Icon name="list"/>
            </button>
        }
    }

    fn keep_focus(self, id: ObjectId, node: NodeRef<leptos::html::Button>) {
        Effect::new(move |_| {
            self.shown.with_value(|shown| drop(shown()));
            if self.held.get_untracked() != Some(id) {
                return;
            }
            // After the row stands at its place.
            request_animation_frame(move || {
                if let Some(button) = node.try_get_untracked().flatten() {
                    // A failed focus leaves the person where they are.
                    let _ = button.focus();
                }
            });
        });
    }

    fn step(self, id: ObjectId, up: bool, name: &str) {
        let rows = untrack(|| self.shown.with_value(|shown| shown()));
        let Some(place) = rows.iter().position(|row| *row == id) else {
            return;
        };
        let to = match up {
            true => place.checked_sub(1),
            false => (place + 1 < rows.len()).then_some(place + 1),
        };
        let Some(to) = to else { return };
        self.held.set(Some(id));
        self.put(id, to);
        self.said
            .set(format!("{name} is {} of {}", to + 1, rows.len()));
    }

    fn put(self, id: ObjectId, place: usize) {
        self.move_to.with_value(|move_to| move_to(id, place));
    }
}

/// The place a row has among the others when it is let go at `y`.
fn place_at(handle: &web_sys::Element, id: ObjectId, y: f64) -> Option<usize> {
    let list = handle.closest("[data-reorder]").ok()??;
    let rows = list.query_selector_all("[data-id]").ok()?;
    let own = id.to_string();
    let others = (0..rows.length())
        .filter_map(|at| rows.get(at)?.dyn_into::<web_sys::Element>().ok())
        .filter(|row| row.get_attribute("data-id").as_deref() != Some(&own));
    let above = others.filter(|row| {
        let area = row.get_bounding_client_rect();
        area.top() + area.height() / 2.0 < y
    });
    Some(above.count())
}
