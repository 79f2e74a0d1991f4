//! Blobs of the open spaces: put in and read by clients, fetched from peers and served to them, kept within bounds.
//!
//! Invariants
//! * a chunk is stored before it is told of, and told of only to peers that may learn what is in the space;
//! * what is fetched, and how far it is, is on disk: a new run goes on with it;
//! * nothing of a blob is in memory but hashes and one piece at a time;
//! * the only copy this device knows of what was put in here is never let go of for want of room.
//!
//! The parts: `calls` (clients), `fetch` (asking peers), `serve` (answering them), `room` (bounds and collection).

mod calls;
mod fetch;
mod room;
mod serve;
pub(crate) mod wire;

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{BlobId, BlobKey, Hash, PeerId, SpaceId, Tick, limits};
use dxos_echo::EchoError;
use dxos_echo::blobs::Blobs;
use dxos_echo::store::Durability;
use dxos_mesh::StreamId;
use dxos_services::{Event as ClientEvent, Failure, FailureKind};

use crate::failure::{failure, from_store};
use crate::node::{Node, Turn};
use crate::space::transaction;
use fetch::Fetch;
use serve::Serving;
use wire::BlobMessage;

/// A blob and its space.
pub(crate) type BlobAt = (SpaceId, BlobId);

/// Shortest time between two tellings of clients how far blobs are.
const TELL_MS: u64 = 50;

/// A blob being put in by a client.
struct Upload {
    key: BlobKey,
    bytes: u64,
    pieces: Vec<Hash>,
    missing: BTreeSet<u32>,
    touched: Tick,
}

/// All that goes on with blobs.
pub(crate) struct BlobTransfers {
    uploads: BTreeMap<(SpaceId, Hash), Upload>,
    fetches: BTreeMap<BlobAt, Fetch>,
    /// Wanted, and not their turn yet.
    queue: BTreeSet<BlobAt>,
    /// The streams on which peers are asked.
    asking: BTreeMap<(PeerId, SpaceId), StreamId>,
    serving: BTreeMap<(PeerId, StreamId), Serving>,
    /// Something may be asked for.
    asks_due: bool,
    /// What is told to those who follow it.
    changed: BTreeSet<BlobAt>,
    tell_at: Option<Tick>,
    told_at: Tick,
    /// Bytes of all chunks stored, once counted.
    bytes: Option<u64>,
    /// What they may be.
    bytes_max: u64,
    sweep_at: Option<Tick>,
    /// What waits for room is tried again.
    retry_at: Option<Tick>,
}

impl Default for BlobTransfers {
    fn default() -> Self {
        BlobTransfers {
            uploads: BTreeMap::new(),
            fetches: BTreeMap::new(),
            queue: BTreeSet::new(),
            asking: BTreeMap::new(),
            serving: BTreeMap::new(),
            asks_due: false,
            changed: BTreeSet::new(),
            tell_at: None,
            told_at: Tick(0),
            bytes: None,
            bytes_max: limits::BLOB_QUOTA_BYTES,
            sweep_at: None,
            retry_at: None,
        }
    }
}

impl BlobTransfers {
    /// When something is due.
    pub(crate) fn wake_at(&self) -> Option<Tick> {
        let answers = self.fetches.values().filter_map(Fetch::answer_due);
        let timers = [self.tell_at, self.sweep_at, self.retry_at];
        answers.chain(timers.into_iter().flatten()).min()
    }
}

/// What a failed call about a blob means to the one who asked.
fn from_blob(error: &EchoError) -> Failure {
    match error {
        EchoError::Store(error) => from_store(error),
        other => failure(
            FailureKind::Storage,
            format!("This file cannot be read here: {other}."),
            "Fetch it again.",
        ),
    }
}

impl Node {
    /// A space is open from now on: what is wanted of it is fetched.
    pub(crate) fn take_up_blobs(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        let rows = transaction(turn.cx, Durability::Acknowledged, |cx| {
            Blobs(id).all(&mut *cx.store)
        });
        let Ok(rows) = rows else { return };
        if !rows.is_empty() {
            self.plan_sweep(turn.cx.now);
        }
        let wanted = rows.iter().filter(|blob| blob.state.wanted);
        let wanted = wanted.filter_map(|blob| Some((id, blob.id()?)));
        self.blobs.queue.extend(wanted);
        self.start_fetches(turn);
    }

    /// A space is not open any more.
    pub(crate) fn let_go_blobs(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        let blobs = &mut self.blobs;
        blobs.uploads.retain(|(space, _), _| *space != id);
        blobs.fetches.retain(|(space, _), _| *space != id);
        blobs.queue.retain(|(space, _)| *space != id);
        let asking = blobs.asking.iter().filter(|((_, space), _)| *space == id);
        let serving = blobs.serving.iter();
        let serving = serving.filter(|(_, serving)| serving.space == Some(id));
        let streams: Vec<(PeerId, StreamId)> = asking
            .map(|((peer, _), stream)| (*peer, *stream))
            .chain(serving.map(|(place, _)| *place))
            .collect();
        for (peer, stream) in streams {
            self.close_blob_stream(turn, peer, stream);
        }
        // What they took may be removed with the space.
        self.blobs.bytes = None;
    }

    /// A peer may learn what is in a space from now on.
    pub(crate) fn blob_peer_ready(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, id: SpaceId) {
        if !self.serves(&peer, &id) {
            return;
        }
        let wanted: Vec<BlobAt> = self.blobs.fetches.keys().copied().collect();
        for at in wanted.into_iter().filter(|(space, _)| *space == id) {
            self.ask_of(turn, peer, at);
        }
        self.answer_asked(turn, peer, id);
        self.tell_all_kept(turn, peer, id);
    }

    /// A peer is gone.
    pub(crate) fn blob_peer_lost(&mut self, now: Tick, peer: PeerId) {
        let blobs = &mut self.blobs;
        blobs.asking.retain(|(of, _), _| *of != peer);
        blobs.serving.retain(|(of, _), _| *of != peer);
        for (at, fetch) in &mut blobs.fetches {
            if fetch.forget_peer(&peer) {
                blobs.changed.insert(*at);
                blobs.asks_due = true;
            }
        }
        self.plan_telling(now);
    }

    /// A stream of blobs is closed by the peer.
    pub(crate) fn blob_stream_closed(&mut self, now: Tick, peer: PeerId, stream: StreamId) {
        self.blobs.serving.remove(&(peer, stream));
        let asked = self.blobs.asking.iter();
        let space = asked
            .filter(|((of, _), asked)| (*of, **asked) == (peer, stream))
            .map(|((_, space), _)| *space)
            .next();
        let Some(space) = space else { return };
        self.blobs.asking.remove(&(peer, space));
        for ((of, _), fetch) in &mut self.blobs.fetches {
            if *of == space && fetch.forget_peer(&peer) {
                self.blobs.asks_due = true;
            }
        }
        self.plan_telling(now);
    }

    fn close_blob_stream(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, stream: StreamId) {
        self.blob_stream_closed(turn.cx.now, peer, stream);
        if let Some(conversation) = self.conversations.get_mut(&peer) {
            conversation.streams.remove(&stream);
        }
        self.swarm.close(&peer, stream, &mut turn.swarm);
    }

    /// A message on a stream of blobs.
    pub(crate) fn blob_message(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        stream: StreamId,
        bytes: &[u8],
    ) {
        let Ok(message) = dxos_base::decode::<BlobMessage>(bytes, limits::STREAM_MESSAGE_BYTES_MAX)
        else {
            return self.blame(turn, peer, "peer.malformed_blob");
        };
        self.count_message(message.kind(), bytes);
        if self.blobs.serving.contains_key(&(peer, stream)) {
            return self.serve_message(turn, peer, stream, message);
        }
        let asked = self.blobs.asking.iter();
        let space = asked
            .filter(|((of, _), asked)| (*of, **asked) == (peer, stream))
            .map(|((_, space), _)| *space)
            .next();
        if let Some(space) = space {
            self.fetch_message(turn, peer, space, message);
        }
    }

    /// A peer said what no sound build says.
    fn blame(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, what: &'static str) {
        tracing::warn!(peer = %peer, what);
        self.swarm
            .drop_peer(turn.cx.now, peer, &mut *turn.cx.entropy, &mut turn.swarm);
    }

    fn send_blob(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        stream: StreamId,
        message: &BlobMessage,
    ) {
        let bytes = dxos_base::encode(message);
        let sent = self.swarm.send(&peer, stream, bytes, &mut turn.swarm);
        if sent.is_err() {
            self.blame(turn, peer, "peer.blob_stream_full");
        }
    }

    /// Does what is due with blobs; after every event.
    pub(crate) fn blobs_due(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.cx.now;
        self.serve_wanted(turn);
        if self.blobs.sweep_at.is_some_and(|at| at <= now) {
            self.sweep(turn);
        }
        if self.blobs.retry_at.is_some_and(|at| at <= now) {
            self.blobs.retry_at = None;
            for fetch in self.blobs.fetches.values_mut() {
                fetch.no_room = false;
            }
            self.blobs.asks_due = true;
        }
        self.give_up_waiting(now);
        if std::mem::take(&mut self.blobs.asks_due) {
            self.ask_chunks(turn);
        }
        if self.blobs.tell_at.is_some_and(|at| at <= now) {
            self.tell_blobs(turn);
        }
    }

    /// A blob is further: whoever follows it hears of it soon.
    fn blob_changed(&mut self, now: Tick, at: BlobAt) {
        self.blobs.changed.insert(at);
        self.plan_telling(now);
    }

    fn plan_telling(&mut self, now: Tick) {
        if !self.blobs.changed.is_empty() {
            let at = self.blobs.told_at.plus_ms(TELL_MS).max(now);
            self.blobs.tell_at.get_or_insert(at);
        }
    }

    fn tell_blobs(&mut self, turn: &mut Turn<'_, '_>) {
        (self.blobs.tell_at, self.blobs.told_at) = (None, turn.cx.now);
        for at in std::mem::take(&mut self.blobs.changed) {
            let follow = |(_, channel): &(_, &crate::clients::Channel)| channel.blobs.contains(&at);
            let channels: Vec<_> = self
                .channels
                .iter()
                .filter(follow)
                .map(|(id, _)| *id)
                .collect();
            if channels.is_empty() {
                continue;
            }
            if let Ok(view) = self.blob_view(turn, at) {
                for channel in channels {
                    self.tell(channel, ClientEvent::Blob(view.clone()));
                }
            }
        }
    }
}
