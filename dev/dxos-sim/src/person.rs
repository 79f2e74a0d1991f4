//! A person at a screen: the real client, with hands that type, and a memory of what the client showed.
//!
//! Invariant: the person's editor is changed by the deltas the client tells and by own typing only, so it must always
//! equal what the client says the text is.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use dxos_base::query::Deleted;
use dxos_base::text::apply;
use dxos_base::{InvitationId, ObjectView, Query, SpaceId, TextChange};
use dxos_client::{Client, Subscription, TextSession, TextSink};
use dxos_node::ChannelId;
use dxos_services::{ClientId, Failure, InvitationView, Role, StatusView, TextAddress};

use crate::ledger::{EditId, Ledger};

/// What came of something the person asked for.
pub enum Done {
    /// The identity was made, or not.
    Identity(Result<(), Failure>),
    /// A space was made.
    Space(Result<SpaceId, Failure>),
    /// An invitation was made.
    Invited(Result<InvitationView, Failure>),
    /// A join began.
    Joining(Result<InvitationView, Failure>),
    /// A write of a kind was answered.
    Wrote(&'static str, Vec<EditId>, Result<(), Failure>),
    /// A text was opened, or not.
    Opened(TextAddress, Result<(), Failure>),
    /// All objects of a space.
    Objects(Result<Vec<ObjectView>, Failure>),
    /// A space was verified, or not.
    Verified(Result<dxos_services::VerifyView, Failure>),
    /// Figures of the node.
    Stats(Result<BTreeMap<String, u64>, Failure>),
    /// Anything else, by name.
    Other(&'static str, Result<(), Failure>),
}

type Task = Pin<Box<dyn Future<Output = Done>>>;

/// An open text on the screen.
pub struct Editor {
    session: TextSession,
    shown: Rc<RefCell<String>>,
    broken: Rc<Cell<bool>>,
    refused: Rc<Cell<u64>>,
    outstanding: Vec<EditId>,
}

/// See the module.
pub struct Person {
    /// The client.
    pub client: Client,
    /// Its channel to the node, if there is one.
    pub channel: Option<ChannelId>,
    /// Edits of this person, in order.
    pub own: Vec<EditId>,
    /// Texts on the screen.
    pub editors: BTreeMap<TextAddress, Editor>,
    /// Edits of texts in whose course the client said that something was refused.
    pub doubtful: u64,
    outbox: Rc<RefCell<VecDeque<Vec<u8>>>>,
    tasks: Vec<Task>,
    opening: Rc<RefCell<Vec<(TextAddress, Editor)>>>,
    rows: Rc<RefCell<Vec<ObjectView>>>,
    subscription: Option<(SpaceId, Subscription)>,
}

impl Person {
    /// A person with a new client.
    pub fn new(client: ClientId) -> Self {
        Person {
            client: Client::new(client),
            channel: None,
            own: Vec::new(),
            editors: BTreeMap::new(),
            doubtful: 0,
            outbox: Rc::default(),
            tasks: Vec::new(),
            opening: Rc::default(),
            rows: Rc::default(),
            subscription: None,
        }
    }

    /// A channel to the node stands.
    pub fn connect(&mut self, channel: ChannelId) {
        self.channel = Some(channel);
        self.outbox.borrow_mut().clear();
        let outbox = Rc::downgrade(&self.outbox);
        self.client.connect(Rc::new(move |frame| {
            if let Some(outbox) = outbox.upgrade() {
                outbox.borrow_mut().push_back(frame);
            }
        }));
    }

    /// The channel is gone.
    pub fn disconnected(&mut self) {
        if self.channel.take().is_some() {
            self.client.disconnected();
            self.outbox.borrow_mut().clear();
        }
    }

    /// Frames for the node.
    pub fn take_frames(&mut self) -> Vec<Vec<u8>> {
        self.outbox.borrow_mut().drain(..).collect()
    }

    /// The node's status as last told.
    pub fn status(&self) -> Option<Rc<StatusView>> {
        self.client.status()
    }

    /// All objects of the watched space, as shown.
    pub fn rows(&self) -> Vec<ObjectView> {
        self.rows.borrow().clone()
    }

    /// One object of the watched space, as shown.
    pub fn row(&self, object: dxos_base::ObjectId) -> Option<ObjectView> {
        self.rows
            .borrow()
            .iter()
            .find(|view| view.object == object)
            .cloned()
    }

    /// Keeps all objects of a space on the screen.
    pub fn watch(&mut self, space: SpaceId) {
        if self
            .subscription
            .as_ref()
            .is_some_and(|(of, _)| *of == space)
        {
            return;
        }
        let rows = self.rows.clone();
        let query = Query::all().deleted(Deleted::Include);
        let subscription = self
            .client
            .subscribe(space, query, move |all| *rows.borrow_mut() = all.to_vec());
        self.subscription = Some((space, subscription));
    }

    /// Whether something asked for is not answered.
    pub fn busy(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// Looks at all that was asked for; gives what is answered.
    pub fn poll(&mut self) -> Vec<Done> {
        let mut done = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        let mut tasks = std::mem::take(&mut self.tasks);
        tasks.retain_mut(|task| match task.as_mut().poll(&mut cx) {
            Poll::Ready(result) => {
                done.push(result);
                false
            }
            Poll::Pending => true,
        });
        tasks.append(&mut self.tasks);
        self.tasks = tasks;
        for (address, editor) in self.opening.take() {
            self.editors.insert(address, editor);
        }
        done
    }

    fn ask(&mut self, task: impl Future<Output = Done> + 'static) {
        self.tasks.push(Box::pin(task));
        // The first poll sends what is asked.
        let mut cx = Context::from_waker(Waker::noop());
        let last = self.tasks.last_mut().expect("pushed above");
        if let Poll::Ready(done) = last.as_mut().poll(&mut cx) {
            *last = Box::pin(std::future::ready(done));
        }
    }

    /// Asks for an identity.
    pub fn create_identity(&mut self, name: String, label: String) {
        let client = self.client.clone();
        self.ask(async move {
            Done::Identity(client.create_identity(&name, &label, "Simulator").await)
        });
    }

    /// Asks for a space.
    pub fn create_space(&mut self, name: String) {
        let client = self.client.clone();
        self.ask(async move { Done::Space(client.create_space(&name).await) });
    }

    /// Asks for an invitation.
    pub fn invite(&mut self, space: SpaceId, role: Role) {
        let client = self.client.clone();
        self.ask(async move { Done::Invited(client.invite(space, role, 600_000).await) });
    }

    /// Joins by a code.
    pub fn join(&mut self, code: String) {
        let client = self.client.clone();
        self.ask(async move { Done::Joining(client.join(&code).await) });
    }

    /// Types the auth code.
    pub fn authenticate(&mut self, invitation: InvitationId, code: String) {
        let client = self.client.clone();
        self.ask(async move {
            Done::Other("authenticate", client.authenticate(invitation, &code).await)
        });
    }

    /// Ends an invitation or join.
    pub fn cancel(&mut self, invitation: InvitationId) {
        let client = self.client.clone();
        self.ask(async move { Done::Other("cancel", client.cancel(invitation).await) });
    }

    /// Leaves a space.
    pub fn leave(&mut self, space: SpaceId) {
        let client = self.client.clone();
        self.ask(async move { Done::Other("leave", client.leave_space(space).await) });
    }

    /// Switches networking off or on.
    pub fn set_offline(&mut self, offline: bool) {
        let client = self.client.clone();
        self.ask(async move { Done::Other("offline", client.set_offline(offline).await) });
    }

    /// Asks that all be synced to disk.
    pub fn flush(&mut self) {
        let client = self.client.clone();
        self.ask(async move { Done::Other("flush", client.flush().await) });
    }

    /// Asks for one object.
    pub fn get(&mut self, space: SpaceId, object: dxos_base::ObjectId) {
        let client = self.client.clone();
        self.ask(async move { Done::Other("get", client.get(space, object).await.map(|_| ())) });
    }

    /// Asks for all objects, deleted ones too.
    pub fn query_all(&mut self, space: SpaceId) {
        let client = self.client.clone();
        let query = Query::all().deleted(Deleted::Include);
        self.ask(async move {
            // What comes between the two may change what is found: only that both answer is asked here.
            if let Err(failure) = client.query_ids(space, query.clone()).await {
                return Done::Objects(Err(failure));
            }
            Done::Objects(client.query(space, query).await)
        });
    }

    /// Asks for the node's figures.
    pub fn stats(&mut self) {
        let client = self.client.clone();
        self.ask(async move { Done::Stats(client.stats().await) });
    }

    /// Asks that a space be made again from its entries and compared.
    pub fn verify(&mut self, space: SpaceId) {
        let client = self.client.clone();
        let mode = dxos_services::VerifyMode::Check;
        self.ask(async move { Done::Verified(client.verify(space, mode).await) });
    }

    /// Writes objects; the edits are in the ledger.
    pub fn write(
        &mut self,
        space: SpaceId,
        kind: &'static str,
        writes: Vec<dxos_base::ObjectWrite>,
        edits: Vec<EditId>,
    ) {
        self.own.extend(&edits);
        let written = self.client.write(space, writes);
        self.ask(async move { Done::Wrote(kind, edits, written.await) });
    }

    /// Opens a text on the screen.
    pub fn open_text(&mut self, address: TextAddress) {
        let client = self.client.clone();
        let opening = self.opening.clone();
        let (broken, refused) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
        self.ask(async move {
            let text: Rc<RefCell<String>> = Rc::default();
            let (on_text, on_broken, on_refused) = (text.clone(), broken.clone(), refused.clone());
            let sink = TextSink::new(
                move |delta| {
                    let next = apply(&on_text.borrow(), delta);
                    match next {
                        Ok(next) => *on_text.borrow_mut() = next,
                        Err(_) => on_broken.set(true),
                    }
                },
                |_| {},
                move |_| on_refused.set(on_refused.get() + 1),
            );
            match client.open_text(address.clone(), sink).await {
                Ok(session) => {
                    *text.borrow_mut() = session.content();
                    let editor = Editor {
                        session,
                        shown: text,
                        broken,
                        refused,
                        outstanding: Vec::new(),
                    };
                    opening.borrow_mut().push((address.clone(), editor));
                    Done::Opened(address, Ok(()))
                }
                Err(failure) => Done::Opened(address, Err(failure)),
            }
        });
    }

    /// Changes an open text; gives the edit.
    pub fn edit_text(
        &mut self,
        address: &TextAddress,
        delta: Vec<TextChange>,
        peer: usize,
        ledger: &mut Ledger,
    ) -> Result<(), String> {
        let Some(editor) = self.editors.get_mut(address) else {
            return Ok(());
        };
        let before = editor.shown.borrow().clone();
        let after =
            apply(&before, &delta).map_err(|error| format!("typing went wrong: {error}"))?;
        editor
            .session
            .edit(delta)
            .map_err(|error| format!("the client refuses typing: {error}"))?;
        editor.shown.replace(after.clone());
        let edit = ledger.text(peer, address.clone(), &before, &after);
        editor.outstanding.push(edit);
        Ok(())
    }

    /// Closes a text. What is not acknowledged is still sent, but nobody waits for the answer.
    pub fn close_text(&mut self, address: &TextAddress) {
        self.editors.remove(address);
    }

    /// Looks at the editors after something came: tells the ledger which edits last by now.
    pub fn look(&mut self, commits: u64, ledger: &mut Ledger) -> Result<(), String> {
        for (address, editor) in &mut self.editors {
            let content = editor.session.content();
            if editor.broken.get() || *editor.shown.borrow() != content {
                return Err(format!(
                    "the editor of {} shows another text than its client",
                    address.object
                ));
            }
            if editor.session.saving() {
                continue;
            }
            let refused = editor.refused.take() > 0;
            for edit in editor.outstanding.drain(..) {
                if refused {
                    // Taken back, as far as the person can tell; the node may have stored it before the answer was lost.
                    ledger.unsure(edit);
                    self.doubtful += 1;
                } else {
                    ledger.acknowledged(edit, commits);
                }
            }
        }
        Ok(())
    }

    /// What an open text shows.
    pub fn text(&self, address: &TextAddress) -> Option<String> {
        self.editors
            .get(address)
            .map(|editor| editor.session.content())
    }

    /// Moves the caret in an open text.
    pub fn select(&self, address: &TextAddress, anchor: u32, head: u32) {
        if let Some(editor) = self.editors.get(address) {
            editor.session.select(anchor, head);
        }
    }

    /// Nothing is unacknowledged and nothing is asked for.
    pub fn settled(&self) -> bool {
        !self.busy() && self.client.unacknowledged() == 0
    }
}
