//! Open texts and the editors looking at them. The node is where concurrent editing is put in line: each editor
//! stands on the version it was last told, and a change on an older version is carried over what came since.
//!
//! Invariants
//! * every editor that is not waiting for the answer to a repeated write was told the current version, or is told it as
//!   soon as a lost text is in the engine again;
//! * a step's `base` is the version of the step before it.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use dxos_base::text::{ARRIVING, transform};
use dxos_base::{TextDelta, TextId};
use dxos_services::{Failure, TextAddress};

use crate::event::ChannelId;

/// Steps kept for editors that are behind; older bases are answered by the engine's diff.
const LOG_STEPS_MAX: usize = 512;

/// One change of an open text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// The version before.
    pub(crate) base: Vec<u8>,
    /// The version after.
    pub(crate) version: Vec<u8>,
    /// What changed.
    pub(crate) delta: TextDelta,
}

/// An editor of an open text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Editor {
    /// Version last told or acknowledged to it.
    pub(crate) told: Vec<u8>,
    /// It will repeat this write, whose answer it lost; nothing is told before.
    pub(crate) repeats: Option<u64>,
}

/// A text held open by editors.
#[derive(Debug)]
pub(crate) struct OpenText {
    /// Engine id.
    pub(crate) text: TextId,
    /// Current version.
    pub(crate) version: Vec<u8>,
    /// It is not in the engine, and why: it is opened again as soon as that is possible.
    pub(crate) lost: Option<Failure>,
    /// Who looks at it.
    pub(crate) editors: BTreeMap<ChannelId, Editor>,
    log: VecDeque<Step>,
}

/// The last write of one client on one text, kept in the same transaction as the write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TextRepeat {
    /// The write's number.
    pub(crate) n: u64,
    /// The version it stood on.
    pub(crate) base: Vec<u8>,
    /// What it was carried over: how `base` became the version before the write.
    pub(crate) over: Vec<Step>,
    /// The version before it.
    pub(crate) before: Vec<u8>,
    /// The version after it.
    pub(crate) after: Vec<u8>,
}

impl TextRepeat {
    /// What a client that stands on `base` still has to hear of the steps its write was carried over; `None` if
    /// it does not stand between the write's base and the write.
    pub(crate) fn rest(mut self, base: &[u8]) -> Option<(TextRepeat, Vec<Step>)> {
        if self.after == base {
            return None;
        }
        let heard = match self.over.iter().position(|step| step.base == base) {
            Some(heard) => heard,
            None if self.before == base => self.over.len(),
            None => return None,
        };
        let over = self.over.split_off(heard);
        Some((self, over))
    }
}

/// Storage key of a client's [`TextRepeat`] on a text.
pub(crate) fn repeat_key(client: &dxos_services::ClientId, text: &TextAddress) -> String {
    let client = dxos_base::PeerId(client.0);
    format!(
        "client/{client}/{}/{}/{}",
        text.space, text.object, text.property
    )
}

impl OpenText {
    pub(crate) fn new(text: TextId, version: Vec<u8>) -> Self {
        OpenText {
            text,
            version,
            lost: None,
            editors: BTreeMap::new(),
            log: VecDeque::new(),
        }
    }

    /// Records that the text changed; `version` is the one after.
    pub(crate) fn step(&mut self, delta: TextDelta, version: Vec<u8>) {
        let base = std::mem::replace(&mut self.version, version.clone());
        self.log.push_back(Step {
            base,
            version,
            delta,
        });
        if self.log.len() > LOG_STEPS_MAX {
            self.log.pop_front();
        }
    }

    /// The steps from `base` to now, if the log reaches back to it.
    pub(crate) fn since(&self, base: &[u8]) -> Option<Vec<Step>> {
        if base == self.version {
            return Some(Vec::new());
        }
        let start = self.log.iter().rposition(|step| step.base == base)?;
        dxos_base::invariant!(
            self.log
                .back()
                .is_some_and(|last| last.version == self.version),
            "the log of an open text ends at its version"
        );
        Some(self.log.iter().skip(start).cloned().collect())
    }
}

/// A change carried over what came to the node before it.
pub(crate) fn carry(delta: &TextDelta, over: &[Step]) -> TextDelta {
    over.iter().fold(delta.clone(), |delta, step| {
        transform(&delta, &step.delta, ARRIVING)
    })
}
