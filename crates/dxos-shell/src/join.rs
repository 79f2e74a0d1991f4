//! The join dialog: a code from the link or typed, then the six digits.

use dxos_base::{InvitationId, SpaceId};
use dxos_client::{Failure, InvitationState, InvitationView};
use dxos_ui::{
    Button, ButtonKind, Dialog, Digits, Field, Loading, role_verb, use_client, use_invitations,
};
use leptos::prelude::*;

use crate::info::use_app_info;
use crate::words;

#[derive(Clone, Copy)]
struct Join {
    code: RwSignal<String>,
    begun: RwSignal<Option<InvitationId>>,
    busy: RwSignal<bool>,
    failed: RwSignal<Option<Failure>>,
    view: Memo<Option<InvitationView>>,
    client: dxos_ui::ClientRef,
    app: &'static str,
}

impl Join {
    fn begin(self) {
        let code = words::code_of(&self.code.get_untracked());
        if code.is_empty() || self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.failed.set(None);
        self.begun.set(None);
        let client = self.client.get();
        leptos::task::spawn_local(async move {
            let begun = client.join(&code).await;
            // The dialog may be closed meanwhile.
            let _ = self.busy.try_set(false);
            match begun {
                Ok(view) => drop(self.begun.try_set(Some(view.invitation))),
                Err(failure) => drop(self.failed.try_set(Some(failure))),
            }
        });
    }

    fn authenticate(self, digits: String) {
        let Some(id) = self.begun.get_untracked() else {
            return;
        };
        let client = self.client.get();
        leptos::task::spawn_local(async move {
            if let Err(failure) = client.authenticate(id, &digits).await {
                let _ = self.failed.try_set(Some(failure));
            }
        });
    }

    fn elsewhere(self) -> Option<String> {
        self.code
            .with(|code| words::elsewhere(code, &dxos_ui::origin()))
    }

    fn again(self) {
        self.begun.set(None);
        self.failed.set(None);
    }
}

/// Joins a space by a link or code. Closing it gives the attempt up.
#[component]
pub fn JoinDialog(
    /// The code or link, or empty: then it is asked for.
    #[prop(into)]
    code: String,
    /// The person wants it closed.
    #[prop(into)]
    on_close: UnsyncCallback<()>,
    /// The person is in: the space and its name.
    #[prop(into)]
    on_joined: UnsyncCallback<(SpaceId, String)>,
) -> impl IntoView {
    let client = use_client();
    let begun = RwSignal::new(None);
    let all = use_invitations();
    let view = Memo::new(move |_| {
        let id: InvitationId = begun.get()?;
        let told = all.with(|all| all.get(&id).cloned());
        told.or_else(|| client.get().invitation(id))
    });
    let join = Join {
        code: RwSignal::new(code.clone()),
        begun,
        busy: RwSignal::new(false),
        failed: RwSignal::new(None),
        view,
        client,
        app: use_app_info().name,
    };
    if !words::code_of(&code).is_empty() {
        join.begin();
    }
    let close = move |()| {
        let open = join
            .view
            .get_untracked()
            .filter(|view| !words::ended(view.state));
        if let Some(open) = open {
            let client = client.get();
            // It may end by itself meanwhile.
            leptos::task::spawn_local(async move { drop(client.cancel(open.invitation).await) });
        }
        on_close.run(());
    };
    Effect::new(move |_| {
        let Some(view) = join.view.get() else { return };
        if let (InvitationState::Success, Some(space)) = (view.state, view.space) {
            on_joined.run((space, view.space_name));
        }
    });
    let title = Signal::derive(move || {
        let name = join
            .view
            .with(|v| v.as_ref().map(|v| v.space_name.clone()).unwrap_or_default());
        if name.is_empty() {
            "Join a space".into()
        } else {
            format!("Join “{name}”")
        }
    });
    let stage = Memo::new(move |_| stage(join));
    view! {
        <Dialog title=title on_close=close>
            <div class="body" data-stage=move || format!("{:?}", stage.get())>
                {move || match stage.get() {
                    Stage::Ask => ask(join).into_any(),
                    Stage::Reach => view! {
                        <p>{move || join.view.with(|v| v.as_ref().map(|view| words::guest(view, join.app))
                            .unwrap_or_else(|| "Reading the invitation…".into()))}</p>
                        {move || join.elsewhere().map(|told| view! { <p>{told}</p> })}
                        <Loading text="Connecting"/>
                    }.into_any(),
                    Stage::Digits => digits(join).into_any(),
                    Stage::Ended => ended(join).into_any(),
                }}
            </div>
        </Dialog>
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Ask,
    Reach,
    Digits,
    Ended,
}

fn stage(join: Join) -> Stage {
    use InvitationState::*;
    match join.view.with(|view| view.as_ref().map(|view| view.state)) {
        _ if join.busy.get() => Stage::Reach,
        None => Stage::Ask,
        Some(Init | Connecting | Connected | Success) => Stage::Reach,
        Some(ReadyForAuthentication | Authenticating) => Stage::Digits,
        Some(Cancelled | Timeout | Error | Expired) => Stage::Ended,
    }
}

fn ask(join: Join) -> impl IntoView {
    let error = Signal::derive(move || {
        let failure = join.failed.get();
        failure
            .map(|failure| format!("{} {}", failure.message, failure.hint))
            .unwrap_or_default()
    });
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        join.begin();
    };
    let empty = Signal::derive(move || join.code.with(|code| code.trim().is_empty()));
    view! {
        <form on:submit=submit>
            <p>"Paste the link or the code you were sent."</p>
            <Field
                label="Invitation"
                value=join.code
                error=error
                autofocus=true
                autocomplete="off"
                placeholder="http://localhost:4400/join#…"
                length_max=2000
            />
            <div class="buttons end">
                <Button kind=ButtonKind::Primary submit=true disabled=empty>"Continue"</Button>
            </div>
        </form>
    }
}

fn told(
    join: Join,
    get: impl Fn(&InvitationView) -> String + Send + Sync + 'static,
) -> Signal<String> {
    Signal::derive(move || {
        join.view
            .with(|view| view.as_ref().map(&get).unwrap_or_default())
    })
}

fn digits(join: Join) -> impl IntoView {
    let lead = told(join, |view| {
        let who = if view.peer_name.is_empty() {
            "Someone"
        } else {
            &view.peer_name
        };
        format!(
            "{who} invited you to {}. Type the six digits they read to you.",
            role_verb(view.role)
        )
    });
    let step = told(join, move |view| words::guest(view, join.app));
    let line = Signal::derive(move || {
        let failure = join.failed.get();
        failure.map_or_else(|| step.get(), |failure| failure.message)
    });
    let checking = Memo::new(move |_| {
        join.view.with(|v| {
            v.as_ref()
                .is_some_and(|v| v.state == InvitationState::Authenticating)
        })
    });
    let tries = Memo::new(move |_| join.view.with(|v| v.as_ref().map_or(3, |v| v.tries_left)));
    let attempt = Memo::new(move |_| 3_u32.saturating_sub(u32::from(tries.get())));
    view! {
        <p>{lead}</p>
        <Digits
            disabled=checking
            attempt=attempt
            on_complete=move |code: String| {
                join.failed.set(None);
                join.authenticate(code);
            }
        />
        <span class="quiet" class:error=move || attempt.get() != 0 role="status">{line}</span>
    }
}

fn ended(join: Join) -> impl IntoView {
    let view = join.view.get_untracked();
    let state = view
        .as_ref()
        .map_or(InvitationState::Error, |view| view.state);
    let words = view
        .as_ref()
        .map(|view| words::guest(view, join.app))
        .unwrap_or_default();
    let again = state == InvitationState::Timeout;
    view! {
        <div class="ended" role="alert">
            <dxos_ui::Icon name="warning-circle"/>
            <span><b>{words}</b> " " {words::next_step(state, join.app)}</span>
        </div>
        {again.then(|| join.elsewhere()).flatten().map(|told| view! { <p>{told}</p> })}
        <div class="buttons end">
            <Button on_press=move |()| {
                join.code.set(String::new());
                join.again();
            }>"Use another link"</Button>
            {again.then(|| view! {
                <Button kind=ButtonKind::Primary on_press=move |()| join.begin()>"Try again"</Button>
            })}
        </div>
    }
}
