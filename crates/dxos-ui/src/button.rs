//! Buttons.

use leptos::prelude::*;

use crate::icon::Icon;

/// How a button stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ButtonKind {
    /// With a hairline.
    #[default]
    Usual,
    /// The one thing to do.
    Primary,
    /// Without a hairline.
    Quiet,
    /// Takes something away.
    Danger,
}

impl ButtonKind {
    fn class(self) -> &'static str {
        match self {
            ButtonKind::Usual => "btn",
            ButtonKind::Primary => "btn pri",
            ButtonKind::Quiet => "btn quiet",
            ButtonKind::Danger => "btn bad",
        }
    }
}

/// A button with words.
#[component]
pub fn Button(
    /// How it stands out.
    #[prop(optional)]
    kind: ButtonKind,
    /// Taller, for a screen with one thing to do.
    #[prop(optional)]
    large: bool,
    /// Icon before the words.
    #[prop(optional)]
    icon: &'static str,
    /// Cannot be pressed now.
    #[prop(optional, into)]
    disabled: Signal<bool>,
    /// Sends the form it stands in.
    #[prop(optional)]
    submit: bool,
    /// What pressing it does.
    #[prop(optional, into)]
    on_press: Option<UnsyncCallback<()>>,
    /// The words.
    children: Children,
) -> impl IntoView {
    let class = format!("{}{}", kind.class(), if large { " lg" } else { "" });
    let press = move |_| {
        if let Some(press) = on_press {
            press.run(());
        }
    };
    view! {
        <button class=class type=if submit { "submit" } else { "button" } disabled=disabled on:click=press>
            {(!icon.is_empty()).then(|| view! { <Icon name=icon/> })}
            {children()}
        </button>
    }
}

/// A square button with an icon; its label is read aloud and shown as a tip.
#[component]
pub fn IconButton(
    /// What it does, in words.
    #[prop(into)]
    label: Signal<String>,
    /// Its icon.
    #[prop(into)]
    icon: Signal<&'static str>,
    /// Further classes.
    #[prop(optional)]
    class: &'static str,
    /// What pressing it does.
    #[prop(into)]
    on_press: UnsyncCallback<()>,
) -> impl IntoView {
    view! {
        <button class=format!("ib {class}") type="button" aria-label=label title=label on:click=move |_| on_press.run(())>
            <Icon name=icon/>
        </button>
    }
}
