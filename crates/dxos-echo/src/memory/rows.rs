//! The rows of the store: every table as one kind of key in one ordered map.
//!
//! Invariant: within a table keys sort as its reads want them.

use crate::blob_store::BlobRow;
use crate::store::{BranchRow, EntryRow, FeedRow, Findable, ObjectRow};
use dxos_base::{FeedId, Hash, ObjectId, SpaceId, TextId};

/// Names a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// Profile-wide value.
    Setting(String),
    /// Credential by place of arrival.
    Credential(SpaceId, u64, Hash),
    /// Place of a credential.
    CredentialHash(SpaceId, Hash),
    /// Last place given to a credential.
    CredentialNumber(SpaceId),
    Feed(SpaceId, FeedId),
    Entry(SpaceId, FeedId, u64),
    /// The entry waits.
    Waiting(SpaceId, FeedId, u64),
    /// An object, and the entry that changes it.
    Touch(SpaceId, ObjectId, FeedId, u64),
    /// An entry of a branch of a forked feed.
    Branch(SpaceId, FeedId, Hash),
    /// A blob, by name.
    Blob(SpaceId, Hash),
    /// A blob's manifest.
    Manifest(SpaceId, Hash),
    /// A chunk of a blob.
    Chunk(SpaceId, Hash, u32),
    /// A blob, and the entry that refers to it.
    BlobUse(SpaceId, Hash, FeedId, u64),
    Pending(SpaceId, u64),
    /// Last number given to a pending change set.
    PendingNumber(SpaceId),
    Object(SpaceId, ObjectId),
    /// Object by type name.
    OfType(SpaceId, String, ObjectId),
    /// Object by property value.
    Index(SpaceId, String, Vec<u8>, ObjectId),
    /// Target, then the object that refers to it.
    Reference(SpaceId, ObjectId, ObjectId),
    TextSnapshot(SpaceId, TextId),
    TextTail(SpaceId, TextId, u64),
    /// Last number given to an update of the text.
    TextNumber(SpaceId, TextId),
}

impl Key {
    /// The space a row belongs to.
    pub(super) fn space(&self) -> Option<SpaceId> {
        match self {
            Key::Setting(_) => None,
            Key::Credential(space, ..)
            | Key::CredentialHash(space, _)
            | Key::CredentialNumber(space)
            | Key::Feed(space, _)
            | Key::Entry(space, ..)
            | Key::Waiting(space, ..)
            | Key::Touch(space, ..)
            | Key::Branch(space, ..)
            | Key::Blob(space, _)
            | Key::Manifest(space, _)
            | Key::Chunk(space, ..)
            | Key::BlobUse(space, ..)
            | Key::Pending(space, _)
            | Key::PendingNumber(space)
            | Key::Object(space, _)
            | Key::OfType(space, ..)
            | Key::Index(space, ..)
            | Key::Reference(space, ..)
            | Key::TextSnapshot(space, _)
            | Key::TextTail(space, ..)
            | Key::TextNumber(space, _) => Some(*space),
        }
    }

    /// Whether the row can be rebuilt from entries.
    pub(super) fn materialised(&self, of: SpaceId) -> bool {
        let object = matches!(
            self,
            Key::Object(..) | Key::OfType(..) | Key::Index(..) | Key::Reference(..)
        );
        object && self.space() == Some(of)
    }

    /// The text a row belongs to.
    pub(super) fn text(&self, of: SpaceId) -> Option<TextId> {
        match self {
            Key::TextSnapshot(space, text) | Key::TextTail(space, text, _) if *space == of => {
                Some(*text)
            }
            _ => None,
        }
    }
}

/// What a row holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Row {
    /// Nothing: its key says all.
    Mark,
    Number(u64),
    Bytes(Vec<u8>),
    Feed(FeedRow),
    Entry(EntryRow),
    Branch(BranchRow),
    Blob(BlobRow),
    Chunk(Hash, Vec<u8>),
    Object(Box<ObjectRecord>),
}

impl Row {
    /// The bytes of a row of bytes.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        if let Row::Bytes(bytes) = self {
            Some(bytes.clone())
        } else {
            None
        }
    }
}

/// An object with what makes it findable.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ObjectRecord {
    pub(super) row: ObjectRow,
    pub(super) findable: Findable,
}
