//! The client a program holds.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::rc::{Rc, Weak};

use dxos_base::schema::Registry;
use dxos_base::{
    BlobId, Conflict, DecodeError, ElementId, IntoPath, InvitationId, ObjectId, ObjectView,
    ObjectWrite, PlainObject, Query, SpaceId,
};
use dxos_services::{
    BlobView, ClientId, Failure, InvitationView, Place, QueryAnswer, Request, Response, Role,
    StatusView, TextAddress, UndoMark, VerifyMode, VerifyView,
};
use litemap::LiteMap;

use crate::calls::{Then, space_of, unexpected};
use crate::listen::{Listeners, Subscription};
use crate::platform::{self, Source, SystemEntropy};
use crate::promise::promise;
use crate::queries::QueryRows;
use crate::session::{TextSession, TextSink};
use crate::state::{Notice, State};

/// Whether a node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Not reached yet.
    Connecting,
    /// Reached.
    Live,
    /// Gone; another is awaited. Edits are kept and sent then.
    Lost,
}

struct Inner {
    state: RefCell<State>,
    notices: RefCell<VecDeque<Notice>>,
    running: Cell<bool>,
    on_status: Listeners<Rc<StatusView>>,
    on_connection: Listeners<Connection>,
    on_invitation: Listeners<InvitationView>,
    on_blob: Listeners<BlobView>,
    /// Blobs that are followed, and how often.
    blobs: RefCell<LiteMap<(SpaceId, BlobId), usize>>,
    on_saving: Listeners<usize>,
    on_refused: Listeners<Failure>,
    on_end: Listeners<()>,
    /// What lives as long as the client: a node in this process.
    kept: RefCell<Option<Box<dyn Any>>>,
    registry: RefCell<Registry>,
    types_followed: RefCell<LiteMap<SpaceId, Subscription>>,
    source: RefCell<Box<dyn Source>>,
    /// The last id given to an object.
    id_last: Cell<ObjectId>,
}

/// A client that does not keep itself alive: for listeners.
#[derive(Clone)]
pub(crate) struct WeakClient(Weak<Inner>);

impl WeakClient {
    pub(crate) fn upgrade(&self) -> Option<Client> {
        self.0.upgrade().map(Client)
    }
}

/// A program's end of the services protocol. Clones are the same client.
#[derive(Clone)]
pub struct Client(Rc<Inner>);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("connection", &self.connection())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client without a channel; calls and writes wait for [`Client::connect`].
    pub fn new(client: ClientId) -> Self {
        Client::with_source(client, Box::new(SystemEntropy))
    }

    /// The same, with fresh ids from elsewhere.
    pub(crate) fn with_source(client: ClientId, source: Box<dyn Source>) -> Self {
        Client(Rc::new(Inner {
            state: RefCell::new(State::new(client)),
            notices: RefCell::default(),
            running: Cell::new(false),
            on_status: Listeners::default(),
            on_connection: Listeners::default(),
            on_invitation: Listeners::default(),
            on_blob: Listeners::default(),
            blobs: RefCell::default(),
            on_saving: Listeners::default(),
            on_refused: Listeners::default(),
            on_end: Listeners::default(),
            kept: RefCell::default(),
            registry: RefCell::default(),
            types_followed: RefCell::default(),
            source: RefCell::new(source),
            id_last: Cell::new(ObjectId([0; 16])),
        }))
    }

    pub(crate) fn downgrade(&self) -> WeakClient {
        WeakClient(Rc::downgrade(&self.0))
    }

    /// Keeps something until the client is closed.
    #[cfg_attr(target_arch = "wasm32", allow(dead_code))]
    pub(crate) fn keep(&self, kept: Box<dyn Any>) {
        *self.0.kept.borrow_mut() = Some(kept);
    }

    /// Takes what was kept.
    #[cfg_attr(target_arch = "wasm32", allow(dead_code))]
    pub(crate) fn kept(&self) -> Option<Box<dyn Any>> {
        self.0.kept.borrow_mut().take()
    }

    /// The types this program knows.
    pub(crate) fn with_registry<T>(&self, with: impl FnOnce(&mut Registry) -> T) -> T {
        with(&mut self.0.registry.borrow_mut())
    }

    /// The stored types of a space are these objects now.
    pub(crate) fn set_stored_types(&self, space: SpaceId, views: &[ObjectView]) {
        let objects = views.iter().map(|view| (view.object, &view.values));
        if self.with_registry(|registry| registry.set_stored(space, objects)) {
            let mut state = self.0.state.borrow_mut();
            state.types_changed(&self.0.registry.borrow());
        }
    }

    /// The stored types of a space are kept up to date in the registry.
    pub(crate) fn follows_types(&self, space: SpaceId) -> bool {
        self.0.types_followed.borrow().contains_key(&space)
    }

    /// As long as this subscription lives, which is as long as the client.
    pub(crate) fn follow_types(&self, space: SpaceId, subscription: Subscription) {
        let before = self
            .0
            .types_followed
            .borrow_mut()
            .insert(space, subscription);
        drop(before);
    }

    /// Changes the state, then runs what came of it; listeners may call the client again.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (result, notices) = {
            let mut state = self.0.state.borrow_mut();
            let result = change(&mut state);
            (result, state.take_notices())
        };
        self.0.notices.borrow_mut().extend(notices);
        if !self.0.running.replace(true) {
            while let Some(notice) = { self.0.notices.borrow_mut().pop_front() } {
                self.run(notice);
            }
            self.0.running.set(false);
        }
        result
    }

    fn run(&self, notice: Notice) {
        let inner = &self.0;
        match notice {
            Notice::Send(frame) => {
                let send = inner.state.borrow().send.clone();
                if let Some(send) = send {
                    send(frame);
                }
            }
            Notice::Status(status) => inner.on_status.tell(&status),
            Notice::Connection(connection) => inner.on_connection.tell(&connection),
            Notice::Invitation(view) => inner.on_invitation.tell(&view),
            Notice::Blob(view) => inner.on_blob.tell(&view),
            Notice::Saving(count) => inner.on_saving.tell(&count),
            Notice::Refused(failure) => inner.on_refused.tell(&failure),
            Notice::Rows(query) => {
                let taken = inner.state.borrow_mut().take_rows(query);
                if let Some(taken) = taken {
                    if let Ok(mut on_rows) = taken.on_rows.try_borrow_mut() {
                        on_rows(&taken.rows);
                    }
                    inner.state.borrow_mut().put_back(taken);
                }
            }
            Notice::Delta(sink, delta) => (sink.on_delta)(&delta),
            Notice::Carets(text) => {
                let (carets, sinks) = inner.state.borrow().text_carets(&text);
                for sink in sinks {
                    (sink.on_carets)(&carets);
                }
            }
            Notice::TextRefused(sink, failure) => (sink.on_refused)(&failure),
            Notice::Answer(sender, result) => sender.send(result),
            Notice::Done(sender, result) => sender.send(result),
            Notice::DropRows(_) | Notice::DropSink(_) => {}
        }
    }

    // ---- the channel ----

    /// A channel to a node stands: the first, or one after a takeover. Says hello; once welcomed, resends what is
    /// unacknowledged, in order, and opens queries and texts again.
    pub fn connect(&self, send: Rc<dyn Fn(Vec<u8>)>) {
        self.with(|state| state.connect(send));
    }

    /// A frame from the node.
    ///
    /// # Errors
    /// When the bytes are no frame of this protocol; nothing was changed.
    pub fn receive(&self, frame: &[u8]) -> Result<(), DecodeError> {
        let frame = dxos_services::decode_node(frame)?;
        self.with(|state| state.frame_received(frame));
        Ok(())
    }

    /// The channel is gone.
    pub fn disconnected(&self) {
        self.with(State::disconnected);
    }

    /// There will be no other channel: everything that waits, and everything asked from now on, fails.
    pub fn end(&self) {
        self.with(State::end);
        let followed = std::mem::take(&mut *self.0.types_followed.borrow_mut());
        drop(followed);
        self.0.on_end.tell(&());
    }

    /// There will be no other channel.
    pub fn is_ended(&self) -> bool {
        self.0.state.borrow().is_ended()
    }

    /// Hears of [`Client::end`].
    pub fn on_end(&self, listener: impl Fn() + 'static) -> Subscription {
        self.0.on_end.add(move |()| listener())
    }

    /// Whether a node answers.
    pub fn connection(&self) -> Connection {
        self.0.state.borrow().connection
    }

    /// Hears of every change of [`Client::connection`].
    pub fn on_connection(&self, listener: impl Fn(Connection) + 'static) -> Subscription {
        self.0
            .on_connection
            .add(move |connection| listener(*connection))
    }

    // ---- status ----

    /// The node's status as last told.
    pub fn status(&self) -> Option<Rc<StatusView>> {
        self.0.state.borrow().status.clone()
    }

    /// Hears of every status; at once of the present one.
    pub fn on_status(&self, listener: impl Fn(&Rc<StatusView>) + 'static) -> Subscription {
        if let Some(status) = self.status() {
            listener(&status);
        }
        self.0.on_status.add(listener)
    }

    /// Waits for a status of which `wanted` gives a value; looks at the present one first.
    pub async fn status_with<T: 'static>(
        &self,
        wanted: impl Fn(&StatusView) -> Option<T> + 'static,
    ) -> T {
        let (sender, found) = promise();
        let sender = Cell::new(Some(sender));
        let listener = self.on_status(move |status| {
            if let Some(value) = wanted(status)
                && let Some(sender) = sender.take()
            {
                sender.send(value);
            }
        });
        let found = found.await;
        drop(listener);
        found
    }

    /// Hears of every step of every invitation and join.
    pub fn on_invitation(&self, listener: impl Fn(&InvitationView) + 'static) -> Subscription {
        self.0.on_invitation.add(listener)
    }

    /// Hears how far the blobs are that are followed.
    pub(crate) fn on_blob(&self, listener: impl Fn(&BlobView) + 'static) -> Subscription {
        self.0.on_blob.add(listener)
    }

    /// Follows a blob until this is dropped, over restarts of the node.
    pub(crate) fn follow_blob(&self, space: SpaceId, blob: BlobId) -> Subscription {
        let follow = move |client: &Client, follow: bool| {
            let request = Request::Blob {
                space,
                blob,
                follow: Some(follow),
            };
            client.with(|state| state.call(request, Then::Nothing));
        };
        let at = (space, blob);
        let count = self.0.blobs.borrow().get(&at).copied().unwrap_or_default();
        self.0.blobs.borrow_mut().insert(at, count + 1);
        follow(self, true);
        let client = self.downgrade();
        let again = client.clone();
        let again = self.on_connection(move |connection| {
            if connection == Connection::Live
                && let Some(client) = again.upgrade()
            {
                follow(&client, true);
            }
        });
        Subscription::new(move || {
            drop(again);
            let Some(client) = client.upgrade() else {
                return;
            };
            let count = client.0.blobs.borrow_mut().remove(&at).unwrap_or_default();
            match count > 1 {
                true => drop(client.0.blobs.borrow_mut().insert(at, count - 1)),
                false => follow(&client, false),
            }
        })
    }

    /// An invitation or join as last told.
    pub fn invitation(&self, invitation: InvitationId) -> Option<InvitationView> {
        self.0.state.borrow().invitations.get(&invitation).cloned()
    }

    /// All invitations and joins heard of.
    pub fn invitations(&self) -> Vec<InvitationView> {
        self.0
            .state
            .borrow()
            .invitations
            .values()
            .cloned()
            .collect()
    }

    // ---- calls ----

    /// Calls the node. Waits while there is no channel.
    ///
    /// # Errors
    /// What the node says; [`FailureKind::Gone`](dxos_services::FailureKind::Gone) when the node went away during a
    /// call that cannot be repeated without harm.
    pub fn call(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Response, Failure>> + 'static {
        let (sender, answer) = promise();
        self.with(|state| state.call(request, Then::Answer(sender)));
        answer
    }

    async fn done(&self, request: Request) -> Result<(), Failure> {
        self.call(request).await.map(|_| ())
    }

    /// Makes the profile's identity and its personal space.
    ///
    /// # Errors
    /// When there is one, or storage refuses.
    pub async fn create_identity(
        &self,
        name: &str,
        device_label: &str,
        platform: &str,
    ) -> Result<(), Failure> {
        let (name, device_label, platform) = (name.into(), device_label.into(), platform.into());
        self.done(Request::CreateIdentity {
            name,
            device_label,
            platform,
        })
        .await
    }

    /// Makes a space.
    ///
    /// # Errors
    /// Without an identity, or when storage refuses.
    pub async fn create_space(&self, name: &str) -> Result<SpaceId, Failure> {
        space_of(
            self.call(Request::CreateSpace { name: name.into() })
                .await?,
        )
    }

    /// Makes an interactive invitation; its life is heard by [`Client::on_invitation`].
    ///
    /// # Errors
    /// When the role does not allow it.
    pub async fn invite(
        &self,
        space: SpaceId,
        role: Role,
        ttl_ms: u64,
    ) -> Result<InvitationView, Failure> {
        self.invitation_of(Request::Invite {
            space,
            role,
            ttl_ms,
        })
        .await
    }

    /// Joins by a code; its life is heard by [`Client::on_invitation`].
    ///
    /// # Errors
    /// When the code is malformed.
    pub async fn join(&self, code: &str) -> Result<InvitationView, Failure> {
        self.invitation_of(Request::Join { code: code.into() })
            .await
    }

    async fn invitation_of(&self, request: Request) -> Result<InvitationView, Failure> {
        match self.call(request).await? {
            Response::Invitation(view) => Ok(self.invitation(view.invitation).unwrap_or(view)),
            _ => Err(unexpected()),
        }
    }

    /// Gives the auth code the guest was told.
    ///
    /// # Errors
    /// When the join is not waiting for one.
    pub async fn authenticate(&self, invitation: InvitationId, code: &str) -> Result<(), Failure> {
        self.done(Request::Authenticate {
            invitation,
            code: code.into(),
        })
        .await
    }

    /// Ends an invitation or join.
    ///
    /// # Errors
    /// When there is none.
    pub async fn cancel(&self, invitation: InvitationId) -> Result<(), Failure> {
        self.done(Request::CancelInvitation { invitation }).await
    }

    /// Ends one's own membership of a space; the copy on this device can still be read.
    ///
    /// # Errors
    /// Whoever is the last owner, and who is no member.
    pub async fn leave_space(&self, space: SpaceId) -> Result<(), Failure> {
        self.done(Request::LeaveSpace { space }).await
    }

    /// Cuts or restores all networking of the node.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn set_offline(&self, offline: bool) -> Result<(), Failure> {
        self.done(Request::SetOffline { offline }).await
    }

    /// Waits until everything acknowledged so far survives power loss.
    ///
    /// # Errors
    /// When storage refuses.
    pub async fn flush(&self) -> Result<(), Failure> {
        self.done(Request::Flush).await
    }

    /// Figures by name.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn stats(&self) -> Result<BTreeMap<String, u64>, Failure> {
        match self.call(Request::Stats).await? {
            Response::Stats(stats) => Ok(stats),
            _ => Err(unexpected()),
        }
    }

    /// Makes everything of a space again from its entries and compares it with what is on disk; with
    /// [`VerifyMode::Repair`] what was wrong is replaced. Takes as long as reading the whole space.
    ///
    /// # Errors
    /// When there is no such space, or storage fails; then nothing was changed.
    pub async fn verify(&self, space: SpaceId, mode: VerifyMode) -> Result<VerifyView, Failure> {
        match self.call(Request::Verify { space, mode }).await? {
            Response::Verified(found) => Ok(found),
            _ => Err(unexpected()),
        }
    }

    /// One object now.
    ///
    /// # Errors
    /// When there is no such space.
    pub async fn get(
        &self,
        space: SpaceId,
        object: ObjectId,
    ) -> Result<Option<ObjectView>, Failure> {
        match self.call(Request::Get { space, object }).await? {
            Response::Object(object) => Ok(object.map(|object| *object)),
            _ => Err(unexpected()),
        }
    }

    /// Objects as plain data, texts with their content: to keep, to copy ([`dxos_base::plain::copy`]), or as JSON.
    /// [`PlainObject::writes`] makes them again. Objects not here are left out.
    ///
    /// # Errors
    /// When there is no such space, or the text engine fails.
    pub async fn plain(
        &self,
        space: SpaceId,
        objects: Vec<ObjectId>,
    ) -> Result<Vec<PlainObject>, Failure> {
        match self.call(Request::Plain { space, objects }).await? {
            Response::Plain(objects) => Ok(objects),
            _ => Err(unexpected()),
        }
    }

    /// Writes of a property that lost against concurrent ones, the latest first; read from the log.
    ///
    /// # Errors
    /// When there is no such space or object.
    pub async fn conflicts(
        &self,
        space: SpaceId,
        object: ObjectId,
        path: impl IntoPath,
    ) -> Result<Vec<Conflict>, Failure> {
        let path = path.into_path();
        let request = Request::Conflicts {
            space,
            object,
            path,
        };
        match self.call(request).await? {
            Response::Conflicts(conflicts) => Ok(conflicts),
            _ => Err(unexpected()),
        }
    }

    /// Runs a query once.
    ///
    /// # Errors
    /// When there is no such space.
    pub async fn query(&self, space: SpaceId, query: Query) -> Result<Vec<ObjectView>, Failure> {
        let answer = self.answer(space, query).await?;
        Ok(answer.rows.into_iter().map(|row| row.object).collect())
    }

    /// Runs a query once; tells only which objects of the space it found.
    ///
    /// # Errors
    /// When there is no such space, or the query is over a limit.
    pub async fn query_ids(
        &self,
        space: SpaceId,
        mut query: Query,
    ) -> Result<Vec<ObjectId>, Failure> {
        self.with_registry(|registry| registry.add_former_names(space, &mut query));
        match self.call(Request::QueryIds { space, query }).await? {
            Response::Ids(ids) => Ok(ids),
            _ => Err(unexpected()),
        }
    }

    /// Runs a query once; tells rows with their spaces, or groups, and how they were found.
    ///
    /// # Errors
    /// When there is no such space, or the query is over a limit.
    pub async fn answer(&self, space: SpaceId, mut query: Query) -> Result<QueryAnswer, Failure> {
        self.with_registry(|registry| registry.add_former_names(space, &mut query));
        match self.call(Request::Query { space, query }).await? {
            Response::Answer(answer) => Ok(answer),
            _ => Err(unexpected()),
        }
    }

    // ---- objects ----

    /// A fresh id for [`ObjectWrite::Create`]; greater than those this client gave before, so what it makes stands in the
    /// order of making.
    pub fn new_object_id(&self) -> ObjectId {
        let fresh = platform::new_object_id(&mut **self.0.source.borrow_mut());
        let next = u128::from_be_bytes(self.0.id_last.get().0).saturating_add(1);
        let id = ObjectId(u128::from_be_bytes(fresh.0).max(next).to_be_bytes());
        self.0.id_last.set(id);
        id
    }

    /// A fresh id for an element of a list.
    pub(crate) fn new_element_id(&self) -> ElementId {
        platform::new_element_id(&mut **self.0.source.borrow_mut())
    }

    /// Writes; shown and sent at once, also when the future is dropped. The future ends when it is acknowledged.
    ///
    /// # Errors
    /// Why it was refused; what was shown is taken back then.
    pub fn write(
        &self,
        space: SpaceId,
        writes: Vec<ObjectWrite>,
    ) -> impl Future<Output = Result<(), Failure>> + 'static {
        let (sender, done) = promise();
        self.with(|state| state.write(space, writes, None, sender));
        done
    }

    /// As [`Client::write`], and can be undone.
    ///
    /// # Errors
    /// Why it was refused; what was shown is taken back then.
    pub fn write_marked(
        &self,
        space: SpaceId,
        writes: Vec<ObjectWrite>,
        mark: UndoMark,
    ) -> impl Future<Output = Result<(), Failure>> + 'static {
        let (sender, done) = promise();
        self.with(|state| state.write(space, writes, Some(mark), sender));
        done
    }

    /// Writes and texts not acknowledged yet.
    pub fn unacknowledged(&self) -> usize {
        self.0.state.borrow().unacknowledged()
    }

    /// Hears of every change of [`Client::unacknowledged`].
    pub fn on_saving(&self, listener: impl Fn(usize) + 'static) -> Subscription {
        self.0.on_saving.add(move |count| listener(*count))
    }

    /// Hears of every write of objects taken back, and of changes to texts no longer open.
    pub fn on_refused(&self, listener: impl Fn(&Failure) + 'static) -> Subscription {
        self.0.on_refused.add(listener)
    }

    /// Calls `on_rows` with all rows of a query, now and on every change, own unacknowledged writes on top.
    pub fn subscribe(
        &self,
        space: SpaceId,
        query: Query,
        mut on_rows: impl FnMut(&[ObjectView]) + 'static,
    ) -> Subscription {
        self.subscribe_rows(space, query, move |found| {
            let rows: Vec<ObjectView> = found.rows.iter().map(|row| row.object.clone()).collect();
            on_rows(&rows);
        })
    }

    /// As [`Client::subscribe`], with the spaces rows are in, and with groups.
    pub fn subscribe_rows(
        &self,
        space: SpaceId,
        mut query: Query,
        on_rows: impl FnMut(&QueryRows) + 'static,
    ) -> Subscription {
        self.with_registry(|registry| registry.add_former_names(space, &mut query));
        let id = self.with(|state| state.subscribe(space, query, Rc::new(RefCell::new(on_rows))));
        let client = Rc::downgrade(&self.0);
        Subscription::new(move || {
            if let Some(inner) = client.upgrade() {
                Client(inner).with(|state| state.unsubscribe(id));
            }
        })
    }

    /// Where the person is, for the others to see. A selection of the same object is kept.
    pub fn presence(&self, place: Option<Place>) {
        self.with(|state| state.presence(place));
    }

    // ---- texts ----

    /// Opens a text for an editor.
    ///
    /// # Errors
    /// When there is no such object, or the text engine fails.
    pub async fn open_text(
        &self,
        address: TextAddress,
        sink: TextSink,
    ) -> Result<TextSession, Failure> {
        let guard = Opening {
            client: self.clone(),
            address: Some(address.clone()),
        };
        let (sender, opened) = promise();
        self.with(|state| state.text_wanted(&address, sender));
        opened.await?;
        guard.joined();
        let editor = self.with(|state| state.text_joined(&address, Rc::new(sink)));
        Ok(TextSession::new(self.clone(), address, editor))
    }
}

/// Leaves the text if the opening future is dropped or fails.
struct Opening {
    client: Client,
    address: Option<TextAddress>,
}

impl Opening {
    fn joined(mut self) {
        self.address = None;
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(address) = self.address.take() {
            self.client.with(|state| state.text_left(&address));
        }
    }
}
