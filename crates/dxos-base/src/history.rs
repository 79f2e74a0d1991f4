//! What was written when and by whom, and moments to go back to.
//!
//! * A [`Stamp`] is one write's place in the one order of all writes (DESIGN 4.3); a [`Point`] is a set of writes.
//! * An [`Edit`] is a run of writes of one device to one object.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::ids::{FeedId, IdentityKey, ObjectId};
use crate::object::ObjectView;
use crate::path::Path;

/// A clock and the feed it belongs to: one total order over all writes (DESIGN 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Hybrid clock of the write.
    pub clock: Clock,
    /// Feed of the writer.
    pub feed: FeedId,
}

impl Stamp {
    /// Below every write.
    pub const ZERO: Stamp = Stamp {
        clock: Clock::ZERO,
        feed: FeedId([0; 16]),
    };
}

/// A moment in the history of a space: which writes had been made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Point {
    /// Those up to and with this one, in the order of all writes.
    Through(Stamp),
    /// Those of the entries up to and with these, by feed; of feeds not named none.
    Timeframe(BTreeMap<FeedId, u64>),
}

impl Point {
    /// Whether a write had been made; `seq` is the place of its entry in its feed.
    pub fn covers(&self, stamp: Stamp, seq: u64) -> bool {
        match self {
            Point::Through(last) => stamp <= *last,
            Point::Timeframe(frame) => frame.get(&stamp.feed).is_some_and(|last| seq <= *last),
        }
    }
}

/// A run of writes of one device to one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// Its first write.
    pub first: Stamp,
    /// Its last write: `Point::Through(last)` is the object after it.
    pub last: Stamp,
    /// By whom; `None` if the space's credentials do not tell (yet).
    pub by: Option<IdentityKey>,
    /// How many writes it is made of.
    pub writes: u64,
    /// What was written, by the top-level property; the empty name is the object itself (deleted, brought back).
    pub properties: BTreeMap<String, EditKind>,
    /// It is the first that is known of the object.
    pub begins: bool,
}

/// What was done to a property. Of several the greater one is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EditKind {
    /// Elements were moved.
    Moved,
    /// A counter counted.
    Counted,
    /// A text was typed in.
    Typed,
    /// Something in it or all of it was set.
    Set,
    /// It was removed.
    Removed,
}

/// Edits of an object, the latest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HistoryPage {
    /// Those asked for.
    pub edits: Vec<Edit>,
    /// Edits of the object in all.
    pub total: u64,
}

/// How much of a history is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryWindow {
    /// Only edits whose last write came before this one; `None`: from the latest on.
    pub before: Option<Stamp>,
    /// Edits at most; see [`HISTORY_EDITS_MAX`](crate::limits::HISTORY_EDITS_MAX).
    pub limit: u32,
    /// Writes of one device that are at most so many milliseconds apart are one edit, unless another device wrote
    /// between them.
    pub pause_ms: u64,
}

/// An object as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// How it showed; parents deleted then are not looked at.
    pub object: ObjectView,
    /// What its texts said, by place.
    pub texts: BTreeMap<Path, String>,
}

/// What restoring did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Restored {
    /// Objects that were changed.
    pub objects: Vec<ObjectId>,
}
