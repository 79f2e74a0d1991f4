//! The client as signals: status, unacknowledged writes, invitations, live queries.
//!
//! The client lives as long as the page; its handle is `Copy` and may be used in any view of the page.

use std::collections::BTreeMap;
use std::sync::Arc;

use dxos_base::{InvitationId, ObjectView, Query, SpaceId};
use dxos_client::{Client, IdentityView, InvitationView, SpaceView, StatusView};
use leptos::prelude::*;

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
    invitations: RwSignal<BTreeMap<InvitationId, InvitationView>>,
}

impl ClientRef {
    /// The client.
    pub fn get(&self) -> Client {
        self.client.get_value()
    }
}

/// Makes a client known to all components below the present one, and follows it.
pub fn provide_client(client: Client, phase: RwSignal<Phase>) -> ClientRef {
    let handle = ClientRef {
        phase,
        client: StoredValue::new_local(client.clone()),
        status: RwSignal::new(client.status().map(|status| Arc::new((*status).clone()))),
        saving: RwSignal::new(client.unacknowledged()),
        invitations: RwSignal::new(BTreeMap::new()),
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
pub fn use_invitations() -> Signal<BTreeMap<InvitationId, InvitationView>> {
    use_client().invitations.into()
}

/// Rows of a live query; `None` until the first answer. Ends with the component.
pub fn use_query(space: SpaceId, query: Query) -> Signal<Option<Vec<ObjectView>>> {
    let rows = RwSignal::new(None);
    let subscription = use_client()
        .get()
        .subscribe(space, query, move |found| rows.set(Some(found.to_vec())));
    let subscription = StoredValue::new_local(Some(subscription));
    on_cleanup(move || {
        drop(subscription.try_update_value(Option::take));
    });
    rows.into()
}
