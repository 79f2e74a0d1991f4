//! The client as signals: status, unacknowledged writes, invitations, live queries.
//!
//! The client lives as long as the page; its handle is `Copy` and may be used in any view of the page.

use std::pin::Pin;
use std::sync::Arc;

use dxos_base::{InvitationId, ObjectId, SpaceId};
use dxos_client::{
    Client, Error, IdentityView, InvitationView, MemberView, Place, SpaceView, StatusView,
};
use leptos::prelude::*;
use litemap::LiteMap;

use crate::avatar::Person;

/// How the page stands with its node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Phase {
    /// The store is being opened.
    #[default]
    Starting,
    /// A node answers.
    Live,
    /// The tab that ran the node is gone; this one or another takes over.
    TakingOver,
    /// Another tab holds the data and cannot share it.
    InOtherTab,
    /// It cannot start.
    Failed {
        /// What happened.
        message: String,
        /// What to do.
        hint: String,
    },
}

/// Handle of the page's client and what it tells.
#[derive(Clone, Copy)]
pub struct ClientRef {
    phase: RwSignal<Phase>,
    client: StoredValue<Client, LocalStorage>,
    status: RwSignal<Option<Arc<StatusView>>>,
    saving: RwSignal<usize>,
    invitations: RwSignal<LiteMap<InvitationId, InvitationView>>,
    troubles: RwSignal<Vec<Trouble>>,
}

impl ClientRef {
    /// The client.
    pub fn get(&self) -> Client {
        self.client.get_value()
    }

    /// Runs `work` in the background; why it was not done is told to [`use_troubles`].
    pub fn run(self, work: impl Future<Output = Result<(), Error>> + 'static) {
        self.run_boxed(Box::pin(work));
    }

    /// Apart, so that it is compiled once, not for each work.
    fn run_boxed(self, work: Pin<Box<dyn Future<Output = Result<(), Error>>>>) {
        leptos::task::spawn_local(async move {
            match work.await {
                // `Closed`: of a page that closes.
                Ok(()) | Err(Error::Closed) => {}
                Err(error) => self.trouble(error.to_string(), error.hint()),
            }
        });
    }

    /// Tells [`use_troubles`]. A write that waited is told of by its caller and by the client: once is enough.
    pub fn trouble(self, message: String, hint: String) {
        self.troubles.update(|all| {
            if all.iter().any(|one| one.message == message) {
                return;
            }
            let id = all.last().map_or(0, |last| last.id + 1);
            all.push(Trouble { id, message, hint });
            if all.len() > TROUBLES_MAX {
                all.remove(0);
            }
        });
    }

    /// The person has seen it.
    pub fn dismiss(self, id: u64) {
        self.troubles.update(|all| all.retain(|one| one.id != id));
    }
}

/// Shown at once, at most; the oldest goes.
const TROUBLES_MAX: usize = 5;

/// Something that was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Names it.
    pub id: u64,
    /// What happened.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

/// Makes a client known to all components below the present one, and follows it.
pub fn provide_client(client: Client, phase: RwSignal<Phase>) -> ClientRef {
    let handle = ClientRef {
        phase,
        client: StoredValue::new_local(client.clone()),
        status: RwSignal::new(client.status().map(|status| Arc::new((*status).clone()))),
        saving: RwSignal::new(client.unacknowledged()),
        invitations: RwSignal::new(LiteMap::new()),
        troubles: RwSignal::new(Vec::new()),
    };
    client
        .on_status(move |status| handle.status.set(Some(Arc::new((**status).clone()))))
        .forget();
    client
        .on_saving(move |count| handle.saving.set(count))
        .forget();
    client
        .on_invitation(move |view| {
            handle.invitations.update(|all| {
                all.insert(view.invitation, view.clone());
            });
        })
        .forget();
    client
        .on_refused(move |refused| handle.trouble(refused.message.clone(), refused.hint.clone()))
        .forget();
    crate::platform::provide_icons();
    provide_context(handle);
    handle
}

/// The page's client.
pub fn use_client() -> ClientRef {
    use_context().expect("provide_client ran above every component that uses the client")
}

/// How the page stands with its node.
pub fn use_phase() -> Signal<Phase> {
    use_client().phase.into()
}

/// What the node reports; `None` until it has answered.
pub fn use_status() -> Signal<Option<Arc<StatusView>>> {
    use_client().status.into()
}

/// The person; `None` until there is one.
pub fn use_identity() -> Memo<Option<IdentityView>> {
    let status = use_status();
    Memo::new(move |_| status.with(|status| status.as_ref()?.identity.clone()))
}

/// A space as reported.
pub fn use_space(space: Signal<Option<SpaceId>>) -> Memo<Option<SpaceView>> {
    let status = use_status();
    Memo::new(move |_| {
        let id = space.get()?;
        status.with(|status| {
            status
                .as_ref()?
                .spaces
                .iter()
                .find(|s| s.space == id)
                .cloned()
        })
    })
}

/// Writes the node has not acknowledged.
pub fn use_saving() -> Signal<usize> {
    use_client().saving.into()
}

/// Invitations and joins of this page, by id.
pub fn use_invitations() -> Signal<LiteMap<InvitationId, InvitationView>> {
    use_client().invitations.into()
}

/// What was not done and not dismissed yet, oldest first.
pub fn use_troubles() -> Signal<Vec<Trouble>> {
    use_client().troubles.into()
}

/// All spaces as reported, in order of joining, the personal one first.
pub fn use_spaces() -> Memo<Vec<SpaceView>> {
    let status = use_status();
    Memo::new(move |_| {
        status.with(|status| {
            status
                .as_ref()
                .map(|s| s.spaces.clone())
                .unwrap_or_default()
        })
    })
}

/// Members of a space, oldest first.
pub fn use_members(space: SpaceId) -> Memo<Vec<MemberView>> {
    let space = use_space(Signal::derive(move || Some(space)));
    Memo::new(move |_| space.with(|s| s.as_ref().map(|s| s.members.clone()).unwrap_or_default()))
}

/// Other members who have an object on their screen now.
pub fn use_people_at(
    space: Signal<Option<SpaceId>>,
    object: Signal<Option<ObjectId>>,
) -> Memo<Vec<Person>> {
    let space = use_space(space);
    let me = use_identity();
    Memo::new(move |_| {
        let own = me.with(|me| me.as_ref().map(|me| me.identity));
        let Some(object) = object.get() else {
            return Vec::new();
        };
        space.with(|space| {
            let members = space.iter().flat_map(|space| &space.members);
            let here = members.filter(|member| {
                member.online && member.object == Some(object) && Some(member.identity) != own
            });
            here.map(Person::of).collect()
        })
    })
}

/// Tells the others which object the person has on the screen, as long as the component lives; gives who else has it.
/// `None`: another component tells.
pub fn use_presence(space: SpaceId, object: Signal<Option<ObjectId>>) -> Memo<Vec<Person>> {
    let client = use_client();
    Effect::new(move |_| {
        if let Some(object) = object.get() {
            client.get().presence(Some(Place {
                space,
                object,
                selection: None,
            }));
        }
    });
    on_cleanup(move || {
        if object.try_get_untracked().flatten().is_some() {
            client.get().presence(None);
        }
    });
    use_people_at(Signal::derive(move || Some(space)), object)
}
