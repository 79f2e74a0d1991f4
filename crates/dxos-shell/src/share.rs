//! The share dialog: one sentence, the link, the code to read aloud, then who is in.

use dxos_base::{InvitationId, SpaceId};
use dxos_client::{Failure, InvitationState, InvitationView, MemberView, Role, SpaceView};
use dxos_ui::{
    Avatar, Button, ButtonKind, ClientRef, Dialog, Loading, Person, QrCode, Select, copy_text,
    role_word, use_client, use_identity, use_invitations, use_space,
};
use leptos::prelude::*;

use crate::info::use_app_info;
use crate::words;

/// An invitation of this dialog lives a day.
const TTL_MS: u64 = 24 * 3600 * 1000;

#[derive(Clone, Copy)]
struct Share {
    space: StoredValue<Option<SpaceId>>,
    role: RwSignal<Role>,
    made: RwSignal<Option<InvitationId>>,
    failed: RwSignal<Option<Failure>>,
    view: Memo<Option<InvitationView>>,
    client: ClientRef,
}

fn share(space: Option<SpaceId>) -> Share {
    let client = use_client();
    // One that still waits is shown again: links already sent stay good.
    let waiting = client.get().invitations().into_iter().find(|view| {
        view.host && view.space == space && view.space.is_some() && !words::ended(view.state)
    });
    let made = RwSignal::new(waiting.as_ref().map(|view| view.invitation));
    let all = use_invitations();
    let view = Memo::new(move |_| {
        let id = made.get()?;
        let told = all.with(|all| all.get(&id).cloned());
        told.or_else(|| client.get().invitation(id))
    });
    Share {
        space: StoredValue::new(space),
        role: RwSignal::new(waiting.map_or(Role::Editor, |view| view.role)),
        made,
        failed: RwSignal::new(None),
        view,
        client,
    }
}

impl Share {
    /// Ends the present invitation, if one waits, and makes another.
    fn renew(self) {
        let client = self.client.get();
        let Some(space) = self.space.get_value() else {
            return;
        };
        let old = self
            .view
            .get_untracked()
            .filter(|view| !words::ended(view.state));
        let role = self.role.get_untracked();
        self.made.set(None);
        self.failed.set(None);
        leptos::task::spawn_local(async move {
            if let Some(old) = old {
                // It may have ended by itself meanwhile.
                let _ = client.cancel(old.invitation).await;
            }
            // The dialog may be closed meanwhile: the invitation then waits to be shown again.
            match client.invite(space, role, TTL_MS).await {
                Ok(view) => drop(self.made.try_set(Some(view.invitation))),
                Err(failure) => drop(self.failed.try_set(Some(failure))),
            }
        });
    }
}

/// Invites to a space and shows its members.
#[component]
pub fn ShareDialog(
    /// The space; `None` shows an empty dialog.
    space: Option<SpaceId>,
    /// The person wants it closed.
    #[prop(into)]
    on_close: UnsyncCallback<()>,
) -> impl IntoView {
    let share = share(space);
    let space = use_space(Signal::derive(move || space));
    let may_invite =
        Memo::new(move |_| space.with(|s| s.as_ref().is_some_and(SpaceView::may_invite)));
    Effect::new(move |_| {
        if may_invite.get() && share.made.get_untracked().is_none() {
            share.renew();
        }
    });
    let title = Signal::derive(move || {
        let name = space.with(|s| s.as_ref().map(|s| s.name.clone()).unwrap_or_default());
        if may_invite.get() {
            format!("Share “{name}”")
        } else {
            format!("Members of “{name}”")
        }
    });
    view! {
        <Dialog title=title on_close=on_close>
            <div class="body">
                {move || may_invite.get().then(|| invitation(share))}
                <Show when=move || !may_invite.get()>
                    <p>"Admins and owners of the space can invite people."</p>
                </Show>
                {members(space)}
            </div>
        </Dialog>
    }
}

fn invitation(share: Share) -> impl IntoView {
    let state = Memo::new(move |_| share.view.with(|view| view.as_ref().map(|v| v.state)));
    let over = Memo::new(move |_| state.get().filter(|state| words::ended(*state)));
    let waiting = move || {
        if let Some(failure) = share.failed.get() {
            return view! {
                <p class="error" role="alert">{failure.message} " " {failure.hint}</p>
                <div class="buttons"><Button on_press=move |()| share.renew()>"Try again"</Button></div>
            }
            .into_any();
        }
        match (share.view.with(Option::is_some), over.get()) {
            (false, _) => view! { <Loading text="Making an invitation"/> }.into_any(),
            (true, None) => live(share).into_any(),
            (true, Some(state)) => done(share, state).into_any(),
        }
    };
    view! {
        <p>"Send the link, then read the code to the person who opens it. It works once, until tomorrow."</p>
        <div class="invitation" data-state=move || format!("{:?}", state.get())>{waiting}</div>
        <div class="opts">
            <span>"They can"</span>
            <Select
                label="What they can do"
                choices=roles()
                value=Signal::derive(move || role_value(share.role.get()).to_owned())
                on_change=move |value: String| {
                    share.role.set(role_of(&value));
                    share.renew();
                }
            />
        </div>
    }
}

fn roles() -> Vec<(String, String)> {
    let all = [
        ("read", "read"),
        ("edit", "edit"),
        ("admin", "edit and invite"),
    ];
    all.map(|(value, words)| (value.into(), words.into()))
        .into()
}

fn role_value(role: Role) -> &'static str {
    match role {
        Role::Reader => "read",
        Role::Editor => "edit",
        Role::Admin | Role::Owner => "admin",
    }
}

fn role_of(value: &str) -> Role {
    match value {
        "read" => Role::Reader,
        "admin" => Role::Admin,
        _ => Role::Editor,
    }
}

fn live(share: Share) -> impl IntoView {
    let field = move |get: fn(&InvitationView) -> String| {
        Signal::derive(move || {
            share
                .view
                .with(|view| view.as_ref().map(get).unwrap_or_default())
        })
    };
    let address = use_app_info().join_address();
    let code = field(|view| view.code.clone());
    let link = Signal::derive(move || format!("{address}#{}", code.get()));
    let code = field(|view| words::spaced(&view.auth_code));
    let state = field(words::host);
    let copied = RwSignal::new(None::<bool>);
    let copy = move |()| {
        let link = link.get_untracked();
        leptos::task::spawn_local(async move {
            // The dialog may be closed meanwhile.
            let _ = copied.try_set(Some(copy_text(link).await.is_ok()));
        });
    };
    let copy_word = move || match copied.get() {
        None => "Copy",
        Some(true) => "Copied",
        Some(false) => "Select it",
    };
    view! {
        <div class="invite">
            <QrCode text=link/>
            <div>
                <small>"Code for them"</small>
                <div class="code" data-testid="auth-code">{code}</div>
                <small class="quiet" role="status">{state}</small>
            </div>
        </div>
        <div class="link">
            <input readonly=true aria-label="Invitation link" data-testid="invitation-link" prop:value=link/>
            <Button icon="link" on_press=copy>{copy_word}</Button>
        </div>
    }
}

fn done(share: Share, state: InvitationState) -> impl IntoView {
    let words = move || {
        share
            .view
            .with(|view| view.as_ref().map(words::host).unwrap_or_default())
    };
    let good = state == InvitationState::Success;
    let label = if good {
        "Invite another"
    } else {
        "New invitation"
    };
    view! {
        <div class="ended" class:good=good>
            <dxos_ui::Icon name=if good { "check-circle" } else { "warning-circle" }/>
            <span role="status">{words}</span>
            <Button kind=ButtonKind::Usual on_press=move |()| share.renew()>{label}</Button>
        </div>
    }
}

fn members(space: Memo<Option<SpaceView>>) -> impl IntoView {
    let me = use_identity();
    let all = move || space.with(|s| s.as_ref().map(|s| s.members.clone()).unwrap_or_default());
    let line = move |member: MemberView| {
        let own = me.with(|me| me.as_ref().is_some_and(|me| me.identity == member.identity));
        let person = Person {
            name: member.name.clone(),
            hue: member.hue,
            online: own || member.online,
        };
        let name = if own {
            format!("{} (you)", member.name)
        } else {
            member.name
        };
        view! { <li><Avatar person/><b>{name}</b><small>{role_word(member.role)}</small></li> }
    };
    view! { <ul class="people" aria-label="Members">{move || all().into_iter().map(line).collect_view()}</ul> }
}
