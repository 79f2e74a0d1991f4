//! The page as signals: its address, how far it is scrolled.

use leptos::prelude::*;

use crate::platform::{location, on_location, on_page_end, set_fragment};

/// The fragment of the address, without `#`: the route of an app that routes so.
pub fn use_fragment() -> Signal<String> {
    let fragment = RwSignal::new(location().1);
    // The component may be gone: then there is nobody to tell.
    on_location(move || drop(fragment.try_set(location().1)));
    fragment.into()
}

/// Shows another fragment of the address, as if a link to it had been pressed.
pub fn go_to_fragment(fragment: &str) {
    set_fragment(fragment);
}

/// How many rows of a long list to draw: `step`, and as many more whenever the person comes near the page's end.
pub fn use_window(step: u32) -> Signal<u32> {
    let rows = RwSignal::new(step);
    let end = on_page_end(move || rows.update(|rows| *rows = rows.saturating_add(step)));
    let end = StoredValue::new_local(Some(end));
    on_cleanup(move || {
        if let Some(end) = end.try_update_value(Option::take).flatten() {
            end();
        }
    });
    rows.into()
}
