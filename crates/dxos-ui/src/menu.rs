//! A menu behind a button, on the browser's popover: closes by Escape, by a press elsewhere and by choosing.

use leptos::prelude::*;

use crate::icon::Icon;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuItem {
    /// Given back when chosen.
    pub id: String,
    /// Its words.
    pub label: String,
    /// Its icon.
    pub icon: &'static str,
    /// Key binding in words, or empty.
    pub keys: String,
    /// Takes something away.
    pub danger: bool,
}

/// A button that opens a menu.
#[component]
pub fn Menu(
    /// What the button is for, in words.
    #[prop(into)]
    label: Signal<String>,
    /// The button's icon.
    #[prop(default = "dots-three")]
    icon: &'static str,
    /// Unique in the page, ASCII without spaces: ties button and menu together.
    #[prop(into)]
    id: String,
    /// `-1` where the button is reached otherwise, as in a list with one tab stop.
    #[prop(default = Signal::stored("0"), into)]
    tabindex: Signal<&'static str>,
    /// The entries.
    #[prop(into)]
    items: Signal<Vec<MenuItem>>,
    /// Told the id of what was chosen.
    #[prop(into)]
    on_choose: UnsyncCallback<String>,
) -> impl IntoView {
    let node = NodeRef::<leptos::html::Div>::new();
    let open = RwSignal::new(false);
    let anchor = format!("--{id}");
    let choose = move |id: String| {
        if let Some(menu) = node.get() {
            // Fails only when the menu is closed already.
            let _ = menu.hide_popover();
        }
        on_choose.run(id);
    };
    let steer = move |event: leptos::ev::KeyboardEvent| {
        let forward = match event.key().as_str() {
            "ArrowDown" => true,
            "ArrowUp" => false,
            _ => return,
        };
        event.prevent_default();
        if let Some(menu) = node.get() {
            step_focus(&menu, forward);
        }
    };
    let toggled = move |_: leptos::ev::Event| {
        let Some(menu) = node.get() else { return };
        let now_open = menu.matches(":popover-open").unwrap_or(false);
        open.set(now_open);
        if now_open {
            // The entries are drawn first.
            request_animation_frame(move || step_focus(&menu, true));
        }
    };
    let entries = move || {
        items
            .get()
            .into_iter()
            .map(|item| {
                let id = item.id.clone();
                view! {
                    <button
                        class="item"
                        class:bad=item.danger
                        role="menuitem"
                        type="button"
                        on:click=move |_| choose(id.clone())
                    >
                        <Icon name=item.icon/>
                        <span>{item.label}</span>
                        {(!item.keys.is_empty()).then(|| view! { <kbd>{item.keys}</kbd> })}
                    </button>
                }
            })
            .collect_view()
    };
    view! {
        <button
            class="ib"
            type="button"
            tabindex=tabindex
            aria-label=label
            title=label
            aria-haspopup="menu"
            aria-expanded=move || open.get().to_string()
            popovertarget=id.clone()
            style=format!("anchor-name:{anchor}")
        >
            <Icon name=icon/>
        </button>
        <div
            node_ref=node
            id=id
            class="menu"
            role="menu"
            aria-label=label
            popover="auto"
            style=format!("position-anchor:{anchor}")
            on:keydown=steer
            on:toggle=toggled
        >
            {move || open.get().then(entries)}
        </div>
    }
}

fn step_focus(menu: &web_sys::HtmlElement, forward: bool) {
    use wasm_bindgen::JsCast;
    let Ok(items) = menu.query_selector_all("[role=menuitem]") else {
        return;
    };
    let count = items.length();
    if count == 0 {
        return;
    }
    let focused = menu
        .owner_document()
        .and_then(|document| document.active_element());
    let at = (0..count).find(|at| {
        items
            .get(*at)
            .and_then(|n| n.dyn_into::<web_sys::Element>().ok())
            == focused
    });
    let next = match (at, forward) {
        (None, true) => 0,
        (None, false) => count - 1,
        (Some(at), true) => (at + 1) % count,
        (Some(at), false) => (at + count - 1) % count,
    };
    if let Some(item) = items
        .get(next)
        .and_then(|n| n.dyn_into::<web_sys::HtmlElement>().ok())
    {
        // A failed focus leaves the person where they were.
        let _ = item.focus();
    }
}
