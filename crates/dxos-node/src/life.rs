//! The life of spaces on this device: which are open, when they are opened, how they go.
//!
//! Invariants
//! * every space of the profile is either open (in `Node::spaces`) or resting; all are listed at once at start;
//! * a closed space costs its line in the list: nothing of it is read, no topic is joined, and it stays closed over
//!   restarts until a person opens it;
//! * the others are opened one by one, each within an event of its own, or as soon as somebody asks for one;
//! * a space that cannot be opened rests with the reason and hinders no other.
//!
//! Not here: credentials that tell others of leaving or deletion ([`crate::leaving`]).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use dxos_base::{IdentityKey, SpaceId, Tick, limits};
use dxos_echo::EchoError;
use dxos_echo::store::{Durability, StoreError};
use dxos_services::{Failure, FailureKind, Response, Role, SpaceLife};

use crate::clients::from_echo;
use crate::event::Context;
use crate::failure::{failure, from_store, no_identity, no_space};
use crate::node::{Node, NodeError, STORAGE_RETRY_MS, Turn};
use crate::space::{SPACE_PREFIX, SpaceRecord, SpaceState, transaction};
use crate::status::role_view;

/// Storage key of what a list shows of a space that is not open; sealed.
const SUMMARY_PREFIX: &str = "summary/";

/// A space of the profile that is not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resting {
    pub(crate) record: SpaceRecord,
    pub(crate) summary: Summary,
    pub(crate) life: SpaceLife,
    /// Not tried again before.
    retry_at: Tick,
}

/// What a list shows of a space that is not open, as of its last opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// A person closed it here.
    closed: bool,
    pub(crate) name: String,
    pub(crate) role: Role,
}

impl Default for Summary {
    fn default() -> Self {
        Summary {
            closed: false,
            name: String::new(),
            role: Role::Reader,
        }
    }
}

fn summary_key(id: &SpaceId) -> String {
    format!("{SUMMARY_PREFIX}{id}")
}

impl Node {
    /// Lists the profile's spaces and opens none, but those that people are being invited to.
    pub(crate) fn load_spaces(
        &mut self,
        invited: &BTreeSet<SpaceId>,
        cx: &mut Context<'_>,
    ) -> Result<(), NodeError> {
        // A profile from before summaries has none: what a list shows of a space is in the space.
        let mut unlisted = BTreeSet::new();
        for (key, bytes) in cx.store.list(SPACE_PREFIX)? {
            let id: SpaceId = match key[SPACE_PREFIX.len()..].parse() {
                Ok(id) => id,
                Err(_) => return Err(NodeError::Damaged(dxos_base::DecodeError::Malformed)),
            };
            let record: SpaceRecord = dxos_base::decode(&bytes, limits::CREDENTIAL_BYTES_MAX)?;
            let summary = self.read_summary(&id, cx)?;
            if summary.is_none() {
                unlisted.insert(id);
            }
            let summary = summary.unwrap_or_default();
            let life = match summary.closed {
                true => SpaceLife::Closed,
                false => SpaceLife::Opening,
            };
            let resting = Resting {
                record,
                summary,
                life,
                retry_at: cx.now,
            };
            self.resting.insert(id, resting);
        }
        for id in invited.union(&unlisted) {
            if let Some(resting) = self.resting.get(id)
                && resting.life == SpaceLife::Opening
                && let Ok(space) = self.read_space(*id, resting.record.clone(), cx)
            {
                self.resting.remove(id);
                self.spaces.insert(*id, space);
            }
        }
        Ok(())
    }

    /// What is kept of a space for lists; `None` if nothing is, or nothing that reads.
    fn read_summary(
        &self,
        id: &SpaceId,
        cx: &mut Context<'_>,
    ) -> Result<Option<Summary>, StoreError> {
        let key = summary_key(id);
        let sealed = cx.store.get(&key)?;
        let read = |sealed: Vec<u8>| {
            let bytes = self.unseal(&key, &sealed).ok()?;
            dxos_base::decode(&bytes, 2 * limits::NAME_BYTES_MAX).ok()
        };
        Ok(sealed.and_then(read))
    }

    /// Keeps what a list shows of a space, within a transaction.
    pub(crate) fn write_summary(
        &self,
        space: &SpaceState,
        closed: bool,
        cx: &mut Context<'_>,
    ) -> Result<Summary, StoreError> {
        let me = self.identity.as_ref().map(dxos_halo::Identity::identity);
        let role = me.and_then(|me| space.graph.state().role(&me));
        let summary = Summary {
            closed,
            name: space.name(),
            role: role.map_or(Role::Reader, role_view),
        };
        if self.read_summary(&space.id, cx)?.as_ref() != Some(&summary) {
            let key = summary_key(&space.id);
            let sealed = self.seal_secret(&key, &dxos_base::encode(&summary), cx);
            cx.store.set(&key, Some(&sealed))?;
        }
        Ok(summary)
    }

    /// Reads a space from the store, within a transaction.
    fn read_space(
        &self,
        id: SpaceId,
        record: SpaceRecord,
        cx: &mut Context<'_>,
    ) -> Result<SpaceState, EchoError> {
        let Some(identity) = &self.identity else {
            return Err(EchoError::Damaged { what: "identity" });
        };
        let marker = self.config.instance_marker;
        let agreement = identity.agreement().clone();
        let mut space = SpaceState::open(id, record, identity.device(), &agreement, marker, cx)?;
        space.data.set_entry_version(self.entry_version);
        self.write_summary(&space, false, cx)?;
        Ok(space)
    }

    /// When the next resting space is opened, if any.
    pub(crate) fn opening_at(&self) -> Option<Tick> {
        let opening = self
            .resting
            .values()
            .filter(|space| space.life == SpaceLife::Opening);
        opening.map(|space| space.retry_at).min()
    }

    /// Opens the first space that is due: one for each event, so that the others wait no longer than for one.
    pub(crate) fn open_due(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.cx.now;
        let due = |space: &&Resting| space.life == SpaceLife::Opening && space.retry_at <= now;
        let first = self
            .resting
            .iter()
            .filter(|(_, space)| due(space))
            .min_by_key(|(_, space)| (!space.record.personal, space.record.order));
        if let Some(id) = first.map(|(id, _)| *id) {
            // Kept with its reason, and told, where it failed.
            let _ = self.open_resting(turn, id);
        }
    }

    /// The space is open when this returns well; opens it if that was about to be done.
    pub(crate) fn ensure_open(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
    ) -> Result<(), Failure> {
        if self.spaces.contains_key(&id) {
            return Ok(());
        }
        match self.resting.get(&id).map(|space| &space.life) {
            None => Err(no_space()),
            Some(SpaceLife::Closed) => Err(failure(
                FailureKind::NotFound,
                "This space is closed on this device.",
                "Open it first.",
            )),
            Some(_) => self.open_resting(turn, id),
        }
    }

    /// A space was read from the store: it is found by its members from now on.
    pub(crate) fn take_up(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        self.join_topics(turn, id);
        // This may be the first run of a build that understands what the one before did not.
        self.retry_waiting(turn, id);
        self.leave_ended_feed(turn, id);
        self.take_up_blobs(turn, id);
        // A fork that was found, and the run ended before all of it was done.
        self.mend_forks(turn, id);
    }

    fn open_resting(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) -> Result<(), Failure> {
        let Some(resting) = self.resting.get(&id) else {
            return Err(no_space());
        };
        let record = resting.record.clone();
        self.status_dirty(turn.cx.now);
        let opened = transaction(turn.cx, Durability::Acknowledged, |cx| {
            self.read_space(id, record, cx)
        });
        match opened {
            Ok(space) => {
                self.resting.remove(&id);
                self.spaces.insert(id, space);
                self.take_up(turn, id);
                self.all_queries_dirty(turn.cx.now, id);
                Ok(())
            }
            Err(error) => {
                tracing::warn!(space = %id, %error, "space.open_failed");
                let told = from_echo(&error);
                if let Some(resting) = self.resting.get_mut(&id) {
                    // Storage may come back; what is damaged stays so.
                    let again = matches!(&error, EchoError::Store(error) if !matches!(error, StoreError::Corrupt { .. }));
                    resting.life = match again {
                        true => SpaceLife::Opening,
                        false => SpaceLife::Error {
                            reason: told.message.clone(),
                        },
                    };
                    resting.retry_at = turn.cx.now.plus_ms(STORAGE_RETRY_MS);
                }
                Err(told)
            }
        }
    }

    /// Opens a closed space, or tries a failed one again.
    pub(crate) fn open_space_here(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
    ) -> Result<Response, Failure> {
        if !self.spaces.contains_key(&id) {
            self.open_resting(turn, id)?;
        }
        Ok(Response::Done)
    }

    /// Closes a space on this device: it is sealed, no longer replicated, and its memory is freed.
    pub(crate) fn close_space_here(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
    ) -> Result<Response, Failure> {
        if let Some(resting) = self.resting.get(&id) {
            if resting.life == SpaceLife::Closed {
                return Ok(Response::Done);
            }
            self.open_resting(turn, id)?;
        }
        self.let_go(turn, id)?;
        let space = self.spaces.get(&id).ok_or_else(no_space)?;
        let summary = transaction(turn.cx, Durability::Acknowledged, |cx| {
            self.write_summary(space, true, cx)
        });
        let summary = summary.map_err(|error| from_store(&error))?;
        if let Some(space) = self.spaces.remove(&id) {
            let resting = Resting {
                record: space.record,
                summary,
                life: SpaceLife::Closed,
                retry_at: turn.cx.now,
            };
            self.resting.insert(id, resting);
        }
        self.status_dirty(turn.cx.now);
        Ok(Response::Done)
    }

    /// Removes a space and all its data from this device. Other devices and members keep theirs.
    pub(crate) fn remove_space_here(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
    ) -> Result<Response, Failure> {
        let record = match (self.spaces.get(&id), self.resting.get(&id)) {
            (Some(space), _) => &space.record,
            (None, Some(resting)) => &resting.record,
            (None, None) => return Err(no_space()),
        };
        self.identity.as_ref().ok_or_else(no_identity)?;
        if record.personal {
            return Err(failure(
                FailureKind::NotAllowed,
                "The personal space belongs to the identity and cannot be removed.",
                "Delete what is in it.",
            ));
        }
        if self.spaces.contains_key(&id) {
            // What cannot be sealed any more goes with the space.
            let _ = self.let_go(turn, id);
        }
        let undo = &mut self.undo;
        transaction(turn.cx, Durability::Synced, |cx| {
            undo.remove(&mut *cx.store, id)?;
            cx.store.space_remove(id)?;
            cx.store.set(&summary_key(&id), None)?;
            cx.store.set(&format!("{SPACE_PREFIX}{id}"), None)
        })
        .map_err(|error: StoreError| from_store(&error))?;
        self.spaces.remove(&id);
        self.resting.remove(&id);
        self.presence.remove(&id);
        self.status_dirty(turn.cx.now);
        Ok(Response::Done)
    }

    /// Seals what is pending of an open space; fails if some of it stays.
    pub(crate) fn seal_all(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
    ) -> Result<&mut SpaceState, Failure> {
        self.seal(turn, id);
        let space = self.spaces.get_mut(&id).ok_or_else(no_space)?;
        if space.data.pending() {
            return Err(failure(
                FailureKind::Storage,
                "Not everything of this space could be written to disk.",
                "Free some space, then try again.",
            ));
        }
        Ok(space)
    }

    /// Ends all that goes on with an open space: editors, replication, topics, presence. What is pending is sealed.
    fn let_go(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) -> Result<(), Failure> {
        let space = self.seal_all(turn, id)?;
        let topics: Vec<_> = space.topics().collect();
        let editors: Vec<_> = self
            .channels
            .iter()
            .flat_map(|(channel, open)| open.texts.iter().map(|text| (*channel, text.clone())))
            .filter(|(_, text)| text.space == id)
            .collect();
        for (channel, text) in editors {
            self.close_editor(turn, channel, &text);
            if let Some(channel) = self.channels.get_mut(&channel) {
                channel.texts.remove(&text);
            }
        }
        for (peer, conversation) in &mut self.conversations {
            if let Some(open) = conversation.spaces.remove(&id) {
                conversation.streams.remove(&open.stream);
                self.swarm.close(peer, open.stream, &mut turn.swarm);
            }
        }
        self.let_go_blobs(turn, id);
        for topic in topics {
            self.swarm
                .leave(turn.cx.now, &topic, &mut *turn.cx.entropy, &mut turn.swarm);
        }
        self.presence.remove(&id);
        self.own_presence.changed(turn.cx.now);
        Ok(())
    }
}

/// The life of an open space.
pub(crate) fn life_of(space: &SpaceState, me: Option<IdentityKey>) -> SpaceLife {
    let state = space.graph.state();
    let member = me.and_then(|me| state.members.get(&me));
    match space.keyring.all().next() {
        _ if state.deleted => SpaceLife::Deleted,
        _ if member.is_some_and(|member| member.role.is_none()) => SpaceLife::NotMember,
        Some(_) => SpaceLife::Ready,
        None => SpaceLife::ControlOnly,
    }
}

/// Resting spaces by id.
pub(crate) type RestingSpaces = BTreeMap<SpaceId, Resting>;
