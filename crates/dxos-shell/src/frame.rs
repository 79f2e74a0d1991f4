//! The frame of an app without plugins: what stands around its own view, from the first start on.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use dxos_base::SpaceId;
use dxos_ui::{
    Button, ButtonKind, Icon, IconButton, SpaceRef, Trouble, use_client, use_spaces, use_status,
    use_troubles,
};
use leptos::prelude::*;

use crate::info::{take_invitation, use_app_info};
use crate::later::{self, later};
use crate::notices::{Notices, UpdateButton};
use crate::opening::Opening;
use crate::space::{choose_space, is_place, remember};
use crate::status::StatusLine;

/// A panel that can be opened over the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Panel {
    /// Invite to the present space, see its members.
    Share,
    /// Join a space by a code; empty: ask for it.
    Join(String),
    /// Who the person is.
    Identity,
}

/// How long a message stays, in seconds; one with something to undo twice as long.
const MESSAGE_S: u64 = 6;

/// Something that came about, and how to take it back.
#[derive(Clone)]
struct Message {
    words: String,
    /// Not a callback of the component that tells: that may be gone with what it stood for.
    undo: Option<Rc<dyn Fn()>>,
}

/// Handle of the frame around an app.
#[derive(Clone, Copy)]
pub struct ShellRef {
    panel: RwSignal<Option<Panel>>,
    space: RwSignal<Option<SpaceId>>,
    message: RwSignal<Option<Message>, LocalStorage>,
}

impl ShellRef {
    /// The space the app works in.
    pub fn space(&self) -> Signal<Option<SpaceId>> {
        self.space.into()
    }

    /// Works in another space from now on.
    pub fn go(&self, space: SpaceId) {
        self.space.set(Some(space));
    }

    /// Opens a panel.
    pub fn open(&self, panel: Panel) {
        self.panel.set(Some(panel));
    }

    /// The open panel; tracked.
    pub(crate) fn panel(&self) -> Option<Panel> {
        self.panel.get()
    }

    /// Closes the open panel.
    pub(crate) fn close(&self) {
        self.panel.set(None);
    }

    /// The person came by an invitation; tracked.
    pub(crate) fn is_invited(&self) -> bool {
        self.panel
            .with(|panel| matches!(panel, Some(Panel::Join(_))))
    }

    /// Tells the person what came about.
    pub fn tell(&self, words: impl Into<String>) {
        self.show(words.into(), None);
    }

    /// The same, with a button that takes it back.
    pub fn tell_undoable(&self, words: impl Into<String>, undo: impl Fn() + 'static) {
        self.show(words.into(), Some(Rc::new(undo)));
    }

    fn show(&self, words: String, undo: Option<Rc<dyn Fn()>>) {
        self.message.set(Some(Message { words, undo }));
    }
}

/// The frame around the present component.
pub fn use_shell() -> ShellRef {
    use_context().expect("a Frame stands around every component of an app")
}

/// How far a profile is on its way to the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    FirstRun,
    Ready,
}

/// What an app draws in a space.
pub type AppView = Box<dyn Fn(SpaceRef) -> AnyView + Send + Sync>;

/// Draws the way to an app (opening, first run), then the app in its space, and panels over it. Another space draws the
/// app anew.
#[component]
pub fn Frame(
    /// Name of the space made when the app has none.
    space_name: &'static str,
    /// The app.
    children: AppView,
) -> impl IntoView {
    let info = use_app_info();
    let client = use_client();
    let shell = ShellRef {
        panel: RwSignal::new(take_invitation(info.base).map(Panel::Join)),
        space: RwSignal::new(None),
        message: RwSignal::new_local(None),
    };
    provide_context(shell);
    settle(shell, space_name);
    let status = use_status();
    let stage = Memo::new(move |_| {
        let known = status.with(|status| status.as_ref().map(|status| status.identity.is_some()));
        match known {
            None => Stage::Opening,
            Some(false) => Stage::FirstRun,
            Some(true) if shell.space.with(Option::is_none) && !shell.is_invited() => {
                Stage::Opening
            }
            Some(true) => Stage::Ready,
        }
    });
    let children = StoredValue::new(children);
    let app = move || {
        let space = SpaceRef::new(client, shell.space.get()?);
        Some(children.with_value(|draw| draw(space)))
    };
    let ready = move || stage.get() == Stage::Ready;
    let open = Memo::new(move |_| ready() && shell.panel.with(Option::is_some));
    view! {
        {move || match stage.get() {
            Stage::Opening => view! { <Opening/> }.into_any(),
            Stage::FirstRun => later(later::hello(), shell, |_| ()).into_any(),
            Stage::Ready => view! { {app} }.into_any(),
        }}
        {move || ready().then(|| standing(shell))}
        {move || open.get().then(|| later(later::panels(), shell, |shell| shell.close()))}
        {notes(shell)}
    }
}

/// Keeps the app in a space: the one it was in, another one when that has ended. Who comes by an invitation gets the space
/// it is for, and one of their own only if nothing comes of it.
fn settle(shell: ShellRef, space_name: &'static str) {
    let info = use_app_info();
    let client = use_client();
    let spaces = use_spaces();
    let status = use_status();
    let busy = Rc::new(Cell::new(false));
    Effect::new(move |_| {
        let here = shell.space.get();
        let there = spaces.with(|all| {
            all.iter()
                .any(|space| Some(space.space) == here && is_place(space))
        });
        if let (Some(here), true) = (here, there) {
            return remember(info, here);
        }
        let has_identity = status.with(|s| s.as_ref().is_some_and(|s| s.identity.is_some()));
        let has_place = spaces.with(|all| all.iter().any(is_place));
        if !has_identity || (shell.is_invited() && !has_place) || busy.replace(true) {
            return;
        }
        let (page, client, busy) = (client, client.get(), busy.clone());
        leptos::task::spawn_local(async move {
            match choose_space(&client, info, space_name).await {
                Ok(space) => shell.go(space.id()),
                Err(error) => page.trouble(error.to_string(), error.hint()),
            }
            busy.set(false);
        });
    });
}

fn standing(shell: ShellRef) -> impl IntoView {
    let client = use_client();
    let offline = move |offline: bool| {
        client.run(async move { Ok(client.get().set_offline(offline).await?) });
    };
    view! {
        <div class="below">
            <Notices/>
            <footer class="stat" aria-label="Status">
                <StatusLine space=shell.space() on_offline=offline/>
                <UpdateButton/>
            </footer>
        </div>
    }
}

/// What came about and what was not done, read aloud; stays until it is closed.
fn notes(shell: ShellRef) -> impl IntoView {
    let client = use_client();
    let troubles = use_troubles();
    let good = move || {
        let Message { words, undo } = shell.message.get()?;
        let hide = move || shell.message.set(None);
        let stay = Duration::from_secs(MESSAGE_S * if undo.is_some() { 2 } else { 1 });
        let timer = set_timeout_with_handle(hide, stay);
        on_cleanup(move || {
            if let Ok(timer) = timer {
                timer.clear();
            }
        });
        let take_back = undo.map(|undo| {
            let press = move |()| {
                undo();
                hide();
            };
            view! { <Button kind=ButtonKind::Quiet on_press=press>"Undo"</Button> }
        });
        Some(view! {
            <div class="toast good">
                <Icon name="check-circle"/>
                <p><b>{words}</b></p>
                {take_back}
                <IconButton label="Dismiss" icon="x" on_press=move |()| hide()/>
            </div>
        })
    };
    let one = move |trouble: Trouble| {
        let hide = move |()| client.dismiss(trouble.id);
        view! {
            <div class="toast bad">
                <Icon name="warning-circle"/>
                <p><b>{trouble.message}</b> <small>{trouble.hint}</small></p>
                <IconButton label="Dismiss" icon="x" on_press=hide/>
            </div>
        }
    };
    view! {
        <div class="toasts" role="status" aria-live="polite">
            {good}
            <For each=move || troubles.get() key=|trouble| trouble.id let:trouble>{one(trouble)}</For>
        </div>
    }
}
