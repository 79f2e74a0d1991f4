//! The space an app without plugins works in: chosen once, remembered, switched by the person.

use dxos_base::SpaceId;
use dxos_client::{Client, Error, Space, SpaceView};
use dxos_ui::{
    AvatarList, Button, ButtonKind, IconButton, Person, Select, load, save, use_identity,
    use_space, use_spaces,
};
use leptos::prelude::*;

use crate::frame::{Panel, use_shell};
use crate::info::AppInfo;

/// The key under which the space of an app is remembered in this browser.
fn memory_key(app: AppInfo) -> String {
    format!("dxos{}/space", app.base)
}

/// Remembers the space an app works in.
pub(crate) fn remember(app: AppInfo, space: SpaceId) {
    save(&memory_key(app), &space.to_string());
}

/// The space an app works in: the one it worked in before, else one of this name, else a new one of this name. The
/// personal space is never taken: it cannot be shared.
///
/// # Errors
/// As [`Spaces::create`](dxos_client::Spaces::create).
pub async fn choose_space(client: &Client, app: AppInfo, name: &str) -> Result<Space, Error> {
    let status = client.status();
    let spaces = status.iter().flat_map(|status| &status.spaces);
    let open: Vec<&SpaceView> = spaces.filter(|space| is_place(space)).collect();
    let last = load(&memory_key(app));
    let found = open
        .iter()
        .find(|space| last.as_ref() == Some(&space.space.to_string()))
        .or_else(|| open.iter().find(|space| space.name == name));
    match found {
        Some(space) => client.spaces().get(space.space),
        None => client.spaces().create(name).await,
    }
}

/// Whether an app can work in a space.
pub(crate) fn is_place(space: &SpaceView) -> bool {
    !space.personal && !space.has_ended()
}

/// The present space: its name or a choice of several, who is here, and the ways to share it and to join another.
#[component]
pub fn SpaceBar() -> impl IntoView {
    let shell = use_shell();
    let spaces = use_spaces();
    let here = use_space(shell.space());
    let choices = Memo::new(move |_| {
        let places = spaces.get().into_iter().filter(is_place);
        places
            .map(|space| (space.space, space.name))
            .collect::<Vec<_>>()
    });
    let name = move || here.with(|here| here.as_ref().map_or(String::new(), |s| s.name.clone()));
    let title = move || {
        if choices.with(Vec::len) < 2 {
            return view! { <b class="space-name">{name}</b> }.into_any();
        }
        let options = choices
            .get()
            .into_iter()
            .map(|(id, name)| (id.to_string(), name))
            .collect();
        let chosen = Signal::derive(move || {
            shell
                .space()
                .get()
                .map_or(String::new(), |id| id.to_string())
        });
        let choose = move |id: String| {
            if let Ok(id) = id.parse() {
                shell.go(id);
            }
        };
        view! { <Select label="Space" choices=options value=chosen on_change=choose/> }.into_any()
    };
    let share = move |()| shell.open(Panel::Share);
    let may_invite =
        Memo::new(move |_| here.with(|s| s.as_ref().is_some_and(SpaceView::may_invite)));
    view! {
        <header class="space-bar">
            {title}
            <i class="sp"/>
            {people(here)}
            <IconButton label="Join a space" icon="sign-in" on_press=move |()| shell.open(Panel::Join(String::new()))/>
            <IconButton label="Your identity" icon="info" on_press=move |()| shell.open(Panel::Identity)/>
            {move || view! {
                <Button kind=ButtonKind::Primary icon="user-plus" on_press=share>
                    {if may_invite.get() { "Share" } else { "Members" }}
                </Button>
            }}
        </header>
    }
}

/// The members of a space, with whoever is here marked.
fn people(space: Memo<Option<SpaceView>>) -> impl IntoView {
    let me = use_identity();
    let people = Memo::new(move |_| {
        let own = me.with(|me| me.as_ref().map(|me| me.identity));
        let members = space.with(|s| s.as_ref().map(|s| s.members.clone()).unwrap_or_default());
        let others = members
            .into_iter()
            .filter(|member| Some(member.identity) != own);
        others.map(|member| Person::of(&member)).collect::<Vec<_>>()
    });
    view! { <AvatarList people=people/> }
}
