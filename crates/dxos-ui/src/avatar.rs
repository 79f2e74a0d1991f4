//! People as coloured initials: one colour for one person everywhere.

use dxos_client::MemberView;
use leptos::prelude::*;

use crate::words::initials;

/// A person to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name.
    pub name: String,
    /// Colour, 0–359 degrees.
    pub hue: u16,
    /// Here now.
    pub online: bool,
}

impl Person {
    /// A member of a space.
    pub fn of(member: &MemberView) -> Person {
        Person {
            name: member.name.clone(),
            hue: member.hue,
            online: member.online,
        }
    }
}

/// One person.
#[component]
pub fn Avatar(
    /// Who.
    person: Person,
) -> impl IntoView {
    let here = if person.online { " (here now)" } else { "" };
    let label = format!("{}{here}", person.name);
    view! {
        <span
            class="av"
            class:on=person.online
            style=format!("--h:{}", person.hue)
            role="img"
            aria-label=label.clone()
            title=label
        >
            {initials(&person.name)}
        </span>
    }
}

/// Several people, overlapping; at most four and a number.
#[component]
pub fn AvatarList(
    /// Who.
    #[prop(into)]
    people: Signal<Vec<Person>>,
) -> impl IntoView {
    let more = move || people.with(|all| all.len().saturating_sub(4));
    view! {
        <span class="avs">
            {move || people.get().into_iter().take(4).map(|person| view! { <Avatar person/> }).collect_view()}
            {move || (more() > 0).then(|| view! { <span class="av more">{format!("+{}", more())}</span> })}
        </span>
    }
}
