//! Six boxes for the six digits read aloud. Pasting fills all; the last digit sends.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

const COUNT: usize = 6;

/// Input of an auth code.
#[component]
pub fn Digits(
    /// Cannot be typed into while a code is being checked.
    #[prop(into)]
    disabled: Signal<bool>,
    /// Grows when the boxes are to be emptied, after a wrong code.
    #[prop(into)]
    attempt: Signal<u32>,
    /// Told when all six are there.
    #[prop(into)]
    on_complete: UnsyncCallback<String>,
) -> impl IntoView {
    let digits = RwSignal::new([None::<char>; COUNT]);
    let group = NodeRef::<leptos::html::Div>::new();
    let focus = move |at: usize| {
        let boxes = group
            .get_untracked()
            .and_then(|g| g.query_selector_all("input").ok());
        let input = boxes.and_then(|boxes| boxes.get(at.min(COUNT - 1) as u32));
        if let Some(input) = input.and_then(|n| n.dyn_into::<web_sys::HtmlInputElement>().ok()) {
            // A failed focus leaves the person where they were.
            let _ = input.focus();
            input.select();
        }
    };
    Effect::new(move |_| {
        attempt.track();
        let busy = disabled.get();
        group.track();
        digits.set([None; COUNT]);
        if !busy {
            request_animation_frame(move || focus(0));
        }
    });
    let fill = move |from: usize, text: &str| {
        let typed: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
        if typed.is_empty() {
            return;
        }
        let typed = &typed[..typed.len().min(COUNT - from)];
        digits.update(|all| {
            for (at, digit) in typed.iter().enumerate() {
                all[from + at] = Some(*digit);
            }
        });
        focus(from + typed.len());
        let all = digits.get_untracked();
        if all.iter().all(Option::is_some) {
            on_complete.run(all.iter().flatten().collect());
        }
    };
    let boxes = (0..COUNT)
        .map(|at| {
            let value = move || digits.with(|all| all[at].map(String::from).unwrap_or_default());
            let input = move |event: leptos::ev::Event| {
                let text = event_target_value(&event);
                if text.is_empty() {
                    digits.update(|all| all[at] = None);
                } else {
                    // Of an overwritten box the browser gives old and new digit; the new one counts.
                    let newest = text.chars().last().map(String::from).unwrap_or_default();
                    let many = text.chars().count() > 2;
                    fill(at, if many { &text } else { &newest });
                }
            };
            let key = move |event: leptos::ev::KeyboardEvent| match event.key().as_str() {
                "Backspace" if digits.with_untracked(|all| all[at].is_none()) && at > 0 => {
                    event.prevent_default();
                    digits.update(|all| all[at - 1] = None);
                    focus(at - 1);
                }
                "ArrowLeft" if at > 0 => focus(at - 1),
                "ArrowRight" if at + 1 < COUNT => focus(at + 1),
                _ => {}
            };
            let paste = move |event: leptos::ev::ClipboardEvent| {
                event.prevent_default();
                let text = event
                    .clipboard_data()
                    .and_then(|data| data.get_data("text").ok());
                fill(0, &text.unwrap_or_default());
            };
            view! {
                <input
                    type="text"
                    inputmode="numeric"
                    autocomplete=if at == 0 { "one-time-code" } else { "off" }
                    aria-label=format!("Digit {}", at + 1)
                    prop:value=value
                    disabled=disabled
                    on:input=input
                    on:keydown=key
                    on:paste=paste
                />
            }
        })
        .collect_view();
    view! { <div class="six" role="group" aria-label="Six-digit code" node_ref=group>{boxes}</div> }
}
