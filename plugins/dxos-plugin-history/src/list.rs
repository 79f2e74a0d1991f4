//! The timeline as a list: only the lines on the screen are drawn.

use dxos_base::Stamp;
use dxos_base::history::Edit;
use dxos_ui::{Avatar, EmptyState, Loading, now_ms, when};
use leptos::prelude::*;

use crate::panel::{Against, Panel};
use crate::timeline::{LINE_PX, scroll_to, visible};
use crate::words::{moment, what};

const LIST_ID: &str = "history-edits";

/// Edits left below the screen, at which more are read.
const AHEAD: usize = 40;

/// Gives the list the focus.
pub(crate) fn focus() {
    use leptos::wasm_bindgen::JsCast;
    let found = document().get_element_by_id(LIST_ID);
    if let Some(list) = found.and_then(|one| one.dyn_into::<web_sys::HtmlElement>().ok()) {
        // A failed focus leaves the person where they were.
        let _ = list.focus();
    }
}

/// The list of a panel.
pub(crate) fn list(panel: Panel) -> impl IntoView {
    let node = NodeRef::<leptos::html::Div>::new();
    let top = RwSignal::new(0.0_f64);
    let height = RwSignal::new(800.0_f64);
    let timeline = panel.timeline;
    let count = Memo::new(move |_| timeline.with(|timeline| timeline.edits.len()));
    let shown = Memo::new(move |_| visible(count.get(), top.get(), height.get()));
    let at = Memo::new(move |_| {
        let chosen = panel.chosen.get()?;
        timeline.with(|timeline| timeline.place_of(chosen))
    });
    let measure = move || {
        if let Some(list) = node.get_untracked() {
            top.set(f64::from(list.scroll_top()));
            height.set(f64::from(list.client_height()));
        }
    };
    let is_shown = Memo::new(move |_| count.get() > 0);
    Effect::new(move |_| {
        // What is hidden has no height and takes no focus.
        let (Some(list), true) = (node.get(), is_shown.get()) else {
            return;
        };
        request_animation_frame(move || {
            measure();
            let beside = list.closest(".companion").ok().flatten();
            // The panel was asked for: what comes next is a choice in it. Who works elsewhere stays there.
            if beside.is_some_and(|beside| beside.matches(":focus-within").unwrap_or(false)) {
                let _ = list.focus();
            }
        });
    });
    Effect::new(move |_| {
        if shown.get().end + AHEAD > count.get() {
            panel.read_older();
        }
    });
    // The place the keys are at while a second point is looked for.
    let cursor = RwSignal::new(None::<usize>);
    let place = move || match panel.picking.get_untracked() {
        true => cursor.get_untracked().or_else(|| at.get_untracked()),
        false => at.get_untracked(),
    };
    let go = move |line: usize| {
        let stamp = timeline.with_untracked(|t| t.edits.get(line).map(|edit| edit.last));
        let Some(stamp) = stamp else { return };
        if let Some(list) = node.get_untracked() {
            let to = scroll_to(line, top.get_untracked(), height.get_untracked());
            list.set_scroll_top(to as i32);
            measure();
        }
        match panel.picking.get_untracked() {
            true => cursor.set(Some(line)),
            false => panel.choose(stamp),
        }
    };
    let keys = move |event: leptos::ev::KeyboardEvent| {
        let count = count.get_untracked();
        if count == 0 || event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        let page = (height.get_untracked() / LINE_PX) as usize;
        let from = place();
        let line = match (event.key().as_str(), from) {
            ("ArrowDown", Some(at)) => at + 1,
            ("ArrowUp", Some(at)) => at.saturating_sub(1),
            ("PageDown", Some(at)) => at + page,
            ("PageUp", Some(at)) => at.saturating_sub(page),
            ("Home", _) | ("ArrowDown" | "ArrowUp" | "PageDown" | "PageUp", None) => 0,
            ("End", _) => count - 1,
            ("Enter" | " ", Some(at)) if panel.picking.get_untracked() => {
                event.prevent_default();
                let stamp = timeline.with_untracked(|t| t.edits.get(at).map(|edit| edit.last));
                stamp.into_iter().for_each(|stamp| panel.choose(stamp));
                return;
            }
            _ => return,
        };
        event.prevent_default();
        go(line.min(count - 1));
    };
    Effect::new(move |_| {
        if !panel.picking.get() {
            cursor.set(None);
        }
    });
    let active = move || {
        let line = cursor.get().or_else(|| at.get())?;
        shown.get().contains(&line).then(|| line_id(line))
    };
    let lines = move || {
        let edits = timeline.with(|timeline| {
            let edits = timeline.edits.get(shown.get()).unwrap_or_default();
            edits.to_vec()
        });
        let first = shown.get().start;
        let numbered = edits.into_iter().enumerate();
        numbered
            .map(|(line, edit)| (first + line, edit))
            .collect::<Vec<_>>()
    };
    let state = move || match (timeline.with(|t| t.ready), count.get()) {
        (false, _) => view! { <Loading text="Reading the history"/> }.into_any(),
        (true, 0) => view! {
            <EmptyState
                icon="clock-counter-clockwise"
                title="No history yet"
                text="What is changed from now on is listed here."
            />
        }
        .into_any(),
        _ => ().into_any(),
    };
    view! {
        {state}
        <div
            node_ref=node
            id=LIST_ID
            class="timeline"
            class:picking=move || panel.picking.get()
            hidden=move || count.get() == 0
            role="listbox"
            tabindex="0"
            aria-label="Edits, the latest first"
            aria-activedescendant=active
            on:scroll=move |_| measure()
            on:keydown=keys
        >
            <div class="room" role="presentation" style:height=move || format!("{}px", count.get() as f64 * LINE_PX)>
                <For each=lines key=|(line, edit)| (*line, edit.last, edit.writes) let((number, edit))>
                    {line(panel, number, edit, cursor)}
                </For>
            </div>
        </div>
    }
}

fn line_id(line: usize) -> String {
    format!("history-edit-{line}")
}

fn line(panel: Panel, number: usize, edit: Edit, cursor: RwSignal<Option<usize>>) -> impl IntoView {
    let (first, last) = (edit.first, edit.last);
    let within = move |stamp: Stamp| last.feed == stamp.feed && first <= stamp && stamp <= last;
    let chosen = move || panel.chosen.get().is_some_and(within);
    let other = move || match panel.against.get() {
        Against::Other(stamp) => within(stamp),
        _ => false,
    };
    let person = panel.person(edit.by);
    let at_ms = last.clock.ms();
    let name = person.name.clone();
    view! {
        <div
            id=line_id(number)
            class="edit"
            class:other=other
            class:cursor=move || cursor.get() == Some(number)
            role="option"
            aria-selected=move || chosen().to_string()
            aria-setsize=move || panel.timeline.with(|t| t.total.to_string())
            aria-posinset=(number + 1).to_string()
            style:translate=format!("0 {}px", number as f64 * LINE_PX)
            on:click=move |_| panel.choose(last)
        >
            <Avatar person/>
            <p>
                <span><b dir="auto">{name}</b> <time title=when(at_ms)>{moment(at_ms, now_ms())}</time></span>
                <small>{what(&edit)} {move || other().then_some(" · compared with")}</small>
            </p>
        </div>
    }
}
