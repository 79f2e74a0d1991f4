//! The client's state machine: frames in, frames and notices out.
//!
//! Invariants
//! * a write keeps its number until answered, and writes of objects are resent in order after a takeover;
//! * a write resent under its number is done once. A text change goes out under its old number only if the node says
//!   that it stored it: the greatest number stored says nothing about a smaller one;
//! * nothing but `Hello` is sent before `Welcome`;
//! * notices are run by the caller after the borrow ends, in order.

use std::collections::VecDeque;
use std::rc::Rc;

use dxos_base::schema::Registry;
use dxos_base::{ObjectWrite, Query, SpaceId, TextDelta};
use dxos_services::{
    BlobView, ClientFrame, ClientId, Event, Failure, FailureKind, InvitationView, NodeFrame,
    PROTOCOL_VERSION, Place, QueryDiff, Request, Response, StatusView, TextAddress, UndoMark,
    Write,
};
use litemap::LiteMap;

use crate::calls::{OpenCall, Then, gone, repeatable, unexpected};
use crate::client::Connection;
use crate::promise::Sender;
use crate::queries::{EARLY_DIFFS_MAX, LiveQuery, OnRows, TakenRows};
use crate::session::TextSink;
use text_flow::TextEntry;

mod text_flow;

/// Unacknowledged writes kept; more are refused at once.
const WRITES_MAX: usize = 65_536;

/// Sends a frame to the node.
pub(crate) type Send = Rc<dyn Fn(Vec<u8>)>;

/// What the caller does once the state is no longer borrowed.
pub(crate) enum Notice {
    Send(Vec<u8>),
    Status(Rc<StatusView>),
    Connection(Connection),
    Invitation(Box<InvitationView>),
    Blob(BlobView),
    Saving(usize),
    Refused(Failure),
    Rows(u64),
    Delta(Rc<TextSink>, TextDelta),
    Carets(TextAddress),
    TextRefused(Rc<TextSink>, Failure),
    Answer(Sender<Result<Response, Failure>>, Result<Response, Failure>),
    Done(Sender<Result<(), Failure>>, Result<(), Failure>),
    /// Dropped outside the borrow: what a listener owns may call the client when dropped.
    DropRows(#[allow(dead_code)] OnRows),
    /// As above.
    DropSink(#[allow(dead_code)] Rc<TextSink>),
}

/// A write of objects not yet answered.
struct OpenWrite {
    n: u64,
    space: SpaceId,
    writes: Rc<Vec<ObjectWrite>>,
    mark: Option<UndoMark>,
    done: Sender<Result<(), Failure>>,
}

/// See the module's words.
pub(crate) struct State {
    client: ClientId,
    pub(crate) send: Option<Send>,
    pub(crate) connection: Connection,
    write_last: u64,
    number_last: u64,
    /// By their numbers, which rise.
    calls: VecDeque<OpenCall>,
    writes: VecDeque<OpenWrite>,
    queries: LiteMap<u64, LiveQuery>,
    early_diffs: LiteMap<u64, Vec<QueryDiff>>,
    texts: LiteMap<TextAddress, TextEntry>,
    /// Write numbers of texts on the wire.
    text_writes: LiteMap<u64, TextAddress>,
    pub(crate) status: Option<Rc<StatusView>>,
    pub(crate) invitations: LiteMap<dxos_base::InvitationId, InvitationView>,
    place: Option<Place>,
    saving_told: usize,
    /// No channel will come any more.
    ended: bool,
    out: Vec<Notice>,
}

impl State {
    pub(crate) fn new(client: ClientId) -> Self {
        State {
            client,
            send: None,
            connection: Connection::Connecting,
            write_last: 0,
            number_last: 0,
            calls: VecDeque::new(),
            writes: VecDeque::new(),
            queries: LiteMap::new(),
            early_diffs: LiteMap::new(),
            texts: LiteMap::new(),
            text_writes: LiteMap::new(),
            status: None,
            invitations: LiteMap::new(),
            place: None,
            saving_told: 0,
            ended: false,
            out: Vec::new(),
        }
    }

    /// What is to be done now, in order.
    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        let saving = self.unacknowledged();
        if saving != self.saving_told {
            self.saving_told = saving;
            self.out.push(Notice::Saving(saving));
        }
        std::mem::take(&mut self.out)
    }

    pub(crate) fn unacknowledged(&self) -> usize {
        self.writes.len()
            + self
                .texts
                .values()
                .filter(|entry| !entry.text.settled())
                .count()
    }

    fn live(&self) -> bool {
        self.connection == Connection::Live
    }

    fn number(&mut self) -> u64 {
        self.number_last += 1;
        self.number_last
    }

    fn frame(&mut self, frame: &ClientFrame) {
        self.out.push(Notice::Send(dxos_base::encode(frame)));
    }

    // ---- the channel ----

    /// A channel stands, the first or one to a new node.
    pub(crate) fn connect(&mut self, send: Send) {
        self.ended = false;
        if self.send.is_some() {
            self.disconnected();
        }
        self.send = Some(send);
        let client = self.client;
        self.frame(&ClientFrame::Hello {
            version: PROTOCOL_VERSION,
            client,
        });
    }

    /// The channel is gone. Everything unacknowledged is kept.
    pub(crate) fn disconnected(&mut self) {
        if self.send.take().is_none() {
            return;
        }
        self.connection = Connection::Lost;
        self.out.push(Notice::Connection(Connection::Lost));
        self.early_diffs.clear();
        self.text_writes.clear();
        for (_, query) in self.queries.iter_mut() {
            query.subscription = None;
            query.refused = false;
        }
        for (_, entry) in self.texts.iter_mut() {
            entry.disconnected();
        }
        for mut call in std::mem::take(&mut self.calls) {
            if !call.sent || repeatable(&call.request) {
                call.sent = false;
                self.calls.push_back(call);
            } else if let Then::Answer(sender) = call.then {
                self.out.push(Notice::Answer(sender, Err(gone())));
            }
        }
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// No channel will come any more: nobody waits in vain.
    pub(crate) fn end(&mut self) {
        self.disconnected();
        self.ended = true;
        for call in std::mem::take(&mut self.calls) {
            if let Then::Answer(sender) = call.then {
                self.out.push(Notice::Answer(sender, Err(gone())));
            }
        }
        for write in std::mem::take(&mut self.writes) {
            self.out.push(Notice::Done(write.done, Err(gone())));
        }
        self.outdate_rows();
        let texts: Vec<TextAddress> = self.texts.keys().cloned().collect();
        for text in texts {
            self.text_opened(&text, Err(gone()));
        }
    }

    fn welcome(&mut self, written: u64) {
        self.connection = Connection::Live;
        self.write_last = self.write_last.max(written);
        self.out.push(Notice::Connection(Connection::Live));
        let resend: Vec<ClientFrame> = self.writes.iter().map(OpenWrite::frame).collect();
        for frame in resend {
            self.frame(&frame);
        }
        let unsent: Vec<u64> = self
            .calls
            .iter()
            .filter(|call| !call.sent)
            .map(|call| call.number)
            .collect();
        for number in unsent {
            self.send_call(number);
        }
        let queries: Vec<u64> = self
            .queries
            .iter()
            .filter(|(_, query)| query.subscription.is_none())
            .map(|(id, _)| *id)
            .collect();
        for query in queries {
            self.ask_query(query);
        }
        let texts: Vec<TextAddress> = self.texts.keys().cloned().collect();
        for text in texts {
            self.ask_text(&text);
        }
        if self.place.is_some() {
            self.tell_place();
        }
    }

    /// A frame came from the node.
    pub(crate) fn frame_received(&mut self, frame: NodeFrame) {
        match frame {
            NodeFrame::Welcome { written, .. } => self.welcome(written),
            NodeFrame::Reply { call, result } => self.reply(call, result),
            NodeFrame::Written { n, result } => self.written(n, result),
            NodeFrame::Batch { events } => {
                for event in events {
                    self.event(event);
                }
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Status(status) => {
                let status = Rc::new(status);
                self.status = Some(status.clone());
                self.out.push(Notice::Status(status));
                self.retry_refused_queries();
                self.retry_refused_texts();
            }
            Event::Query { subscription, diff } => self.query_told(subscription, diff),
            Event::Text {
                text,
                base,
                version,
                delta,
            } => self.text_changed(&text, &base, &version, &delta),
            Event::Carets { text, carets } => {
                if let Some(entry) = self.texts.get_mut(&text) {
                    entry.text.set_carets(carets);
                    self.out.push(Notice::Carets(text));
                }
            }
            Event::Invitation(view) => {
                self.invitations.insert(view.invitation, view.clone());
                self.out.push(Notice::Invitation(Box::new(view)));
            }
            Event::Blob(view) => self.out.push(Notice::Blob(view)),
        }
    }

    // ---- calls ----

    /// Makes a call; waits for the channel if there is none.
    pub(crate) fn call(&mut self, request: Request, then: Then) {
        if self.ended {
            if let Then::Answer(sender) = then {
                self.out.push(Notice::Answer(sender, Err(gone())));
            }
            return;
        }
        let number = self.number();
        self.calls.push_back(OpenCall {
            number,
            request,
            then,
            sent: false,
        });
        if self.live() {
            self.send_call(number);
        }
    }

    fn place_of_call(&self, number: u64) -> Option<usize> {
        self.calls
            .binary_search_by_key(&number, |call| call.number)
            .ok()
    }

    fn send_call(&mut self, number: u64) {
        if let Some(at) = self.place_of_call(number) {
            let call = &mut self.calls[at];
            call.sent = true;
            let frame = ClientFrame::Call {
                call: number,
                request: call.request.clone(),
            };
            self.frame(&frame);
        }
    }

    fn reply(&mut self, number: u64, result: Result<Response, Failure>) {
        let found = self.place_of_call(number);
        let Some(call) = found.and_then(|at| self.calls.remove(at)) else {
            return;
        };
        match call.then {
            Then::Nothing => {}
            Then::Answer(sender) => {
                if let Ok(Response::Invitation(view)) = &result {
                    self.invitations
                        .entry(view.invitation)
                        .or_insert_with(|| view.clone());
                }
                self.out.push(Notice::Answer(sender, result));
            }
            Then::Subscribed(id) => self.subscribed(id, result),
            Then::Opened(text) => match result {
                Ok(Response::Text(opened)) => self.text_opened(&text, Ok(opened)),
                Ok(_) => self.text_opened(&text, Err(unexpected())),
                Err(failure) => self.text_opened(&text, Err(failure)),
            },
        }
    }

    // ---- writes of objects ----

    /// Shows and sends a write; `done` hears of its end.
    pub(crate) fn write(
        &mut self,
        space: SpaceId,
        writes: Vec<ObjectWrite>,
        mark: Option<UndoMark>,
        done: Sender<Result<(), Failure>>,
    ) {
        if self.ended {
            self.out.push(Notice::Done(done, Err(gone())));
            return;
        }
        if !writes.iter().all(ObjectWrite::depth_fits) {
            // Sent, it would close the channel, again after each return.
            self.out.push(Notice::Done(done, Err(too_deep())));
            return;
        }
        let n = self.write_last + 1;
        let (bytes, writes) = encoded(n, space, writes, mark.clone());
        if bytes.len() > dxos_base::limits::SERVICE_FRAME_BYTES_MAX
            || self.writes.len() >= WRITES_MAX
        {
            self.out.push(Notice::Done(done, Err(too_much())));
            return;
        }
        self.write_last = n;
        let write = OpenWrite {
            n,
            space,
            writes: Rc::new(writes),
            mark,
            done,
        };
        let mut touched = Vec::new();
        for (id, query) in &mut self.queries {
            if query.looks_at(space) && query.write(space, &write.writes) && query.is_told() {
                touched.push(*id);
            }
        }
        self.writes.push_back(write);
        if self.live() {
            self.out.push(Notice::Send(bytes));
        }
        self.out.extend(touched.into_iter().map(Notice::Rows));
    }

    fn written(&mut self, n: u64, result: Result<Option<Vec<u8>>, Failure>) {
        if let Some(text) = self.text_writes.remove(&n) {
            self.text_written(&text, n, result);
            return;
        }
        let Some(at) = self.writes.iter().position(|write| write.n == n) else {
            return;
        };
        let Some(write) = self.writes.remove(at) else {
            return;
        };
        match result {
            Ok(_) => {
                for (_, query) in self.queries.iter_mut() {
                    if query.looks_at(write.space) {
                        query.acknowledge(write.space, &write.writes);
                    }
                }
                self.out.push(Notice::Done(write.done, Ok(())));
            }
            Err(failure) => {
                // What was shown of it is taken back.
                self.outdate_rows();
                self.show_rows(write.space);
                self.out.push(Notice::Refused(failure.clone()));
                self.out.push(Notice::Done(write.done, Err(failure)));
            }
        }
    }

    // ---- live queries ----

    pub(crate) fn subscribe(&mut self, space: SpaceId, query: Query, on_rows: OnRows) -> u64 {
        let id = self.number();
        self.queries
            .insert(id, LiveQuery::new(space, query, on_rows));
        if self.live() {
            self.ask_query(id);
        }
        id
    }

    pub(crate) fn unsubscribe(&mut self, id: u64) {
        let Some(query) = self.queries.remove(&id) else {
            return;
        };
        self.out.push(Notice::DropRows(query.on_rows));
        if let Some(subscription) = query.subscription
            && self.live()
        {
            self.call(Request::Unsubscribe { subscription }, Then::Nothing);
        }
    }

    /// Own writes on top of rows are decided as the types say now; the node does so by itself.
    pub(crate) fn types_changed(&mut self, registry: &Registry) {
        for (_, live) in self.queries.iter_mut() {
            registry.add_former_names(live.space, &mut live.query);
        }
    }

    fn ask_query(&mut self, id: u64) {
        if let Some(query) = self.queries.get_mut(&id) {
            query.refused = false;
            let request = Request::Subscribe {
                space: query.space,
                query: query.query.clone(),
            };
            self.call(request, Then::Subscribed(id));
        }
    }

    fn subscribed(&mut self, id: u64, result: Result<Response, Failure>) {
        let subscription = match result {
            Ok(Response::Subscribed(subscription)) => subscription,
            _ => {
                if let Some(query) = self.queries.get_mut(&id) {
                    query.refused = true;
                }
                return;
            }
        };
        let early = self.early_diffs.remove(&subscription).unwrap_or_default();
        match self.queries.get_mut(&id) {
            Some(query) => {
                query.subscription = Some(subscription);
                query.forget();
                for diff in early {
                    self.query_told(subscription, diff);
                }
            }
            None => self.call(Request::Unsubscribe { subscription }, Then::Nothing),
        }
    }

    /// A refused query is asked again when its space has appeared (it was being joined).
    fn retry_refused_queries(&mut self) {
        let Some(status) = self.status.clone() else {
            return;
        };
        let ids: Vec<u64> = self
            .queries
            .iter()
            .filter(|(_, query)| query.refused)
            .filter(|(_, query)| status.spaces.iter().any(|space| space.space == query.space))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.ask_query(id);
        }
    }

    fn query_told(&mut self, subscription: u64, diff: QueryDiff) {
        let found = self
            .queries
            .iter_mut()
            .find(|(_, query)| query.subscription == Some(subscription));
        let Some((id, query)) = found else {
            let early: usize = self.early_diffs.values().map(Vec::len).sum();
            if early < EARLY_DIFFS_MAX {
                self.early_diffs.entry(subscription).or_default().push(diff);
            }
            return;
        };
        let id = *id;
        if query.tell(&diff).is_ok() {
            self.out.push(Notice::Rows(id));
        } else {
            // Something was lost on the way: all rows are asked for again.
            query.subscription = None;
            self.call(Request::Unsubscribe { subscription }, Then::Nothing);
            self.ask_query(id);
        }
    }

    fn outdate_rows(&mut self) {
        for (_, query) in self.queries.iter_mut() {
            query.outdate();
        }
    }

    fn show_rows(&mut self, space: SpaceId) {
        for (id, query) in &self.queries {
            if query.looks_at(space) && query.is_told() {
                self.out.push(Notice::Rows(*id));
            }
        }
    }

    /// Rows to show, and whom to show them.
    pub(crate) fn take_rows(&mut self, id: u64) -> Option<TakenRows> {
        let query = self.queries.get_mut(&id)?;
        let on_rows = query.on_rows.clone();
        let unacknowledged = self.writes.iter().map(|write| (write.space, &write.writes));
        let (rows, changes) = query.take_rows(unacknowledged)?;
        Some(TakenRows {
            id,
            rows,
            changes,
            on_rows,
        })
    }

    /// Keeps rows that were shown.
    pub(crate) fn put_back(&mut self, shown: TakenRows) {
        if let Some(query) = self.queries.get_mut(&shown.id) {
            query.put_back(shown.rows, shown.changes);
        }
    }

    // ---- presence ----

    pub(crate) fn presence(&mut self, place: Option<Place>) {
        self.place = match (place, self.place.take()) {
            (Some(mut new), Some(old))
                if new.selection.is_none()
                    && new.object == old.object
                    && new.space == old.space =>
            {
                new.selection = old.selection;
                Some(new)
            }
            (new, _) => new,
        };
        self.tell_place();
    }

    fn tell_place(&mut self) {
        if self.live() {
            let frame = ClientFrame::Presence {
                place: self.place.clone(),
            };
            self.frame(&frame);
        }
    }
}

impl OpenWrite {
    fn frame(&self) -> ClientFrame {
        let write = write_of(self.space, self.writes.to_vec(), self.mark.clone());
        ClientFrame::Write { n: self.n, write }
    }
}

fn write_of(space: SpaceId, writes: Vec<ObjectWrite>, mark: Option<UndoMark>) -> Write {
    match mark {
        Some(mark) => Write::Marked {
            space,
            writes,
            mark,
        },
        None => Write::Objects { space, writes },
    }
}

/// The frame of a write, and the writes back: many are not copied for it.
fn encoded(
    n: u64,
    space: SpaceId,
    writes: Vec<ObjectWrite>,
    mark: Option<UndoMark>,
) -> (Vec<u8>, Vec<ObjectWrite>) {
    let mut frame = ClientFrame::Write {
        n,
        write: write_of(space, writes, mark),
    };
    let bytes = dxos_base::encode(&frame);
    let writes = match &mut frame {
        ClientFrame::Write {
            write: Write::Objects { writes, .. } | Write::Marked { writes, .. },
            ..
        } => std::mem::take(writes),
        _ => Vec::new(),
    };
    (bytes, writes)
}

fn too_much() -> Failure {
    Failure {
        kind: FailureKind::Malformed,
        message: "This is too much to save at once.".into(),
        hint: "Split it into smaller parts.".into(),
    }
}

/// A write holds a value that no node reads.
fn too_deep() -> Failure {
    Failure {
        kind: FailureKind::Malformed,
        message: format!(
            "A value has more than {} lists or maps in one another.",
            dxos_base::limits::VALUE_DEPTH_MAX
        ),
        hint: "Make it an object of its own and refer to that.".into(),
    }
}
