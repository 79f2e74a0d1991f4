//! Going out of a space: leaving it, deleting it for all, removing it from this device. Each is asked once more, in
//! words that say what becomes of the data.

use dxos_app::{Action, CloseDialog};
use dxos_base::SpaceId;
use dxos_client::{Client, Error, Role, SpaceView};
use dxos_surface::{
    DIALOG_DELETE_SPACE, DIALOG_LEAVE, DIALOG_REMOVE_SPACE, parse_path, space_path, use_app,
};
use dxos_ui::{Button, ButtonKind, Dialog, use_client, use_space};
use leptos::prelude::*;

use crate::open_dialog;

/// A way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// End one's membership.
    Leave,
    /// Ask all members to delete it.
    DeleteForAll,
    /// Take the copy off this device.
    RemoveHere,
}

impl Way {
    /// All of them, in the order they are offered.
    pub const ALL: [Way; 3] = [Way::Leave, Way::RemoveHere, Way::DeleteForAll];

    /// Name of its dialog.
    pub fn dialog(self) -> &'static str {
        match self {
            Way::Leave => DIALOG_LEAVE,
            Way::DeleteForAll => DIALOG_DELETE_SPACE,
            Way::RemoveHere => DIALOG_REMOVE_SPACE,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Way::Leave => "Leave space",
            Way::DeleteForAll => "Delete for everyone",
            Way::RemoveHere => "Remove from this device",
        }
    }

    fn icon(self) -> &'static str {
        match self {
            Way::Leave => "sign-out",
            Way::RemoveHere | Way::DeleteForAll => "trash",
        }
    }

    /// Whether it is open to this identity.
    fn is_open(self, space: &SpaceView) -> bool {
        let ended = space.has_ended();
        !space.personal
            && match self {
                Way::Leave => !ended && !last_owner(space),
                Way::DeleteForAll => !ended && space.role == Role::Owner,
                Way::RemoveHere => true,
            }
    }

    fn title(self, name: &str) -> String {
        match self {
            Way::Leave => format!("Leave “{name}”?"),
            Way::DeleteForAll => format!("Delete “{name}” for everyone?"),
            Way::RemoveHere => format!("Remove “{name}” from this device?"),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Way::Leave => {
                "You stop getting what the others write, on all your devices. What you wrote stays with them. The copy \
                 on this device can still be read until you remove it. To come back you need an invitation."
            }
            Way::DeleteForAll => {
                "Nobody can write in it any more, on any device. Everyone keeps the copy they have until they remove \
                 it themselves. This cannot be taken back."
            }
            Way::RemoveHere => {
                "All its data is deleted from this device. Your other devices and the other members keep theirs. What \
                 nobody else has is gone for good."
            }
        }
    }

    async fn go(self, client: &Client, space: SpaceId) -> Result<(), Error> {
        let space = client.spaces().get(space)?;
        match self {
            Way::Leave => space.leave().await,
            Way::DeleteForAll => space.delete_for_all().await,
            Way::RemoveHere => space.delete_here().await,
        }
    }
}

/// Whoever leaves last as an owner would leave nobody who can invite.
fn last_owner(space: &SpaceView) -> bool {
    let owners = space.members.iter();
    space.role == Role::Owner && owners.filter(|m| m.role == Role::Owner).count() < 2
}

/// The ways out that are open.
pub fn actions(space: &SpaceView) -> Vec<Action> {
    let open = Way::ALL.into_iter().filter(|way| way.is_open(space));
    let action = |way: Way| {
        let ask = open_dialog(way.dialog(), space_path(space.space));
        Action::new(way.dialog(), way.label(), way.icon(), ask).danger()
    };
    open.map(action).collect()
}

/// Asks once more; the subject is the space's path.
pub fn dialog(way: Way, subject: String) -> impl IntoView {
    let app = use_app();
    let client = use_client();
    let id = parse_path(&subject).map(|(space, _)| space);
    let space = use_space(Signal::derive(move || id));
    let error = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let close = move |()| app.send(CloseDialog {});
    let title = Signal::derive(move || {
        way.title(&space.with(|s| s.as_ref().map(|s| s.name.clone()).unwrap_or_default()))
    });
    let go = move |()| {
        let Some(id) = id.filter(|_| !busy.get_untracked()) else {
            return;
        };
        busy.set(true);
        let (app, client) = (app.get(), client.get());
        leptos::task::spawn_local(async move {
            match way.go(&client, id).await {
                Ok(()) => app.send(CloseDialog {}),
                // The dialog may be closed meanwhile.
                Err(failed) => drop(error.try_set(format!("{failed} {}", failed.hint()))),
            }
            let _ = busy.try_set(false);
        });
    };
    view! {
        <Dialog title=title on_close=close>
            <div class="body">
                <p>{way.text()}</p>
                <Show when=move || !error.get().is_empty()>
                    <p class="error" role="alert">{error}</p>
                </Show>
                <div class="buttons end">
                    <Button kind=ButtonKind::Quiet on_press=close>"Cancel"</Button>
                    <Button kind=ButtonKind::Danger disabled=busy on_press=go>{way.label()}</Button>
                </div>
            </div>
        </Dialog>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxos_base::IdentityKey;
    use dxos_client::{MemberView, SpaceLife};

    fn space(role: Role, owners: u8) -> SpaceView {
        let member = |n| MemberView {
            identity: IdentityKey([n; 32]),
            name: "Ada".into(),
            role: Role::Owner,
            hue: 0,
            online: false,
            object: None,
        };
        SpaceView {
            space: SpaceId([1; 20]),
            life: SpaceLife::Ready,
            name: "River study".into(),
            personal: false,
            role,
            members: (0..owners).map(member).collect(),
            peers: Vec::new(),
            saved: dxos_client::SaveState::Saved,
            sync: dxos_client::SyncState::Alone,
            progress: Default::default(),
            waiting: Vec::new(),
            forks: Vec::new(),
        }
    }

    fn open(space: &SpaceView) -> Vec<&'static str> {
        let open = Way::ALL.into_iter().filter(|way| way.is_open(space));
        open.map(Way::label).collect()
    }

    #[test]
    fn only_what_can_be_done_is_offered() {
        let here = "Remove from this device";
        let (leave, delete) = ("Leave space", "Delete for everyone");
        assert_eq!(open(&space(Role::Owner, 1)), [here, delete]);
        assert_eq!(open(&space(Role::Owner, 2)), [leave, here, delete]);
        assert_eq!(open(&space(Role::Reader, 1)), [leave, here]);
        let personal = SpaceView {
            personal: true,
            ..space(Role::Owner, 2)
        };
        assert_eq!(open(&personal), [""; 0]);
        for life in [SpaceLife::NotMember, SpaceLife::Deleted] {
            let ended = SpaceView {
                life,
                ..space(Role::Owner, 2)
            };
            assert_eq!(open(&ended), [here]);
        }
    }
}
