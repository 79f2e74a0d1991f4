//! Screens for nothing, not yet and not any more: each says why and what to do next.

use leptos::prelude::*;

use crate::icon::Icon;

/// Nothing here, or something failed.
#[component]
pub fn EmptyState(
    /// Its icon.
    icon: &'static str,
    /// What is so, in a few words.
    #[prop(into)]
    title: Signal<String>,
    /// Why, or what to do.
    #[prop(into)]
    text: Signal<String>,
    /// Buttons.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <section class="empty">
            <Icon name=icon class="big"/>
            <h2>{title}</h2>
            <p>{text}</p>
            {children.map(|children| view! { <div class="buttons">{children()}</div> })}
        </section>
    }
}

/// Not there yet: keeps the place and says what is coming.
#[component]
pub fn Loading(
    /// What is coming, in words.
    #[prop(into)]
    text: Signal<String>,
) -> impl IntoView {
    view! {
        <div class="loading" role="status">
            <i/><i/><i/>
            <span>{text}</span>
        </div>
    }
}
