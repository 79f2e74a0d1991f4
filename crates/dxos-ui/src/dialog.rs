//! A dialog on the browser's own `<dialog>`: focus stays inside, Escape closes, the rest is inert.
//! It has the focus itself until something in it asks for it, so no button stands out by accident. When it goes, the
//! focus goes back to what had it before, unless something else has taken it.

use leptos::prelude::*;

use crate::button::IconButton;

/// A modal dialog, open as long as it is in the page.
#[component]
pub fn Dialog(
    /// Its title.
    #[prop(into)]
    title: Signal<String>,
    /// Further classes.
    #[prop(optional)]
    class: &'static str,
    /// Draws no title bar; the title is read aloud only.
    #[prop(optional)]
    bare: bool,
    /// The person wants it closed.
    #[prop(into)]
    on_close: UnsyncCallback<()>,
    /// What is in it.
    children: Children,
) -> impl IntoView {
    let node = NodeRef::<leptos::html::Dialog>::new();
    let before = StoredValue::new_local(None::<web_sys::HtmlElement>);
    Effect::new(move |_| {
        if let Some(dialog) = node.get().filter(|dialog| !dialog.open()) {
            before.set_value(focused());
            // Fails only while the element is not in the page; it is when the effect runs.
            let _ = dialog.show_modal();
            // Else the close button would have it; a field in the dialog asks for it after this.
            if !bare {
                let _ = dialog.focus();
            }
        }
    });
    on_cleanup(move || give_back(before.try_get_value().flatten()));
    // A press that begins inside (selecting text) and ends on the backdrop does not close.
    let backdrop = move |event: leptos::ev::MouseEvent| {
        let on_dialog = event.target() == event.current_target();
        if on_dialog && node.get().is_some_and(|dialog| outside(&dialog, &event)) {
            on_close.run(());
        }
    };
    let cancel = move |event: leptos::ev::Event| {
        event.prevent_default();
        on_close.run(());
    };
    view! {
        <dialog node_ref=node tabindex="-1" class=format!("dialog {class}") aria-label=title on:cancel=cancel on:mousedown=backdrop>
            {(!bare).then(|| view! {
                <header>
                    <h2>{title}</h2>
                    <IconButton label="Close" icon="x" on_press=move |()| on_close.run(())/>
                </header>
            })}
            {children()}
        </dialog>
    }
}

/// When the present component goes, the focus goes back to what has it now, unless something else has taken it.
pub fn use_focus_back() {
    let before = StoredValue::new_local(focused());
    on_cleanup(move || give_back(before.try_get_value().flatten()));
}

fn give_back(before: Option<web_sys::HtmlElement>) {
    let Some(before) = before else { return };
    // After the element is gone, and whatever follows has taken the focus it wants.
    request_animation_frame(move || {
        if before.is_connected() && focused().is_none() {
            // A failed focus leaves the person where they are.
            let _ = before.focus();
        }
    });
}

/// Whether a key was pressed where something is typed: those keys are the field's.
pub fn is_typed_into(event: &web_sys::KeyboardEvent) -> bool {
    use wasm_bindgen::JsCast;
    let Some(target) = event.target() else {
        return false;
    };
    let Ok(target) = target.dyn_into::<web_sys::HtmlElement>() else {
        return false;
    };
    // Fails only for a selector that is none.
    let field = target
        .matches("textarea, input:not([type=checkbox], [type=radio], [type=button], [type=submit])")
        .unwrap_or(false);
    field || target.is_content_editable()
}

/// What has the focus; the page as a whole does not count.
fn focused() -> Option<web_sys::HtmlElement> {
    use wasm_bindgen::JsCast;
    let active = document().active_element()?;
    let active = active.dyn_into::<web_sys::HtmlElement>().ok()?;
    (active.tag_name() != "BODY").then_some(active)
}

fn outside(dialog: &web_sys::HtmlDialogElement, event: &web_sys::MouseEvent) -> bool {
    let area = dialog.get_bounding_client_rect();
    let (x, y) = (f64::from(event.client_x()), f64::from(event.client_y()));
    x < area.left() || x > area.right() || y < area.top() || y > area.bottom()
}
