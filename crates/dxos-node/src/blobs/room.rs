//! Room: what blobs take on this device, what goes when it is needed, what goes because nothing refers to it.

use dxos_base::{SpaceId, Tick, limits};
use dxos_echo::EchoError;
use dxos_echo::blobs::{Blobs, StoredBlob};
use dxos_echo::store::Durability;

use crate::event::Context;
use crate::node::{Node, NodeError, Turn};
use crate::space::transaction;

/// Storage key of what blobs may take on this device, if a person set it.
const BYTES_MAX: &str = "node/blob-bytes-max";
/// Looking for what nothing refers to begins so long after a space with blobs is open, and is done again after this.
const SWEEP_FIRST_MS: u64 = 60_000;
const SWEEP_MS: u64 = 3_600_000;
/// Room made beyond what is needed, so that not every chunk makes some.
const SPARE_BYTES: u64 = 64 * limits::BLOB_PIECE_BYTES as u64;

impl Node {
    pub(crate) fn load_blob_bounds(&mut self, cx: &mut Context<'_>) -> Result<(), NodeError> {
        if let Some(bytes) = cx.store.get(BYTES_MAX)? {
            self.blobs.bytes_max = dxos_base::decode(&bytes, 16)?;
        }
        Ok(())
    }

    pub(super) fn set_blob_bytes_max(
        &mut self,
        turn: &mut Turn<'_, '_>,
        max: u64,
    ) -> Result<(), EchoError> {
        transaction(turn.cx, Durability::Acknowledged, |cx| {
            Ok::<_, EchoError>(cx.store.set(BYTES_MAX, Some(&dxos_base::encode(&max)))?)
        })?;
        self.blobs.bytes_max = max;
        self.make_room(turn, 0)?;
        // What waited for room may have it now.
        self.blobs.retry_at = Some(turn.cx.now);
        Ok(())
    }

    /// Bytes of all chunks stored.
    pub(super) fn blob_bytes(&mut self, turn: &mut Turn<'_, '_>) -> Result<u64, EchoError> {
        if let Some(bytes) = self.blobs.bytes {
            return Ok(bytes);
        }
        let bytes = transaction(turn.cx, Durability::Acknowledged, |cx| {
            Ok::<_, EchoError>(cx.store.chunks_bytes()?)
        })?;
        self.blobs.bytes = Some(bytes);
        Ok(bytes)
    }

    /// So many bytes of chunks were stored.
    pub(super) fn count_bytes(&mut self, more: u64) {
        if let Some(bytes) = &mut self.blobs.bytes {
            *bytes += more;
        }
    }

    /// Whether so many bytes more may be stored; lets go of what was read longest ago, if need be.
    pub(super) fn make_room(
        &mut self,
        turn: &mut Turn<'_, '_>,
        needed: u64,
    ) -> Result<bool, EchoError> {
        let max = self.blobs.bytes_max;
        let held = self.blob_bytes(turn)?;
        if held.saturating_add(needed) <= max {
            return Ok(true);
        }
        let spaces: Vec<SpaceId> = self.spaces.keys().copied().collect();
        let kept = self.kept_elsewhere();
        let gone = transaction(turn.cx, Durability::Acknowledged, |cx| {
            let mut candidates: Vec<(SpaceId, StoredBlob)> = Vec::new();
            for space in spaces {
                let blobs = Blobs(space).all(&mut *cx.store)?;
                let idle = blobs.into_iter().filter(StoredBlob::is_idle);
                let spare = idle.filter(|blob| {
                    let elsewhere = blob.id().is_some_and(|id| kept.contains(&(space, id)));
                    !blob.state.authored || elsewhere
                });
                candidates.extend(spare.map(|blob| (space, blob)));
            }
            candidates.sort_by_key(|(space, blob)| (blob.used_ms, *space, blob.name));
            let mut over = held.saturating_add(needed).saturating_sub(max);
            let all: u64 = candidates.iter().map(|(_, blob)| blob.chunks_bytes).sum();
            if all < over {
                // Nothing goes in vain.
                return Ok(Vec::new());
            }
            over = over.saturating_add(SPARE_BYTES.min(max / 16));
            let mut gone = Vec::new();
            for (space, blob) in candidates {
                if over == 0 {
                    break;
                }
                over = over.saturating_sub(blob.chunks_bytes);
                cx.store.blob_remove(space, blob.name)?;
                gone.push((space, blob));
            }
            Ok::<_, EchoError>(gone)
        })?;
        self.let_go_of(turn.cx.now, gone);
        let held = self.blob_bytes(turn)?;
        Ok(held.saturating_add(needed) <= max)
    }

    fn let_go_of(&mut self, now: Tick, gone: Vec<(SpaceId, StoredBlob)>) {
        for (space, blob) in gone {
            tracing::info!(%space, bytes = blob.chunks_bytes, "blob.let_go");
            if let Some(bytes) = &mut self.blobs.bytes {
                *bytes = bytes.saturating_sub(blob.chunks_bytes);
            }
            match blob.id() {
                Some(id) => self.blob_changed(now, (space, id)),
                None => drop(self.blobs.uploads.remove(&(space, blob.name))),
            }
        }
    }

    /// Some blob is here: what nothing refers to is looked for by and by.
    pub(super) fn plan_sweep(&mut self, now: Tick) {
        self.blobs
            .sweep_at
            .get_or_insert(now.plus_ms(SWEEP_FIRST_MS));
    }

    /// Lets go of what nothing has referred to for long enough.
    pub(super) fn sweep(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.cx.now;
        self.blobs.sweep_at = Some(now.plus_ms(SWEEP_MS));
        for space in self.spaces.keys().copied().collect::<Vec<_>>() {
            let gone = transaction(turn.cx, Durability::Acknowledged, |cx| {
                Blobs(space).collect(&mut *cx.store, now)
            });
            match gone {
                Ok(gone) => {
                    for id in gone.iter().filter_map(StoredBlob::id) {
                        self.end_fetch(turn, (space, id));
                    }
                    let gone = gone.into_iter().map(|blob| (space, blob)).collect();
                    self.let_go_of(now, gone);
                }
                Err(error) => tracing::warn!(%space, %error, "blob.not_collected"),
            }
        }
    }
}
