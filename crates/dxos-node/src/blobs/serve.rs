//! Answering peers: what is here of a blob, manifests, chunks as fast as the peer takes them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dxos_base::blob::Piece;
use dxos_base::{BlobId, Hash, PeerId, SpaceId, limits};
use dxos_echo::EchoError;
use dxos_echo::blobs::Blobs;
use dxos_echo::store::Durability;
use dxos_mesh::StreamId;

use super::BlobAt;
use super::wire::{BLOB_VERSION, BlobMessage, Held};
use crate::node::{Node, Turn};
use crate::space::transaction;

/// Chunks a peer may want at once: more than one that keeps to its own bounds.
const WANTED_MAX: usize = 8 * limits::BLOB_CHUNKS_ASKED_MAX;
/// Bytes that wait on a stream before the next chunk is read.
const QUEUED_BYTES_MAX: usize = 2 * limits::BLOB_PIECE_BYTES;
/// Chunks after which those who ask hear that more of a blob is here.
pub(super) const TELL_CHUNKS: usize = 16;

/// A stream on which a peer asks.
#[derive(Debug, Default)]
pub(super) struct Serving {
    pub(super) space: Option<SpaceId>,
    /// What it wants to hear of, and whether it heard of it.
    asked: BTreeMap<BlobId, bool>,
    wanted: VecDeque<(BlobId, u32)>,
    /// What it has all of and keeps.
    kept: BTreeSet<BlobId>,
}

impl Node {
    pub(crate) fn blob_stream_opened(&mut self, peer: PeerId, stream: StreamId) {
        self.blobs
            .serving
            .insert((peer, stream), Serving::default());
    }

    pub(super) fn serve_message(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        stream: StreamId,
        message: BlobMessage,
    ) {
        let Some(serving) = self.blobs.serving.get_mut(&(peer, stream)) else {
            return;
        };
        let served = (serving.space).filter(|space| {
            let conversation = self.conversations.get(&peer);
            conversation.is_some_and(|conversation| conversation.is_served(space))
        });
        match message {
            BlobMessage::Open { version, space } if serving.space.is_none() => {
                if version != BLOB_VERSION {
                    return self.close_blob_stream(turn, peer, stream);
                }
                serving.space = Some(space);
            }
            BlobMessage::Ask { blob } => {
                if serving.asked.len() < limits::BLOB_ASKED_MAX {
                    serving.asked.insert(blob, false);
                    if let Some(space) = served {
                        self.tell_held(turn, peer, stream, (space, blob));
                    }
                }
            }
            BlobMessage::WantManifest { blob } => {
                let Some(space) = served else { return };
                let read = transaction(turn.cx, Durability::Acknowledged, |cx| {
                    Ok::<_, EchoError>(cx.store.manifest(space, Hash(blob.0))?)
                });
                let answer = match read {
                    Ok(Some(manifest)) => BlobMessage::Manifest {
                        blob,
                        manifest: Piece(manifest),
                    },
                    _ => BlobMessage::Lacks { blob },
                };
                self.send_blob(turn, peer, stream, &answer);
            }
            BlobMessage::Want { blob, chunks } => {
                if serving.wanted.len() + chunks.len() > WANTED_MAX {
                    return self.blame(turn, peer, "peer.wants_too_much");
                }
                serving.wanted.extend(chunks.into_iter().map(|n| (blob, n)));
            }
            BlobMessage::Forget { blob } => {
                serving.asked.remove(&blob);
                serving.wanted.retain(|(wanted, _)| *wanted != blob);
            }
            BlobMessage::Kept { blob, kept: true } => {
                if serving.kept.len() < limits::BLOB_ASKED_MAX {
                    serving.kept.insert(blob);
                }
            }
            BlobMessage::Kept { blob, kept: false } => drop(serving.kept.remove(&blob)),
            _ => self.blame(turn, peer, "peer.blob_out_of_order"),
        }
    }

    /// Blobs of which a connected device says that it has all and keeps it.
    pub(super) fn kept_elsewhere(&self) -> BTreeSet<BlobAt> {
        let streams = self
            .blobs
            .serving
            .iter()
            .filter_map(|((peer, _), serving)| {
                let space = serving.space?;
                let served = self.serves(peer, &space);
                served.then_some((space, &serving.kept))
            });
        streams
            .flat_map(|(space, kept)| kept.iter().map(move |blob| (space, *blob)))
            .collect()
    }

    /// Answers what a peer asked before it could be served.
    pub(super) fn answer_asked(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, id: SpaceId) {
        let streams = self.blobs.serving.iter();
        let unheard: Vec<(StreamId, BlobId)> = streams
            .filter(|((of, _), serving)| *of == peer && serving.space == Some(id))
            .flat_map(|((_, stream), serving)| {
                let asked = serving.asked.iter().filter(|(_, heard)| !**heard);
                asked.map(|(blob, _)| (*stream, *blob))
            })
            .collect();
        for (stream, blob) in unheard {
            self.tell_held(turn, peer, stream, (id, blob));
        }
    }

    /// Tells all who ask for a blob what is here of it.
    pub(super) fn tell_askers(&mut self, turn: &mut Turn<'_, '_>, (space, blob): BlobAt) {
        let streams = self.blobs.serving.iter();
        let asking: Vec<(PeerId, StreamId)> = streams
            .filter(|(_, serving)| {
                serving.space == Some(space) && serving.asked.contains_key(&blob)
            })
            .map(|(place, _)| *place)
            .collect();
        for (peer, stream) in asking {
            if self.serves(&peer, &space) {
                self.tell_held(turn, peer, stream, (space, blob));
            }
        }
    }

    fn tell_held(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        stream: StreamId,
        (space, blob): BlobAt,
    ) {
        let held = transaction(turn.cx, Durability::Acknowledged, |cx| {
            let Some(stored) = Blobs(space).get(&mut *cx.store, Hash(blob.0))? else {
                return Ok(Held::Nothing);
            };
            if stored.is_complete() {
                return Ok(Held::All);
            }
            let hashes = cx.store.chunk_hashes(space, Hash(blob.0))?;
            Ok::<_, EchoError>(Held::of(hashes.into_iter().map(|(n, _)| n)))
        });
        let Ok(held) = held else { return };
        if let Some(serving) = self.blobs.serving.get_mut(&(peer, stream))
            && let Some(heard) = serving.asked.get_mut(&blob)
        {
            *heard = true;
        }
        self.send_blob(turn, peer, stream, &BlobMessage::Holds { blob, held });
    }

    /// Sends chunks that are wanted, as far as each stream takes them.
    pub(super) fn serve_wanted(&mut self, turn: &mut Turn<'_, '_>) {
        let wanting = self.blobs.serving.iter();
        let wanting: Vec<(PeerId, StreamId)> = wanting
            .filter(|(_, serving)| !serving.wanted.is_empty())
            .map(|(place, _)| *place)
            .collect();
        for (peer, stream) in wanting {
            while self.swarm.queued_bytes(&peer, stream) < QUEUED_BYTES_MAX {
                let Some(serving) = self.blobs.serving.get_mut(&(peer, stream)) else {
                    break;
                };
                let Some((blob, n)) = serving.wanted.pop_front() else {
                    break;
                };
                let Some(space) = serving.space.filter(|space| {
                    let conversation = self.conversations.get(&peer);
                    conversation.is_some_and(|conversation| conversation.is_served(space))
                }) else {
                    break;
                };
                let read = transaction(turn.cx, Durability::Acknowledged, |cx| {
                    Ok::<_, EchoError>(cx.store.chunk(space, Hash(blob.0), n)?)
                });
                let answer = match read {
                    Ok(Some(chunk)) => BlobMessage::Chunk {
                        blob,
                        n,
                        chunk: Piece(chunk),
                    },
                    _ => BlobMessage::Lacks { blob },
                };
                self.send_blob(turn, peer, stream, &answer);
            }
        }
    }
}
