//! Asking peers: who has what of a blob, its manifest, its chunks; from whoever has them, again from another when one
//! vanishes or falls silent.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::blob::chunk_hash;
use dxos_base::{BlobId, BlobManifest, Hash, PeerId, SpaceId, Tick, limits};
use dxos_echo::EchoError;
use dxos_echo::blobs::Blobs;
use dxos_echo::store::{Durability, StoreError};

use super::BlobAt;
use super::serve::TELL_CHUNKS;
use super::wire::{BLOB_STREAM, BLOB_VERSION, BlobMessage, Held};
use crate::node::{Node, STORAGE_RETRY_MS, Turn};
use crate::peers::Purpose;
use crate::space::transaction;

/// A peer that sent nothing of what it was asked for is passed over after this.
const ANSWER_MS: u64 = 20_000;
/// Chunks looked at in vain for one that a peer has.
const LOOKED_AT_MAX: usize = 2_048;

/// A peer that was asked about a blob.
#[derive(Debug)]
struct Holder {
    held: Held,
    /// It kept others waiting: asked last.
    slow: bool,
}

/// A blob that is being fetched.
#[derive(Debug)]
pub(crate) struct Fetch {
    manifest: Option<BlobManifest>,
    manifest_asked: Option<(PeerId, Tick)>,
    missing: BTreeSet<u32>,
    /// Chunks under way: from whom, and until when they are waited for.
    asked: BTreeMap<u32, (PeerId, Tick)>,
    holders: BTreeMap<PeerId, Holder>,
    /// Where a reader waits: what stands there comes first.
    pub(super) from: u32,
    pub(super) no_room: bool,
}

impl Fetch {
    /// When an answer is given up on.
    pub(super) fn answer_due(&self) -> Option<Tick> {
        let asked = self.asked.values().map(|(_, due)| *due);
        asked.chain(self.manifest_asked.map(|(_, due)| due)).min()
    }

    pub(super) fn forget_peer(&mut self, peer: &PeerId) -> bool {
        self.asked.retain(|_, (of, _)| of != peer);
        self.manifest_asked.take_if(|(of, _)| of == peer);
        self.holders.remove(peer).is_some()
    }

    /// Peers that have something of what is missing.
    pub(super) fn sources_count(&self) -> u32 {
        let useful = |holder: &&Holder| match &holder.held {
            Held::Nothing => false,
            Held::All => true,
            some @ Held::Some(_) => {
                self.manifest.is_none() || self.missing.iter().any(|n| some.has(*n))
            }
        };
        self.holders.values().filter(useful).count() as u32
    }

    /// What is asked of whom now; `load` counts what each peer is asked already.
    fn next(&mut self, now: Tick, load: &mut BTreeMap<PeerId, usize>) -> Vec<(PeerId, Asking)> {
        let due = now.plus_ms(ANSWER_MS);
        if self.manifest.is_none() {
            let holders = self.holders.iter();
            let first = holders
                .filter(|(_, holder)| holder.held != Held::Nothing)
                .min_by_key(|(_, holder)| holder.slow);
            return match (self.manifest_asked, first.map(|(peer, _)| *peer)) {
                (None, Some(peer)) => {
                    self.manifest_asked = Some((peer, due));
                    vec![(peer, Asking::Manifest)]
                }
                _ => Vec::new(),
            };
        }
        let mut chunks: BTreeMap<PeerId, Vec<u32>> = BTreeMap::new();
        let mut in_vain = 0;
        let later = self.missing.range(self.from..);
        for n in later.chain(self.missing.range(..self.from)) {
            if self.asked.contains_key(n) {
                continue;
            }
            let free = self.holders.iter().filter_map(|(peer, holder)| {
                let asked = load.get(peer).copied().unwrap_or_default();
                let can = asked < limits::BLOB_CHUNKS_ASKED_MAX;
                can.then_some((holder.slow, asked, *peer, &holder.held))
            });
            let free: Vec<_> = free.collect();
            if free.is_empty() || in_vain > LOOKED_AT_MAX {
                break;
            }
            let able = free.iter().filter(|(_, _, _, held)| held.has(*n));
            let Some((_, _, peer, _)) = able.min_by_key(|(slow, asked, ..)| (*slow, *asked)) else {
                in_vain += 1;
                continue;
            };
            *load.entry(*peer).or_default() += 1;
            chunks.entry(*peer).or_default().push(*n);
            self.asked.insert(*n, (*peer, due));
        }
        let asking = |(peer, chunks)| (peer, Asking::Chunks(chunks));
        chunks.into_iter().map(asking).collect()
    }
}

enum Asking {
    Manifest,
    Chunks(Vec<u32>),
}

impl Node {
    /// Fetches what is wanted, as many at once as may be.
    pub(super) fn start_fetches(&mut self, turn: &mut Turn<'_, '_>) {
        while self.blobs.fetches.len() < limits::BLOB_FETCHES_MAX {
            let Some(at) = self.blobs.queue.pop_first() else {
                return;
            };
            if !self.spaces.contains_key(&at.0) || self.blobs.fetches.contains_key(&at) {
                continue;
            }
            if let Err(error) = self.start_fetch(turn, at) {
                // It is wanted still; a new run tries again, and so does whoever asks for it.
                tracing::warn!(space = %at.0, blob = %at.1, %error, "blob.not_started");
            }
        }
    }

    fn start_fetch(&mut self, turn: &mut Turn<'_, '_>, at: BlobAt) -> Result<(), EchoError> {
        let (space, id) = at;
        let (manifest, missing) = transaction(turn.cx, Durability::Acknowledged, |cx| {
            let manifest = Blobs(space).manifest(&mut *cx.store, id)?;
            let count = manifest.as_ref().map_or(0, |found| found.chunks.len());
            let missing = Blobs(space).missing(&mut *cx.store, Hash(id.0), count as u32)?;
            Ok::<_, EchoError>((manifest, missing))
        })?;
        let complete = manifest.is_some() && missing.is_empty();
        let fetch = Fetch {
            manifest,
            manifest_asked: None,
            missing,
            asked: BTreeMap::new(),
            holders: BTreeMap::new(),
            from: 0,
            no_room: false,
        };
        self.blobs.fetches.insert(at, fetch);
        self.plan_sweep(turn.cx.now);
        if complete {
            return self.fetched(turn, at);
        }
        for peer in self.open_peers(&space) {
            self.ask_of(turn, peer, at);
        }
        self.blob_changed(turn.cx.now, at);
        Ok(())
    }

    /// Asks a peer what it has of a blob.
    pub(super) fn ask_of(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, (space, blob): BlobAt) {
        self.say_asking(turn, peer, space, &BlobMessage::Ask { blob });
    }

    /// Says something on the stream on which a peer is asked; opens it if there is none.
    fn say_asking(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        space: SpaceId,
        message: &BlobMessage,
    ) {
        let known = self.blobs.asking.get(&(peer, space)).copied();
        let stream = match known {
            Some(stream) => stream,
            None => {
                let Some(conversation) = self.conversations.get_mut(&peer) else {
                    return;
                };
                let Some(stream) = self.swarm.open(&peer, BLOB_STREAM, &mut turn.swarm) else {
                    return;
                };
                conversation.streams.insert(stream, Purpose::Blob);
                self.blobs.asking.insert((peer, space), stream);
                let open = BlobMessage::Open {
                    version: BLOB_VERSION,
                    space,
                };
                self.send_blob(turn, peer, stream, &open);
                stream
            }
        };
        self.send_blob(turn, peer, stream, message);
    }

    pub(super) fn fetch_message(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        space: SpaceId,
        message: BlobMessage,
    ) {
        let now = turn.cx.now;
        match message {
            BlobMessage::Holds { blob, held } => {
                let at = (space, blob);
                let too_long =
                    matches!(&held, Held::Some(bits) if bits.len() > limits::BLOB_PIECES_MAX / 8);
                if too_long {
                    return self.blame(turn, peer, "peer.blob_too_long");
                }
                if let Some(fetch) = self.blobs.fetches.get_mut(&at) {
                    fetch.holders.insert(peer, Holder { held, slow: false });
                    self.blobs.asks_due = true;
                    self.blob_changed(now, at);
                }
            }
            BlobMessage::Manifest { blob, manifest } => {
                self.manifest_received(turn, peer, (space, blob), &manifest.0);
            }
            BlobMessage::Chunk { blob, n, chunk } => {
                self.chunk_received(turn, peer, (space, blob), n, &chunk.0);
            }
            BlobMessage::Lacks { blob } => {
                // What it says next counts.
                if let Some(fetch) = self.blobs.fetches.get_mut(&(space, blob)) {
                    fetch.forget_peer(&peer);
                    self.blobs.asks_due = true;
                    self.blob_changed(now, (space, blob));
                }
            }
            _ => self.blame(turn, peer, "peer.blob_out_of_order"),
        }
    }

    fn manifest_received(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        at: BlobAt,
        encoded: &[u8],
    ) {
        let (space, id) = at;
        let Some(fetch) = self.blobs.fetches.get_mut(&at) else {
            return;
        };
        if fetch.manifest.is_some() {
            return;
        }
        fetch.manifest_asked = None;
        let Ok(manifest) = BlobManifest::decode(&id, encoded) else {
            return self.blame(turn, peer, "peer.bad_manifest");
        };
        let stored = transaction(turn.cx, Durability::Acknowledged, |cx| {
            Blobs(space).take_manifest(&mut *cx.store, id, &manifest)
        });
        if let Err(error) = stored {
            return self.fetch_failed(turn, at, &error);
        }
        fetch.missing = (0..manifest.chunks.len() as u32).collect();
        let empty = fetch.missing.is_empty();
        fetch.manifest = Some(manifest);
        self.blobs.asks_due = true;
        self.blob_changed(turn.cx.now, at);
        if empty && let Err(error) = self.fetched(turn, at) {
            self.fetch_failed(turn, at, &error);
        }
    }

    fn chunk_received(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        at: BlobAt,
        n: u32,
        chunk: &[u8],
    ) {
        let (space, id) = at;
        let due = turn.cx.now.plus_ms(ANSWER_MS);
        self.blobs.asks_due = true;
        for fetch in self.blobs.fetches.values_mut() {
            for (_, waits) in fetch.asked.values_mut().filter(|(of, _)| *of == peer) {
                *waits = due;
            }
        }
        let Some(fetch) = self.blobs.fetches.get_mut(&at) else {
            return;
        };
        let Some(manifest) = &fetch.manifest else {
            return;
        };
        if !manifest.is_chunk(n, chunk) {
            return self.blame(turn, peer, "peer.bad_chunk");
        }
        fetch.asked.remove(&n);
        if let Some(holder) = fetch.holders.get_mut(&peer) {
            holder.slow = false;
        }
        // Asked of another meanwhile, and it came from both.
        if !fetch.missing.contains(&n) {
            return;
        }
        let name = Hash(id.0);
        let stored = self.make_room(turn, chunk.len() as u64).and_then(|room| {
            if !room {
                return Err(StoreError::Full.into());
            }
            transaction(turn.cx, Durability::Acknowledged, |cx| {
                Ok(cx
                    .store
                    .chunk_put(space, name, n, chunk_hash(chunk), chunk)?)
            })
        });
        if let Err(error) = stored {
            return self.fetch_failed(turn, at, &error);
        }
        self.count_bytes(chunk.len() as u64);
        let Some(fetch) = self.blobs.fetches.get_mut(&at) else {
            return;
        };
        fetch.missing.remove(&n);
        let left = fetch.missing.len();
        self.blob_changed(turn.cx.now, at);
        if left == 0 {
            if let Err(error) = self.fetched(turn, at) {
                self.fetch_failed(turn, at, &error);
            }
        } else if left.is_multiple_of(TELL_CHUNKS) {
            self.tell_askers(turn, at);
        }
    }

    /// All of a blob is here.
    fn fetched(&mut self, turn: &mut Turn<'_, '_>, at: BlobAt) -> Result<(), EchoError> {
        let (space, id) = at;
        // Others may let go of theirs when they hear of this one.
        let kept = transaction(turn.cx, Durability::Synced, |cx| {
            let blobs = Blobs(space);
            let Some(mut blob) = blobs.get(&mut *cx.store, Hash(id.0))? else {
                return Err(EchoError::Damaged { what: "blob" });
            };
            blob.state.wanted = false;
            blobs.put(&mut *cx.store, &blob)?;
            Ok(blob.state.pinned)
        })?;
        self.end_fetch(turn, at);
        self.tell_askers(turn, at);
        if kept {
            self.tell_kept(turn, at, true);
        }
        Ok(())
    }

    /// Nothing more of a blob is asked for.
    pub(super) fn end_fetch(&mut self, turn: &mut Turn<'_, '_>, at: BlobAt) {
        let (space, blob) = at;
        self.blobs.queue.remove(&at);
        if self.blobs.fetches.remove(&at).is_some() {
            let forget = BlobMessage::Forget { blob };
            self.tell_asked(turn, space, &forget);
        }
        self.blob_changed(turn.cx.now, at);
        self.start_fetches(turn);
    }

    /// Tells peers that this device keeps all of a blob, or does not any more.
    pub(super) fn tell_kept(&mut self, turn: &mut Turn<'_, '_>, (space, blob): BlobAt, kept: bool) {
        for peer in self.open_peers(&space) {
            self.say_asking(turn, peer, space, &BlobMessage::Kept { blob, kept });
        }
    }

    /// Tells a peer all that this device keeps of a space.
    pub(super) fn tell_all_kept(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, space: SpaceId) {
        let rows = transaction(turn.cx, Durability::Acknowledged, |cx| {
            Blobs(space).all(&mut *cx.store)
        });
        let rows = rows.unwrap_or_default().into_iter();
        let kept = rows.filter(|blob| blob.state.pinned && blob.is_complete());
        for blob in kept.filter_map(|blob| blob.id()) {
            let message = BlobMessage::Kept { blob, kept: true };
            self.say_asking(turn, peer, space, &message);
        }
    }

    fn tell_asked(&mut self, turn: &mut Turn<'_, '_>, space: SpaceId, message: &BlobMessage) {
        let streams = self.blobs.asking.iter();
        let streams: Vec<_> = streams
            .filter(|((_, of), _)| *of == space)
            .map(|((peer, _), stream)| (*peer, *stream))
            .collect();
        for (peer, stream) in streams {
            self.send_blob(turn, peer, stream, message);
        }
    }

    /// What came could not be kept: it is asked for again when there may be room.
    fn fetch_failed(&mut self, turn: &mut Turn<'_, '_>, at: BlobAt, error: &EchoError) {
        tracing::warn!(space = %at.0, blob = %at.1, %error, "blob.not_stored");
        self.blobs.bytes = None;
        if let Some(fetch) = self.blobs.fetches.get_mut(&at) {
            fetch.no_room = true;
            fetch.asked.clear();
        }
        let again = turn.cx.now.plus_ms(STORAGE_RETRY_MS);
        self.blobs.retry_at.get_or_insert(again);
        self.blob_changed(turn.cx.now, at);
    }

    /// Passes over peers that did not answer in time.
    pub(super) fn give_up_waiting(&mut self, now: Tick) {
        for fetch in self.blobs.fetches.values_mut() {
            if fetch.answer_due().is_none_or(|due| due > now) {
                continue;
            }
            let late = |(peer, due): &(PeerId, Tick)| (*due <= now).then_some(*peer);
            let mut slow: BTreeSet<PeerId> = fetch.asked.values().filter_map(late).collect();
            slow.extend(fetch.manifest_asked.as_ref().and_then(late));
            fetch.asked.retain(|_, (_, due)| *due > now);
            fetch.manifest_asked.take_if(|(_, due)| *due <= now);
            for peer in slow {
                if let Some(holder) = fetch.holders.get_mut(&peer) {
                    holder.slow = true;
                }
            }
            self.blobs.asks_due = true;
        }
    }

    /// Asks for what is missing, within the bounds of each peer.
    pub(super) fn ask_chunks(&mut self, turn: &mut Turn<'_, '_>) {
        let mut load: BTreeMap<PeerId, usize> = BTreeMap::new();
        for fetch in self.blobs.fetches.values() {
            for (peer, _) in fetch.asked.values() {
                *load.entry(*peer).or_default() += 1;
            }
        }
        let mut asks = Vec::new();
        for (at, fetch) in &mut self.blobs.fetches {
            if !fetch.no_room {
                let next = fetch.next(turn.cx.now, &mut load);
                asks.extend(next.into_iter().map(|(peer, asking)| (peer, *at, asking)));
            }
        }
        for (peer, (space, blob), asking) in asks {
            let Some(stream) = self.blobs.asking.get(&(peer, space)).copied() else {
                continue;
            };
            let message = match asking {
                Asking::Manifest => BlobMessage::WantManifest { blob },
                Asking::Chunks(chunks) => BlobMessage::Want { blob, chunks },
            };
            self.send_blob(turn, peer, stream, &message);
        }
    }

    /// A blob is wanted from now on.
    pub(super) fn fetch_blob(
        &mut self,
        turn: &mut Turn<'_, '_>,
        space: SpaceId,
        id: BlobId,
    ) -> Result<(), EchoError> {
        let now = turn.cx.now;
        let complete = transaction(turn.cx, Durability::Acknowledged, |cx| {
            let blobs = Blobs(space);
            let mut blob = blobs.get_or_make(&mut *cx.store, id, now)?;
            let complete = blob.is_complete();
            if !complete && !blob.state.wanted {
                blob.state.wanted = true;
                blobs.put(&mut *cx.store, &blob)?;
            }
            Ok::<_, EchoError>(complete)
        })?;
        if !complete && !self.blobs.fetches.contains_key(&(space, id)) {
            self.blobs.queue.insert((space, id));
            self.start_fetches(turn);
        }
        Ok(())
    }
}
