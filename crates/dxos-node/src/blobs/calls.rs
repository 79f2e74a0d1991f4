//! Calls of clients about blobs.

use dxos_base::blob::{Piece, chunk_hash, piece_hash, piece_len, pieces_count, plain_hash};
use dxos_base::{BlobKey, Hash, SpaceId, limits};
use dxos_echo::EchoError;
use dxos_echo::blobs::Blobs;
use dxos_echo::store::Durability;
use dxos_services::{
    BlobKeeping, BlobLife, BlobUpload, BlobUsage, BlobView, Failure, FailureKind, Request, Response,
};

use super::{BlobAt, Upload, from_blob};
use crate::event::ChannelId;
use crate::failure::{failure, from_store, malformed, no_identity, no_space, not_allowed};
use crate::node::{Node, Turn};
use crate::space::transaction;

fn no_upload() -> Failure {
    failure(
        FailureKind::NotFound,
        "Putting in this file was not begun.",
        "Begin again: it goes on where it was.",
    )
}

fn no_blob_room() -> Failure {
    failure(
        FailureKind::StorageFull,
        "This device's room for files is used up.",
        "Remove files, or allow more room.",
    )
}

impl Node {
    pub(crate) fn blob_call(
        &mut self,
        turn: &mut Turn<'_, '_>,
        channel: ChannelId,
        request: Request,
    ) -> Result<Response, Failure> {
        match request {
            Request::BlobBegin {
                space,
                bytes,
                pieces,
            } => self.blob_begin(turn, space, bytes, pieces),
            Request::BlobPiece {
                space,
                upload,
                n,
                piece,
            } => self.blob_piece(turn, space, upload, n, &piece.0),
            Request::BlobFinish { space, upload } => self.blob_finish(turn, space, upload),
            Request::BlobRead {
                space,
                blob,
                key,
                n,
            } => self.blob_read(turn, (space, blob), key, n),
            Request::Blob {
                space,
                blob,
                follow,
            } => {
                let at = (space, blob);
                if let Some(channel) = self.channels.get_mut(&channel) {
                    match follow {
                        None => {}
                        Some(true) if channel.blobs.len() >= limits::BLOB_FOLLOWED_MAX => {
                            return Err(malformed("Too many files are followed."));
                        }
                        Some(true) => drop(channel.blobs.insert(at)),
                        Some(false) => drop(channel.blobs.remove(&at)),
                    }
                }
                if follow == Some(true) {
                    self.blob_changed(turn.cx.now, at);
                }
                self.blob_view(turn, at).map(Response::Blob)
            }
            Request::BlobKeep { space, blob, keep } => self.blob_keep(turn, (space, blob), keep),
            Request::BlobUsage { bytes_max } => {
                if let Some(max) = bytes_max {
                    self.set_blob_bytes_max(turn, max)
                        .map_err(|error| from_blob(&error))?;
                }
                let bytes = self.blob_bytes(turn).map_err(|error| from_blob(&error))?;
                Ok(Response::BlobUsage(BlobUsage {
                    bytes,
                    bytes_max: self.blobs.bytes_max,
                }))
            }
            _ => Err(malformed("This is no call about files.")),
        }
    }

    /// The key of a blob put in now: of the space key this member seals under, made if there is none.
    fn blob_key(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        plain: &Hash,
    ) -> Result<BlobKey, Failure> {
        let newest = |node: &Node| {
            let space = node.spaces.get(&id)?;
            let (_, key) = space.keyring.newest(space.graph.state())?;
            Some(BlobKey::derive(key, plain))
        };
        if let Some(key) = newest(self) {
            return Ok(key);
        }
        let (Some(space), Some(identity)) = (self.spaces.get_mut(&id), &self.identity) else {
            return Err(no_identity());
        };
        let sealed = transaction(turn.cx, Durability::Synced, |cx| {
            space.seal_entries(identity, cx)
        });
        let (entries, _) = sealed.map_err(|error| {
            self.storage_failed(turn, id, &error);
            from_blob(&error)
        })?;
        self.note_sealed(turn.cx.now, id);
        self.credentials_changed(turn, id);
        self.push_entries(turn, id, entries);
        newest(self).ok_or_else(|| not_allowed("You can read this space, but not change it."))
    }

    fn blob_begin(
        &mut self,
        turn: &mut Turn<'_, '_>,
        space: SpaceId,
        bytes: u64,
        pieces: Vec<Hash>,
    ) -> Result<Response, Failure> {
        self.check_writer(&space)?;
        let Some(count) = pieces_count(bytes) else {
            return Err(malformed("This file is larger than files may be."));
        };
        if pieces.len() != count as usize {
            return Err(malformed("A file has a hash for each of its pieces."));
        }
        let now = turn.cx.now;
        let key = self.blob_key(turn, space, &plain_hash(bytes, &pieces))?;
        let upload = key.upload();
        let begun = transaction(turn.cx, Durability::Acknowledged, |cx| {
            Blobs(space).begin(&mut *cx.store, upload, bytes, now)
        });
        self.plan_sweep(now);
        let (blob, missing) = match begun.map_err(|error| from_blob(&error))? {
            Ok(id) => (Some(id), Vec::new()),
            Err(missing) => {
                let needed = missing.iter().map(|n| piece_len(bytes, *n) as u64).sum();
                if !self.make_room(turn, needed).map_err(|e| from_blob(&e))? {
                    return Err(no_blob_room());
                }
                let told = missing.iter().copied().collect();
                self.forget_oldest_upload();
                let begun = Upload {
                    key,
                    bytes,
                    pieces,
                    missing,
                    touched: now,
                };
                self.blobs.uploads.insert((space, upload), begun);
                (None, told)
            }
        };
        Ok(Response::BlobUpload(BlobUpload {
            upload,
            key,
            blob,
            missing,
        }))
    }

    /// Makes room for one more; what is stored of it stays, and whoever puts it in begins again.
    fn forget_oldest_upload(&mut self) {
        if self.blobs.uploads.len() < limits::BLOB_UPLOADS_MAX {
            return;
        }
        let uploads = self.blobs.uploads.iter();
        let oldest = uploads.min_by_key(|(_, upload)| upload.touched);
        if let Some(place) = oldest.map(|(place, _)| *place) {
            self.blobs.uploads.remove(&place);
        }
    }

    fn blob_piece(
        &mut self,
        turn: &mut Turn<'_, '_>,
        space: SpaceId,
        name: Hash,
        n: u32,
        piece: &[u8],
    ) -> Result<Response, Failure> {
        let upload = self.blobs.uploads.get_mut(&(space, name));
        let upload = upload.ok_or_else(no_upload)?;
        upload.touched = turn.cx.now;
        let sound = upload.pieces.get(n as usize) == Some(&piece_hash(piece));
        if !sound || piece.len() != piece_len(upload.bytes, n) {
            return Err(failure(
                FailureKind::Malformed,
                "The file was changed while it was read.",
                "Try again.",
            ));
        }
        if !upload.missing.contains(&n) {
            return Ok(Response::Done);
        }
        let chunk = upload.key.seal(n, piece);
        if !self
            .make_room(turn, chunk.len() as u64)
            .map_err(|error| from_blob(&error))?
        {
            return Err(no_blob_room());
        }
        let stored = transaction(turn.cx, Durability::Acknowledged, |cx| {
            cx.store
                .chunk_put(space, name, n, chunk_hash(&chunk), &chunk)
        });
        if let Err(error) = stored {
            self.blobs.bytes = None;
            return Err(from_store(&error));
        }
        self.count_bytes(chunk.len() as u64);
        if let Some(upload) = self.blobs.uploads.get_mut(&(space, name)) {
            upload.missing.remove(&n);
        }
        Ok(Response::Done)
    }

    fn blob_finish(
        &mut self,
        turn: &mut Turn<'_, '_>,
        space: SpaceId,
        name: Hash,
    ) -> Result<Response, Failure> {
        let now = turn.cx.now;
        let upload = self.blobs.uploads.get(&(space, name));
        let upload = upload.ok_or_else(no_upload)?;
        if !upload.missing.is_empty() {
            return Err(malformed("Pieces of the file are missing."));
        }
        let key = upload.key;
        let finished = transaction(turn.cx, Durability::Synced, |cx| {
            Blobs(space).finish(&mut *cx.store, name, now)
        });
        // Whatever came of it, storage says how far it is when it is begun again.
        self.blobs.uploads.remove(&(space, name));
        let id = finished.map_err(|error| from_blob(&error))?;
        self.blobs.bytes = None;
        self.end_fetch(turn, (space, id));
        self.tell_askers(turn, (space, id));
        Ok(Response::BlobUpload(BlobUpload {
            upload: name,
            key,
            blob: Some(id),
            missing: Vec::new(),
        }))
    }

    fn blob_read(
        &mut self,
        turn: &mut Turn<'_, '_>,
        at: BlobAt,
        key: BlobKey,
        n: u32,
    ) -> Result<Response, Failure> {
        let ((space, id), now) = (at, turn.cx.now);
        let read = transaction(turn.cx, Durability::Acknowledged, |cx| {
            Ok::<_, EchoError>(cx.store.chunk(space, Hash(id.0), n)?)
        });
        let chunk = read.map_err(|error| from_blob(&error))?;
        let Some(chunk) = chunk else {
            if let Some(fetch) = self.blobs.fetches.get_mut(&at) {
                fetch.from = n;
            }
            return Ok(Response::BlobPiece(None));
        };
        if n == 0 {
            let noted = transaction(turn.cx, Durability::Acknowledged, |cx| {
                if let Some(mut blob) = Blobs(space).get(&mut *cx.store, Hash(id.0))? {
                    blob.used_ms = now.0;
                    Blobs(space).put(&mut *cx.store, &blob)?;
                }
                Ok::<_, EchoError>(())
            });
            if let Err(error) = noted {
                // On a full disk too what is here can be read.
                tracing::debug!(%space, %error, "blob.use_not_noted");
            }
        }
        match key.open(n, &chunk) {
            Ok(piece) => Ok(Response::BlobPiece(Some(Piece(piece)))),
            Err(_) => Err(failure(
                FailureKind::Malformed,
                "The reference does not open this file.",
                "Ask whoever put it in for another one.",
            )),
        }
    }

    fn blob_keep(
        &mut self,
        turn: &mut Turn<'_, '_>,
        at: BlobAt,
        keep: BlobKeeping,
    ) -> Result<Response, Failure> {
        let ((space, id), now) = (at, turn.cx.now);
        let pin = match keep {
            BlobKeeping::Pin => Some(true),
            BlobKeeping::Unpin => Some(false),
            BlobKeeping::Fetch | BlobKeeping::Stop => None,
        };
        let complete = transaction(turn.cx, Durability::Synced, |cx| {
            let blobs = Blobs(space);
            let store = &mut *cx.store;
            let known = match keep {
                BlobKeeping::Fetch | BlobKeeping::Pin => Some(blobs.get_or_make(store, id, now)?),
                BlobKeeping::Stop | BlobKeeping::Unpin => blobs.get(store, Hash(id.0))?,
            };
            let Some(mut blob) = known else {
                return Ok(false);
            };
            let before = blob.state.clone();
            blob.state.pinned = pin.unwrap_or(blob.state.pinned);
            if keep == BlobKeeping::Stop {
                blob.state.wanted = false;
            }
            if blob.state != before {
                blobs.put(store, &blob)?;
            }
            Ok::<_, EchoError>(blob.is_complete())
        });
        let complete = complete.map_err(|error| from_blob(&error))?;
        match keep {
            BlobKeeping::Fetch | BlobKeeping::Pin => {
                self.fetch_blob(turn, space, id)
                    .map_err(|error| from_blob(&error))?;
                if complete && keep == BlobKeeping::Pin {
                    self.tell_kept(turn, at, true);
                }
            }
            BlobKeeping::Stop => self.end_fetch(turn, at),
            BlobKeeping::Unpin => self.tell_kept(turn, at, false),
        }
        self.blob_changed(now, at);
        self.blob_view(turn, at).map(Response::Blob)
    }

    /// How far a blob is here.
    pub(super) fn blob_view(
        &mut self,
        turn: &mut Turn<'_, '_>,
        at: BlobAt,
    ) -> Result<BlobView, Failure> {
        let (space, id) = at;
        if !self.spaces.contains_key(&space) {
            return Err(no_space());
        }
        let row = transaction(turn.cx, Durability::Acknowledged, |cx| {
            Blobs(space).get(&mut *cx.store, Hash(id.0))
        });
        let row = row.map_err(|error| from_blob(&error))?;
        let fetch = self.blobs.fetches.get(&at);
        let life = match (&row, fetch) {
            (Some(row), _) if row.is_complete() => BlobLife::Here,
            (_, Some(fetch)) if fetch.no_room => BlobLife::NoRoom,
            (_, Some(fetch)) => match fetch.sources_count() {
                0 => BlobLife::Waiting,
                peers => BlobLife::Fetching { peers },
            },
            (_, None) if self.blobs.queue.contains(&at) => BlobLife::Waiting,
            (Some(row), None) if row.chunks_count > 0 => BlobLife::Partial,
            _ => BlobLife::Absent,
        };
        let bytes = row.as_ref().and_then(|row| row.state.bytes);
        let here = row.as_ref().map_or(0, |row| row.chunks_bytes);
        Ok(BlobView {
            space,
            blob: id,
            bytes,
            bytes_here: match life {
                BlobLife::Here => bytes.unwrap_or_default(),
                // Less what sealing adds.
                _ => here.saturating_sub(
                    row.as_ref()
                        .map_or(0, |row| 16 * u64::from(row.chunks_count)),
                ),
            },
            life,
            pinned: row.is_some_and(|row| row.state.pinned),
        })
    }
}
