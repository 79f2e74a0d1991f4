//! Blobs, as clients put them in, read them and see how far they are.

use serde::{Deserialize, Serialize};

use dxos_base::{BlobId, BlobKey, Hash, SpaceId};

/// What is done with a blob on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlobKeeping {
    /// What is missing is fetched from whoever has it, now and whenever peers are met.
    Fetch,
    /// No more is fetched; what is here stays until the room is needed.
    Stop,
    /// Fetched, and kept here whatever else needs room.
    Pin,
    /// May go when the room is needed.
    Unpin,
}

/// A blob being put in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobUpload {
    /// Names it until it has its id.
    pub upload: Hash,
    /// Opens it; goes into references.
    pub key: BlobKey,
    /// Its id, once all of it is here.
    pub blob: Option<BlobId>,
    /// Pieces still to be given, in order.
    pub missing: Vec<u32>,
}

/// How far a blob is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlobLife {
    /// Nothing of it is here, and nothing is fetched.
    Absent,
    /// Parts of it are here, and nothing is fetched.
    Partial,
    /// Waits for a peer that has more of it.
    Waiting,
    /// Comes from this many peers.
    Fetching {
        /// How many.
        peers: u32,
    },
    /// Waits for room: the bound on this device is reached, or the disk is full.
    NoRoom,
    /// All of it is here.
    Here,
}

/// A blob on this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobView {
    /// The space.
    pub space: SpaceId,
    /// The blob.
    pub blob: BlobId,
    /// Its length, once known.
    pub bytes: Option<u64>,
    /// How much of it is here.
    pub bytes_here: u64,
    /// How far it is.
    pub life: BlobLife,
    /// A person wants it kept here.
    pub pinned: bool,
}

/// What blobs take on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobUsage {
    /// What all take.
    pub bytes: u64,
    /// What they may take.
    pub bytes_max: u64,
}
