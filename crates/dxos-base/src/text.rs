//! Changes to text as editors, nodes and engines speak them, and how concurrent ones are put in order.
//!
//! Positions are UTF-16 units.

use serde::{Deserialize, Serialize};

/// One replaced range of a text; positions in UTF-16 units of the text before the whole change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextChange {
    /// Start.
    pub from: u32,
    /// Units removed.
    pub delete: u32,
    /// What stands there afterwards.
    pub insert: String,
}

/// Changes of one step: sorted by `from`, not overlapping, all positions in the text before the step.
pub type TextDelta = Vec<TextChange>;
