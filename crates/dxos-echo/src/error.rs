//! Why ECHO refused a local call. What comes from peers never causes these: it is refused entry by entry
//! ([`Refusal`](crate::Refusal)).

use dxos_base::{ObjectId, SpaceId};

use crate::store::StoreError;
use crate::text::TextError;

/// Why a call of a [`Space`](crate::Space) failed; the caller rolls the transaction back and reloads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EchoError {
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A query over a limit, or one that makes no sense.
    #[error(transparent)]
    Query(#[from] dxos_base::query::QueryError),
    /// The text engine failed or refused the change.
    #[error(transparent)]
    Text(#[from] TextError),
    /// No such object in this space.
    #[error("object {object} is not in space {space}")]
    NotFound {
        /// The space asked.
        space: SpaceId,
        /// The object asked for.
        object: ObjectId,
    },
    /// The object has been created before.
    #[error("object {object} exists already")]
    Exists {
        /// The object.
        object: ObjectId,
    },
    /// A record of a queue is appended, deleted and restored, never changed.
    #[error("object {object} is a record of a queue and does not change")]
    Immutable {
        /// The record, or what was to become one.
        object: ObjectId,
    },
    /// A path that is empty where it may not be, too deep, or names a reserved field.
    #[error("\"{path}\" cannot be written: {detail}")]
    BadPath {
        /// The path, as text.
        path: String,
        /// What is wrong.
        detail: &'static str,
    },
    /// A value over its limit or not of the kind the place holds.
    #[error("the value of \"{path}\" cannot be written: {detail}")]
    BadValue {
        /// The path, as text.
        path: String,
        /// What is wrong.
        detail: &'static str,
    },
    /// The register stands at the top of the clock's range (malice only); a cut of the culprit frees it.
    #[error("\"{path}\" was written with the greatest possible clock; nothing can replace it")]
    ClockExhausted {
        /// The path, as text.
        path: String,
    },
    /// This device has opened all the feeds it may in this space.
    #[error("this device has used up its feeds in space {space}")]
    NoFeedLeft {
        /// The space.
        space: SpaceId,
    },
    /// A stored row does not decode: repair by [`Space::rebuild`](crate::Space::rebuild).
    #[error("a stored {what} is damaged")]
    Damaged {
        /// Which kind of row.
        what: &'static str,
    },
}
