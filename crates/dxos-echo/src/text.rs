//! What ECHO asks of a text CRDT.
//!
//! Positions are UTF-16 units. A *version* is an opaque token (engine frontiers, canonical bytes). Engine types
//! never leave `dxos-text`. What every engine must do stands in [`conformance`].

pub mod conformance;

use serde::{Deserialize, Serialize};

use dxos_base::{Hash, TextDelta, TextId};

/// Why a text call failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A position past the end, inside a surrogate pair, unsorted or overlapping.
    #[error("the change does not fit the text: {detail}")]
    BadChange {
        /// What did not fit.
        detail: String,
    },
    /// Bytes the engine does not understand, or on which it gave up; nothing was changed.
    #[error("the text update is malformed: {detail}")]
    BadUpdate {
        /// The engine's words.
        detail: String,
    },
    /// A version token that is not of this text.
    #[error("unknown text version")]
    BadVersion,
    /// The text is not open.
    #[error("text is not open")]
    NotOpen,
    /// The engine is not loaded or died; it is loaded again at the next open.
    #[error("the text engine is not available: {detail}")]
    Unavailable {
        /// Why.
        detail: String,
    },
}

/// What an update holds, read without importing it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateRange {
    /// Engine peer whose operations it holds.
    pub peer: u64,
    /// First operation counter.
    pub start: u32,
    /// One past the last.
    pub end: u32,
    /// Operations of other peers that must be there before: peer and counter of the last one each.
    pub after: Vec<(u64, u32)>,
}

/// What importing an update did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// False while operations it depends on are missing: keep it in the tail.
    pub applied: bool,
    /// How the visible text changed.
    pub delta: TextDelta,
}

/// The text engine: instances by text id, in memory only while open.
pub trait TextEngine {
    /// Opens (or replaces) the instance of `text` from a snapshot (may be empty) and updates; local operations
    /// will carry `peer`, which must be fresh for this session.
    fn open(
        &mut self,
        text: TextId,
        peer: u64,
        snapshot: &[u8],
        updates: &[&[u8]],
    ) -> Result<(), TextError>;
    /// Drops the instance.
    fn close(&mut self, text: TextId);
    /// Whether the instance is in memory.
    fn is_open(&self, text: TextId) -> bool;
    /// Applies a local change on the current version. What is to be replicated of it, [`TextEngine::export`] gives:
    /// making an update costs five times what the change costs.
    fn apply(&mut self, text: TextId, delta: &TextDelta) -> Result<(), TextError>;
    /// One update of all local changes since the last one given, or since opening; empty if there are none.
    fn export(&mut self, text: TextId) -> Result<Vec<u8>, TextError>;
    /// Applies a local change and gives the update of it and of those not given yet.
    fn edit(&mut self, text: TextId, delta: &TextDelta) -> Result<Vec<u8>, TextError> {
        self.apply(text, delta)?;
        self.export(text)
    }
    /// Imports a verified update (or full snapshot) of another replica.
    fn import(&mut self, text: TextId, update: &[u8]) -> Result<Imported, TextError>;
    /// The visible text.
    fn content(&mut self, text: TextId) -> Result<String, TextError>;
    /// Token of the current version.
    fn version(&mut self, text: TextId) -> Result<Vec<u8>, TextError>;
    /// How the text changed from version `from` to version `to`.
    fn diff(&mut self, text: TextId, from: &[u8], to: &[u8]) -> Result<TextDelta, TextError>;
    /// A full snapshot (never a shallow one).
    fn snapshot(&mut self, text: TextId) -> Result<Vec<u8>, TextError>;
    /// An anchor that stays with the place before unit `position` while others edit.
    fn anchor(&mut self, text: TextId, position: u32) -> Result<Vec<u8>, TextError>;
    /// Where an anchor is now.
    fn position(&mut self, text: TextId, anchor: &[u8]) -> Result<u32, TextError>;
    /// What an update holds; an update of several peers is refused as [`TextError::BadUpdate`].
    fn inspect(&mut self, update: &[u8]) -> Result<UpdateRange, TextError>;
    /// The print of the operations `from..to` of `peer` in an update or full snapshot: equal for equal operations,
    /// whatever they are read from. No text need be open. Refused as [`TextError::BadUpdate`] if `bytes` do not hold
    /// all of them. Costs as much as reading `bytes`.
    fn print(&mut self, bytes: &[u8], peer: u64, from: u32, to: u32) -> Result<Hash, TextError>;
}
