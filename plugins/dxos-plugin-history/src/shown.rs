//! A comparison on the screen. What was added is underlined, what was removed is struck through; both are named for screen
//! readers, and the colour only adds to it.

use leptos::prelude::*;

use crate::compare::{Comparison, Fate, Part};
use crate::diff::{Kind, Piece, Shown};

/// Draws a comparison.
pub(crate) fn comparison_view(comparison: Comparison) -> impl IntoView {
    let note = match (&comparison.fate, comparison.is_same()) {
        (Fate::Came, _) => Some("It was not there before."),
        (Fate::Went, _) => Some("It was deleted in between."),
        (Fate::Nowhere, _) => Some("It is not there."),
        (Fate::Stayed, _) => None,
    };
    let parts = comparison.parts.into_iter();
    view! {
        {note.map(|note| view! { <p class="quiet">{note}</p> })}
        {parts.map(part_view).collect_view()}
    }
}

fn part_view(part: Part) -> impl IntoView {
    let marks = part.shown.into_iter().map(shown_view).collect_view();
    view! {
        <div class="part" class:text=part.is_text>
            <h4>{part.name}</h4>
            <div class="marks" dir="auto">{marks}</div>
        </div>
    }
}

fn shown_view(shown: Shown) -> AnyView {
    match shown {
        Shown::Piece(Piece { kind, text }) => match kind {
            Kind::Kept => text.into_any(),
            Kind::Added => {
                view! { <ins><span class="unseen">"Added: "</span>{text}</ins> }.into_any()
            }
            Kind::Removed => {
                view! { <del><span class="unseen">"Removed: "</span>{text}</del> }.into_any()
            }
        },
        Shown::Gap(lines) => {
            let words = match lines {
                1 => "1 line is the same".to_owned(),
                many => format!("{many} lines are the same"),
            };
            view! { <span class="gap">{words}</span> }.into_any()
        }
        Shown::More(count) => {
            let words = format!("{count} more pieces are not shown");
            view! { <span class="gap">{words}</span> }.into_any()
        }
    }
}
