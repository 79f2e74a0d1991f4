//! Clients of the node: calls, idempotent writes, subscriptions and the batches they get.
//!
//! Invariants
//! * a call is answered exactly once; a write is answered from the store when its number is known;
//! * a client's frame that does not read closes its channel, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use dxos_base::{InvitationId, ObjectId, ObjectWrite, PlainObject, Query, SpaceId, Tick, limits};
use dxos_echo::store::{Durability, Store, StoreError};
use dxos_echo::{EchoError, Touched};
use dxos_services::{
    ClientFrame, ClientId, Event as ClientEvent, Failure, FailureKind, InvitationView, NodeFrame,
    PROTOCOL_VERSION, Place, QueryAnswer, Request, Response, SpaceLife, TextAddress, UndoMark,
    Write,
};

use crate::blobs::BlobAt;
use crate::event::{ChannelId, Effect};
use crate::failure::{
    failure, from_store, from_text, malformed, no_identity, no_space, not_allowed,
};
use crate::life::life_of;
use crate::node::{BATCH_MS, Node, OFFLINE, SECRET_IDENTITY, Turn};
use crate::space::{SpaceRecord, SpaceState, transaction, transaction_told, write_context};
use crate::undo::{as_step, check_mark};

/// Subscriptions of one channel.
const SUBSCRIPTIONS_MAX: usize = 1_024;
/// Objects given as plain data at once.
const PLAIN_OBJECTS_MAX: usize = 1_000;

/// One client's channel.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    pub(crate) client: Option<ClientId>,
    pub(crate) events: Vec<ClientEvent>,
    pub(crate) texts: BTreeSet<TextAddress>,
    pub(crate) place: Option<Place>,
    /// Blobs it follows.
    pub(crate) blobs: BTreeSet<BlobAt>,
    pub(crate) invitations_told: BTreeMap<InvitationId, InvitationView>,
    status_told: bool,
}

/// Numbers remembered as refused, the latest ones: a client has few writes without an answer.
const SKIPPED_MAX: usize = 64;

/// Which writes of a client are stored.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Written {
    /// The greatest number stored.
    last: u64,
    /// Numbers below it that were refused or never came.
    skipped: BTreeSet<u64>,
}

impl Written {
    fn key(client: &ClientId) -> String {
        format!("client/{}", dxos_base::PeerId(client.0))
    }

    fn read(store: &mut dyn Store, client: &ClientId) -> Result<Written, StoreError> {
        let bytes = store.get(&Self::key(client))?;
        Ok(bytes
            .and_then(|bytes| dxos_base::decode(&bytes, 16 * SKIPPED_MAX).ok())
            .unwrap_or_default())
    }

    fn store(&self, store: &mut dyn Store, client: &ClientId) -> Result<(), StoreError> {
        store.set(&Self::key(client), Some(&dxos_base::encode(self)))
    }

    fn add(&mut self, n: u64) {
        self.skipped.remove(&n);
        let from = n
            .saturating_sub(SKIPPED_MAX as u64)
            .max(self.last.saturating_add(1));
        self.skipped.extend(from..n);
        while self.skipped.len() > SKIPPED_MAX {
            self.skipped.pop_first();
        }
        self.last = n.max(self.last);
    }
}

/// What a failed local call of ECHO means to the one who asked.
pub(crate) fn from_echo(error: &EchoError) -> Failure {
    match error {
        EchoError::Store(error) => from_store(error),
        EchoError::Text(error) => from_text(error),
        EchoError::Query(error) => failure(
            FailureKind::Malformed,
            format!("This query cannot be answered: {error}."),
            "Change that part.",
        ),
        EchoError::NotFound { .. } => failure(
            FailureKind::NotFound,
            "This object is not here.",
            "It may have been removed.",
        ),
        EchoError::Immutable { .. } => failure(
            FailureKind::Malformed,
            format!("Not written: {error}."),
            "Append another one, or delete this one.",
        ),
        other => failure(
            FailureKind::Malformed,
            format!("Not written: {other}."),
            "Change the value.",
        ),
    }
}

impl Node {
    pub(crate) fn client_frame(
        &mut self,
        turn: &mut Turn<'_, '_>,
        channel: ChannelId,
        bytes: &[u8],
    ) {
        if !self.channels.contains_key(&channel) {
            return;
        }
        let Ok(frame) = dxos_services::decode_client(bytes) else {
            tracing::warn!(channel = channel.0, "client.malformed");
            self.channel_closed(turn, channel);
            return turn.out.push(Effect::CloseChannel(channel));
        };
        match frame {
            ClientFrame::Hello { client, .. } => self.hello(turn, channel, client),
            ClientFrame::Call { call, request } => {
                let makes = matches!(
                    request,
                    Request::CreateIdentity { .. }
                        | Request::CreateSpace { .. }
                        | Request::OpenSpace { .. }
                        | Request::CloseSpace { .. }
                        | Request::LeaveSpace { .. }
                        | Request::DeleteSpace { .. }
                        | Request::SettleForks { .. }
                        | Request::RemoveSpace { .. }
                );
                let result = self.call(turn, channel, request);
                if makes {
                    // What a call made is told before its answer.
                    self.tell_status(turn);
                    self.flush_clients(turn);
                }
                send(turn, channel, &NodeFrame::Reply { call, result });
            }
            ClientFrame::Write { n, write } => {
                let result = self.write(turn, channel, n, write);
                send(turn, channel, &NodeFrame::Written { n, result });
            }
            ClientFrame::Presence { place } => {
                if let Some(channel) = self.channels.get_mut(&channel) {
                    channel.place = place;
                }
                self.own_presence.changed(turn.cx.now);
            }
        }
    }

    fn hello(&mut self, turn: &mut Turn<'_, '_>, channel: ChannelId, client: ClientId) {
        let written = Written::read(&mut *turn.cx.store, &client)
            .unwrap_or_default()
            .last;
        if let Some(channel) = self.channels.get_mut(&channel) {
            channel.client = Some(client);
        }
        send(
            turn,
            channel,
            &NodeFrame::Welcome {
                version: PROTOCOL_VERSION,
                written,
            },
        );
        let invitations = self
            .invitations
            .views()
            .into_iter()
            .map(ClientEvent::Invitation);
        if let Some(channel) = self.channels.get_mut(&channel) {
            channel.events.extend(invitations);
        }
        // At once: spaces are listed before they are open.
        self.status_at = Some(turn.cx.now);
    }

    pub(crate) fn channel_closed(&mut self, turn: &mut Turn<'_, '_>, channel: ChannelId) {
        let Some(closed) = self.channels.remove(&channel) else {
            return;
        };
        self.live.close(channel);
        self.want_views();
        for text in closed.texts {
            self.close_editor(turn, channel, &text);
        }
        self.own_presence.changed(turn.cx.now);
    }

    // ---- calls ------------------------------------------------------------------------------------------

    fn call(
        &mut self,
        turn: &mut Turn<'_, '_>,
        channel: ChannelId,
        request: Request,
    ) -> Result<Response, Failure> {
        if let Some(space) = space_of(&request) {
            self.ensure_open(turn, space)?;
        }
        match request {
            Request::OpenSpace { space } => self.open_space_here(turn, space),
            Request::CloseSpace { space } => self.close_space_here(turn, space),
            Request::LeaveSpace { space } => self.leave_space(turn, space),
            Request::DeleteSpace { space } => self.delete_space(turn, space),
            Request::SettleForks { space, device } => self.settle_forks_of(turn, space, device),
            Request::RemoveSpace { space } => self.remove_space_here(turn, space),
            Request::CreateIdentity {
                name,
                device_label,
                platform,
            } => self.create_identity(turn, &name, &device_label, &platform),
            Request::CreateSpace { name } => {
                self.create_space(turn, &name, false).map(Response::Space)
            }
            Request::Subscribe { space, query } => self.subscribe(turn, channel, space, query),
            Request::Unsubscribe { subscription } => {
                self.live.unsubscribe((channel, subscription));
                self.want_views();
                Ok(Response::Done)
            }
            Request::Get { space, object } => {
                let space = self.spaces.get(&space).ok_or_else(no_space)?;
                let view = transaction(turn.cx, Durability::Acknowledged, |cx| {
                    space.data.object(&mut *cx.store, object)
                });
                view.map(|view| Response::Object(view.map(Box::new)))
                    .map_err(|error| from_echo(&error))
            }
            Request::Query { space, query } => {
                self.run_query(turn, space, &query).map(Response::Answer)
            }
            Request::QueryIds { space, query } => {
                let answer = self.run_query(turn, space, &query)?;
                let own = answer.rows.iter().filter(|row| row.space == space);
                Ok(Response::Ids(own.map(|row| row.object.object).collect()))
            }
            Request::OpenText { text, base } => self
                .open_editor(turn, channel, text, base)
                .map(Response::Text),
            Request::CloseText { text } => {
                self.close_editor(turn, channel, &text);
                if let Some(channel) = self.channels.get_mut(&channel) {
                    channel.texts.remove(&text);
                }
                Ok(Response::Done)
            }
            Request::Invite {
                space,
                role,
                ttl_ms,
            } => self.invite(turn, space, role, ttl_ms),
            Request::CancelInvitation { invitation } => self.cancel_invitation(turn, invitation),
            Request::Join { code } => self.join(turn, &code),
            Request::Authenticate { invitation, code } => {
                self.authenticate(turn, invitation, &code)
            }
            Request::SetOffline { offline } => {
                self.set_offline(turn, offline)
                    .map_err(|error| from_store(&error))?;
                Ok(Response::Done)
            }
            Request::Flush => {
                for id in self.spaces.keys().copied().collect::<Vec<_>>() {
                    self.seal(turn, id);
                    if self
                        .spaces
                        .get(&id)
                        .is_some_and(|space| space.data.pending())
                    {
                        let message = "Not everything could be written to disk.";
                        return Err(failure(FailureKind::Storage, message, "Free some space."));
                    }
                }
                Ok(Response::Done)
            }
            Request::Stats => Ok(Response::Stats(self.stats())),
            Request::Verify { space, mode } => {
                self.verify_space(turn, space, mode).map(Response::Verified)
            }
            Request::Plain { space, objects } => self.plain(turn, space, &objects),
            Request::History {
                space,
                object,
                window,
            } => self.history(turn, space, object, &window),
            Request::Version {
                space,
                object,
                point,
            } => self.version(turn, space, object, &point),
            Request::ChangedSince {
                space,
                point,
                after,
            } => self.changed_since(turn, space, &point, after),
            Request::Restore {
                space,
                objects,
                point,
                mark,
            } => self.restore_objects(turn, space, &objects, &point, mark.as_ref()),
            Request::Undo { space, scope, redo } => self.undo_step(turn, space, &scope, redo),
            Request::UndoLabels { space, scope } => self.undo_labels(turn, space, &scope),
            request @ (Request::BlobBegin { .. }
            | Request::BlobPiece { .. }
            | Request::BlobFinish { .. }
            | Request::BlobRead { .. }
            | Request::Blob { .. }
            | Request::BlobKeep { .. }
            | Request::BlobUsage { .. }) => self.blob_call(turn, channel, request),
            Request::Conflicts {
                space,
                object,
                path,
            } => {
                let space = self.spaces.get_mut(&space).ok_or_else(no_space)?;
                let found = transaction(turn.cx, Durability::Acknowledged, |cx| {
                    space.conflicts(cx, object, &path)
                });
                found
                    .map(Response::Conflicts)
                    .map_err(|error| from_echo(&error))
            }
        }
    }

    /// Objects with the contents of their texts.
    fn plain(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        objects: &[ObjectId],
    ) -> Result<Response, Failure> {
        if objects.len() > PLAIN_OBJECTS_MAX {
            return Err(malformed("Too many objects at once."));
        }
        let space = self.spaces.get_mut(&id).ok_or_else(no_space)?;
        let plain = transaction(turn.cx, Durability::Acknowledged, |cx| {
            let mut out = Vec::with_capacity(objects.len());
            for object in objects {
                if let Some(view) = space.data.object(&mut *cx.store, *object)? {
                    let mut plain = PlainObject::of(&view);
                    plain.texts = space.data.texts_of(&mut write_context(cx), *object)?;
                    out.push(plain);
                }
            }
            Ok::<_, EchoError>(out)
        });
        match plain {
            Ok(plain) => Ok(Response::Plain(plain)),
            Err(error) => {
                self.storage_failed(turn, id, &error);
                Err(from_echo(&error))
            }
        }
    }

    fn create_identity(
        &mut self,
        turn: &mut Turn<'_, '_>,
        name: &str,
        device_label: &str,
        platform: &str,
    ) -> Result<Response, Failure> {
        if self.identity.is_some() {
            let message = "This device has an identity already.";
            return Err(failure(FailureKind::Identity, message, "Reload the page."));
        }
        let name = check_name(name)?;
        let made = dxos_halo::create_identity(name, device_label, platform, &mut *turn.cx.entropy);
        let made = made.map_err(|error| malformed(error.to_string()))?;
        let sealed = self.seal_secret(SECRET_IDENTITY, &made.identity.to_secret_bytes(), turn.cx);
        transaction(turn.cx, Durability::Synced, |cx| {
            cx.store.set(SECRET_IDENTITY, Some(&sealed))?;
            made.credentials.iter().try_for_each(|credential| {
                cx.store
                    .credential_put(made.space, credential.hash(), credential.bytes())
            })
        })
        .map_err(|error: StoreError| from_store(&error))?;
        self.swarm
            .set_secret(made.identity.device_agreement().clone());
        self.identity = Some(made.identity);
        // Others may be invited to it later: it bears the name of whose it is.
        let whose = name
            .chars()
            .take(limits::NAME_BYTES_MAX / 8)
            .collect::<String>();
        self.create_space(turn, &format!("{whose}’s space"), true)?;
        self.swarm
            .set_enabled(turn.cx.now, !self.offline, &mut turn.swarm);
        self.status_dirty(turn.cx.now);
        Ok(Response::Done)
    }

    fn create_space(
        &mut self,
        turn: &mut Turn<'_, '_>,
        name: &str,
        personal: bool,
    ) -> Result<SpaceId, Failure> {
        let identity = self.identity.clone().ok_or_else(no_identity)?;
        let name = check_name(name)?;
        let made = dxos_halo::create_space(&identity, name, identity.name(), &mut *turn.cx.entropy);
        let made = made.map_err(|error| malformed(error.to_string()))?;
        self.add_space(turn, made.space, &made.credentials, personal)?;
        Ok(made.space)
    }

    /// Stores a space that was made or joined, and begins to be found by its members.
    pub(crate) fn add_space(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        credentials: &[dxos_halo::Credential],
        personal: bool,
    ) -> Result<(), Failure> {
        let identity = self.identity.clone().ok_or_else(no_identity)?;
        let open = self.spaces.values().map(|space| space.record.order);
        let resting = self.resting.values().map(|space| space.record.order);
        let order = open.chain(resting).max().map_or(0, |last| last + 1);
        let (record, marker) = (SpaceRecord { order, personal }, self.config.instance_marker);
        let agreement = identity.agreement();
        let space = transaction(turn.cx, Durability::Synced, |cx| {
            let device = identity.device();
            let space = SpaceState::create(id, record, credentials, device, agreement, marker, cx)?;
            self.write_summary(&space, false, cx)?;
            Ok::<_, EchoError>(space)
        });
        let mut space = space.map_err(|error| from_echo(&error))?;
        space.data.set_entry_version(self.entry_version);
        self.spaces.insert(id, space);
        self.join_topics(turn, id);
        self.all_queries_dirty(turn.cx.now, id);
        self.status_dirty(turn.cx.now);
        Ok(())
    }

    /// Done at once; the error says that a new run of the node will not know of it.
    fn set_offline(&mut self, turn: &mut Turn<'_, '_>, offline: bool) -> Result<(), StoreError> {
        self.offline = offline;
        let enabled = !offline && self.identity.is_some();
        self.swarm
            .set_enabled(turn.cx.now, enabled, &mut turn.swarm);
        self.status_dirty(turn.cx.now);
        transaction(turn.cx, Durability::Acknowledged, |cx| {
            cx.store.set(OFFLINE, offline.then_some(&[1][..]))
        })
    }

    // ---- writes -----------------------------------------------------------------------------------------

    fn write(
        &mut self,
        turn: &mut Turn<'_, '_>,
        channel: ChannelId,
        n: u64,
        write: Write,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let client = self
            .channels
            .get(&channel)
            .and_then(|channel| channel.client);
        let client = client.ok_or_else(|| malformed("The first frame must be a greeting."))?;
        let written =
            Written::read(&mut *turn.cx.store, &client).map_err(|error| from_store(&error))?;
        let skipped = written.skipped.contains(&n);
        let repeated = n <= written.last && !skipped;
        match &write {
            Write::Objects { space, .. } | Write::Marked { space, .. } => {
                self.ensure_open(turn, *space)?
            }
            Write::Text { text, .. } => self.ensure_open(turn, text.space)?,
        }
        match write {
            Write::Objects { .. } | Write::Marked { .. } if repeated => Ok(None),
            // It was refused and the answer was lost; done now, it would come after its successors.
            Write::Objects { .. } | Write::Marked { .. } if skipped => Err(failure(
                FailureKind::Storage,
                "This change could not be saved.",
                "Make it again.",
            )),
            Write::Objects { space, writes } => {
                let mut written = written;
                written.add(n);
                self.write_objects(turn, &client, &written, space, (&writes, None))
                    .map(|()| None)
            }
            Write::Marked {
                space,
                writes,
                mark,
            } => {
                check_mark(&mark)?;
                let mut written = written;
                written.add(n);
                self.write_objects(turn, &client, &written, space, (&writes, Some(&mark)))
                    .map(|()| None)
            }
            Write::Text { text, .. } if repeated => {
                self.repeated_text(turn, channel, &client, n, &text)
            }
            Write::Text { text, base, delta } => self
                .write_text(turn, channel, &client, n, text, base, delta)
                .map(Some),
        }
    }

    fn write_objects(
        &mut self,
        turn: &mut Turn<'_, '_>,
        client: &ClientId,
        written: &Written,
        id: SpaceId,
        (writes, mark): (&[ObjectWrite], Option<&UndoMark>),
    ) -> Result<(), Failure> {
        self.check_writer(&id)?;
        let identity = self.identity.as_ref().ok_or_else(no_identity)?;
        let space = self.spaces.get_mut(&id).ok_or_else(no_space)?;
        let undo = &mut self.undo;
        let result = transaction_told(turn.cx, |cx| {
            let (touched, entries) = match mark {
                Some(mark) => as_step(undo, cx, space, id, (mark, writes), |space, cx| {
                    space.write(identity, cx, writes)
                })?,
                None => space.write(identity, cx, writes)?,
            };
            written.store(&mut *cx.store, client)?;
            let durability = match entries.is_empty() {
                true => Durability::Acknowledged,
                // They leave this device as soon as the commit is done.
                false => Durability::Synced,
            };
            Ok::<_, EchoError>(((touched, entries), durability))
        });
        match result {
            Ok((touched, entries)) => {
                self.touched(turn.cx.now, id, &touched);
                if entries.is_empty() {
                    self.plan_seal(turn.cx.now, id);
                } else {
                    self.note_sealed(turn.cx.now, id);
                    self.push_entries(turn, id, entries);
                    self.queries_dirty(turn.cx.now);
                }
                self.status_soon(turn.cx.now);
                Ok(())
            }
            Err(error) => {
                self.undo_failed(&id);
                self.storage_failed(turn, id, &error);
                Err(from_echo(&error))
            }
        }
    }

    /// Whether this device may write in a space.
    pub(crate) fn check_writer(&self, id: &SpaceId) -> Result<(), Failure> {
        let identity = self.identity.as_ref().ok_or_else(no_identity)?;
        let space = self.spaces.get(id).ok_or_else(no_space)?;
        let me = Some(identity.identity());
        match life_of(space, me) {
            SpaceLife::Deleted => Err(not_allowed("An owner deleted this space.")),
            SpaceLife::NotMember => Err(not_allowed("You are no member of this space any more.")),
            _ if space.graph.state().may_write(&identity.device()) => Ok(()),
            _ => Err(not_allowed("You can read this space, but not change it.")),
        }
    }

    // ---- subscriptions and batches ----------------------------------------------------------------------

    fn subscribe(
        &mut self,
        turn: &mut Turn<'_, '_>,
        channel: ChannelId,
        space: SpaceId,
        query: Query,
    ) -> Result<Response, Failure> {
        // Of a closed space the rows come when it is opened.
        if !self.spaces.contains_key(&space) && !self.resting.contains_key(&space) {
            return Err(no_space());
        }
        query.check().map_err(|error| from_echo(&error.into()))?;
        if self.live.count_of(channel) >= SUBSCRIPTIONS_MAX {
            return Err(malformed("Too many subscriptions."));
        }
        self.subscriptions_made += 1;
        let subscription = self.subscriptions_made;
        self.live.subscribe((channel, subscription), space, query);
        self.want_views();
        self.queries_at = Some(turn.cx.now);
        Ok(Response::Subscribed(subscription))
    }

    fn run_query(
        &mut self,
        turn: &mut Turn<'_, '_>,
        space: SpaceId,
        query: &Query,
    ) -> Result<QueryAnswer, Failure> {
        if !self.spaces.contains_key(&space) {
            return Err(no_space());
        }
        query.check().map_err(|error| from_echo(&error.into()))?;
        let (live, spaces) = (&mut self.live, &self.spaces);
        let answer = transaction(turn.cx, Durability::Acknowledged, |cx| {
            live.answer(query, space, spaces, &mut *cx.store)
        });
        answer.map_err(|error: EchoError| from_echo(&error))
    }

    /// Objects changed: the queries they can affect hear of it.
    pub(crate) fn touched(&mut self, now: Tick, id: SpaceId, touched: &Touched) {
        if self.live.offer(id, touched) {
            self.queries_dirty(now);
        }
    }

    /// Spaces that live queries look at tell how changed objects show.
    fn want_views(&mut self) {
        for (id, space) in &mut self.spaces {
            space.data.set_views_wanted(self.live.looks_at(*id));
        }
    }

    /// A space was made, joined or opened: all queries of it read it.
    pub(crate) fn all_queries_dirty(&mut self, now: Tick, id: SpaceId) {
        if self.live.space_added(id) {
            self.want_views();
            self.queries_dirty(now);
        }
    }

    /// Tells live queries soon: at once after a pause.
    pub(crate) fn queries_dirty(&mut self, now: Tick) {
        let at = self.queries_sent.plus_ms(BATCH_MS).max(now);
        // A query that waits to be run again must not hold up the others.
        self.queries_at = Some(self.queries_at.map_or(at, |planned| planned.min(at)));
    }

    /// The status changed: tell it soon, at once after a pause.
    pub(crate) fn status_dirty(&mut self, now: Tick) {
        let at = self.status_sent.plus_ms(BATCH_MS).max(now);
        self.status_at.get_or_insert(at);
    }

    /// The status changed by something that is told by itself: an answer and differences go out before it, and what is
    /// sealed in the next turn was never unsaved for anybody who looks.
    pub(crate) fn status_soon(&mut self, now: Tick) {
        self.status_at.get_or_insert(now.plus_ms(BATCH_MS));
    }

    /// Adds an event to a channel's next batch.
    pub(crate) fn tell(&mut self, channel: ChannelId, event: ClientEvent) {
        if let Some(channel) = self.channels.get_mut(&channel) {
            channel.events.push(event);
        }
    }

    /// Puts the status into every client's next batch, if it changed since the last one.
    pub(crate) fn tell_status(&mut self, turn: &mut Turn<'_, '_>) {
        (self.status_at, self.status_sent) = (None, turn.cx.now);
        let status = self.build_status();
        let changed = self.status.as_ref() != Some(&status);
        for channel in self
            .channels
            .values_mut()
            .filter(|channel| channel.client.is_some())
        {
            if changed || !channel.status_told {
                channel.status_told = true;
                channel.events.push(ClientEvent::Status(status.clone()));
            }
        }
        self.status = Some(status);
    }

    /// Sends what is due to all clients, one batch each.
    pub(crate) fn flush_clients(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.cx.now;
        if self.status_at.is_some_and(|at| at <= now) {
            self.tell_status(turn);
        }
        if self.queries_at.is_some_and(|at| at <= now) {
            (self.queries_at, self.queries_sent) = (None, now);
            self.tell_queries(turn);
        }
        for (id, channel) in &mut self.channels {
            if !channel.events.is_empty() && channel.client.is_some() {
                let events = std::mem::take(&mut channel.events);
                send(turn, *id, &NodeFrame::Batch { events });
            }
        }
    }

    fn tell_queries(&mut self, turn: &mut Turn<'_, '_>) {
        let (live, spaces, now) = (&mut self.live, &self.spaces, turn.cx.now);
        if !live.is_dirty() {
            return;
        }
        let told = match live.reads(spaces) {
            true => transaction(turn.cx, Durability::Acknowledged, |cx| {
                Ok::<_, StoreError>(live.differences(now, spaces, &mut *cx.store))
            }),
            // Most changes are decided on without the store.
            false => Ok(live.differences(now, spaces, &mut *turn.cx.store)),
        };
        let told = match told {
            Ok(told) => told,
            Err(error) => return tracing::warn!(%error, "query.failed"),
        };
        for ((channel, subscription), diff) in told {
            self.tell(channel, ClientEvent::Query { subscription, diff });
        }
        if let Some(at) = self.live.due_at() {
            self.queries_at.get_or_insert(at.max(now.plus_ms(1)));
        }
    }
}

/// Sends a frame to a client.
pub(crate) fn send(turn: &mut Turn<'_, '_>, channel: ChannelId, frame: &NodeFrame) {
    turn.out
        .push(Effect::ToChannel(channel, dxos_base::encode(frame)));
}

/// Stores a client's last write number, in the write's transaction.
pub(crate) fn set_written(
    cx: &mut crate::event::Context<'_>,
    client: &ClientId,
    n: u64,
) -> Result<(), StoreError> {
    let mut written = Written::read(&mut *cx.store, client)?;
    written.add(n);
    written.store(&mut *cx.store, client)
}

/// The space a call needs open.
fn space_of(request: &Request) -> Option<SpaceId> {
    match request {
        Request::Get { space, .. }
        | Request::Query { space, .. }
        | Request::QueryIds { space, .. }
        | Request::Plain { space, .. }
        | Request::Conflicts { space, .. }
        | Request::History { space, .. }
        | Request::Version { space, .. }
        | Request::ChangedSince { space, .. }
        | Request::Restore { space, .. }
        | Request::Undo { space, .. }
        | Request::UndoLabels { space, .. }
        | Request::BlobBegin { space, .. }
        | Request::BlobPiece { space, .. }
        | Request::BlobFinish { space, .. }
        | Request::BlobRead { space, .. }
        | Request::Blob { space, .. }
        | Request::BlobKeep { space, .. }
        | Request::Verify { space, .. }
        | Request::Invite { space, .. } => Some(*space),
        Request::OpenText { text, .. } => Some(text.space),
        _ => None,
    }
}

fn check_name(name: &str) -> Result<&str, Failure> {
    let name = name.trim();
    if name.is_empty() {
        return Err(failure(
            FailureKind::Malformed,
            "A name is needed.",
            "Type a name.",
        ));
    }
    if name.len() > limits::NAME_BYTES_MAX {
        return Err(failure(
            FailureKind::Malformed,
            "This name is too long.",
            "Use a shorter one.",
        ));
    }
    Ok(name)
}
