//! Fields of forms.

use leptos::prelude::*;

/// A line of text with its label, and what is wrong with it.
#[component]
pub fn Field(
    /// What is asked for.
    label: &'static str,
    /// The text.
    value: RwSignal<String>,
    /// Shown while empty.
    #[prop(optional)]
    placeholder: &'static str,
    /// What is wrong, or empty.
    #[prop(optional, into)]
    error: Signal<String>,
    /// Gets the focus when it appears.
    #[prop(optional)]
    autofocus: bool,
    /// For the browser: `name`, `off`.
    #[prop(optional)]
    autocomplete: &'static str,
    /// Longest text, in characters.
    #[prop(default = 80)]
    length_max: u32,
) -> impl IntoView {
    let node = NodeRef::<leptos::html::Input>::new();
    Effect::new(move |_| {
        if let (true, Some(input)) = (autofocus, node.get()) {
            // A failed focus leaves the person where they were.
            let _ = input.focus();
        }
    });
    let wrong = move || error.with(|text| !text.is_empty());
    view! {
        <label class="field">
            <span>{label}</span>
            <input
                node_ref=node
                type="text"
                prop:value=value
                placeholder=placeholder
                autocomplete=autocomplete
                maxlength=length_max
                aria-invalid=move || wrong().to_string()
                on:input=move |event| value.set(event_target_value(&event))
            />
            <small class="error" role="alert">{error}</small>
        </label>
    }
}

/// A choice among a few, drawn by the browser.
#[component]
pub fn Select(
    /// Label for screen readers.
    label: &'static str,
    /// Value and words of each choice.
    choices: Vec<(String, String)>,
    /// The chosen value.
    #[prop(into)]
    value: Signal<String>,
    /// Told when another is chosen.
    #[prop(into)]
    on_change: UnsyncCallback<String>,
) -> impl IntoView {
    view! {
        <select
            class="sel2"
            aria-label=label
            prop:value=value
            on:change=move |event| on_change.run(event_target_value(&event))
        >
            {choices
                .into_iter()
                .map(|(choice, words)| {
                    let own = choice.clone();
                    view! { <option value=choice selected=move || value.get() == own>{words}</option> }
                })
                .collect_view()}
        </select>
    }
}
