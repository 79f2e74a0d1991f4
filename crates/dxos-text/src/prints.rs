//! Prints of operations: what two updates that hold the same operations of a session agree on.
//!
//! An update is read into a document of its own that shows nothing. What its operations depend on is filled in
//! with as many empty operations, so it is read without the text it belongs to.
//!
//! Invariant: the print of a range is the same from whatever update or snapshot it is read. It covers what each
//! operation does and which operations it follows. Not in it: Lamport times, which the engine makes from those; times
//! and messages, which change no text.

use std::collections::BTreeMap;

use dxos_base::{Hash, hash};
use dxos_echo::text::TextError;
use loro::json::{JsonChange, JsonOp, JsonOpContent, JsonSchema, TextOp};
use loro::{EncodedBlobMode, Frontiers, ID, IdSpan, LoroDoc};

use crate::engine::{CONTAINER, bad_update, check_shape};

/// Bytes hashed at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// The print of the operations `from..to` of `peer` in an update or full snapshot that holds all of them.
pub(crate) fn print(bytes: &[u8], peer: u64, from: u32, to: u32) -> Result<Hash, TextError> {
    check_shape(bytes)?;
    let meta = LoroDoc::decode_import_blob_meta(bytes, true).map_err(bad_update)?;
    let doc = LoroDoc::new();
    // What is imported is not applied.
    doc.detach();
    if meta.mode == EncodedBlobMode::Updates {
        // What an update begins with need not name the operation before it: another one that it names may.
        let before = meta.partial_start_vv.iter();
        let before = before.map(|(peer, start)| ID::new(*peer, *start - 1));
        let filling = filling(meta.start_frontiers.iter().chain(before))?;
        doc.import_json_updates(filling).map_err(bad_update)?;
    }
    doc.import(bytes).map_err(bad_update)?;
    let start = meta.partial_start_vv.get(&peer).copied().unwrap_or(0);
    let end = doc.oplog_vv().get(&peer).copied().unwrap_or(0);
    let (Ok(from), Ok(to)) = (i32::try_from(from), i32::try_from(to)) else {
        return Err(refuse("an impossible range"));
    };
    if from < start || to > end {
        return Err(refuse("its operations cannot be read without others"));
    }
    let mut stream = Stream::default();
    for change in doc.export_json_in_id_span(IdSpan::new(peer, from, to)) {
        stream.put_change(&change);
    }
    Ok(stream.end())
}

fn refuse(detail: &str) -> TextError {
    TextError::BadUpdate {
        detail: detail.into(),
    }
}

/// Operations that do nothing, up to the given ones.
fn filling(until: impl Iterator<Item = ID>) -> Result<JsonSchema, TextError> {
    let mut ends: BTreeMap<u64, i32> = BTreeMap::new();
    for id in until.filter(|id| id.counter != -1) {
        let len = id.counter.checked_add(1).filter(|len| *len > 0);
        let len = len.ok_or_else(|| refuse("it depends on an impossible operation"))?;
        let end = ends.entry(id.peer).or_insert(0);
        *end = len.max(*end);
    }
    let change = |(peer, len): (u64, i32)| JsonChange {
        id: ID::new(peer, 0),
        timestamp: 0,
        deps: Vec::new(),
        lamport: 0,
        msg: None,
        ops: vec![JsonOp {
            // One operation of any length.
            content: JsonOpContent::Text(TextOp::Delete {
                pos: 0,
                len,
                start_id: ID::new(peer, 0),
            }),
            container: loro::ContainerID::new_root(CONTAINER, loro::ContainerType::Text),
            counter: 0,
        }],
    };
    Ok(JsonSchema {
        schema_version: 1,
        start_version: Frontiers::default(),
        peers: None,
        changes: ends.into_iter().map(change).collect(),
    })
}

/// Operations as bytes, one for each counter they take, hashed as they come.
#[derive(Default)]
struct Stream {
    before: Hash,
    bytes: Vec<u8>,
}

impl Stream {
    fn put_change(&mut self, change: &JsonChange) {
        let mut deps: Vec<(u64, i32)> =
            (change.deps.iter().map(|id| (id.peer, id.counter))).collect();
        deps.sort_unstable();
        for op in &change.ops {
            let container = op.container.to_string();
            // An operation within a change follows the one before it only.
            let first = op.counter == change.id.counter;
            let mut follows = match first {
                true => deps.clone(),
                false => vec![(change.id.peer, op.counter - 1)],
            };
            let mut put = |n: i32, what: (u8, i64, i64, u64, &str)| {
                if n > 0 {
                    follows.clear();
                    follows.push((change.id.peer, op.counter + n - 1));
                }
                self.put(&(&container, op.counter + n, &follows, what));
            };
            match &op.content {
                JsonOpContent::Text(TextOp::Insert { pos, text }) => {
                    for (n, c) in (0i32..).zip(text.chars()) {
                        let at = i64::from(*pos) + i64::from(n);
                        put(n, (0, at, i64::from(u32::from(c)), 0, ""));
                    }
                }
                JsonOpContent::Text(TextOp::Delete { pos, len, start_id }) => {
                    let (pos, of) = (i64::from(*pos), i64::from(start_id.counter));
                    for n in 0..i64::from(len.unsigned_abs()) {
                        // Forwards the place stays; backwards the last of the span goes first.
                        let (at, of) = match *len > 0 {
                            true => (pos, of + n),
                            false => (pos - n, of - i64::from(*len) - 1 - n),
                        };
                        put(n as i32, (1, at, of, start_id.peer, ""));
                    }
                }
                other => put(0, (2, 0, 0, 0, &format!("{other:?}"))),
            }
        }
    }

    fn put(&mut self, operation: &impl serde::Serialize) {
        self.bytes.extend(dxos_base::encode(operation));
        if self.bytes.len() >= CHUNK_BYTES {
            self.before = self.hash();
            self.bytes.clear();
        }
    }

    fn hash(&self) -> Hash {
        hash("text operations", &[&self.before.0, &self.bytes])
    }

    fn end(self) -> Hash {
        self.hash()
    }
}

#[cfg(test)]
mod tests;
